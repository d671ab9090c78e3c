#!/usr/bin/env -S node --conditions=@kumiko/source
import { failureOf, stackOf } from './failure.ts'
import { createProgram } from './program.ts'

// Whoever read has gone, as after `| head`.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => {})

/** Ends when nothing is left to do: what is left open would keep the process, and be noticed. */
try {
  await createProgram().parseAsync()
} catch (error) {
  const { lines, exitCode } = failureOf(error)
  for (const line of lines) process.stderr.write(`${line}\n`)
  const isVerbose = process.argv.includes('--verbose') || process.env.DEBUG !== undefined
  if (isVerbose && lines.length > 0) process.stderr.write(`${stackOf(error)}\n`)
  process.exitCode = exitCode
}
