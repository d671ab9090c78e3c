import { resolve } from 'node:path'
import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import type { FetchFlags } from '../fabric/fetch.ts'
import { clientHelp, type OrdererFlags, ordererFlags, type PeerFlags, peerFlags } from '../fabric-client/flags.ts'
import { UsageError } from '../failure.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'
import { coreOf } from './fabric-context.ts'

const PATH = 'kumiko fabric channel'

/** `kumiko fabric channel …`: as Fabric's `peer channel`. What asks no peer is `kumiko channel`. */
export function addFabricChannelCommand(fabric: Command): void {
  const channel = fabric.command('channel').description("A running peer's channels: as `peer channel`. Its files alone: kumiko channel.")
  addCreate(channel)
  addFetch(channel)
  addJoin(channel)
  addJoinBySnapshot(channel)
  addJoinStatus(channel)
  addList(channel)
  addUpdate(channel)
  addSignConfigTx(channel)
  addGetInfo(channel)
  examples(channel, [`${PATH} join -b mychannel.block`, `${PATH} list`, `${PATH} getinfo -c mychannel`])
}

type Flags = OrdererFlags & PeerFlags

/** A command that asks a peer, or an orderer. */
function asking(parent: Command, name: string): Command {
  return clientHelp(peerFlags(ordererFlags(parent.command(name))))
}

function addCreate(parent: Command): void {
  const command = asking(parent, 'create')
    .description(
      'Have an orderer with a system channel (Fabric up to 2.2) begin a channel, and fetch its block 0. Others: join the orderers by its block.',
    )
    .requiredOption('-c, --channelID <name>', 'the channel')
    .requiredOption('-f, --file <file>', 'the configuration update that creates it')
    .option('--outputBlock <file>', 'where block 0 goes; default: <channel>.block')
    .action(async (flags: Flags & { channelID: string; file: string; outputBlock?: string }, self: Command) => {
      if (flags.orderer === undefined) throw new UsageError('a channel that is to be has no orderers yet: name one with -o')
      await withChannel(self, flags, async ({ network, output, core, channel }) => {
        await channel.update(flags.channelID, flags.file)
        const path = resolve(flags.outputBlock ?? `${flags.channelID}.block`)
        await fetchTo(path, 'oldest', flags, core, network.signal)
        report(output, { channel: flags.channelID, file: path }, [`${flags.channelID}: ${path}`])
      })
    })
  examples(command, [`${PATH} create -o localhost:7050 -c mychannel -f mychannel.tx`])
}

function addFetch(parent: Command): void {
  const command = asking(parent, 'fetch')
    .description('Fetch a block: from the orderer with -o, else from the peer.')
    .argument('<block>', 'newest, oldest, config (the last that changed the configuration) or a number')
    .argument('[file]', 'where to; default: <channel>_<block>.block')
    .requiredOption('-c, --channelID <name>', 'the channel')
    .action(async (block: string, file: string | undefined, flags: Flags & { channelID: string }, self: Command) => {
      const output = outputOf(self)
      const core = await coreOf(self, output)
      using stop = stopSignal(output.closed)
      const path = resolve(file ?? `${flags.channelID}_${block}.block`)
      const number = await fetchTo(path, block, flags, core, stop.signal)
      report(output, { number, file: path }, [`block ${number}: ${path}`])
    })
  examples(command, [`${PATH} fetch newest -c mychannel`, `${PATH} fetch 0 mychannel.block -c mychannel -o localhost:7050`])
}

function addJoin(parent: Command): void {
  const command = asking(parent, 'join')
    .description('Have the peer join a channel.')
    .requiredOption('-b, --blockpath <file>', 'its block 0')
    .action(async (flags: Flags & { blockpath: string }, self: Command) => {
      await withChannel(self, flags, async ({ output, channel }) => {
        await channel.join(flags.blockpath)
        report(output, { joined: true }, ['Successfully submitted proposal to join channel'])
      })
    })
  examples(command, [`${PATH} join -b mychannel.block`])
}

function addJoinBySnapshot(parent: Command): void {
  const command = asking(parent, 'joinbysnapshot')
    .description('Have the peer join a channel by a snapshot.')
    .requiredOption('--snapshotpath <folder>', 'the snapshot, on the machine of the peer')
    .action(async (flags: Flags & { snapshotpath: string }, self: Command) => {
      await withChannel(self, flags, async ({ output, channel }) => {
        await channel.joinBySnapshot(flags.snapshotpath)
        const text = 'The joinbysnapshot operation is in progress. Use "kumiko fabric channel joinbysnapshotstatus" to check the status.'
        report(output, { begun: true }, [text])
      })
    })
  examples(command, [`${PATH} joinbysnapshot --snapshotpath /snapshots/completed/mychannel/1000`])
}

function addJoinStatus(parent: Command): void {
  const command = asking(parent, 'joinbysnapshotstatus')
    .description('Whether the peer is joining a channel by a snapshot.')
    .action(async (flags: Flags, self: Command) => {
      await withChannel(self, flags, async ({ output, channel }) => {
        const { inProgress, bootstrappingSnapshotDir } = await channel.joinStatus()
        const text = inProgress
          ? `A joinbysnapshot operation is in progress for snapshot at ${bootstrappingSnapshotDir}`
          : 'No joinbysnapshot operation is in progress'
        report(output, { inProgress, bootstrappingSnapshotDir }, [text])
      })
    })
  examples(command, [`${PATH} joinbysnapshotstatus`])
}

function addList(parent: Command): void {
  const command = asking(parent, 'list')
    .description('The channels that the peer is on.')
    .action(async (flags: Flags, self: Command) => {
      await withChannel(self, flags, async ({ output, channel }) => {
        const channels = await channel.list()
        report(output, { channels }, ['Channels peers has joined: ', ...channels])
      })
    })
  examples(command, [`${PATH} list`, `${PATH} list --json`])
}

function addUpdate(parent: Command): void {
  const command = asking(parent, 'update')
    .description('Send a configuration update, with our signature, to an orderer.')
    .requiredOption('-c, --channelID <name>', 'the channel')
    .requiredOption('-f, --file <file>', 'the update')
    .action(async (flags: Flags & { channelID: string; file: string }, self: Command) => {
      await withChannel(self, flags, async ({ output, channel }) => {
        await channel.update(flags.channelID, flags.file)
        report(output, { updated: flags.channelID }, ['Successfully submitted channel update'])
      })
    })
  examples(command, [`${PATH} update -o localhost:7050 -c mychannel -f anchors.tx`])
}

function addSignConfigTx(parent: Command): void {
  const command = clientHelp(parent.command('signconfigtx'))
    .description('Add our signature to a configuration update, in its file.')
    .requiredOption('-f, --file <file>', 'the update')
    .action(async ({ file }: { file: string }, self: Command) => {
      const output = outputOf(self)
      const core = await coreOf(self, output)
      const [{ signConfigTransaction }, { signerOf }] = await Promise.all([
        import('../fabric-client/channel.ts'),
        import('../fabric/service-endpoint.ts'),
      ])
      await signConfigTransaction(await signerOf(core), file)
      report(output, { signed: file }, [`signed: ${file}`])
    })
  examples(command, [`${PATH} signconfigtx -f anchors.tx`])
}

function addGetInfo(parent: Command): void {
  const command = asking(parent, 'getinfo')
    .description('How far the peer is on a channel.')
    .requiredOption('-c, --channelID <name>', 'the channel')
    .action(async (flags: Flags & { channelID: string }, self: Command) => {
      await withChannel(self, flags, async ({ output, channel }) => {
        const info = await channel.info(flags.channelID)
        const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
        const { height, currentBlockHash, previousBlockHash, bootstrappingSnapshotInfo: begun } = info
        const fields = {
          height: Number(height),
          currentBlockHash: base64(currentBlockHash),
          previousBlockHash: base64(previousBlockHash),
          ...(begun && { bootstrappingSnapshotInfo: { lastBlockInSnapshot: Number(begun.lastBlockInSnapshot) } }),
        }
        report(output, fields, [`Blockchain info: ${JSON.stringify(fields)}`])
      })
    })
  examples(command, [`${PATH} getinfo -c mychannel`])
}

type Channel = import('../fabric-client/channel.ts').ChannelClient
type Work = import('../fabric-client/run.ts').NetworkWork & { readonly channel: Channel }

async function withChannel(self: Command, flags: Flags, work: (work: Work) => Promise<void>): Promise<void> {
  const [{ withNetwork }, { ChannelClient }] = await Promise.all([import('../fabric-client/run.ts'), import('../fabric-client/channel.ts')])
  await withNetwork(self, flags, (each) => work({ ...each, channel: new ChannelClient(each.network) }))
}

/** @returns The block's number. */
async function fetchTo(
  path: string,
  block: string,
  flags: Flags & { channelID: string },
  core: Work['core'],
  signal: AbortSignal,
): Promise<number> {
  const [{ fetchedBlock, fetchFromService }, { writeBlock }, { writeBinary }] = await Promise.all([
    import('../fabric/fetch.ts'),
    import('@kumiko/fabric-protocol'),
    import('../fabric/binary-file.ts'),
  ])
  const { orderer, peerAddresses, ...rest } = flags
  const address = peerAddresses?.[0] ?? core['peer.address']
  if (orderer === undefined && address === '')
    throw new UsageError('nobody to ask: name a peer with CORE_PEER_ADDRESS, or an orderer with -o')
  const asked: FetchFlags = orderer === undefined ? { ...rest, peerAddress: address } : { ...rest, orderer }
  const fetched = await fetchFromService(fetchedBlock(block), asked, core, signal)
  await writeBinary(path, writeBlock(fetched))
  return Number(fetched.header.number)
}
