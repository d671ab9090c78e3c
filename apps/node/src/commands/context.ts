import type { Command } from 'commander'
import { type Output, processOutput } from '../output.ts'

/** The output that a command's global flags ask for. */
export function outputOf(command: Command): Output {
  return processOutput(command.optsWithGlobals<{ json?: boolean }>().json === true)
}

/** Writes fields as JSON, or as lines `name  value`. */
export function report(output: Output, fields: Readonly<Record<string, unknown>>, lines: readonly string[]): void {
  if (output.isJson) output.json(fields)
  else for (const line of lines) output.line(line)
}
