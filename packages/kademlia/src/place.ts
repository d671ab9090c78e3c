import { ipBytes, isLan, isMulticast, isUnspecified } from '@kumiko/identity'
import type { NodeEndpoint, NodeRecord } from '@kumiko/interface'

/** Where a node takes packets, as the limits on addresses see it. */
export interface Place {
  /** Address and port, to compare. */
  readonly endpoint: string
  /** The network whose nodes are counted together; undefined on loopback and in private networks, where nobody counts. */
  readonly subnet: number | undefined
}

/** By endpoint: reading an address costs more than all else that the table does with it. */
const places = new WeakMap<NodeEndpoint, Place | false>()

/** @returns Undefined for what takes no packets: no UDP port, a name, an unspecified or multicast address. */
export function placeOf(endpoint: NodeEndpoint): Place | undefined {
  let place = places.get(endpoint)
  if (place === undefined) {
    place = readPlace(endpoint) ?? false
    places.set(endpoint, place)
  }
  return place === false ? undefined : place
}

function readPlace({ host, udp }: NodeEndpoint): Place | undefined {
  const ip = ipBytes(host)
  if (udp === undefined || ip === undefined || isUnspecified(ip) || isMulticast(ip)) return undefined
  return { endpoint: `${ip.join('.')}:${udp}`, subnet: isLan(ip) ? undefined : subnetOf(ip) }
}

/**
 * The network of an address: IPv4 /24, as in geth. IPv6 /32, what a registry gives a provider: geth's /24 holds a thousand providers that have nothing
 * to do with each other, and one customer has thousands of /64.
 */
function subnetOf([a = 0, b = 0, c = 0, d = 0, ...rest]: Uint8Array): number {
  const top = a * 2 ** 16 + b * 2 ** 8 + c
  return rest.length === 0 ? top : 2 ** 32 + top * 2 ** 8 + d
}

/** Which of a node's endpoints packets go to; undefined where none serves. */
export type EndpointOf = (node: NodeRecord) => NodeEndpoint | undefined

/** The best endpoint that takes packets, of either family. */
export function udpEndpoint(node: NodeRecord): NodeEndpoint | undefined {
  return node.endpoints.find((endpoint) => placeOf(endpoint) !== undefined)
}

/** Counts nodes by network. Holds one entry for each network with nodes in it. */
export class SubnetCount {
  readonly #counts = new Map<number, number>()

  /** Nodes of a network. */
  of(subnet: number): number {
    return this.#counts.get(subnet) ?? 0
  }

  add({ subnet }: Place): void {
    if (subnet !== undefined) this.#counts.set(subnet, this.of(subnet) + 1)
  }

  /** Gives back what {@link add} counted. */
  remove({ subnet }: Place): void {
    if (subnet === undefined) return
    const count = this.of(subnet) - 1
    if (count > 0) this.#counts.set(subnet, count)
    else this.#counts.delete(subnet)
  }
}
