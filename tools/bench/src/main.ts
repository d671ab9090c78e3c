import { writeFileSync } from 'node:fs'
import { arch, cpus } from 'node:os'
import { parseArgs, styleText } from 'node:util'
import { discovery } from './discovery.ts'
import { fabric } from './fabric.ts'
import { type Result, resultOf, type Suite } from './figure.ts'
import { ledger } from './ledger.ts'
import { libp2p } from './libp2p.ts'
import { rlpx } from './rlpx.ts'

const HELP = `Runs us and the peer alternately, and prints a line a figure: figure  peer  ours  theirs  ratio  goal.

  npm run bench -- rlpx                    all figures, medians of 5 rounds
  npm run bench -- discovery
  npm run bench -- libp2p                  medians of 3 rounds; the heap after 10,000 connects once
  npm run bench -- ledger                  medians of 3 rounds; --long: memory over 100,000 transactions, too
  npm run bench -- fabric                  medians of 3 rounds, the unmodified gateway client: cold start, calls, streams
  npm run bench -- rlpx --rounds 7 --ms 2000
  npm run bench -- rlpx --only handshake   figures whose name or peer matches
  npm run bench -- rlpx --json out.json

Exit code 1 where a goal is missed, 2 for a wrong command.
`

const suites: readonly Suite[] = [rlpx, discovery, libp2p, ledger, fabric]

function readOptions() {
  try {
    const { values, positionals } = parseArgs({
      allowPositionals: true,
      options: {
        rounds: { type: 'string' },
        ms: { type: 'string', default: '1500' },
        only: { type: 'string', default: '' },
        json: { type: 'string' },
        long: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    })
    const found = suites.find(({ name }) => name === positionals[0])
    const suite = found !== undefined && values.long ? withLong(found) : found
    return { ...values, suite, rounds: Number(values.rounds ?? suite?.rounds ?? 5) }
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : error}: see --help\n`)
    process.exit(2)
  }
}

function withLong(suite: Suite): Suite {
  const { long } = suite
  if (long === undefined) return suite
  return { ...suite, contestants: { ...suite.contestants, ...long.contestants }, figures: [...suite.figures, ...long.figures] }
}

/** A line of progress on a terminal; nothing in a pipe. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

const number = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toPrecision(3))

function lineOf({ figure, ours, theirs, ratio, isReached }: Result): string {
  const goal = figure.goal === undefined ? '' : `${figure.better === 'more' ? '≥' : '≤'} ${figure.goal}`
  const columns = [
    `${figure.name}, ${figure.unit}`.padEnd(36),
    figure.peer.padEnd(10),
    number(ours).padStart(8),
    number(theirs).padStart(8),
  ]
  const verdict = figure.goal === undefined ? '' : isReached ? styleText('green', 'reached') : styleText('red', 'missed')
  return [...columns, `${ratio.toFixed(2)}×`.padStart(8), goal.padStart(7), ` ${verdict}`].join(' ')
}

async function run(suite: Suite, rounds: number, durationMs: number, only: string): Promise<Result[]> {
  const figures = suite.figures.filter(({ name, peer }) => `${name} ${peer}`.includes(only))
  const keys = Object.keys(suite.contestants).filter((key) => figures.some(({ ours, theirs }) => key === ours || key === theirs))
  const samples: Record<string, number | undefined>[] = []
  for (let round = 0; round < rounds; round++) {
    const sample: Record<string, number | undefined> = {}
    for (const key of keys) {
      progress(`round ${round + 1} of ${rounds}: ${key}`)
      sample[key] = await suite.contestants[key]?.(durationMs)
    }
    samples.push(sample)
  }
  progress('')
  for (const key of keys) if (samples.every((sample) => sample[key] === undefined)) console.log(`skipped: ${key} cannot be run here`)
  return figures.flatMap((figure) => resultOf(figure, samples) ?? [])
}

const options = readOptions()
if (options.help || options.suite === undefined) {
  process[options.help ? 'stdout' : 'stderr'].write(
    options.help ? HELP : `name a suite: ${suites.map(({ name }) => name).join(', ')}\n\n${HELP}`,
  )
  process.exit(options.help ? 0 : 2)
}
console.log(
  `${options.suite.name}: Node ${process.version}, ${arch()}, ${cpus()[0]?.model ?? 'unknown CPU'}, medians of ${options.rounds} rounds of ${options.ms} ms`,
)
const results = await run(options.suite, options.rounds, Number(options.ms), options.only)
for (const result of results) console.log(lineOf(result))
if (options.json !== undefined)
  writeFileSync(options.json, `${JSON.stringify({ suite: options.suite.name, node: process.version, results }, null, 2)}\n`)
const missed = results.filter(({ isReached }) => !isReached).length
console.log(missed === 0 ? 'every goal is reached' : `${missed} of ${results.length} goals missed`)
process.exit(missed === 0 ? 0 : 1)
