import { availableParallelism } from 'node:os'
import { KumikoError } from '@kumiko/interface'
import { stopSignal } from '@kumiko/terminal'
import { type Command, Option } from 'commander'
import type { ReplayOptions } from '../fabric/replay.ts'
import { ProgressLine } from '../progress-line.ts'
import { wholeNumber } from './arguments.ts'
import { outputOf, report } from './context.ts'
import { examples } from './examples.ts'
import { EXIT_CODES, type PeerWork, peerCommand, withPeer } from './fabric-context.ts'
import { addSnapshotCommand } from './ledger-snapshot.ts'

/** `kumiko ledger …`. */
export function addLedgerCommand(program: Command): void {
  const ledger = program.command('ledger').description("Fabric's ledgers: replay, import, verify, roll back, snapshots.")
  addReplay(ledger)
  addImport(ledger)
  addVerify(ledger)
  addRollback(ledger, 'kumiko ledger')
  addReset(ledger, 'kumiko ledger')
  addRebuild(ledger, 'kumiko ledger')
  addSnapshotCommand(ledger)
  examples(ledger, ['kumiko ledger replay --blocks ./blocks --json', 'kumiko ledger import --blocks ./blocks -c mychannel'])
}

interface ReplayFlags {
  readonly blocks: string
  readonly private?: string
  readonly state?: boolean
  readonly dataDir?: string
  readonly workers: number
  readonly stateDatabase: ReplayOptions['stateDatabase']
}

function addReplay(ledger: Command): void {
  const replaying = ledger
    .command('replay')
    .description(
      'Validate and commit a folder of blocks into a fresh ledger. Prints a line a block: number, header hash, commit hash, validation codes; ' +
        'with --state then one a key of the final state.',
    )
    .requiredOption('--blocks <folder>', 'block_0.block, block_1.block and so on')
    .option('--private <file>', 'private write sets: {"blocks":{"<block>":{"<transaction>":"<base64>"}}}')
    .option('--state', 'print the final state, too')
    .option('--data-dir <folder>', 'keep the ledger here; default: a temporary folder, removed at the end')
    .option('--workers <n>', 'threads that check signatures; 0: none', wholeNumber(0, 64), availableParallelism() - 1)
    .addOption(new Option('--state-database <kind>', 'where the state is').choices(['memory', 'leveldb']).default('leveldb'))
    .addHelpText('after', EXIT_CODES)
    .action(async (flags: ReplayFlags, self: Command) => {
      const [{ replay }, { blockFields, blockText }, { progressText }, { printState }] = await Promise.all([
        import('../fabric/replay.ts'),
        import('../fabric/block-lines.ts'),
        import('../fabric/block-run.ts'),
        import('../fabric/state-lines.ts'),
      ])
      const output = outputOf(self)
      using stop = stopSignal(output.closed)
      using line = new ProgressLine()
      const report = await replay({
        ...flags,
        privateData: flags.private,
        signal: stop.signal,
        onBlock: async (stored, progress) => {
          if (output.isJson) output.json(blockFields(stored))
          else output.line(blockText(stored))
          if (!output.isLive) line.show(() => progressText(progress, progress.last))
          await output.drained()
        },
        onEnd: async ({ state }) => {
          if (flags.state === true) await printState(state.entries(), output, stop.signal)
        },
      }).catch((error: unknown) => {
        // Who read has enough, as `head`.
        if (!output.closed.aborted) throw error
      })
      if (report === undefined || output.isJson) return
      output.line(`${report.blocks} blocks, ${report.transactions} transactions, ${(report.elapsedMs / 1000).toFixed(1)} s`)
    })
  examples(replaying, [
    'kumiko ledger replay --blocks ./blocks --json > mine.jsonl',
    'kumiko ledger replay --blocks ./blocks --private private-data.json --state --json --data-dir ./ledger',
  ])
}

interface ImportFlags {
  readonly blocks: string
  readonly channelID: string
  readonly private?: string
  readonly workers?: number
}

function addImport(ledger: Command): void {
  const importing = peerCommand(ledger.command('import'))
    .description("Validate a folder of blocks and commit them to a channel's ledger, from its height on. Where it was stopped, it goes on.")
    .requiredOption('--blocks <folder>', 'block_0.block, block_1.block and so on')
    .requiredOption('-c, --channelID <name>', 'the channel, which was joined')
    .option('--private <file>', 'private write sets, as of replay')
    .option('--workers <n>', 'threads that check signatures; 0: none; default: peer.validatorPoolSize', wholeNumber(0, 64))
    .action(async (flags: ImportFlags, self: Command) => {
      const [{ importBlocks }, { joinedLedger }, { progressText }, { toHex }] = await Promise.all([
        import('../fabric/import.ts'),
        import('../fabric/join.ts'),
        import('../fabric/block-run.ts'),
        import('@kumiko/fabric-protocol'),
      ])
      await withPeer(self, async ({ core, ledgers, output, signal, line }) => {
        const open = await joinedLedger(ledgers, flags.channelID)
        const { blocks, transactions, elapsedMs } = await importBlocks({
          ...flags,
          ledger: open,
          core,
          signal,
          privateData: flags.private,
          workers: flags.workers ?? core['peer.validatorPoolSize'],
          onBlock: (_, progress, last) => line.show(() => progressText(progress, last)),
          onSnapshot: (folder) => report(output, { event: 'snapshot', folder }, [`snapshot: ${folder}`]),
        })
        const { height, commitHash } = open.info
        const fields = { channel: flags.channelID, imported: blocks, transactions, height: Number(height) }
        const text = `${flags.channelID}: ${blocks} blocks imported, ${transactions} transactions, ${(elapsedMs / 1000).toFixed(1)} s; height ${height}`
        report(output, { ...fields, commitHash: commitHash === undefined ? null : toHex(commitHash) }, [text])
      })
    })
  examples(importing, [
    'kumiko ledger import --blocks ./blocks -c mychannel',
    'kumiko ledger import --blocks ./blocks -c mychannel --private private-data.json --workers 4 --json',
  ])
}

function addVerify(ledger: Command): void {
  const verifying = peerCommand(ledger.command('verify'))
    .description(
      "Do a channel's ledger again beside it and compare: hashes, signatures, validation codes, commit hashes, state. Where it was stopped, it goes on.",
    )
    .requiredOption('-c, --channelID <name>', 'the channel')
    .option('--workers <n>', 'threads that check signatures; 0: none; default: peer.validatorPoolSize', wholeNumber(0, 64))
    .action(async ({ channelID, workers }: { channelID: string; workers?: number }, self: Command) => {
      const [{ verifyLedger }, { joinedLedger }, { progressText }] = await Promise.all([
        import('../fabric/verify.ts'),
        import('../fabric/join.ts'),
        import('../fabric/block-run.ts'),
      ])
      await withPeer(self, async ({ core, ledgers, output, signal, line }) => {
        const fields = await verifyLedger({
          ledger: await joinedLedger(ledgers, channelID),
          core,
          signal,
          workers: workers ?? core['peer.validatorPoolSize'],
          onBlock: (progress) => line.show(() => progressText(progress, progress.last)),
        })
        const { height, stateKeys } = fields
        const what =
          stateKeys === null
            ? `the hashes of its ${height - fields.from} blocks; it began with a snapshot, so its state cannot be done again`
            : `${height} blocks, and its state of ${stateKeys} keys`
        report(output, { ...fields }, [`${channelID} is right: ${what}`])
      })
    })
  examples(verifying, ['kumiko ledger verify -c mychannel', 'kumiko ledger verify -c mychannel --data-dir ./data --json'])
}

/** `rollback`, below `ledger` and `fabric node`. @param path - Of the command that it is below. */
export function addRollback(ledger: Command, path: string): void {
  const rolling = peerCommand(ledger.command('rollback'))
    .description('Take a channel back to a block. Its databases are made anew when it is opened next; private data stays.')
    .requiredOption('-c, --channelID <name>', 'the channel')
    .requiredOption('-b, --blockNumber <n>', 'the last block that stays', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .action(async ({ channelID, blockNumber }: { channelID: string; blockNumber: number }, self: Command) => {
      await rework(
        self,
        channelID,
        async (ledgers, options) => await ledgers.rollback(options, BigInt(blockNumber)),
        `rolled back to block ${blockNumber}`,
      )
    })
  examples(rolling, [`${path} rollback -c mychannel -b 1000`, `${path} rollback -c mychannel -b 0 --data-dir ./data`])
}

/** `reset`, as {@link addRollback}. */
export function addReset(ledger: Command, path: string): void {
  const resetting = peerCommand(ledger.command('reset'))
    .description('Take all channels, or one, back to block 0. One that began with a snapshot cannot.')
    .option('-c, --channelID <name>', 'only this channel')
    .action(async ({ channelID }: { channelID?: string }, self: Command) => {
      await rework(self, channelID, async (ledgers, options) => await ledgers.reset(options), 'reset to block 0')
    })
  examples(resetting, [`${path} reset`, `${path} reset -c mychannel --data-dir ./data`])
}

/** `rebuild-dbs`, as {@link addRollback}. */
export function addRebuild(ledger: Command, path: string): void {
  const rebuilding = peerCommand(ledger.command('rebuild-dbs').alias('rebuild'))
    .description('Remove the databases of all channels, or of one: they are made anew of the blocks when the channel is opened next.')
    .option('-c, --channelID <name>', 'only this channel')
    .action(async ({ channelID }: { channelID?: string }, self: Command) => {
      await rework(
        self,
        channelID,
        async (ledgers, options) => await ledgers.rebuildDatabases(options),
        'databases removed; they are made anew',
      )
    })
  examples(rebuilding, [`${path} rebuild-dbs`, `${path} rebuild-dbs -c mychannel --data-dir ./data`])
}

type LedgerPackage = typeof import('@kumiko/fabric-ledger')

/** Does something with a channel's ledger that is closed, or with all. @param done - What is told of each. */
export async function rework(
  self: Command,
  channelID: string | undefined,
  work: (ledgers: LedgerPackage, options: Parameters<LedgerPackage['rollback']>[0]) => Promise<void>,
  done: string,
): Promise<void> {
  await withPeer(self, async ({ core, ledgers, output }) => {
    const [fabricLedger, { peerFolders, stateDatabase }] = await Promise.all([
      import('@kumiko/fabric-ledger'),
      import('../fabric/peer-ledgers.ts'),
    ])
    const openState = await stateDatabase(core)
    for (const channel of await channelsOf(ledgers, channelID)) {
      const options = { folder: peerFolders(core).ledger(channel), openState: openState(channel) }
      await work(fabricLedger, options).catch((error: unknown) => explained(error, channel))
      report(output, { channel, done }, [`${channel}: ${done}`])
    }
  })
}

/** Which channel it is, and what can be done about a ledger that has not the blocks to go back. */
function explained(error: unknown, channel: string): never {
  if (!(error instanceof KumikoError) || error.code !== 'fabric-ledger/no-such-block') throw error
  const { block, first, height } = error.context
  const mend =
    typeof first === 'bigint' && first > 0n
      ? `it began with a snapshot after block ${first - 1n}, which is as far as it goes back; to begin anew, join it in another folder`
      : `its last block is ${Number(height) - 1}: name that one or one before it`
  throw new KumikoError(error.code, `channel "${channel}" cannot go back to block ${block}: ${mend}`, {
    context: error.context,
    cause: error,
  })
}

async function channelsOf(ledgers: PeerWork['ledgers'], channelID: string | undefined): Promise<readonly string[]> {
  if (channelID === undefined) return (await ledgers.list()).map(({ channelId }) => channelId)
  const { assertJoined } = await import('../fabric/join.ts')
  await assertJoined(ledgers, channelID)
  return [channelID]
}
