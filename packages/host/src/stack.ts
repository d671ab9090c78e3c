import type { Stack } from '@kumiko/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** The family of protocols that an address is dialed with. */
export function stackOf(address: Multiaddr): Stack {
  return address.getComponents().some((component) => component.name === 'rlpx') ? 'rlpx' : 'libp2p'
}

/** The peer id at the end of an address, as text; of a relayed address the peer's, not the relay's. */
export function peerOf(address: Multiaddr): string | undefined {
  const last = address.getComponents().at(-1)
  return last?.name === 'p2p' ? last.value : undefined
}

/** The address with our peer at its end. */
export function withPeer(address: Multiaddr, peer: string): Multiaddr {
  return peerOf(address) === peer ? address : address.encapsulate(`/p2p/${peer}`)
}
