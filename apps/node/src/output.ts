import { once } from 'node:events'
import { type InspectColor, styleText } from 'node:util'
import { systemClock } from '@kumiko/interface'

/** Where a command writes: for a person at a terminal, for a person behind a pipe, or for a machine. */
export interface Output {
  /** One JSON value a line instead of text. */
  readonly isJson: boolean
  /** A person sees it, and lines may be drawn anew. */
  readonly isLive: boolean
  /** Characters a line, and lines, of the terminal now. */
  readonly size: { readonly columns: number; readonly rows: number }
  /** Aborts when nobody reads any more (`| head`). */
  readonly closed: AbortSignal
  /** One line of text. */
  line(text: string): void
  /** One JSON value on a line of its own. */
  json(value: unknown): void
  /** As it is: for drawing on a terminal. */
  write(text: string): void
  /** Resolves when what was written is on its way: for who writes much. */
  drained(): Promise<void>
  /** One line on stderr. */
  warn(text: string): void
  /** Colours text where stdout shows colours: on a terminal, without NO_COLOR. */
  style(color: InspectColor, text: string): string
}

/** What of a stream the output uses. */
type Stream = NodeJS.WriteStream

/** The output of a process. */
export function processOutput(isJson: boolean, stdout: Stream = process.stdout, stderr: Stream = process.stderr): Output {
  const closed = new AbortController()
  const close = (): void => closed.abort()
  // EPIPE and the like: whoever read has gone. What is written from then on goes nowhere.
  stdout.on('error', close)
  stderr.on('error', () => {})
  const write = (text: string): void => {
    if (!closed.signal.aborted) stdout.write(text)
  }
  return {
    isJson,
    isLive: !isJson && stdout.isTTY === true,
    get size() {
      return { columns: stdout.columns || 120, rows: stdout.rows || 24 }
    },
    closed: closed.signal,
    line: (text) => write(`${text}\n`),
    json: (value) => write(`${JSON.stringify(value)}\n`),
    write,
    drained: async () => {
      if (!stdout.writableNeedDrain || closed.signal.aborted) return
      await once(stdout, 'drain', { signal: closed.signal }).catch(() => {})
    },
    warn: (text) => void stderr.write(`${text}\n`),
    style: (color, text) => styleText(color, text, { stream: stdout, validateStream: true }),
  }
}

/** When an event is told of: as ISO 8601. */
export function now(): string {
  return new Date(systemClock.now()).toISOString()
}

/** `name  value` lines with the values below each other. */
export function listing(pairs: readonly (readonly [string, string])[]): string[] {
  const width = Math.max(...pairs.map(([name]) => name.length))
  return pairs.map(([name, value]) => `${name.padEnd(width)}  ${value}`.trimEnd())
}
