import type { AbortOptions } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { isRelayed } from './address.ts'
import { normalIp } from './ip.ts'

/** Looks a name up. @param family - 0: both. @throws where there is none. */
export type Lookup = (name: string, family: 0 | 4 | 6, options?: AbortOptions) => Promise<readonly string[]>

/** Where a name leads, as it is dialed, and as rules on IPs are to see it. */
export interface ResolvedAddress {
  /** With the IP, unless what is spoken there goes by the name (TLS, HTTP). */
  readonly address: Multiaddr
  /** With the IP always. */
  readonly place: Multiaddr
}

/** IPs of one name at most. */
export const NAME_IPS_MAX = 16

const FAMILIES: Readonly<Record<string, 0 | 4 | 6>> = { dns: 0, dns4: 4, dns6: 6 }

/** What may follow a name for an IP to be as good. */
const NAMELESS: ReadonlySet<string> = new Set(['tcp', 'udp', 'rlpx', 'p2p'])

/** The DNS name whose IP a socket would be opened to. Undefined for IPs, for relays and for `/dnsaddr`. */
export function dnsNameOf(address: Multiaddr): { readonly name: string; readonly family: 0 | 4 | 6 } | undefined {
  const [first] = address.getComponents()
  const family = FAMILIES[first?.name ?? '']
  return first?.value === undefined || family === undefined || isRelayed(address) ? undefined : { name: first.value, family }
}

/**
 * Looks up the name in an address.
 *
 * @returns At most {@link NAME_IPS_MAX}; the address itself where it has no name.
 * @throws whatever the lookup throws.
 */
export async function resolveAddress(address: Multiaddr, lookup: Lookup, options?: AbortOptions): Promise<ResolvedAddress[]> {
  const named = dnsNameOf(address)
  if (named === undefined) return [{ address, place: address }]
  const ips = (await lookup(named.name, named.family, options)).map(normalIp).filter((ip) => ip !== undefined)
  const isNameNeeded = address
    .getComponents()
    .slice(1)
    .some(({ name }) => !NAMELESS.has(name))
  return ips.slice(0, NAME_IPS_MAX).map((ip) => {
    const place = withIp(address, ip)
    return { address: isNameNeeded ? address : place, place }
  })
}

/** The address with an IP in the place of its name. */
function withIp(address: Multiaddr, ip: string): Multiaddr {
  const [, ...rest] = address.getComponents()
  return multiaddr([...multiaddr(`/${ip.includes(':') ? 'ip6' : 'ip4'}/${ip}`).getComponents(), ...rest])
}
