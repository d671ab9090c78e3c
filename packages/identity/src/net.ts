import { KumikoError } from '@kumiko/interface'
import { formatIp, type Ip, ipBytes } from './ip.ts'

/** One IP network: `10.0.0.0/8`. */
export interface IpNetwork {
  /** 4 or 16 bytes, as they were written: bits beyond the prefix need not be zero. */
  readonly ip: Uint8Array
  /** 0–32 or 0–128. */
  readonly prefixBits: number
}

/** A list of IP networks. Membership is a walk: keep it below some thousands. */
export class NetList {
  readonly networks: readonly IpNetwork[]

  constructor(networks: readonly IpNetwork[]) {
    this.networks = networks
  }

  /** False for what is no IP address. */
  contains(ip: Ip): boolean {
    const bytes = ipBytes(ip)
    return bytes !== undefined && this.networks.some((network) => hasSamePrefix(network.prefixBits, network.ip, bytes))
  }

  toString(): string {
    return this.networks.map(({ ip, prefixBits }) => `${formatIp(ip)}/${prefixBits}`).join(',')
  }
}

/**
 * Reads networks separated by commas: `10.0.0.0/8, 2001:db8::/32`. An address without a prefix is a network of one. Blanks and empty
 * parts are passed over.
 *
 * @throws KumikoError `identity/bad-netlist`.
 */
export function parseNetList(text: string): NetList {
  const parts = text.split(',').map((part) => part.trim())
  return new NetList(parts.filter((part) => part !== '').map(parseNetwork))
}

/** @throws KumikoError `identity/bad-netlist`. */
function parseNetwork(text: string): IpNetwork {
  const [address = '', prefix, ...rest] = text.split('/')
  const ip = ipBytes(address)
  if (ip === undefined || rest.length > 0) throw badNetList(text, 'want an IP address and a prefix length')
  const bits = ip.length * 8
  const isMapped = ip.length === 4 && address.includes(':')
  const prefixBits = prefix === undefined ? bits : Number(prefix) - (isMapped ? 96 : 0)
  if ((prefix !== undefined && !/^\d{1,3}$/.test(prefix)) || prefixBits < 0 || prefixBits > bits) {
    throw badNetList(text, `the prefix length must be within 0–${bits}`)
  }
  return { ip, prefixBits }
}

function badNetList(text: string, why: string): KumikoError {
  const network = text.slice(0, 60)
  return new KumikoError('identity/bad-netlist', `bad IP network "${network}": ${why}, as in 10.0.0.0/8`, { context: { network } })
}

/** @see RFC 1918, RFC 3927, RFC 4193, RFC 4291; IANA special-purpose registries, "this network". */
const LAN = parseNetList('0.0.0.0/8, 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16, 169.254.0.0/16, fe80::/10, fc00::/7')
const LOOPBACK = parseNetList('127.0.0.0/8, ::1')
const LINK_LOCAL = parseNetList('169.254.0.0/16, fe80::/10')
const UNSPECIFIED = parseNetList('0.0.0.0, ::')
const MULTICAST = parseNetList('224.0.0.0/4, ff00::/8')

/**
 * Networks that lie on no one's path: documentation, benchmarks, transition mechanisms, broadcast.
 *
 * @see https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry
 */
const SPECIAL = parseNetList(
  [
    '0.0.0.0/8, 192.0.0.0/29, 192.0.0.9, 192.0.0.170, 192.0.0.171, 192.0.2.0/24, 192.31.196.0/24, 192.52.193.0/24, 192.88.99.0/24',
    '192.175.48.0/24, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 255.255.255.255',
    '100::/64, 2001::/32, 2001:1::1, 2001:2::/48, 2001:3::/32, 2001:4:112::/48, 2001:5::/32, 2001:10::/28, 2001:20::/28',
    '2001:db8::/32, 2002::/16',
  ].join(','),
)

/** Tells whether an address is this machine's or in a private, unique-local or link-local network. */
export function isLan(ip: Ip): boolean {
  return isLoopback(ip) || LAN.contains(ip)
}

/** Tells whether an address is in 127.0.0.0/8 or ::1. */
export function isLoopback(ip: Ip): boolean {
  return LOOPBACK.contains(ip)
}

/** Tells whether an address is 0.0.0.0 or ::. */
export function isUnspecified(ip: Ip): boolean {
  return UNSPECIFIED.contains(ip)
}

/** Tells whether an address is of a group. */
export function isMulticast(ip: Ip): boolean {
  return MULTICAST.contains(ip)
}

/** Tells whether an address is in a special-purpose network or multicast: no node is there. */
export function isSpecialNetwork(ip: Ip): boolean {
  return isMulticast(ip) || SPECIAL.contains(ip)
}

/** How far an address reaches: 0 nowhere, 1 this machine, 2 the link, 3 the site, 4 the world. */
export function ipScope(ip: Ip): 0 | 1 | 2 | 3 | 4 {
  if (ipBytes(ip) === undefined || isUnspecified(ip) || isMulticast(ip)) return 0
  if (isLoopback(ip)) return 1
  if (LINK_LOCAL.contains(ip)) return 2
  return isLan(ip) ? 3 : 4
}

/** Why an address that a node tells of another is not to be used. */
export type RelayRefusal = 'invalid' | 'unspecified' | 'special' | 'loopback' | 'lan'

/**
 * Checks the address of a node that another one told us of: who is outside must not send us to addresses inside.
 *
 * @returns Undefined where it may be used.
 */
export function checkRelayIp(sender: Ip, ip: Ip): RelayRefusal | undefined {
  if (ipBytes(ip) === undefined) return 'invalid'
  if (isUnspecified(ip)) return 'unspecified'
  if (isSpecialNetwork(ip)) return 'special'
  if (isLoopback(ip) && !isLoopback(sender)) return 'loopback'
  if (isLan(ip) && !isLan(sender)) return 'lan'
  return undefined
}

/** Tells whether two addresses agree in their first bits. False for different families. */
export function sameNet(prefixBits: number, a: Ip, b: Ip): boolean {
  const left = ipBytes(a)
  const right = ipBytes(b)
  return left !== undefined && right !== undefined && hasSamePrefix(prefixBits, left, right)
}

function hasSamePrefix(prefixBits: number, a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  const whole = prefixBits >> 3
  for (let i = 0; i < whole; i++) if (a[i] !== b[i]) return false
  const restBits = prefixBits & 7
  return restBits === 0 || ((a[whole] ?? 0) ^ (b[whole] ?? 0)) >> (8 - restBits) === 0
}

/** Counts addresses by network, and takes only so many from each. Holds one entry for each network with addresses in it. */
export class DistinctNetSet {
  readonly #prefixBits: number
  readonly #limit: number
  readonly #counts = new Map<string, number>()
  #size = 0

  /**
   * @param prefixBits - What makes a network: 24 for /24.
   * @param limit - Addresses a network.
   */
  constructor(prefixBits: number, limit: number) {
    this.#prefixBits = prefixBits
    this.#limit = limit
  }

  /** Addresses in all. */
  get size(): number {
    return this.#size
  }

  /** @returns False, and nothing is counted, where the network is full or the address is none. */
  add(ip: Ip): boolean {
    const key = this.#keyOf(ip)
    if (key === undefined) return false
    const count = this.#counts.get(key) ?? 0
    if (count >= this.#limit) return false
    this.#counts.set(key, count + 1)
    this.#size++
    return true
  }

  /** Gives back what {@link add} took; unknown networks are passed over. */
  remove(ip: Ip): void {
    const key = this.#keyOf(ip)
    const count = key === undefined ? undefined : this.#counts.get(key)
    if (key === undefined || count === undefined) return
    if (count > 1) this.#counts.set(key, count - 1)
    else this.#counts.delete(key)
    this.#size--
  }

  /** Tells whether any address of the same network is counted. */
  contains(ip: Ip): boolean {
    const key = this.#keyOf(ip)
    return key !== undefined && this.#counts.has(key)
  }

  #keyOf(ip: Ip): string | undefined {
    const bytes = ipBytes(ip)
    if (bytes === undefined) return undefined
    const masked = bytes.map((byte, i) => byte & (0xff00 >> Math.min(8, Math.max(0, this.#prefixBits - 8 * i))))
    return masked.join('.')
  }
}
