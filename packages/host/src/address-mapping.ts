import type { Multiaddr } from '@multiformats/multiaddr'
import { multiaddr } from '@multiformats/multiaddr'

/** A name that stands for IP addresses of ours. */
export interface DnsMapping {
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

/** The address with its IP replaced by the name, where the name stands for that IP. */
export function mapDns(address: Multiaddr, { domain, ips }: DnsMapping): Multiaddr | undefined {
  const [ip, ...rest] = address.getComponents()
  if (ip?.value === undefined || !ips.includes(ip.value)) return undefined
  if (ip.name !== 'ip4' && ip.name !== 'ip6') return undefined
  return join(`/${ip.name === 'ip4' ? 'dns4' : 'dns6'}/${domain}`, rest)
}

/** The address as the router's other side sees it, where it is the one that is forwarded. */
export function mapPort(address: Multiaddr, mapping: PortMapping): Multiaddr | undefined {
  const [ip, port, ...rest] = address.getComponents()
  if (ip?.value !== mapping.internalIp || port?.name !== mapping.protocol) return undefined
  if (port.value !== String(mapping.internalPort)) return undefined
  const family = mapping.externalIp.includes(':') ? 'ip6' : 'ip4'
  return join(`/${family}/${mapping.externalIp}/${mapping.protocol}/${mapping.externalPort}`, rest)
}

/** Tells whether two mappings are one. */
export function isSamePort(a: PortMapping, b: PortMapping): boolean {
  return (
    a.internalIp === b.internalIp &&
    a.internalPort === b.internalPort &&
    a.externalIp === b.externalIp &&
    a.externalPort === b.externalPort &&
    a.protocol === b.protocol
  )
}

function join(head: string, rest: ReturnType<Multiaddr['getComponents']>): Multiaddr {
  return multiaddr(head + rest.map(({ name, value }) => (value === undefined ? `/${name}` : `/${name}/${value}`)).join(''))
}
