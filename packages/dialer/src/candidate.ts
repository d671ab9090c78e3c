import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A peer that may be dialed. A `NodeRecord` is one. */
export interface Candidate {
  readonly peerId: PeerId
  /** Where it is said to listen. Empty where nothing is known. */
  readonly addresses: readonly Multiaddr[]
}

/** What a peer is called by in every map here: the text of its PeerId. The same on every stack. */
export type PeerKey = string

/** The key of a peer. */
export function peerKey(peerId: PeerId): PeerKey {
  return peerId.toString()
}
