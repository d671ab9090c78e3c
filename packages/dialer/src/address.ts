import { normalIp } from '@kumiko/identity'
import type { Stack } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_P2P, type Multiaddr } from '@multiformats/multiaddr'

/** Which stack a connection to this address would belong to. */
export function stackOf(address: Multiaddr): Stack {
  return address.getComponents().some(({ name }) => name === 'rlpx') ? 'rlpx' : 'libp2p'
}

/** Tells whether an address leads through a relay. */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ name }) => name === 'p2p-circuit')
}

/** The IP that a socket would be opened to, IPv4-mapped IPv6 as IPv4; undefined for names and relays. */
export function ipOf(address: Multiaddr): string | undefined {
  if (isRelayed(address)) return undefined
  const host = address.getComponents().find(({ name }) => name === 'ip4' || name === 'ip6')
  return host?.value === undefined ? undefined : normalIp(host.value)
}

/** The peer at the end of an address, or undefined where it names none. @throws Error where the name is no PeerId. */
export function peerIdAt(address: Multiaddr): PeerId | undefined {
  const last = address.getComponents().at(-1)
  return last?.code === CODE_P2P && last.value !== undefined ? peerIdFromString(last.value) : undefined
}

/** The address without the peer at its end. */
export function withoutPeer(address: Multiaddr): Multiaddr {
  return address.getComponents().at(-1)?.code === CODE_P2P ? address.decapsulateCode(CODE_P2P) : address
}

/** The address with the peer at its end. */
export function withPeer(address: Multiaddr, peerId: PeerId): Multiaddr {
  return withoutPeer(address).encapsulate(`/p2p/${peerId.toString()}`)
}
