import { resolve } from 'node:path'
import { stopSignal } from '@kumiko/terminal'
import type { Command } from 'commander'
import type { FetchFlags } from '../fabric/fetch.ts'
import { UsageError } from '../failure.ts'
import { positiveNumber } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'
import { coreOf, peerCommand, withPeer } from './fabric-context.ts'

/** `kumiko channel …`. */
export function addChannelCommand(program: Command): void {
  const channel = program.command('channel').description("Fabric's channels: look into blocks and configurations, fetch blocks, join.")
  addInspect(channel)
  addFetch(channel)
  addJoin(channel)
  addList(channel)
  addGetInfo(channel)
  examples(channel, [
    'kumiko channel inspect genesis.block',
    'kumiko channel fetch config -c mychannel -o orderer:7050 --tls --cafile ca.crt',
  ])
}

function addInspect(channel: Command): void {
  const inspect = channel
    .command('inspect')
    .description('Show a block, envelope, configuration or update of one. --json: as `configtxlator proto_decode` shows it.')
    .argument('<file>', 'a file, or - for stdin')
    .option('--type <name>', 'what it is, as common.Block; default: found out')
    .action(async (path: string, { type }: { type?: string }, self: Command) => {
      const [{ readBinary }, { recognize, RECOGNIZED, toJson }, { describe }] = await Promise.all([
        import('../fabric/binary-file.ts'),
        import('../fabric/recognized.ts'),
        import('../fabric/description.ts'),
      ])
      const output = outputOf(self)
      const bytes = await readBinary(path)
      const recognized = type === undefined ? recognize(bytes) : RECOGNIZED.find((known) => known === type)
      const json = toJson(type ?? recognized ?? '', bytes)
      if (output.isJson) output.json(json)
      else
        for (const line of recognized === undefined ? JSON.stringify(json, null, 2).split('\n') : describe(recognized, bytes))
          output.line(line)
    })
  examples(inspect, [
    'kumiko channel inspect genesis.block',
    "kumiko channel inspect config_block.pb --json | jq '.data.data[0].payload.data.config'",
    'kumiko channel inspect - --type common.ConfigUpdate < update.pb',
  ])
}

function addFetch(channel: Command): void {
  const fetch = channel
    .command('fetch')
    .description("Fetch a block from an orderer, or from a peer. The identity is core.yaml's: peer.mspConfigPath and peer.localMspId.")
    .argument('<block>', 'newest, oldest, config (the last that changed the configuration) or a number')
    .argument('[file]', 'where to; default: <channel>_<block>.block')
    .requiredOption('-c, --channelID <name>', 'the channel')
    .option('-o, --orderer <host:port>', 'the orderer to ask')
    .option('--peerAddress <host:port>', 'the peer to ask, in place of an orderer')
    .option('--tls', 'with TLS; default: peer.tls.enabled')
    .option('--cafile <file>', 'PEM of the CA that vouches for the service; default: peer.tls.rootcert.file')
    .option('--ordererTLSHostnameOverride <name>', "the name in the service's certificate, in place of the host")
    .option('--clientauth', 'show a certificate of our own; default: where --certfile is given')
    .option('--certfile <file>', 'PEM of it; default: peer.tls.clientCert.file, or peer.tls.cert.file')
    .option('--keyfile <file>', 'PEM of its key; default: peer.tls.clientKey.file, or peer.tls.key.file')
    .option('--connTimeout <seconds>', 'to connect; default: peer.deliveryclient.connTimeout, or 3', positiveNumber(3_600))
    .action(async (block: string, file: string | undefined, flags: FetchFlags, self: Command) => {
      const [{ fetchedBlock, fetchFromService }, { CHANNEL_ID, writeBlock }, { writeBinary }] = await Promise.all([
        import('../fabric/fetch.ts'),
        import('@kumiko/fabric-protocol'),
        import('../fabric/binary-file.ts'),
      ])
      const which = fetchedBlock(block)
      if (file === undefined && !CHANNEL_ID.test(flags.channelID))
        throw new UsageError(`"${flags.channelID}" names no file: name one after the block`)
      const output = outputOf(self)
      const core = await coreOf(self, output)
      using stop = stopSignal(output.closed)
      const fetched = await fetchFromService(which, flags, core, stop.signal)
      const path = resolve(file ?? `${flags.channelID}_${which}.block`)
      await writeBinary(path, writeBlock(fetched))
      const { number } = fetched.header
      report(output, { number: Number(number), file: path }, [`block ${number}: ${path}`])
    })
  examples(fetch, [
    'kumiko channel fetch newest -c mychannel -o 127.0.0.1:7050 --tls --cafile tlsca.pem',
    'kumiko channel fetch 0 genesis.block -c mychannel --peerAddress 127.0.0.1:7051 --tls --cafile ca.pem --certfile c.pem --keyfile c.key',
  ])
}

function addJoin(channel: Command): void {
  const join = peerCommand(channel.command('join'))
    .description("Begin a channel's ledger: with its genesis block, or with a snapshot. Whoever gives them is trusted.")
    .option('-b, --blockpath <file>', 'the genesis block')
    .option('--snapshotpath <folder>', 'a snapshot')
    .action(async ({ blockpath, snapshotpath }: { blockpath?: string; snapshotpath?: string }, self: Command) => {
      if ((blockpath === undefined) === (snapshotpath === undefined)) throw new UsageError('want either --blockpath or --snapshotpath')
      const { joinByBlock, joinBySnapshot } = await import('../fabric/join.ts')
      await withPeer(self, async ({ ledgers, output }) => {
        const joined = blockpath === undefined ? joinBySnapshot(ledgers, resolve(snapshotpath ?? '')) : joinByBlock(ledgers, blockpath)
        const { channelId, info } = await joined
        report(output, { channel: channelId, height: Number(info.height) }, [`joined ${channelId} at height ${info.height}`])
      })
    })
  examples(join, ['kumiko channel join -b genesis.block', 'kumiko channel join --snapshotpath ./snapshots/completed/mychannel/1000'])
}

function addList(channel: Command): void {
  const list = peerCommand(channel.command('list'))
    .description('The channels that were joined.')
    .action(async (_flags: unknown, self: Command) => {
      await withPeer(self, async ({ ledgers, output }) => {
        const summaries = await ledgers.list()
        for (const { channelId, height } of summaries)
          report(output, { channel: channelId, height: Number(height) }, [`${channelId}  ${height} blocks`])
        if (!output.isJson && summaries.length === 0) output.line('no channels')
      })
    })
  examples(list, ['kumiko channel list', 'kumiko channel list --data-dir ./data --json'])
}

function addGetInfo(channel: Command): void {
  const getInfo = peerCommand(channel.command('getinfo'))
    .description("A channel's height and last hashes, as `peer channel getinfo` shows them.")
    .requiredOption('-c, --channelID <name>', 'the channel')
    .action(async ({ channelID }: { channelID: string }, self: Command) => {
      const { joinedLedger } = await import('../fabric/join.ts')
      await withPeer(self, async ({ ledgers, output }) => {
        const { info, blocks } = await joinedLedger(ledgers, channelID)
        const base64 = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
        output.json({
          height: Number(info.height),
          currentBlockHash: base64(info.currentHash),
          previousBlockHash: base64(info.previousHash),
          ...(blocks.first > 0n ? { bootstrappingSnapshotInfo: { lastBlockInSnapshot: Number(blocks.first - 1n) } } : {}),
        })
      })
    })
  examples(getInfo, ['kumiko channel getinfo -c mychannel', 'kumiko channel getinfo -c mychannel --data-dir ./data | jq .height'])
}
