import { curve, keccak256, parseNode } from '@kumiko/identity'
import type { NodeEndpoint, NodeRecord, UdpEndpoint } from '@kumiko/interface'
import { TesterSocket } from './tester-socket.ts'

/** A node under test that is up, on loopback. Nothing of it is known but its address and what comes over the wire. */
export interface RunningTarget extends AsyncDisposable {
  readonly enode: string
  /** `enr:…`; undefined where it has none. */
  readonly record: string | undefined
}

/** How to start a node under test. */
export interface Target {
  /** Must not wait for the bootnodes. @param bootnodes - Enode URLs (discv4) or records (discv5): it must ask them for nodes at once. */
  start(bootnodes: readonly string[]): Promise<RunningTarget>
}

/** The tester's two addresses. */
export const ADDRESSES: readonly [string, string] = ['127.0.0.1', '127.0.0.2']

/** An answer may take so long: much more than it needs, since only what fails waits for it. */
export const WAIT_MS = 3000

/** So often is asked whether the node is still there: UDP may lose the question where the socket's buffer was full. */
export const FENCE_TRIES = 3

/** Silence is believed after so long, once the node has answered somebody else's later question. */
export const QUIET_MS = 300

/** Options of a {@link Bench}. */
export interface BenchOptions {
  /** Of all keys and random bytes; another one for each check. */
  readonly seed: string
  readonly patienceMs: number
}

/** What a check works with: the target, fresh keys, and sockets that are closed behind it. */
export class Bench {
  /** What happens in the node's own time, as meeting its neighbours, may take so long. */
  readonly patienceMs: number
  readonly #target: Target
  readonly #seed: string
  readonly #open: AsyncDisposable[] = []
  readonly #started = Promise.withResolvers<void>()
  #running: RunningTarget | undefined
  /** What work beside the check threw; of all benches of one check. */
  #failures: unknown[] = []
  #count = 0

  /**
   * @param running - Default: none yet, see {@link start}.
   */
  constructor(target: Target, { seed, patienceMs }: BenchOptions, running?: RunningTarget) {
    this.#target = target
    this.#seed = seed
    this.patienceMs = patienceMs
    if (running !== undefined) this.#run(running)
  }

  /** Resolves once there is a target. */
  get started(): Promise<void> {
    return this.#started.promise
  }

  /** The target as its record or enode URL tells it. */
  get node(): NodeRecord {
    const { record, enode } = this.#runningTarget
    return parseNode(record ?? enode)
  }

  /** 64 bytes. */
  get publicKey(): Uint8Array {
    return curve.expand(this.node.publicKey) ?? new Uint8Array(64)
  }

  /** Where the target is. */
  get endpoint(): UdpEndpoint {
    const { host = '', udp = 0 }: Partial<NodeEndpoint> = parseNode(this.#runningTarget.enode).endpoints[0] ?? {}
    return { ip: host, port: udp }
  }

  /** Has the check fail if this work fails, which goes on beside it. */
  watch(work: Promise<void>): void {
    work.catch((error: unknown) => void this.#failures.push(error))
  }

  /** @throws what work beside the check threw first. */
  rethrow(): void {
    if (this.#failures.length > 0) throw this.#failures[0]
  }

  /** Bytes that nobody has seen: the same ones for the same seed. */
  bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(length)
    for (let at = 0; at < length; at += 32) {
      const block = keccak256(new TextEncoder().encode(`${this.#seed}/${this.#count++}`))
      bytes.set(block.subarray(0, length - at), at)
    }
    return bytes
  }

  /** A fresh secret key. */
  key(): Uint8Array {
    return this.bytes(32) // beyond the group's order once in 2^128
  }

  /** @param port - Default: any. @throws what the system refuses. */
  async socket(ip: string = ADDRESSES[0], port?: number): Promise<TesterSocket> {
    const socket = await TesterSocket.bind(ip, port)
    this.#open.push(socket)
    return socket
  }

  /** A bench for a target of the same kind that is still to be started: its bootnodes come first. */
  another(): Bench {
    const bench = new Bench(this.#target, { seed: `${this.#seed}/another`, patienceMs: this.patienceMs })
    this.#open.push({ [Symbol.asyncDispose]: () => bench.close() })
    bench.#failures = this.#failures
    return bench
  }

  async start(bootnodes: readonly string[]): Promise<void> {
    const running = await this.#target.start(bootnodes)
    this.#open.push(running)
    this.#run(running)
  }

  async close(): Promise<void> {
    for (const each of this.#open.splice(0).reverse()) await each[Symbol.asyncDispose]()
  }

  #run(running: RunningTarget): void {
    this.#running = running
    this.#started.resolve()
  }

  get #runningTarget(): RunningTarget {
    if (this.#running === undefined) throw new Error('the target was not started yet')
    return this.#running
  }
}
