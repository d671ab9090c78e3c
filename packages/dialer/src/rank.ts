import { ipOf, isLan, isRelayed } from '@kumiko/identity'
import type { Multiaddr } from '@multiformats/multiaddr'

/** What of an address decides its place: public before private before relayed, and within each the IP families by turns. */
type Reach = 'public' | 'private' | 'relayed'
type Family = 'ip6' | 'ip4' | 'name'

const REACHES: readonly Reach[] = ['public', 'private', 'relayed']
const FAMILIES: readonly Family[] = ['ip6', 'ip4', 'name']

/**
 * The addresses of one peer in the order in which they are to be tried: public ones, private ones, relays; within each IPv6 first, then the
 * families by turns. The order of the input holds otherwise, and what comes twice is dropped.
 *
 * @see RFC 8305 § 4
 */
export function rankAddresses(addresses: readonly Multiaddr[]): Multiaddr[] {
  const distinct = [...new Map(addresses.map((address) => [address.toString(), address])).values()]
  return REACHES.flatMap((reach) => {
    const within = distinct.filter((address) => reachOf(address) === reach)
    return byTurns(FAMILIES.map((family) => within.filter((address) => familyOf(address) === family)))
  })
}

function reachOf(address: Multiaddr): Reach {
  if (isRelayed(address)) return 'relayed'
  const ip = ipOf(address)
  return ip !== undefined && isLan(ip) ? 'private' : 'public'
}

function familyOf(address: Multiaddr): Family {
  const name = address.getComponents()[0]?.name
  if (name === 'ip6' || name === 'dns6') return 'ip6'
  return name === 'ip4' || name === 'dns4' ? 'ip4' : 'name'
}

function byTurns<T>(lists: readonly (readonly T[])[]): T[] {
  const longest = Math.max(0, ...lists.map((list) => list.length))
  return Array.from({ length: longest }, (_, turn) => lists.flatMap((list) => list.slice(turn, turn + 1))).flat()
}
