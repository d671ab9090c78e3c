import type { Command } from 'commander'
import { clientHelp } from '../fabric-client/flags.ts'
import type { SnapshotClient } from '../fabric-client/snapshot.ts'
import type { Output } from '../output.ts'
import { sequenceNumber } from './arguments.ts'
import { report } from './context.ts'
import { examples } from './examples.ts'

const PATH = 'kumiko fabric snapshot'

/** `kumiko fabric snapshot …`: as Fabric's `peer snapshot`. */
export function addFabricSnapshotCommand(fabric: Command): void {
  const snapshot = fabric
    .command('snapshot')
    .description("A running peer's snapshots: as `peer snapshot`. Its files alone: kumiko ledger snapshot.")
  addSubmit(snapshot)
  addCancel(snapshot)
  addList(snapshot)
  examples(snapshot, [`${PATH} submitrequest -c mychannel -b 1000`, `${PATH} listpending -c mychannel`])
}

interface Flags {
  readonly channelID: string
  readonly peerAddress?: string
  readonly tlsRootCertFile?: string
}

function asking(parent: Command, name: string): Command {
  return clientHelp(parent.command(name))
    .requiredOption('-c, --channelID <name>', 'the channel')
    .option('--peerAddress <host:port>', 'the peer; default: peer.address')
    .option('--tlsRootCertFile <file>', 'PEM of the CA that vouches for it; default: peer.tls.rootcert.file')
}

function addSubmit(parent: Command): void {
  const command = asking(parent, 'submitrequest')
    .description('Ask the peer for a snapshot.')
    .option('-b, --blockNumber <n>', 'the block that it ends with; default 0: the last one', sequenceNumber)
    .action(async ({ blockNumber = 0n, ...flags }: Flags & { blockNumber?: bigint }, self: Command) => {
      await withSnapshots(self, flags, async (snapshots, output) => {
        await snapshots.submit(blockNumber)
        report(output, { submitted: Number(blockNumber) }, ['Snapshot request submitted successfully'])
      })
    })
  examples(command, [`${PATH} submitrequest -c mychannel -b 1000`])
}

function addCancel(parent: Command): void {
  const command = asking(parent, 'cancelrequest')
    .description('Take a request back.')
    .requiredOption('-b, --blockNumber <n>', 'of the request', sequenceNumber)
    .action(async (flags: Flags & { blockNumber: bigint }, self: Command) => {
      await withSnapshots(self, flags, async (snapshots, output) => {
        await snapshots.cancel(flags.blockNumber)
        report(output, { cancelled: Number(flags.blockNumber) }, ['Snapshot request cancelled successfully'])
      })
    })
  examples(command, [`${PATH} cancelrequest -c mychannel -b 1000`])
}

function addList(parent: Command): void {
  const command = asking(parent, 'listpending')
    .description('The snapshots that are still to be taken.')
    .action(async (flags: Flags, self: Command) => {
      await withSnapshots(self, flags, async (snapshots, output) => {
        const pending = (await snapshots.pending()).map(Number)
        report(output, { pending }, [`Successfully got pending snapshot requests: [${pending.join(' ')}]`])
      })
    })
  examples(command, [`${PATH} listpending -c mychannel`])
}

async function withSnapshots(
  self: Command,
  { channelID, peerAddress, tlsRootCertFile }: Flags,
  work: (snapshots: SnapshotClient, output: Output) => Promise<void>,
): Promise<void> {
  const [{ withNetwork }, { SnapshotClient }] = await Promise.all([
    import('../fabric-client/run.ts'),
    import('../fabric-client/snapshot.ts'),
  ])
  const flags = {
    ...(peerAddress !== undefined && { peerAddresses: [peerAddress] }),
    ...(tlsRootCertFile !== undefined && { tlsRootCertFiles: [tlsRootCertFile] }),
  }
  await withNetwork(self, flags, ({ network, output }) => work(new SnapshotClient(network, channelID), output))
}
