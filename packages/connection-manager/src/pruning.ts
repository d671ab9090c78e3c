import type { ConnectedPeer, Millis } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'

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
