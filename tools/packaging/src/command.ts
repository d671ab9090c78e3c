import { spawn } from 'node:child_process'

/** What came of a command. */
export interface Outcome {
  readonly isOk: boolean
  /** Standard output. */
  readonly stdout: string
  /** Both outputs, as they came. */
  readonly text: string
}

/** No command takes longer. */
const TIMEOUT_MS = 10 * 60_000

/** Runs a command to its end, without input. Never rejects. */
export function run(command: string, args: readonly string[], cwd: string): Promise<Outcome> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      cwd,
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: TIMEOUT_MS,
      env: { ...process.env, FORCE_COLOR: '0' },
    })
    let stdout = ''
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      stdout += chunk
      text += chunk
    })
    child.stderr.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    child.on('error', (error) => resolve({ isOk: false, stdout, text: error.message }))
    child.on('close', (code) => resolve({ isOk: code === 0, stdout, text }))
  })
}
