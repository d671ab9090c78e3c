import { peerIdAt, withoutPeer } from '@kumiko/identity'
import type { PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A peer's address without its id at the end, as the peer store keeps it: given with the id, it would be stored beside itself. */
export function storedForm(address: Multiaddr, peerId: PeerId): Multiaddr {
  return peerIdAt(address)?.equals(peerId) === true ? withoutPeer(address) : address
}
