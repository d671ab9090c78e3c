import type { Millis } from '@kumiko/interface'
import type { PeerKey } from './candidate.ts'

/** The peers that are connected, as many as the driver tells of. */
export class ConnectedPeers {
  readonly #peers = new Map<PeerKey, { readonly isDialed: boolean; readonly since: Millis }>()
  #dialed = 0
  #aloneSince: Millis

  constructor(now: Millis) {
    this.#aloneSince = now
  }

  get size(): number {
    return this.#peers.size
  }

  /** How many of them take a slot for nodes that we dial. */
  get dialed(): number {
    return this.#dialed
  }

  /** Since when there has been no peer; `Infinity` where there is one. */
  get aloneSince(): Millis {
    return this.#peers.size === 0 ? this.#aloneSince : Number.POSITIVE_INFINITY
  }

  has(peer: PeerKey): boolean {
    return this.#peers.has(peer)
  }

  add(peer: PeerKey, isDialed: boolean, now: Millis): void {
    if (this.#peers.has(peer)) return
    this.#peers.set(peer, { isDialed, since: now })
    this.#dialed += Number(isDialed)
  }

  /** Returns since when it was connected, or undefined where it was not. */
  remove(peer: PeerKey, now: Millis): Millis | undefined {
    const found = this.#peers.get(peer)
    if (found === undefined) return undefined
    this.#peers.delete(peer)
    this.#dialed -= Number(found.isDialed)
    this.#aloneSince = now
    return found.since
  }
}
