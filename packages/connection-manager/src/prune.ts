import type { ConnectedPeer, Millis } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import type { Tags } from './tag-book.ts'

/** A peer that may be dropped, or that is about to connect. */
export interface PruneCandidate extends ConnectedPeer {
  /** Its tags in the peer store. */
  readonly tags: Tags
  /** The sum of the tags' values; 0 without tags. */
  readonly value: number
  /** Tagged `keep-alive…`. */
  readonly isKept: boolean
}

/** Why and when peers are dropped. */
export interface PruneContext {
  /** How many of the peers that count are too many. */
  readonly excess: number
  /** How many connections are too many; at least one of the two is not 0. */
  readonly excessConnections: number
  readonly maxPeers: number
  readonly now: Millis
  /** Who is about to connect: it is among the candidates, and is refused where it is chosen. */
  readonly newcomer?: PeerId
}

/**
 * Chooses whom to drop, where there are more peers than `maxPeers` (after it was lowered), or where one is to make room for a newcomer. Whom it
 * names is dropped, be it more or less than too many. If it throws, {@link pruneYoungest} chooses.
 *
 * @param peers - All that are connected and not being dropped yet, oldest first; then the newcomer.
 */
export type Prune = (peers: readonly PruneCandidate[], context: PruneContext) => Iterable<PeerId>

/**
 * The default: exactly the excess, youngest first, since who has stayed longest is the likeliest to stay on, and an attacker's
 * connections are the young ones. Trusted peers are never dropped, static ones only when nobody else is left.
 */
export const pruneYoungest: Prune = (peers, context) => {
  const youngestFirst = peers.filter(({ isTrusted }) => !isTrusted).toReversed()
  return take(
    youngestFirst.sort((a, b) => Number(a.isStatic) - Number(b.isStatic)),
    context,
  )
}

/**
 * As js-libp2p: who is worth least by its tags goes first; of equals who has the fewest open streams, then inbound before dialed, then the
 * youngest: so strangers who come push nobody out. Trusted peers and those tagged `keep-alive…` are never dropped, static ones only when nobody else is left.
 */
export const pruneByValue: Prune = (peers, context) => {
  const youngestFirst = peers.filter(({ isTrusted, isKept }) => !isTrusted && !isKept).toReversed()
  const ranked = youngestFirst.map((peer) => ({ peer, rank: rankOf(peer) }))
  return take(
    ranked.sort((a, b) => compare(a.rank, b.rank)).map(({ peer }) => peer),
    context,
  )
}

/** What comes first goes first. */
function rankOf({ isStatic, value, connections }: PruneCandidate): number[] {
  const openStreams = connections.reduce((sum, connection) => sum + connection.openStreams, 0)
  const isDialed = connections[0]?.direction === 'outbound'
  return [Number(isStatic), value, openStreams, Number(isDialed)]
}

function compare(a: readonly number[], b: readonly number[]): number {
  const at = a.findIndex((value, i) => value !== b[i])
  return at < 0 ? 0 : (a[at] ?? 0) - (b[at] ?? 0)
}

/** The first ones, until neither peers nor connections are too many. */
function take(peers: readonly PruneCandidate[], { excess, excessConnections }: PruneContext): PeerId[] {
  const chosen: PeerId[] = []
  let connectionsLeft = excessConnections
  for (const { peerId, connections } of peers) {
    if (chosen.length >= excess && connectionsLeft <= 0) break
    chosen.push(peerId)
    connectionsLeft -= connections.length
  }
  return chosen
}
