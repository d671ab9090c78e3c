import { format } from 'node:util'
import { type Clock, KumikoError, systemClock } from '@kumiko/interface'
import type { ComponentLogger, Logger } from '@libp2p/interface'
import { isWritten, type LogLevel, type LogSpec, levelOf, parseLogSpec, printLogSpec } from './log-spec.ts'

/** A log entry. */
export interface LogEntry {
  /** Unix ms. */
  readonly time: number
  readonly level: LogLevel
  /** `kumiko.fabric-peer`: the component's name, with dots. */
  readonly module: string
  /** One line, at most {@link MESSAGE_MAX} characters, without control characters. */
  readonly message: string
}

/** How {@link Logging} is made. */
export interface LoggingOptions {
  /** As Fabric's `FABRIC_LOGGING_SPEC`. Default `info`. */
  readonly spec?: string
  /** Takes entries that the spec lets through. Default: a line each on stderr. */
  readonly write?: (entry: LogEntry) => void
  /** Default: the system's. */
  readonly clock?: Clock
}

/** Longer messages are cut. */
export const MESSAGE_MAX = 8192

/**
 * Logs of all components of a process, whose levels can be changed while it runs. For {@link Logger} of libp2p: what is logged is of level
 * `debug`, with `error` of `error`, with `trace` of `payload`.
 * @see Fabric `fabric-lib-go/common/flogging`
 */
export class Logging implements ComponentLogger {
  readonly #write: (entry: LogEntry) => void
  readonly #clock: Clock
  #spec: LogSpec
  /** Counts specs, so that a logger sees that what it remembers is of an old one. */
  #version = 0

  /** @throws KumikoError `operations/bad-log-spec`. */
  constructor({ spec = 'info', write = writeLine, clock = systemClock }: LoggingOptions = {}) {
    const read = parseLogSpec(spec)
    if ('fault' in read) throw new KumikoError(read.fault, read.detail)
    this.#spec = read
    this.#write = write
    this.#clock = clock
  }

  /** What is written, in one order. */
  get spec(): string {
    return printLogSpec(this.#spec)
  }

  /** Changes what is written from now on. @returns Why not, in Fabric's words; nothing changed then. */
  activate(spec: string): string | undefined {
    const read = parseLogSpec(spec)
    if ('fault' in read) return read.detail
    this.#spec = read
    this.#version++
    return
  }

  /** From which level on a module's entries are written. @param module - `gossip.comm`. */
  levelOf(module: string): LogLevel {
    return levelOf(module, this.#spec)
  }

  /** @param name - `libp2p:tcp`. */
  forComponent(name: string): Logger {
    return this.#logger(name)
  }

  #logger(name: string): Logger {
    const module = name.replaceAll(':', '.')
    let level: LogLevel = 'info'
    let version = -1
    const isOn = (at: LogLevel): boolean => {
      if (version !== this.#version) {
        version = this.#version
        level = levelOf(module, this.#spec)
      }
      return isWritten(at, level)
    }
    const at =
      (entryLevel: LogLevel) =>
      (formatter: unknown, ...values: unknown[]): void => {
        if (isOn(entryLevel)) this.#tell(entryLevel, module, formatter, values)
      }
    return Object.defineProperty(
      Object.assign(at('debug'), {
        enabled: false,
        error: at('error'),
        trace: at('payload'),
        newScope: (scope: string): Logger => this.#logger(`${name}:${scope}`),
      }),
      'enabled',
      { get: () => isOn('debug') },
    )
  }

  #tell(level: LogLevel, module: string, formatter: unknown, values: readonly unknown[]): void {
    try {
      this.#write({ time: this.#clock.now(), level, module, message: oneLine(formatted(formatter, values)) })
    } catch {
      // Nobody who logs can do anything about it.
    }
  }
}

/** An entry as Fabric's peer prints it. */
export function entryText({ time, level, module, message }: LogEntry): string {
  const at = new Date(time).toISOString().replace('T', ' ').replace('Z', ' UTC')
  return `${at} [${module}] ${level.slice(0, 4).toUpperCase()} ${message}`
}

function writeLine(entry: LogEntry): void {
  process.stderr.write(`${entryText(entry)}\n`)
}

/** libp2p's own letters stand for values that print themselves; the rest is `node:util`'s. */
function formatted(formatter: unknown, values: readonly unknown[]): string {
  if (typeof formatter !== 'string') return [formatter, ...values].map(shown).join(' ')
  const left = [...values]
  const text = formatter.replaceAll(/%([a-zA-Z%])/g, (whole, letter: string) => {
    if (letter === '%') return '%'
    if (left.length === 0) return whole
    const value = left.shift()
    return 'sdifjoO'.includes(letter) && !(value instanceof Error) ? format(whole, value) : shown(value)
  })
  return [text, ...left.map(shown)].join(' ')
}

function shown(value: unknown): string {
  if (value instanceof Error) return errorText(value)
  return typeof value === 'string' ? value : format('%s', value)
}

const CAUSES_MAX = 8

function errorText(error: Error): string {
  const parts: string[] = []
  for (let at: unknown = error; at instanceof Error && parts.length < CAUSES_MAX; at = at.cause) parts.push(at.message)
  return parts.join(': ')
}

function oneLine(text: string): string {
  const cut = text.length > MESSAGE_MAX ? `${text.slice(0, MESSAGE_MAX - 1)}…` : text
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for.
  return cut.replaceAll(/[\u0000-\u001f\u007f-\u009f]+/g, ' ')
}
