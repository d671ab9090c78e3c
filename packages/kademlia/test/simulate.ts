// Usage: npm run sim -- --help
import { parseArgs } from 'node:util'
import { testSeed } from '@kumiko/testkit'
import { measure, network, restart, START_MS } from './network.ts'
import type { Simulation } from './simulation.ts'

const HELP = `Simulates networks of nodes that know one bootnode, on virtual time, and prints what lookups find. A line for each number of nodes:

  npm run sim -- --nodes 10000
  npm run sim -- --nodes 40,400,1000,10000 --lookups 500
  npm run sim -- --nodes 1000 --loss 0 --restart 0 --seed 7 --json

  --nodes <n,…>     how many, 2–12000: 10000 take 1.6 GB               default 1000
  --loss <share>    of every packet, 0–0.9                             default 0.1
  --restart <share> of the nodes, 0–0.9, which come back with empty
                    tables                                             default 0.2
  --lookups <n>     1–100000, two minutes after the start              default 1000
  --seed <n>        the same seed, the same figures                    default 42, or KUMIKO_SEED
  --json            one value a line

Exit code 2 for a wrong command.
`

/** Nodes that restart do so from here on, and lookups are made then. */
const RESTART_AT_MS = 2 * START_MS
const MEASURE_AT_MS = 12 * START_MS

interface Options {
  readonly nodes: readonly number[]
  readonly loss: number
  readonly restart: number
  readonly lookups: number
  readonly seed: number
  readonly json: boolean
}

function readOptions(): Options {
  const { values } = parseArgs({
    options: {
      nodes: { type: 'string', default: '1000' },
      loss: { type: 'string', default: '0.1' },
      restart: { type: 'string', default: '0.2' },
      lookups: { type: 'string', default: '1000' },
      seed: { type: 'string', default: String(testSeed()) },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    process.stdout.write(HELP)
    process.exit(0)
  }
  return {
    nodes: values.nodes.split(',').map((text) => within('nodes', text, 2, 12_000, true)),
    loss: within('loss', values.loss, 0, 0.9),
    restart: within('restart', values.restart, 0, 0.9),
    lookups: within('lookups', values.lookups, 1, 100_000, true),
    seed: within('seed', values.seed, 0, 2 ** 32 - 1, true),
    json: values.json,
  }
}

function within(name: string, text: string, min: number, max: number, isWhole = false): number {
  const value = text.trim() === '' ? Number.NaN : Number(text)
  if (value >= min && value <= max && (!isWhole || Number.isInteger(value))) return value
  throw new RangeError(`bad --${name} "${text}": want a ${isWhole ? 'whole ' : ''}number from ${min} to ${max}`)
}

/** One line on a terminal; nothing in a pipe. */
function progress(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`)
}

function simulate(count: number, { loss, restart: share, lookups, seed }: Options) {
  const start = process.cpuUsage()
  const net = network({ count, loss, seed })
  runUntil(net, RESTART_AT_MS)
  restart(net, share)
  runUntil(net, MEASURE_AT_MS)
  progress(`${count} nodes: ${lookups} lookups`)
  const { found, hops, queries, tableSize } = measure(net, lookups)
  progress('')
  const cpu = process.cpuUsage(start)
  const cpuSeconds = (cpu.user + cpu.system) / 1e6
  const memoryMiB = Math.round(process.resourceUsage().maxRSS / 1024)
  return { nodes: count, lookups, loss, restart: share, seed, found, queries, hops, tableSize, cpuSeconds, memoryMiB }
}

function runUntil(net: Simulation, untilMs: number): void {
  for (; net.now < untilMs; net.run(1000)) progress(`${net.nodes.length} nodes: second ${net.now / 1000} of ${MEASURE_AT_MS / 1000}`)
}

function lineOf({
  nodes,
  found,
  queries,
  hops,
  tableSize: { min, mean, max },
  cpuSeconds,
  memoryMiB,
}: ReturnType<typeof simulate>): string {
  const columns = [
    String(nodes),
    `${(found * 100).toFixed(1)} %`,
    queries.toFixed(1),
    hops.toFixed(2),
    `${min}–${mean.toFixed(0)}–${max}`,
    `${cpuSeconds.toFixed(1)} s`,
    `${memoryMiB} MiB`,
  ]
  return columns.map((text, i) => text.padStart(WIDTHS[i] ?? 0)).join('  ')
}

const WIDTHS = [6, 8, 8, 6, 16, 8, 9]
const HEAD = ['nodes', 'found', 'queries', 'hops', 'table', 'CPU', 'memory']

function main(): void {
  const options = readOptions()
  const { loss, restart: share, lookups, seed, json } = options
  if (!json) {
    console.log(
      `${lookups} lookups; ${loss * 100} % of packets lost, ${share * 100} % of nodes restarted; seed ${seed}, Node ${process.version}`,
    )
    console.log(HEAD.map((text, i) => text.padStart(WIDTHS[i] ?? 0)).join('  '))
  }
  for (const count of options.nodes) {
    const result = simulate(count, options)
    console.log(json ? JSON.stringify(result) : lineOf(result))
  }
}

try {
  main()
} catch (error) {
  // What is wrong with the command is told in a line; all else is a bug.
  if (!(error instanceof RangeError || (error instanceof TypeError && 'code' in error))) throw error
  process.stderr.write(`${error.message}: see --help\n`)
  process.exitCode = 2
}
