import { BoundedMap, type Millis } from '@kumiko/interface'
import type { PeerKey } from './candidate.ts'

/** Entries kept at most; the oldest goes first. More than 100 dials a second would be needed to get there. */
const HISTORY_MAX = 4096

/** The nodes dialed lately. Holds at most 4096. */
export class DialHistory {
  readonly #durationMs: Millis
  /** When each entry ends, in that order. */
  readonly #expiry = new BoundedMap<PeerKey, Millis>(HISTORY_MAX)

  /** @param durationMs - How long a node is remembered after the start of its dial. */
  constructor(durationMs: Millis) {
    this.#durationMs = durationMs
  }

  get size(): number {
    return this.#expiry.size
  }

  /** When the next entry ends; `Infinity` if there is none. */
  get deadline(): Millis {
    return this.#expiry.values().next().value ?? Number.POSITIVE_INFINITY
  }

  add(peer: PeerKey, now: Millis): void {
    this.#expiry.set(peer, now + this.#durationMs)
  }

  /** When a node may be dialed again, or undefined where it may be now. */
  expiry(peer: PeerKey): Millis | undefined {
    return this.#expiry.get(peer)
  }

  /** Forgets what has ended. */
  expire(now: Millis): void {
    for (const [peer, expiry] of this.#expiry) {
      if (expiry > now) return
      this.#expiry.delete(peer)
    }
  }
}
