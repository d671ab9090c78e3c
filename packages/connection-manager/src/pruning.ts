import type { Attempt, Clock, ConnectedPeer } from '@kumiko/interface'
import type { Connection, Libp2pEvents, Logger, PeerId, TypedEventTarget } from '@libp2p/interface'
import { isOver } from './closing.ts'
import { type Prune, type PruneCandidate, type PruneContext, pruneYoungest } from './prune.ts'
import type { Shortage, Slots } from './slots.ts'
import { isKept, sumOf, type TagBook, type Tags } from './tag-book.ts'
import type { Tracker } from './tracker.ts'

/** What pruning works with. */
export interface PrunerParts {
  readonly clock: Clock
  readonly log: Logger
  readonly slots: Slots
  readonly tracker: Tracker
  readonly tags: TagBook
  readonly prune: Prune
  /** All that are connected, oldest first. */
  peers(): ConnectedPeer[]
  /** What is known of someone who is about to connect. */
  newcomer(attempt: Attempt, peerId: PeerId): ConnectedPeer
  maxPeers(): number
  events(): TypedEventTarget<Libp2pEvents>
}

/** Drops peers when there are too many, and where one is to make room. */
export class Pruner {
  readonly #parts: PrunerParts

  constructor(parts: PrunerParts) {
    this.#parts = parts
  }

  /** Drops those that are too many for `maxPeers`. @param isTotal - And for `limits.total`. */
  run(isTotal: boolean): void {
    const { tracker } = this.#parts
    if (this.#isTooMany(this.#excess(isTotal))) tracker.background(this.#run(isTotal))
  }

  /**
   * Drops who is worth less than a newcomer, where that is what it lacks, and no more than one peer goes.
   *
   * @returns False where it is refused.
   */
  makeRoom(attempt: Attempt, peerId: PeerId, shortage: Shortage): boolean {
    const { tracker, tags, slots } = this.#parts
    const staying = this.#staying().filter((peer) => !peer.peerId.equals(peerId) && (!shortage.isInbound || !slots.isDialed(peer.peerId)))
    const all = [...staying, this.#parts.newcomer(attempt, peerId)].map((peer) => candidateOf(peer, tags.tagsOf(peer.peerId)))
    const chosen = this.#choose(all, { ...this.#context(shortage), newcomer: peerId })
    const [leaving] = chosen
    if (leaving === undefined || chosen.length > 1 || !staying.some((peer) => peer.peerId.equals(leaving))) return false
    const connections = tracker.book.list(leaving)
    tracker.cutOff(connections, 'too-many-peers')
    this.#tell(connections)
    return true
  }

  async #run(isTotal: boolean): Promise<void> {
    const { tracker, tags } = this.#parts
    const tagsOf = await tags.read(this.#staying().map(({ peerId }) => peerId))
    const excess = this.#excess(isTotal)
    if (!this.#isTooMany(excess)) return
    const chosen = this.#choose(
      this.#staying().map((peer) => candidateOf(peer, tagsOf(peer.peerId))),
      this.#context(excess),
    )
    const connections = chosen.flatMap((peerId) => tracker.book.list(peerId))
    await tracker.drop(connections, 'too-many-peers')
    this.#tell(connections)
  }

  #staying(): ConnectedPeer[] {
    return this.#parts.peers().filter(({ peerId }) => !this.#parts.tracker.isLeaving(peerId))
  }

  #excess(isTotal: boolean): Pick<PruneContext, 'excess' | 'excessConnections'> {
    const { slots, tracker } = this.#parts
    const leaving = this.#parts.peers().filter(({ peerId }) => tracker.isLeaving(peerId))
    const connections = isTotal ? slots.excessConnections() - leaving.reduce((sum, peer) => sum + peer.connections.length, 0) : 0
    return { excess: Math.max(0, slots.excess() - leaving.length), excessConnections: Math.max(0, connections) }
  }

  #isTooMany({ excess, excessConnections }: Pick<PruneContext, 'excess' | 'excessConnections'>): boolean {
    return excess > 0 || excessConnections > 0
  }

  #context({ excess, excessConnections }: Pick<PruneContext, 'excess' | 'excessConnections'>): PruneContext {
    return { excess, excessConnections, maxPeers: this.#parts.maxPeers(), now: this.#parts.clock.now() }
  }

  #choose(candidates: readonly PruneCandidate[], context: PruneContext): PeerId[] {
    try {
      return [...this.#parts.prune(candidates, context)]
    } catch (error) {
      this.#parts.log.error('prune threw, the default chooses - %e', error)
      return [...pruneYoungest(candidates, context)]
    }
  }

  /** Tells of those only that have really ended. */
  #tell(connections: readonly Connection[]): void {
    const detail = connections.filter(isOver)
    if (detail.length > 0) this.#parts.events().safeDispatchEvent('connection:prune', { detail })
  }
}

function candidateOf(peer: ConnectedPeer, tags: Tags): PruneCandidate {
  return { ...peer, tags, value: sumOf(tags), isKept: isKept(tags) }
}
