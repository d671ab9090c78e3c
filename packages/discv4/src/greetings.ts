import type { Millis, NodeId, UdpEndpoint } from '@kumiko/interface'
import type { Effects } from './effect.ts'
import { nodeAt } from './neighbor.ts'

/** So long a node that came is left alone: it has yet to see our pong, and what it asked itself comes first. */
const DELAY_MS: Millis = 1000

/** Nodes that wait at most; more than that are not told of. */
export const GREETINGS_MAX = 1024

/** A node that came by itself. */
export interface Newcomer {
  readonly nodeId: NodeId
  /** 64 bytes, a point of the curve. */
  readonly publicKey: Uint8Array
  readonly from: UdpEndpoint
  /** 0 for none. */
  readonly tcp: number
  readonly enrSeq: bigint
  readonly origin: 'inbound' | 'verified'
}

/** Nodes that came, until it is time to take notice of them. */
export class Greetings {
  /** By node and endpoint, in the order in which they are due. */
  readonly #waiting = new Map<string, { readonly newcomer: Newcomer; readonly dueAt: Millis }>()

  get size(): number {
    return this.#waiting.size
  }

  get deadline(): Millis {
    const [first] = this.#waiting.values()
    return first?.dueAt ?? Number.POSITIVE_INFINITY
  }

  /** A node that waits already keeps its turn. */
  add(newcomer: Newcomer, now: Millis): void {
    const key = `${newcomer.nodeId}@${newcomer.from.ip}:${newcomer.from.port}`
    const known = this.#waiting.get(key)
    if (known === undefined && this.#waiting.size >= GREETINGS_MAX) return
    const origin = known?.newcomer.origin === 'verified' ? 'verified' : newcomer.origin
    this.#waiting.set(key, { newcomer: { ...newcomer, origin }, dueAt: known?.dueAt ?? now + DELAY_MS })
  }

  /** Tells of those whose turn it is. */
  expire(now: Millis, out: Effects): void {
    for (const [key, { newcomer, dueAt }] of this.#waiting) {
      if (dueAt > now) return
      this.#waiting.delete(key)
      const { publicKey, from, tcp, enrSeq, origin } = newcomer
      out.push({ do: 'met', node: nodeAt(publicKey, from, tcp), origin, enrSeq })
    }
  }
}
