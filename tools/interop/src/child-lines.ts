// The child's end of the lines of JSON that foreign-child.ts writes and reads.
import { createInterface } from 'node:readline'

/** What one line says. */
export type Fields = Readonly<Record<string, unknown>>

/** The command line's arguments for `parseArgs`: flags have one dash, as Go has them. */
export function flags(): string[] {
  return process.argv.slice(2).map((arg) => arg.replace(/^-(?=[a-z])/, '--'))
}

/** Tells what happened, unasked. */
export function event(name: string, fields: Fields): void {
  write({ event: name, ...fields })
}

/** Answers commands, side by side, until `quit` or the end of stdin. An error's `reason` is told, too. */
export function serve<Command extends { readonly id: number; readonly cmd: string }>(handle: (command: Command) => Promise<Fields>): void {
  createInterface({ input: process.stdin })
    .on('line', (line) => void answer(JSON.parse(line) as Command, handle))
    .on('close', () => process.exit(0)) // our parent is gone
}

async function answer<Command extends { readonly id: number; readonly cmd: string }>(
  command: Command,
  handle: (command: Command) => Promise<Fields>,
): Promise<void> {
  try {
    write({ reply: command.id, ...(await handle(command)) })
  } catch (error) {
    const reason = error instanceof Error && 'reason' in error ? error.reason : undefined
    write({ reply: command.id, error: error instanceof Error ? error.message : String(error), ...(reason === undefined ? {} : { reason }) })
  }
  if (command.cmd === 'quit') process.exit(0)
}

function write(line: Fields): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}
