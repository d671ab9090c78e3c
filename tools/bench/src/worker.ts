import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

export interface WorkerOptions {
  /** Hears what it says on stderr. */
  readonly onNote?: (text: string) => void
  /** Of its Node, besides those of all workers. */
  readonly nodeOptions?: readonly string[]
}

/**
 * Runs a worker of `workers/` in a process of its own, on our sources, and reads the number that it prints last.
 * @throws Error with the worker's own words, if it fails.
 */
export async function runWorker(
  name: string,
  args: readonly (string | number)[],
  { onNote, nodeOptions = [] }: WorkerOptions = {},
): Promise<number> {
  const file = fileURLToPath(new URL(`./workers/${name}.ts`, import.meta.url))
  const options = ['--conditions=@kumiko/source', '--expose-gc', '--no-warnings', ...nodeOptions, file, ...args.map(String)]
  const running = promisify(execFile)(process.execPath, options, { maxBuffer: 1 << 24 })
  running.child.stderr?.on('data', (text) => onNote?.(String(text)))
  const { stdout } = await running
  const value = Number(stdout.trim().split('\n').at(-1))
  if (!Number.isFinite(value)) throw new Error(`${name} ${args.join(' ')} printed no number: ${stdout}`)
  return value
}
