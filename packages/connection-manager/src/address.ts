import { formatIp, ipBytes, normalIp } from '@kumiko/identity'
import type { Stack } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { CODE_IP4, CODE_IP6, CODE_P2P, CODE_P2P_CIRCUIT, type Multiaddr } from '@multiformats/multiaddr'
import { networkIp } from './bans.ts'

/** What makes a subnet, by the address's length in bytes. An IPv6 site is given a /64, a provider hands out IPv4 by /24. */
const SUBNET_BITS: Readonly<Record<number, number>> = { 4: 24, 16: 64 }

/** The family of protocols that an address leads to. */
export function stackOf(address: Multiaddr): Stack {
  return address.getComponents().some(({ name }) => name === 'rlpx') ? 'rlpx' : 'libp2p'
}

/** An address's IP, normalised; undefined for names, and for relays, whose IP is not the remote's. */
export function ipOf(address: Multiaddr): string | undefined {
  const components = address.getComponents()
  if (components.some(({ code }) => code === CODE_P2P_CIRCUIT)) return undefined
  const first = components.find(({ name }) => name !== 'ip6zone')
  if (first?.value === undefined || (first.code !== CODE_IP4 && first.code !== CODE_IP6)) return undefined
  return normalIp(first.value)
}

/** The /24 or /64 that an IP is in, as text. */
export function subnetOf(ip: string): string | undefined {
  const bytes = ipBytes(ip)
  const prefixBits = bytes === undefined ? undefined : SUBNET_BITS[bytes.length]
  if (bytes === undefined || prefixBits === undefined) return undefined
  return `${formatIp(networkIp({ ip: bytes, prefixBits }))}/${prefixBits}`
}

/** The peer that an address leads to. Undefined where it names none, or only the relay on the way. */
export function peerIdOf(address: Multiaddr): PeerId | undefined {
  const components = address.getComponents()
  const last = components.findLast(({ code }) => code === CODE_P2P || code === CODE_P2P_CIRCUIT)
  if (last?.value === undefined || last.code !== CODE_P2P) return undefined
  try {
    return peerIdFromString(last.value)
  } catch {
    return undefined
  }
}

/** The same text for addresses of one socket, however much of the stack above it they name. */
export function socketOf(address: Multiaddr): string {
  const components = address.getComponents().filter(({ name }) => name !== 'rlpx' && name !== 'p2p')
  return components.map(({ name, value }) => `${name} ${value ?? ''}`).join(' ')
}
