import type { Figure, Suite } from './figure.ts'
import { runWorker } from './worker.ts'

/** Signatures alone are the bound: of it so much must be left when all else is done, too. */
const GOAL = 0.6

const LONG_TRANSACTIONS = 100_000

/** What a heap may grow by in a long run without it being called growth: caches that fill, code that is compiled. In MB. */
const GROWTH_MAX_MB = 10

const threads = (workers: number): string => (workers === 0 ? 'one thread' : `${workers} worker${workers === 1 ? '' : 's'}`)

const figure = (endorsements: number, workers: number): Figure => ({
  name: `${endorsements} endorsement${endorsements === 1 ? '' : 's'}, ${threads(workers)}`,
  peer: 'signatures',
  unit: 'tx/cpu-s',
  goal: GOAL,
  better: 'more',
  ours: `ours ${endorsements} ${workers}`,
  theirs: `signatures ${endorsements}`,
})

/** As the program `kumiko` is run: of a small heap, V8 marks all every third block. */
const NODE_OPTIONS = ['--initial-heap-size=256']

const ours = (args: readonly (string | number)[], onNote?: (text: string) => void) =>
  runWorker('ledger-ours', args, { nodeOptions: NODE_OPTIONS, ...(onNote === undefined ? {} : { onNote }) })

const rate = (endorsements: number, workers: number) => async () => await ours(['rate', endorsements, workers])

/** Fabric's blocks of 500 transactions validated and committed, beside the bound: their signatures checked, and nothing else. CPU of all threads. */
export const ledger: Suite = {
  name: 'ledger',
  rounds: 3,
  contestants: {
    'signatures 1': (ms) => runWorker('ledger-bound', [1, ms]),
    'ours 1 0': rate(1, 0),
    'ours 1 1': rate(1, 1),
    'ours 1 2': rate(1, 2),
    'signatures 2': (ms) => runWorker('ledger-bound', [2, ms]),
    'ours 2 0': rate(2, 0),
    'ours 2 1': rate(2, 1),
    'ours 2 2': rate(2, 2),
    'ours reads': () => ours(['reads', 1, 0]),
    'one read': async () => 1,
  },
  figures: [
    ...[1, 2].flatMap((endorsements) => [0, 1, 2].map((workers) => figure(endorsements, workers))),
    {
      name: 'state read by keys, a block',
      peer: 'one',
      unit: 'calls',
      goal: 1,
      better: 'less',
      ours: 'ours reads',
      theirs: 'one read',
    },
  ],
  long: {
    contestants: {
      'ours growth': () => ours(['memory', 1, 0, LONG_TRANSACTIONS], (text) => void process.stderr.write(text)),
      'growth allowed': async () => GROWTH_MAX_MB,
    },
    figures: [
      {
        name: `heap growth, ${LONG_TRANSACTIONS} tx`,
        peer: 'allowed',
        unit: 'MB',
        goal: 1,
        better: 'less',
        ours: 'ours growth',
        theirs: 'growth allowed',
      },
    ],
  },
}
