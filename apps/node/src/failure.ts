import { KumikoError } from '@kumiko/interface'
import { CommanderError } from 'commander'
import { ConfigError } from './config/config-error.ts'
import { printable } from './output.ts'

/** What a command ends with when it fails. */
export interface Failure {
  /** For stderr: what, where, and the mend. Empty where that was shown already. */
  readonly lines: readonly string[]
  /** 1: it failed. 2: the command line is wrong. 3: it was stopped before its end. */
  readonly exitCode: 0 | 1 | 2 | 3
}

/** The command line is right in its form, but not in what it says. */
export class UsageError extends KumikoError {
  constructor(message: string) {
    super('node/usage', message)
  }
}

/** Ctrl-C came before the end of what has one. What was done is kept, and the message says how to go on. */
export class StoppedError extends KumikoError {
  constructor(message: string, cause?: unknown) {
    super('node/stopped', message, { cause })
  }
}

/** Turns what a command threw into an exit code and lines for stderr. */
export function failureOf(error: unknown): Failure {
  // Commander has written its message already; help and version are no failures.
  if (error instanceof CommanderError) return { lines: [], exitCode: error.exitCode === 0 ? 0 : 2 }
  if (error instanceof ConfigError) return { lines: error.lines.map(oneLine), exitCode: error.isUsage ? 2 : 1 }
  return { lines: [oneLine(messageOf(error))], exitCode: exitCodeOf(error) }
}

function exitCodeOf(error: unknown): 1 | 2 | 3 {
  if (error instanceof UsageError) return 2
  return error instanceof StoppedError ? 3 : 1
}

/** The stack with all causes, for `--verbose`. */
export function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const causes = error instanceof AggregateError ? error.errors : []
  const inner = [...(error.cause === undefined ? [] : [error.cause]), ...causes]
  return [error.stack ?? error.message, ...inner.map((cause) => `caused by: ${stackOf(cause)}`)].join('\n')
}

function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return `unexpected: ${String(error)} (--verbose shows more)`
  // Which part could not start says less than why.
  if (error instanceof KumikoError && error.code === 'host/start-failed' && error.cause instanceof KumikoError) return error.cause.message
  // What a ledger halts for is another's fault, and what is to be mended.
  if (error instanceof KumikoError && error.code.endsWith('/halted') && error.cause instanceof Error)
    return `${error.message} (${messageOf(error.cause)})`
  const isForeseen = error instanceof KumikoError || 'code' in error
  return isForeseen ? error.message : `unexpected: ${error.message} (--verbose shows where; please report it)`
}

function oneLine(text: string): string {
  return `kumiko: ${printable(text.replaceAll(/\s*\n\s*/g, ' '))}`
}
