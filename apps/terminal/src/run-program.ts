import type { Command } from 'commander'
import type { Failure } from './failure.ts'

/**
 * Runs the command line of this process. It ends when nothing is left to do: what a command leaves open would keep the process, and be noticed.
 *
 * @param failureOf - What it ends with when a command throws. `--verbose`, or DEBUG in the environment, shows the stack besides.
 */
export async function runProgram(program: Command, failureOf: (error: unknown) => Failure): Promise<void> {
  // Whoever read has gone, as after `| head`.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})
  try {
    await program.parseAsync()
  } catch (error) {
    const { lines, exitCode } = failureOf(error)
    for (const line of lines) process.stderr.write(`${line}\n`)
    const isVerbose = process.argv.includes('--verbose') || process.env.DEBUG !== undefined
    if (isVerbose && lines.length > 0) process.stderr.write(`${stackOf(error)}\n`)
    process.exitCode = exitCode
  }
}

/** The stack with all causes. */
function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const causes = error instanceof AggregateError ? error.errors : []
  const inner = [...(error.cause === undefined ? [] : [error.cause]), ...causes]
  return [error.stack ?? error.message, ...inner.map((cause) => `caused by: ${stackOf(cause)}`)].join('\n')
}
