import { KumikoError } from '@kumiko/interface'
import { type Failure, failureLine, failureOf as failureOfProgram } from '@kumiko/terminal'
import { ConfigError } from './config/config-error.ts'

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
  if (error instanceof ConfigError) {
    return { lines: error.lines.map((line) => failureLine('kumiko', line)), exitCode: error.isUsage ? 2 : 1 }
  }
  const failure = failureOfProgram('kumiko', error)
  if (error instanceof UsageError) return { ...failure, exitCode: 2 }
  return error instanceof StoppedError ? { ...failure, exitCode: 3 } : failure
}
