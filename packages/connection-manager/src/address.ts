import { formatIp, ipBytes } from '@kumiko/identity'
import type { Multiaddr } from '@multiformats/multiaddr'
import { networkIp } from './bans.ts'

/** What makes a subnet, by the address's length in bytes. An IPv6 site is given a /64, a provider hands out IPv4 by /24. */
const SUBNET_BITS: Readonly<Record<number, number>> = { 4: 24, 16: 64 }

/** The /24 or /64 that an IP is in, as text. */
export function subnetOf(ip: string): string | undefined {
  const bytes = ipBytes(ip)
  const prefixBits = bytes === undefined ? undefined : SUBNET_BITS[bytes.length]
  if (bytes === undefined || prefixBits === undefined) return undefined
  return `${formatIp(networkIp({ ip: bytes, prefixBits }))}/${prefixBits}`
}

/** Who is behind an IP: the address itself in IPv4, its /64 in IPv6, of which any host has 2^64 addresses to change between. */
export function siteOf(ip: string): string {
  return ip.includes(':') ? (subnetOf(ip) ?? ip) : ip
}

/** The same text for addresses of one socket, however much of the stack above it they name. */
export function socketOf(address: Multiaddr): string {
  const components = address.getComponents().filter(({ name }) => name !== 'rlpx' && name !== 'p2p')
  return components.map(({ name, value }) => `${name} ${value ?? ''}`).join(' ')
}
