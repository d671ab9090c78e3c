import { availableParallelism } from 'node:os'
import { type Command, Option } from 'commander'
import type { ReplayOptions } from '../fabric/replay.ts'
import { ProgressLine } from '../progress-line.ts'
import { stopSignal } from '../stop-signal.ts'
import { wholeNumber } from './arguments.ts'
import { outputOf } from './context.ts'
import { examples } from './examples.ts'

const EXIT_CODES = `
Exit codes: 0 done; 1 failed, with a line that says why; 2 the command line is wrong; 3 stopped by ctrl-C before the end.`

/** `kumiko ledger …`. */
export function addLedgerCommand(program: Command): void {
  const ledger = program.command('ledger').description("Fabric's ledgers: replay, import, verify, roll back, snapshots.")
  addReplay(ledger)
  examples(ledger, ['kumiko ledger replay --blocks ./blocks --json'])
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
      const { blocks, transactions, elapsedMs } = await replay({
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
      })
      if (!output.isJson) output.line(`${blocks} blocks, ${transactions} transactions, ${(elapsedMs / 1000).toFixed(1)} s`)
    })
  examples(replaying, [
    'kumiko ledger replay --blocks ./blocks --json > mine.jsonl',
    'kumiko ledger replay --blocks ./blocks --private private-data.json --state --json --data-dir ./ledger',
  ])
}
