import { ipOf, isLan } from '@kumiko/identity'
import type { Multiaddr } from '@multiformats/multiaddr'
import { CODE_SNI, CODE_TLS, multiaddr } from '@multiformats/multiaddr'

/** At most this many names and this many ports; the oldest is forgotten. */
const MAPPINGS_MAX = 32

/** A name that stands for IP addresses of ours. */
interface DnsMapping {
  readonly domain: string
  readonly ips: readonly string[]
}

/** A port that a router forwards to us. */
export interface PortMapping {
  readonly internalIp: string
  readonly internalPort: number
  readonly externalIp: string
  readonly externalPort: number
  readonly protocol: 'tcp' | 'udp'
}

/** The names that stand for addresses of ours, and the ports that routers forward to us. */
export class AddressMappings {
  #names: DnsMapping[] = []
  #ports: PortMapping[] = []

  /** In place of what the name stood for before. */
  addName(added: DnsMapping): void {
    this.removeName(added.domain)
    this.#names = [...this.#names, added].slice(-MAPPINGS_MAX)
  }

  removeName(domain: string): void {
    this.#names = this.#names.filter((mapping) => mapping.domain !== domain)
  }

  /** @throws What `multiaddr` does where a router told of an external address that is none. */
  addPort(added: PortMapping): void {
    outside(added)
    this.removePort(added)
    this.#ports = [...this.#ports, added].slice(-MAPPINGS_MAX)
  }

  removePort(gone: PortMapping): void {
    this.#ports = this.#ports.filter((mapping) => !isSamePort(mapping, gone))
  }

  /** As whom the routers' other sides see these addresses. */
  outsideOf(addresses: readonly Multiaddr[]): Multiaddr[] {
    return addresses.flatMap((address) => this.#ports.flatMap((mapping) => mapPort(address, mapping) ?? []))
  }

  /** Whether a forwarded port makes this address known. */
  leadTo(address: Multiaddr): boolean {
    return this.#ports.some((mapping) => `${address}/`.startsWith(`${outside(mapping)}/`))
  }

  /** As {@link mapDns} with the first name that fits. */
  named(address: Multiaddr): Multiaddr | undefined {
    for (const mapping of this.#names) {
      const named = mapDns(address, mapping)
      if (named !== undefined) return named
    }
    return undefined
  }
}

/**
 * The mapping that an address seen from outside tells of: a router forwards its port to the one listener of ours that it can mean.
 *
 * @param listening - What each listener listens on.
 * @returns Undefined for IPv6, where there are no such routers, for private addresses, and where several listeners may be meant.
 */
export function mappingBehind(seen: Multiaddr, listening: readonly (readonly Multiaddr[])[]): PortMapping | undefined {
  const [external, externalPort] = socketOf(seen) ?? []
  if (external === undefined || externalPort === undefined || external.includes(':') || isLan(external)) return undefined
  const shape = shapeOf(seen)
  const [like, ...others] = listening.filter((addresses) => addresses.some((address) => shapeOf(address) === shape))
  if (like === undefined || others.length > 0) return undefined
  const inner = like.findLast((address) => ipOf(address)?.startsWith('127.') === false && shapeOf(address) === shape)
  const [internalIp, internalPort] = (inner === undefined ? undefined : socketOf(inner)) ?? []
  if (internalIp === undefined || internalPort === undefined) return undefined
  const protocol = seen.getComponents()[1]?.name === 'udp' ? 'udp' : 'tcp'
  return { internalIp, internalPort, externalIp: external, externalPort, protocol }
}

/** The address with the name that its certificate is for, where it is one of TLS and the name stands for its IP. */
function mapDns(address: Multiaddr, { domain, ips }: DnsMapping): Multiaddr | undefined {
  const ip = ipOf(address)
  if (ip === undefined || !ips.includes(ip)) return undefined
  const parts = address.getComponents()
  const tls = parts.findIndex(({ code }) => code === CODE_TLS)
  if (tls < 0 || parts[tls + 1]?.code === CODE_SNI) return undefined
  return multiaddr([...parts.slice(0, tls + 1), { code: CODE_SNI, name: 'sni', value: domain }, ...parts.slice(tls + 1)])
}

/** The address as the router's other side sees it, where it is the one that is forwarded. */
function mapPort(address: Multiaddr, mapping: PortMapping): Multiaddr | undefined {
  const [ip, port, ...rest] = address.getComponents()
  if (ip?.value !== mapping.internalIp || port?.name !== mapping.protocol) return undefined
  if (port.value !== String(mapping.internalPort)) return undefined
  return multiaddr([...outside(mapping).getComponents(), ...rest])
}

/** Where the world reaches a mapped port. */
function outside({ externalIp, externalPort, protocol }: PortMapping): Multiaddr {
  return multiaddr(`/${externalIp.includes(':') ? 'ip6' : 'ip4'}/${externalIp}/${protocol}/${externalPort}`)
}

/** Tells whether two mappings are one. */
function isSamePort(a: PortMapping, b: PortMapping): boolean {
  return (
    a.internalIp === b.internalIp &&
    a.internalPort === b.internalPort &&
    a.externalIp === b.externalIp &&
    a.externalPort === b.externalPort &&
    a.protocol === b.protocol
  )
}

function socketOf(address: Multiaddr): [ip: string, port: number] | undefined {
  const [ip, port] = address.getComponents()
  if (ip?.value === undefined || (port?.name !== 'tcp' && port?.name !== 'udp')) return undefined
  return [ip.value, Number(port.value)]
}

/** `ip4 tcp ws`: the protocols of an address, peers and names aside. */
function shapeOf(address: Multiaddr): string {
  const names = address.getComponents().map(({ name }) => name)
  return names.filter((name) => name !== 'p2p' && name !== 'sni').join(' ')
}
