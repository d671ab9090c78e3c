import type { Clock, ConnectedPeer, Millis } from '@kumiko/interface'
import type { Connection, Libp2pEvents, Logger, PeerId, TypedEventTarget } from '@libp2p/interface'
import { isOver } from './closing.ts'
import type { Slots } from './slots.ts'
import type { Tracker } from './tracker.ts'

/** Why and when peers are dropped. */
export interface PruneContext {
  /** How many of the peers that count are too many; at least 1. */
  readonly excess: number
  readonly maxPeers: number
  readonly now: Millis
}

/**
 * Chooses whom to drop. Called only while there are more peers than `maxPeers`, as after it was lowered; whom it names is dropped, be it more
 * or less than `excess`. If it throws, {@link pruneYoungest} chooses.
 *
 * @param peers - All that are connected and not being dropped yet, oldest first.
 */
export type Prune = (peers: readonly ConnectedPeer[], context: PruneContext) => Iterable<PeerId>

/**
 * The default: exactly the excess, youngest first, since who has stayed longest is the likeliest to stay on, and an attacker's
 * connections are the young ones. Trusted peers are never dropped, static ones only when nobody else is left.
 */
export const pruneYoungest: Prune = (peers, { excess }) =>
  peers
    .filter(({ isTrusted }) => !isTrusted)
    .toReversed()
    .sort((a, b) => Number(a.isStatic) - Number(b.isStatic))
    .slice(0, excess)
    .map(({ peerId }) => peerId)

/** What pruning works with. */
export interface PrunerParts {
  readonly clock: Clock
  readonly log: Logger
  readonly slots: Slots
  readonly tracker: Tracker
  readonly prune: Prune
  events(): TypedEventTarget<Libp2pEvents>
}

/** Drops peers when there are too many. */
export class Pruner {
  readonly #parts: PrunerParts

  constructor(parts: PrunerParts) {
    this.#parts = parts
  }

  /** @param all - All that are connected, oldest first. */
  run(all: readonly ConnectedPeer[], maxPeers: number): void {
    const { slots, tracker, clock } = this.#parts
    const staying = all.filter(({ peerId }) => !tracker.isLeaving(peerId))
    const excess = slots.excess() - (all.length - staying.length)
    if (excess <= 0) return
    const chosen = this.#choose(staying, { excess, maxPeers, now: clock.now() })
    tracker.background(this.#drop(chosen.flatMap((peerId) => tracker.book.list(peerId))))
  }

  #choose(staying: readonly ConnectedPeer[], context: PruneContext): PeerId[] {
    try {
      return [...this.#parts.prune(staying, context)]
    } catch (error) {
      this.#parts.log.error('prune threw, the default chooses - %e', error)
      return [...pruneYoungest(staying, context)]
    }
  }

  /** Tells of those only that have really ended. */
  async #drop(connections: readonly Connection[]): Promise<void> {
    await this.#parts.tracker.drop(connections, 'too-many-peers')
    const detail = connections.filter(isOver)
    if (detail.length > 0) this.#parts.events().safeDispatchEvent('connection:prune', { detail })
  }
}
