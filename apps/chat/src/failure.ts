import { KumikoError } from '@kumiko/interface'
import { CommanderError } from 'commander'
import { printable } from './printable.ts'

/** What the program ends with when it fails. */
export interface Failure {
  /** For stderr: what, where, and the mend. Empty where that was shown already. */
  readonly lines: readonly string[]
  /** 1: it failed. 2: the command line is wrong. */
  readonly exitCode: 0 | 1 | 2
}

/** Turns what was thrown into an exit code and lines for stderr. */
export function failureOf(error: unknown): Failure {
  // Commander has written its message already; help and version are no failures.
  if (error instanceof CommanderError) return { lines: [], exitCode: error.exitCode === 0 ? 0 : 2 }
  return { lines: [`kumiko-chat: ${printable(messageOf(error).replaceAll(/\s*\n\s*/g, ' '))}`], exitCode: 1 }
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
  const isForeseen = error instanceof KumikoError || 'code' in error
  return isForeseen ? error.message : `unexpected: ${error.message} (--verbose shows where; please report it)`
}
