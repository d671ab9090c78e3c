import type { Millis, Random } from '@kumiko/interface'
import { type Candidate, type PeerKey, peerKey } from './candidate.ts'

/** Doubling nothing would leave nothing, and what fails at once would be dialed without end. */
const BACKOFF_MS_MIN = 1

/** The back-off of static nodes stops growing here. */
export const STATIC_BACKOFF_MS_MAX = 300_000

/** A node whose record was asked for is not asked for again before this; doubled each time that nothing is found. */
const RESOLVE_DELAY_MS = 60_000

/** The delay between two resolutions stops growing here. */
const RESOLVE_DELAY_MS_MAX = 3_600_000

/** Each delay is stretched by up to this share of itself, so that nodes that fell together are not redialed together. */
const JITTER = 0.1

/** The nodes to be kept connected, and when each is next to be dialed. */
export class StaticNodes {
  readonly #nodes = new Map<PeerKey, StaticNode>()
  readonly #backoffMs: Millis
  readonly #random: Random
  /** No node is due before this. */
  #deadline: Millis = Number.POSITIVE_INFINITY

  /** @param backoffMs - After the first failure; doubled with each one in a row, up to 5 minutes. */
  constructor(backoffMs: Millis, random: Random) {
    this.#backoffMs = Math.max(BACKOFF_MS_MIN, backoffMs)
    this.#random = random
  }

  get size(): number {
    return this.#nodes.size
  }

  /** When the next node may be due; `Infinity` if none is waiting. */
  get deadline(): Millis {
    return this.#deadline
  }

  has(peer: PeerKey): boolean {
    return this.#nodes.has(peer)
  }

  add(candidate: Candidate, dueAt: Millis): void {
    const node = { candidate, dueAt, failures: 0, retryAt: dueAt, resolveAt: dueAt, resolveDelayMs: RESOLVE_DELAY_MS }
    this.#nodes.set(peerKey(candidate.peerId), node)
    this.wake(peerKey(candidate.peerId), dueAt)
  }

  /** Learns of a node's addresses. Tells whether it is static. */
  update(candidate: Candidate): boolean {
    const node = this.#nodes.get(peerKey(candidate.peerId))
    if (node !== undefined) node.candidate = candidate
    return node !== undefined
  }

  remove(peer: PeerKey): boolean {
    return this.#nodes.delete(peer)
  }

  /** Makes a node due as soon as its back-off and `earliest` allow. */
  wake(peer: PeerKey, earliest: Millis): void {
    const node = this.#nodes.get(peer)
    if (node === undefined) return
    node.dueAt = Math.max(earliest, node.retryAt)
    this.#deadline = Math.min(this.#deadline, node.dueAt)
  }

  /** Takes one of the nodes that are due, at random. It is not due again until {@link wake}. */
  take(now: Millis): Candidate | undefined {
    if (now < this.#deadline) return undefined
    const due: StaticNode[] = []
    this.#deadline = Number.POSITIVE_INFINITY
    for (const node of this.#nodes.values()) {
      if (node.dueAt <= now) due.push(node)
      this.#deadline = Math.min(this.#deadline, node.dueAt)
    }
    const taken = due[Math.floor(this.#random() * due.length)]
    if (taken !== undefined) taken.dueAt = Number.POSITIVE_INFINITY
    return taken?.candidate
  }

  /** A dial failed, or the connection did not last: the back-off grows. @param since - When that dial, or that connection, began. */
  failed(peer: PeerKey, since: Millis): void {
    const node = this.#nodes.get(peer)
    if (node === undefined) return
    const delayMs = Math.min(this.#backoffMs * 2 ** Math.min(node.failures, 30), Math.max(STATIC_BACKOFF_MS_MAX, this.#backoffMs))
    node.failures += 1
    node.retryAt = since + delayMs * (1 + JITTER * this.#random())
  }

  /** A connection lasted: the back-off starts anew. */
  succeeded(peer: PeerKey, now: Millis): void {
    const node = this.#nodes.get(peer)
    if (node === undefined) return
    node.failures = 0
    node.retryAt = now
  }

  /** Tells whether a node's record may be asked for now. */
  mayResolve(peer: PeerKey, now: Millis): boolean {
    const node = this.#nodes.get(peer)
    return node !== undefined && node.resolveAt <= now
  }

  /** A node's record was asked for. @param found - Undefined where nothing was found. */
  resolved(peer: PeerKey, found: Candidate | undefined, now: Millis): void {
    const node = this.#nodes.get(peer)
    if (node === undefined) return
    if (found !== undefined) node.candidate = found
    node.resolveDelayMs = found !== undefined ? RESOLVE_DELAY_MS : Math.min(2 * node.resolveDelayMs, RESOLVE_DELAY_MS_MAX)
    node.resolveAt = now + node.resolveDelayMs
  }
}

interface StaticNode {
  candidate: Candidate
  /** When it is to be dialed; `Infinity` while it is connected or being dialed. */
  dueAt: Millis
  /** In a row. */
  failures: number
  /** Not before this, whatever else happens. */
  retryAt: Millis
  resolveAt: Millis
  resolveDelayMs: Millis
}
