import { checkRelayIp, curve, ipBytes, nodeFromParts } from '@kumiko/identity'
import type { NodeEndpoint, NodeRecord, UdpEndpoint } from '@kumiko/interface'
import type { WireEndpoint, WireNode } from './packet.ts'

/** Nobody who means well runs discovery below: a packet to port 53 is an attack on a name server. */
const PORT_MIN = 1024

/** Tells whether packets may go to, and nodes be taken from, an address. */
export type IpFilter = (ip: string) => boolean

/** How a node is told to others: with the endpoint that packets go to. */
const wireNodes = new WeakMap<NodeEndpoint, WireNode>()

/**
 * A node as it is told to others.
 *
 * @param endpoint - One of the node's, with an IP address and a UDP port.
 */
export function wireNodeOf(node: NodeRecord, endpoint: NodeEndpoint): WireNode {
  let wireNode = wireNodes.get(endpoint)
  if (wireNode === undefined) {
    const publicKey = curve.expand(node.publicKey) ?? new Uint8Array(64)
    wireNode = { ip: endpoint.host, udp: endpoint.udp ?? 0, tcp: endpoint.tcp ?? 0, publicKey }
    wireNodes.set(endpoint, wireNode)
  }
  return wireNode
}

/** A node of which the key and an endpoint are known, without a record. @param publicKey - 64 bytes; must be a point of the curve. */
export function nodeAt(publicKey: Uint8Array, { ip, port }: UdpEndpoint, tcp: number): NodeRecord {
  return nodeFromParts({ publicKey: curve.compress(publicKey), endpoints: [{ host: ip, udp: port, ...(tcp === 0 ? {} : { tcp }) }] })
}

/**
 * A node that another one told of.
 *
 * @param from - The teller's address: who is outside may not send us inside.
 * @returns Undefined where it is not to be used: an address that its teller cannot know or that leads nowhere, a low port, no key.
 */
export function nodeToldBy(from: string, { publicKey, ip, udp, tcp }: WireNode, allows: IpFilter): NodeRecord | undefined {
  if (udp < PORT_MIN || checkRelayIp(from, ip) !== undefined || !allows(ip) || !curve.isPublicKey(publicKey)) return undefined
  return nodeAt(publicKey, { ip, port: udp }, tcp)
}

/** Tells whether a node may tell another, or of itself, all these addresses. Names are not told at all. */
export function isTellable(from: string, endpoints: readonly NodeEndpoint[], allows: IpFilter): boolean {
  return endpoints.every(({ host, udp }) => (udp ?? PORT_MIN) >= PORT_MIN && checkRelayIp(from, host) === undefined && allows(host))
}

/** Our own endpoint, as it is told to a remote of one family; no address where none is known. */
export function ownEndpoint(node: NodeRecord, remote: string): WireEndpoint {
  const isIp6 = remote.includes(':')
  const isOfFamily = ({ host }: NodeEndpoint): boolean => ipBytes(host)?.length === (isIp6 ? 16 : 4)
  const { host = isIp6 ? '::' : '0.0.0.0', udp = 0, tcp = 0 } = node.endpoints.find(isOfFamily) ?? node.endpoints[0] ?? {}
  return { ip: host, udp, tcp }
}
