import { curve, keccak256, parseNode } from '@kumiko/identity'
import type { NodeEndpoint, NodeRecord, UdpEndpoint } from '@kumiko/interface'
import { CheckFailure } from './check.ts'
import { TesterSocket } from './tester-socket.ts'

/** A node under test that is up, on loopback. Nothing of it is known but its address and what comes over the wire. */
export interface RunningTarget extends AsyncDisposable {
  readonly enode: string
  /** `enr:…`; undefined where it has none. */
  readonly record: string | undefined
}

/** How to start a node under test. */
export interface Target {
  /** @param bootnodes - Enode URLs (discv4) or records (discv5). It must ask them for nodes at once. */
  start(bootnodes: readonly string[]): Promise<RunningTarget>
}

/** The tester's two addresses. */
export const ADDRESSES: readonly [string, string] = ['127.0.0.1', '127.0.0.2']

/** An answer may take so long: much more than it needs, since only what fails waits for it. */
export const WAIT_MS = 3000

/** Silence is believed after so long, once the node has answered somebody else's later question. */
export const QUIET_MS = 300

/** What a check works with: the target, fresh keys, and sockets that are closed behind it. */
export class Bench {
  readonly target: RunningTarget
  readonly #kind: Target
  readonly #seed: string
  readonly #open: AsyncDisposable[] = []
  #count = 0

  /** @param seed - Of all keys and random bytes; another one for each check. */
  constructor(kind: Target, target: RunningTarget, seed: string) {
    this.#kind = kind
    this.target = target
    this.#seed = seed
  }

  /** The target as its enode URL or record tells it. */
  get node(): NodeRecord {
    return parseNode(this.target.record ?? this.target.enode)
  }

  /** 64 bytes. */
  get publicKey(): Uint8Array {
    return curve.expand(this.node.publicKey) ?? new Uint8Array(64)
  }

  /** Where the target is. */
  get endpoint(): UdpEndpoint {
    const { host = '', udp = 0 }: Partial<NodeEndpoint> = parseNode(this.target.enode).endpoints[0] ?? {}
    return { ip: host, port: udp }
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

  async socket(ip: string = ADDRESSES[0], port?: number): Promise<TesterSocket> {
    const socket = await TesterSocket.bind(ip, port)
    this.#open.push(socket)
    return socket
  }

  /** One more target of this kind, that knows some nodes. */
  async start(bootnodes: readonly string[]): Promise<Bench> {
    const target = await this.#kind.start(bootnodes)
    this.#open.push(target)
    const bench = new Bench(this.#kind, target, `${this.#seed}/started`)
    this.#open.push({ [Symbol.asyncDispose]: () => bench.close() })
    return bench
  }

  async close(): Promise<void> {
    for (const each of this.#open.splice(0).reverse()) await each[Symbol.asyncDispose]()
  }
}

/** Polls until it holds. @throws CheckFailure after that time, telling what was waited for. */
export async function until(holds: () => boolean, waitMs: number, what: string | (() => string)): Promise<void> {
  const end = performance.now() + waitMs
  while (!holds()) {
    if (performance.now() > end) throw new CheckFailure(`waited ${waitMs} ms for ${typeof what === 'string' ? what : what()}`)
    await pause(20)
  }
}

export async function pause(durationMs: number): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, durationMs))
}
