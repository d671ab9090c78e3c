import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'

const MAIN = join(import.meta.dirname, '../src/main.ts')

/** What a process of the real CLI ended with. */
export interface Outcome {
  /** Null where a signal ended it. */
  readonly exitCode: number | null
  readonly stdout: string
  readonly stderr: string
}

/** A process of the real CLI that runs on. */
export interface RunningCli {
  readonly pid: number
  /** The next line of stdout that matches, of those not yet asked for. @throws Error where the process ends first. */
  line(pattern: RegExp): Promise<string>
  /** The next event of `--json` with this name. */
  event(name: string): Promise<Record<string, unknown>>
  /** What it said there so far. */
  stderr(): string
  /** Sends a signal and waits for the end. */
  kill(signal: NodeJS.Signals): Promise<Outcome>
  readonly ended: Promise<Outcome>
}

/** A folder of its own for a test, removed at its end. */
export async function temporaryFolder(): Promise<{ readonly path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'kumiko-'))
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) }
}

/** Options of {@link startCli}. */
export interface CliOptions {
  readonly env?: Readonly<Record<string, string>>
  readonly stdin?: string
  readonly cwd?: string
}

/** Starts `kumiko …` without anything of our environment that would change what it does. */
export function startCli(args: readonly string[], { env = {}, stdin = '', cwd }: CliOptions = {}): RunningCli {
  const inherited = Object.fromEntries(
    Object.entries(process.env).filter(([name]) => !/^(KUMIKO_|CORE_|FABRIC_|DEBUG|NO_COLOR|FORCE_COLOR|NODE_)/.test(name)),
  )
  const child = spawn(process.execPath, ['--conditions=@kumiko/source', MAIN, ...args], {
    env: { ...inherited, ...env },
    ...(cwd === undefined ? {} : { cwd }),
  })
  child.stdin.on('error', () => {})
  child.stdin.end(stdin)
  const [stdout, stderr] = [collect(child.stdout), collect(child.stderr)]
  const ended = (async (): Promise<Outcome> => {
    const [exitCode] = (await once(child, 'close')) as [number | null]
    return { exitCode, stdout: stdout.text(), stderr: stderr.text() }
  })()
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  const line = async (pattern: RegExp): Promise<string> => {
    for (;;) {
      const { value, done } = (await lines.next()) as IteratorResult<string, undefined>
      if (done) throw new Error(`ended without a line as ${pattern}: ${stdout.text()}${stderr.text()}`)
      if (pattern.test(value)) return value
    }
  }
  return {
    pid: child.pid ?? 0,
    line,
    stderr: stderr.text,
    event: async (name) => JSON.parse(await line(new RegExp(`^\\{"event":"${name}"`))) as Record<string, unknown>,
    kill: async (signal) => {
      child.kill(signal)
      return await ended
    },
    ended,
  }
}

/** Runs `kumiko …` to its end. */
export async function cli(args: readonly string[], options?: CliOptions): Promise<Outcome> {
  return await startCli(args, options).ended
}

function collect(stream: Readable): { text(): string } {
  let text = ''
  stream.setEncoding('utf8')
  stream.on('data', (chunk: string) => {
    text += chunk
  })
  return { text: () => text }
}
