import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { trackChild } from '../foreign-child.ts'

const MAIN = fileURLToPath(new URL('../../../../apps/node/src/main.ts', import.meta.url))

/** How the peer is configured: `CORE_*` variables, and the folder of its `core.yaml`. */
export type PeerEnvironment = Readonly<Record<string, string>>

/** A peer of ours as its operator runs it, `kumiko fabric peer start`: it can be killed and started again, with its files. */
export class PeerChild {
  readonly #environment: PeerEnvironment
  #child: ChildProcessByStdio<null, Readable, null> | undefined
  #operations = ''

  constructor(environment: PeerEnvironment) {
    this.#environment = environment
  }

  /** Resolves when it serves. */
  async start(timeoutMs: number): Promise<void> {
    const child = this.#spawn('fabric', 'peer', 'start', '--json')
    this.#child = child
    const { promise, resolve, reject } = Promise.withResolvers<string>()
    const timer = setTimeout(() => reject(new Error(`the peer has not started in ${timeoutMs} ms`)), timeoutMs)
    child.once('exit', (code, signal) => reject(new Error(`the peer ended with ${code ?? signal}`)))
    createInterface({ input: child.stdout }).on('line', (line) => {
      const { event, operationsAddress } = JSON.parse(line) as { readonly event?: unknown; readonly operationsAddress?: unknown }
      if (event === 'started') resolve(String(operationsAddress))
    })
    try {
      this.#operations = await promise
    } finally {
      clearTimeout(timer)
    }
  }

  /** How many blocks of a channel it has, as its metrics tell. */
  async height(channelId: string): Promise<number> {
    const text = await (await fetch(`http://${this.#operations}/metrics`)).text()
    return Number(new RegExp(`^ledger_blockchain_height\\{channel="${channelId}"\\} (\\d+)$`, 'm').exec(text)?.[1] ?? 0)
  }

  /** SIGKILL, or SIGTERM, and waits for the end. @returns The exit code; null where a signal ended it. */
  async kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return child?.exitCode ?? null
    const gone = new Promise<number | null>((resolve) => child.once('exit', resolve))
    child.kill(signal)
    return await gone
  }

  /** Runs another command over the peer's files, to its end. @returns What it printed. @throws Error where it fails. */
  async command(...args: readonly string[]): Promise<string> {
    const child = this.#spawn(...args)
    let text = ''
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    const code = await new Promise((resolve) => child.once('close', resolve))
    if (code !== 0) throw new Error(`kumiko ${args.join(' ')} ended with ${String(code)}`)
    return text
  }

  #spawn(...args: readonly string[]): ChildProcessByStdio<null, Readable, null> {
    const child = spawn(process.execPath, ['--conditions=@kumiko/source', MAIN, ...args], {
      env: { ...process.env, ...this.#environment },
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    trackChild(child)
    return child
  }
}
