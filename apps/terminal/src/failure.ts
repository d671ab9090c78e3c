import { codeOf, KumikoError } from '@kumiko/interface'
import type { CommanderError } from 'commander'
import { printable } from './printable.ts'

/** What a command ends with when it fails. */
export interface Failure {
  /** For stderr: what, where, and the mend. Empty where that was shown already. */
  readonly lines: readonly string[]
  /** 1: it failed. 2: the command line is wrong. 3: it was stopped before its end. */
  readonly exitCode: 0 | 1 | 2 | 3
}

/** Turns what a command of `program` threw into an exit code and lines for stderr. */
export function failureOf(program: string, error: unknown): Failure {
  // Commander has written its message already; help and version are no failures.
  if (isCommanders(error)) return { lines: [], exitCode: error.exitCode === 0 ? 0 : 2 }
  return { lines: [failureLine(program, messageOf(error))], exitCode: 1 }
}

/** A line of stderr: its program, and the text on one line. */
export function failureLine(program: string, text: string): string {
  return `${program}: ${printable(text.replaceAll(/\s*\n\s*/g, ' '))}`
}

/** By its code: a program may have a copy of commander of its own. */
function isCommanders(error: unknown): error is CommanderError {
  return codeOf(error)?.startsWith('commander.') === true
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
