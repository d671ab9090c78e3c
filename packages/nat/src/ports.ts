import { ipScope, isUnspecified, stackOf } from '@kumiko/identity'
import type { UdpEndpoint } from '@kumiko/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** A port of ours that others are to reach. */
export interface OwnPort {
  readonly protocol: 'tcp' | 'udp'
  /** As it is listened on; may be `0.0.0.0`. */
  readonly ip: string
  readonly port: number
  /** Whose it is: it decides who is told of the mapping. */
  readonly use: 'rlpx' | 'libp2p' | 'discovery'
}

/** So many are mapped; those beyond are not. */
export const PORTS_MAX = 16

/**
 * The ports that a gateway could forward: on IPv4, and on an address that reaches the gateway but not the world. What listens on loopback
 * stays there.
 *
 * @param listening - What transports listen on.
 * @param discovery - Where discovery is bound, on IPv4.
 * @returns RLPx first, then discovery.
 */
export function ownPorts(listening: readonly Multiaddr[], discovery: UdpEndpoint | undefined): OwnPort[] {
  const found: OwnPort[] = listening.flatMap((address): OwnPort[] => {
    const [ip, port] = address.getComponents()
    if (ip?.name !== 'ip4' || ip.value === undefined || (port?.name !== 'tcp' && port?.name !== 'udp')) return []
    return [{ protocol: port.name, ip: ip.value, port: Number(port.value), use: stackOf(address) === 'rlpx' ? 'rlpx' : 'libp2p' }]
  })
  if (discovery !== undefined) found.push({ protocol: 'udp', ...discovery, use: 'discovery' })
  const order: readonly OwnPort['use'][] = ['rlpx', 'discovery', 'libp2p']
  return found
    .filter(({ ip, port }) => port > 0 && (isUnspecified(ip) || ipScope(ip) === 3))
    .sort((a, b) => order.indexOf(a.use) - order.indexOf(b.use))
    .slice(0, PORTS_MAX)
}

/** Those that the gateway's packets would reach. @param localIp - Ours, as the gateway sees it; undefined: all. */
export function portsAt(ports: readonly OwnPort[], localIp: string | undefined): OwnPort[] {
  return ports.filter(({ ip }) => localIp === undefined || isUnspecified(ip) || ip === localIp)
}
