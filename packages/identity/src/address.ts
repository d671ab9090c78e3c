import type { Stack } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_IP4, CODE_IP6, CODE_IP6ZONE, CODE_P2P, CODE_P2P_CIRCUIT, type Multiaddr } from '@multiformats/multiaddr'
import { normalIp } from './ip.ts'
import { RLPX_CODE } from './rlpx-multiaddr.ts'

/** The family of protocols that an address is dialed with. */
export function stackOf(address: Multiaddr): Stack {
  return address.getComponents().some(({ code }) => code === RLPX_CODE) ? 'rlpx' : 'libp2p'
}

/** Tells whether an address leads through a relay. */
export function isRelayed(address: Multiaddr): boolean {
  return address.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT)
}

/**
 * The IP that a socket would be opened to: IPv4-mapped IPv6 as IPv4, and an unspecified address as this machine's own, since that is where it
 * leads. Undefined for names, and for relays, whose IP is not the remote's.
 */
export function ipOf(address: Multiaddr): string | undefined {
  if (isRelayed(address)) return undefined
  const host = address.getComponents().find(({ code }) => code !== CODE_IP6ZONE)
  if (host?.value === undefined || (host.code !== CODE_IP4 && host.code !== CODE_IP6)) return undefined
  const ip = normalIp(host.value)
  return ip === undefined ? undefined : (OWN_IPS.get(ip) ?? ip)
}

const OWN_IPS: ReadonlyMap<string, string> = new Map([
  ['0.0.0.0', '127.0.0.1'],
  ['::', '::1'],
])

/** The peer that an address leads to. Undefined where it names none, or only the relay on the way. */
export function peerIdAt(address: Multiaddr): PeerId | undefined {
  const last = address.getComponents().findLast(({ code }) => code === CODE_P2P || code === CODE_P2P_CIRCUIT)
  return last?.value === undefined || last.code !== CODE_P2P ? undefined : parse(last.value)
}

/** Peers that were parsed last, by their text: a dial asks for the same peer a dozen times, and a secp256k1 key takes 0.3 ms. */
const recent = new Map<string, PeerId>()
const RECENT_MAX = 512

function parse(text: string): PeerId | undefined {
  const known = recent.get(text)
  if (known !== undefined) return known
  try {
    const peerId = peerIdFromString(text)
    if (recent.size >= RECENT_MAX) recent.clear()
    recent.set(text, peerId)
    return peerId
  } catch {
    return undefined
  }
}

/** The address without the peer at its end. */
export function withoutPeer(address: Multiaddr): Multiaddr {
  return address.getComponents().at(-1)?.code === CODE_P2P ? address.decapsulateCode(CODE_P2P) : address
}

/** The address with this peer at its end. */
export function withPeer(address: Multiaddr, peerId: PeerId): Multiaddr {
  return peerIdAt(address)?.equals(peerId) === true ? address : withoutPeer(address).encapsulate(`/p2p/${peerId}`)
}
