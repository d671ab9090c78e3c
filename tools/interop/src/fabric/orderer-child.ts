import { type ChildProcessByStdio, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { trackChild } from '../foreign-child.ts'

const PROGRAM = fileURLToPath(new URL('./orderer-process.ts', import.meta.url))

/** How far an orderer is. */
export interface OrdererReport {
  readonly height: number
  /** In all blocks but the first. */
  readonly transactions: number
  /** Why it makes no more blocks. */
  readonly failure: string | null
}

/** An orderer of ours in a process of its own: it can be killed and started again, with its files. */
export class OrdererChild {
  /** `host:port` of its gRPC services. */
  readonly address: string
  readonly folder: string
  readonly #natsServers: readonly string[]
  #child: ChildProcessByStdio<Writable, Readable, null> | undefined
  #waiting = new Map<string, (line: Readonly<Record<string, unknown>>) => void>()
  #count = 0

  constructor(folder: string, address: string, natsServers: readonly string[]) {
    this.folder = folder
    this.address = address
    this.#natsServers = natsServers
  }

  /** Resolves when it serves. */
  async start(timeoutMs: number): Promise<void> {
    const flags = ['-folder', this.folder, '-listen', this.address, '-nats', this.#natsServers.join(',')]
    const child = spawn(process.execPath, ['--conditions=@kumiko/source', PROGRAM, ...flags], { stdio: ['pipe', 'pipe', 'inherit'] })
    trackChild(child)
    this.#child = child
    this.#waiting = new Map()
    const waiting = this.#waiting
    child.stdin.on('error', () => {}) // it was killed
    createInterface({ input: child.stdout }).on('line', (text) => {
      const line = JSON.parse(text) as Readonly<Record<string, unknown>>
      waiting.get(String(line.event ?? line.reply))?.(line)
    })
    await this.#line('listening', timeoutMs)
  }

  async report(): Promise<OrdererReport> {
    return await this.#ask('report')
  }

  /** Ends it as its operator would. */
  async stop(): Promise<OrdererReport> {
    return await this.#ask('quit')
  }

  /** SIGKILL. */
  async kill(): Promise<void> {
    const child = this.#child
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  async #ask(cmd: string): Promise<OrdererReport> {
    const id = ++this.#count
    const answer = this.#line(String(id), 10_000)
    this.#child?.stdin.write(`${JSON.stringify({ id, cmd })}\n`)
    const { height, transactions, failure, error } = await answer
    if (error !== undefined) throw new Error(String(error))
    return { height: Number(height), transactions: Number(transactions), failure: failure === null ? null : String(failure) }
  }

  async #line(name: string, timeoutMs: number): Promise<Readonly<Record<string, unknown>>> {
    const { promise, resolve, reject } = Promise.withResolvers<Readonly<Record<string, unknown>>>()
    const timer = setTimeout(() => reject(new Error(`orderer ${this.address}: no '${name}' in ${timeoutMs} ms`)), timeoutMs)
    this.#waiting.set(name, resolve)
    try {
      return await promise
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(name)
    }
  }
}
