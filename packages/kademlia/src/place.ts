import { ipBytes, isLan, isMulticast, isUnspecified } from '@kumiko/identity'
import type { NodeEndpoint, NodeRecord } from '@kumiko/interface'

/** Where a node takes packets, as the limits on addresses see it. */
export interface Place {
  /** Address and port, to compare. */
  readonly endpoint: string
  /** The network whose nodes are counted together; undefined on loopback and in private networks, where nobody counts. */
  readonly subnet: string | undefined
}

/**
 * Bytes of an address that name its network: IPv4 /24, as in geth. IPv6 /32, what a registry gives a provider: geth's /24 holds a thousand
 * providers that have nothing to do with each other, and one customer has thousands of /64.
 */
const SUBNET_BYTES = { ip4: 3, ip6: 4 }

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
  const subnet = isLan(ip) ? undefined : ip.subarray(0, ip.length === 4 ? SUBNET_BYTES.ip4 : SUBNET_BYTES.ip6).join('.')
  return { endpoint: `${ip.join('.')}:${udp}`, subnet: subnet === undefined ? undefined : `${ip.length}/${subnet}` }
}

/** Which of a node's endpoints packets go to; undefined where none serves. */
export type EndpointOf = (node: NodeRecord) => NodeEndpoint | undefined

/** The best endpoint that takes packets, of either family. */
export function udpEndpoint(node: NodeRecord): NodeEndpoint | undefined {
  return node.endpoints.find((endpoint) => placeOf(endpoint) !== undefined)
}

/** Counts nodes by network, and takes only so many of each. Holds one entry for each network with nodes in it. */
export class SubnetLimit {
  readonly #max: number
  readonly #counts = new Map<string, number>()

  /** @param max - Nodes a network. */
  constructor(max: number) {
    this.#max = max
  }

  /** Tells whether one more would be taken. */
  hasRoom({ subnet }: Place): boolean {
    return subnet === undefined || (this.#counts.get(subnet) ?? 0) < this.#max
  }

  /** Counts a node; ask {@link hasRoom} before. */
  add({ subnet }: Place): void {
    if (subnet !== undefined) this.#counts.set(subnet, (this.#counts.get(subnet) ?? 0) + 1)
  }

  /** Gives back what {@link add} counted. */
  remove({ subnet }: Place): void {
    if (subnet === undefined) return
    const count = (this.#counts.get(subnet) ?? 0) - 1
    if (count > 0) this.#counts.set(subnet, count)
    else this.#counts.delete(subnet)
  }
}
