import { resolve } from 'node:path'
import type { Command } from 'commander'
import { UsageError } from '../failure.ts'
import { wholeNumber } from './arguments.ts'
import { report } from './context.ts'
import { examples } from './examples.ts'
import { peerCommand, withPeer } from './fabric-context.ts'

interface SnapshotFlags {
  readonly channelID: string
  readonly to?: string
  readonly blockNumber: number
}

const BLOCK_MAX = Number.MAX_SAFE_INTEGER

/** Those of the command above are for all of them: it would take them from the others if they had the same. */
function flagsOf(self: Command): SnapshotFlags {
  const { channelID, ...flags } = self.optsWithGlobals<Partial<SnapshotFlags>>()
  if (channelID === undefined) throw new UsageError("required option '-c, --channelID <name>' not specified")
  return { blockNumber: 0, ...flags, channelID }
}

/** `kumiko ledger snapshot`, and what of `peer snapshot` there is. */
export function addSnapshotCommand(ledger: Command): void {
  const snapshot = peerCommand(ledger.command('snapshot'))
    .description('Take a snapshot after the last block, or ask for one after a later block: ledger import takes it when it gets there.')
    .option('-c, --channelID <name>', 'the channel')
    .option('--to <folder>', "the snapshot's folder, which is made; default: as in Fabric, below ledger.snapshots.rootDir")
    .action(async (_flags: unknown, self: Command) => {
      const { channelID, to } = flagsOf(self)
      await takeSnapshot(self, channelID, to)
    })
  addSubmit(snapshot)
  addCancel(snapshot)
  addPending(snapshot)
  examples(snapshot, ['kumiko ledger snapshot -c mychannel --to ./snapshot', 'kumiko ledger snapshot submitrequest -c mychannel -b 1000'])
}

async function takeSnapshot(self: Command, channelID: string, to: string | undefined): Promise<void> {
  const [{ peerFolders }, { joinedLedger }] = await Promise.all([import('../fabric/peer-ledgers.ts'), import('../fabric/join.ts')])
  await withPeer(self, async ({ core, ledgers, output }) => {
    const open = await joinedLedger(ledgers, channelID)
    const folder = to === undefined ? peerFolders(core).snapshot(channelID, open.info.height - 1n) : resolve(to)
    const { info } = await open.writeSnapshot(folder)
    const fields = { channel: channelID, folder, lastBlockNumber: Number(info.lastBlockNumber), snapshotHash: info.snapshotHash }
    report(output, fields, [`snapshot after block ${info.lastBlockNumber}: ${folder}`, `hash: ${info.snapshotHash}`])
  })
}

function addSubmit(snapshot: Command): void {
  const submit = snapshot
    .command('submitrequest')
    .description('Ask for a snapshot after a block, which may be still to come.')
    .option('-b, --blockNumber <n>', 'the block; 0: the last one that is there', wholeNumber(0, BLOCK_MAX), 0)
    .action(async (_flags: unknown, self: Command) => {
      const { channelID, blockNumber } = flagsOf(self)
      const [{ openSnapshotRequests, peerFolders }, { joinedLedger }] = await Promise.all([
        import('../fabric/peer-ledgers.ts'),
        import('../fabric/join.ts'),
      ])
      await withPeer(self, async ({ core, ledgers, output }) => {
        const open = await joinedLedger(ledgers, channelID)
        const requests = await openSnapshotRequests(core, channelID)
        const number = await requests.submit(BigInt(blockNumber), open.info.height)
        await requests.fulfil(open.info.height, async (at) => void (await open.writeSnapshot(peerFolders(core).snapshot(channelID, at))))
        report(output, { channel: channelID, blockNumber: Number(number) }, ['Snapshot request submitted successfully'])
      })
    })
  examples(submit, ['kumiko ledger snapshot submitrequest -c mychannel -b 1000', 'kumiko ledger snapshot submitrequest -c mychannel'])
}

function addCancel(snapshot: Command): void {
  const cancel = snapshot
    .command('cancelrequest')
    .description('Take such a request back.')
    .requiredOption('-b, --blockNumber <n>', 'the block', wholeNumber(0, BLOCK_MAX))
    .action(async (_flags: unknown, self: Command) => {
      const { channelID, blockNumber } = flagsOf(self)
      const [{ openSnapshotRequests }, { assertJoined }] = await Promise.all([
        import('../fabric/peer-ledgers.ts'),
        import('../fabric/join.ts'),
      ])
      await withPeer(self, async ({ core, ledgers, output }) => {
        await assertJoined(ledgers, channelID)
        await (await openSnapshotRequests(core, channelID)).cancel(BigInt(blockNumber))
        report(output, { channel: channelID, blockNumber }, ['Snapshot request cancelled successfully'])
      })
    })
  examples(cancel, ['kumiko ledger snapshot cancelrequest -c mychannel -b 1000'])
}

function addPending(snapshot: Command): void {
  const pending = snapshot
    .command('listpending')
    .description('The blocks after which snapshots are still to be taken.')
    .action(async (_flags: unknown, self: Command) => {
      const { channelID } = flagsOf(self)
      const [{ openSnapshotRequests }, { assertJoined }] = await Promise.all([
        import('../fabric/peer-ledgers.ts'),
        import('../fabric/join.ts'),
      ])
      await withPeer(self, async ({ core, ledgers, output }) => {
        await assertJoined(ledgers, channelID)
        const numbers = (await openSnapshotRequests(core, channelID)).pending
        const text = `Successfully got pending snapshot requests: [${numbers.join(' ')}]`
        report(output, { channel: channelID, blockNumbers: numbers.map(Number) }, [text])
      })
    })
  examples(pending, ['kumiko ledger snapshot listpending -c mychannel', 'kumiko ledger snapshot listpending -c mychannel --json'])
}
