import { type ChildProcess, spawn } from 'node:child_process'
import type { Readable } from 'node:stream'
import { type Clock, KumikoError } from '@kumiko/interface'

/** A program of a builder. */
export interface BuilderProcessOptions {
  readonly program: string
  readonly args: readonly string[]
  /** All of its environment. */
  readonly environment: Readonly<Record<string, string>>
  readonly clock: Clock
  /** Told of what it writes to its standard error, line by line; long lines are cut. */
  readonly onLine?: (line: string) => void
}

/** Between the wish that it ends, and its end. As Fabric's `TermTimeout`. */
const KILL_AFTER_MS = 5000

/** Characters of a line, and the last lines that its failure's context has. */
const [LINE_MAX, LINES_MAX] = [4096, 20]

/**
 * Runs a program, and all that it starts in its group, until it ends.
 * @param signal - Ends it: by SIGTERM, and 5 s later by SIGKILL. Returns when it is gone.
 * @throws KumikoError `fabric-chaincode/builder-failed`: it could not be started, ended with a status other than 0, or was ended. Its context has
 * the last `lines` that it wrote.
 * @see Fabric `core/container/externalbuilder/session.go`
 */
export async function runBuilderProcess(options: BuilderProcessOptions, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted()
  const { program, args, environment, clock, onLine } = options
  const child = spawn(program, args, { env: environment, stdio: ['ignore', 'ignore', 'pipe'], detached: true })
  const last: string[] = []
  readLines(child.stderr, (line) => {
    last.push(line)
    if (last.length > LINES_MAX) last.shift()
    onLine?.(line)
  })
  let cancel: (() => void) | undefined
  const end = (): void => {
    signalGroup(child, 'SIGTERM')
    cancel = clock.at(clock.now() + KILL_AFTER_MS, () => signalGroup(child, 'SIGKILL'))
  }
  signal.addEventListener('abort', end, { once: true })
  try {
    await ended(child, last)
  } finally {
    signal.removeEventListener('abort', end)
    cancel?.()
    // What it left running goes with it.
    signalGroup(child, 'SIGKILL')
  }
}

function ended(child: ChildProcess, lines: readonly string[]): Promise<void> {
  return new Promise((done, fail) => {
    child.once('error', (cause) => fail(failed(cause.message, { lines, cause })))
    // Not before all that it wrote was read; but what it left running may hold its standard error open.
    child.once('exit', (status, by) => {
      if (status === 0) done()
      else setImmediate(() => fail(failed(by === null ? `exit status ${status}` : `signal: ${SIGNALS.get(by) ?? by}`, { lines })))
    })
  })
}

/** As Go calls those that we send. */
const SIGNALS: ReadonlyMap<string, string> = new Map([
  ['SIGTERM', 'terminated'],
  ['SIGKILL', 'killed'],
])

function signalGroup(child: ChildProcess, signal: 'SIGTERM' | 'SIGKILL'): void {
  if (child.pid === undefined) return
  try {
    process.kill(-child.pid, signal)
  } catch {
    // Nobody of the group is left.
  }
}

function readLines(from: Readable, onLine: (line: string) => void): void {
  let line = ''
  from.setEncoding('utf8')
  from.on('data', (text: string) => {
    const [first = '', ...more] = text.split('\n')
    line = (line + first).slice(0, LINE_MAX)
    for (const next of more) {
      onLine(line)
      line = next.slice(0, LINE_MAX)
    }
  })
  from.on('end', () => {
    if (line !== '') onLine(line)
  })
}

function failed(message: string, { lines, cause }: { readonly lines: readonly string[]; readonly cause?: unknown }): KumikoError {
  return new KumikoError('fabric-chaincode/builder-failed', message, { cause, context: { lines } })
}
