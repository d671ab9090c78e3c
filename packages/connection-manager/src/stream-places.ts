import type { Refusal } from '@kumiko/interface'
import type { MessageStreamDirection } from '@libp2p/interface'
import { refuse } from './refusal.ts'

/** Counts streams that are open, over all connections. It holds an entry for each protocol with an open stream. */
export class StreamPlaces {
  readonly #open = new Map<string, Record<MessageStreamDirection, number>>()

  /** Protocols with an open stream. */
  get size(): number {
    return this.#open.size
  }

  /** Open streams of a protocol. */
  count(protocol: string, direction: MessageStreamDirection): number {
    return this.#open.get(protocol)?.[direction] ?? 0
  }

  /** Takes a place, or tells why there is none. Whoever takes one gives it back once. @param limit - Undefined: no bound. */
  take(protocol: string, direction: MessageStreamDirection, limit: number | undefined): Refusal | undefined {
    const counts = this.#open.get(protocol)
    const count = counts?.[direction] ?? 0
    if (limit !== undefined && count >= limit) {
      return refuse('too-many-peers', 'limit-reached', `${count} of ${limit} ${direction} streams of ${protocol}`)
    }
    if (counts === undefined) this.#open.set(protocol, { inbound: 0, outbound: 0, [direction]: 1 })
    else counts[direction]++
    return undefined
  }

  giveBack(protocol: string, direction: MessageStreamDirection): void {
    const counts = this.#open.get(protocol)
    if (counts === undefined || counts[direction] === 0) return
    counts[direction]--
    if (counts.inbound + counts.outbound === 0) this.#open.delete(protocol)
  }
}
