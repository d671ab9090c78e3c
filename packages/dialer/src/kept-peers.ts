import type { Millis, Random } from '@kumiko/interface'
import type { Candidate, PeerKey } from './candidate.ts'
import { StaticNodes } from './static-nodes.ts'

/** Kept peers at most; those that come later are passed over. */
const KEPT_MAX = 1024

/** How peers that were to be kept are redialed. */
export interface KeptPeersOptions {
  /** Before the first retry; doubled with each one in a row, up to 5 minutes. */
  readonly retryMs: Millis
  /** A peer is given up when so many retries in a row have failed. `Infinity`: never. */
  readonly retries: number
  /** A connection that has lasted so long ends the back-off. */
  readonly lastingMs: Millis
  readonly random: Random
}

/**
 * The peers that someone wants to be kept connected, by a tag: as static nodes, but redialed sooner, whatever the history says, only while there
 * is room for peers, and given up in the end. Holds at most 1024.
 */
export class KeptPeers {
  readonly #options: KeptPeersOptions
  readonly #nodes: StaticNodes
  /** Dials in a row that failed. No more than there are nodes. */
  readonly #failures = new Map<PeerKey, number>()

  constructor(options: KeptPeersOptions) {
    this.#options = options
    this.#nodes = new StaticNodes(options.retryMs, options.random)
  }

  get size(): number {
    return this.#nodes.size
  }

  /** When the next peer may be due; `Infinity` if none is waiting. */
  get deadline(): Millis {
    return this.#nodes.deadline
  }

  /** Keeps a peer from now on, or learns of its addresses. */
  keep(candidate: Candidate, now: Millis): void {
    if (this.#nodes.update(candidate) || this.#nodes.size >= KEPT_MAX) return
    this.#nodes.add(candidate, now)
  }

  /** Tells whether it was kept. */
  release(peer: PeerKey): boolean {
    this.#failures.delete(peer)
    return this.#nodes.remove(peer)
  }

  /** Takes one of the peers that are due. It is not due again until {@link wake}. */
  take(now: Millis): Candidate | undefined {
    return this.#nodes.take(now)
  }

  /** Makes a peer due as soon as its back-off and `earliest` allow. */
  wake(peer: PeerKey, earliest: Millis): void {
    this.#nodes.wake(peer, earliest)
  }

  /** A peer connected, whoever dialed. */
  connected(peer: PeerKey): void {
    this.#failures.delete(peer)
  }

  /** Its last connection ended. @param since - When the first began. */
  dropped(peer: PeerKey, since: Millis, now: Millis): void {
    if (now - since >= this.#options.lastingMs) this.#nodes.succeeded(peer, now)
    else this.#nodes.failed(peer, now)
  }

  /** A dial failed. Tells whether the peer is given up by that: it is kept no more. */
  failed(peer: PeerKey, now: Millis): boolean {
    if (!this.#nodes.has(peer)) return false
    const failures = (this.#failures.get(peer) ?? 0) + 1
    if (failures > this.#options.retries) return this.release(peer)
    this.#failures.set(peer, failures)
    this.#nodes.failed(peer, now)
    return false
  }
}
