import { isFault, KumikoError, type NodeEndpoint, type NodeId, type NodeRecord } from '@kumiko/interface'
import type { PeerId } from '@libp2p/interface'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { curve } from './curve.ts'
import { type Enode, formatEnode, isDnsName, parseEnode } from './enode.ts'
import { decodeEnrText, type Enr, formatEnr } from './enr.ts'
import { MULTIADDRS_KEY, readEnrMultiaddrs } from './enr-multiaddrs.ts'
import { formatIp, parseIp } from './ip.ts'
import { ipScope } from './net.ts'
import { nodeIdOf } from './node-id.ts'
import { peerIdOf, publicKeyOf } from './peer-id.ts'
import { decodeRlp, isRlpBytes, rlpUint } from './rlp.ts'
import { readRlpxMultiaddr, registerRlpx, rlpxMultiaddr } from './rlpx-multiaddr.ts'

/**
 * Reads a node in any of its forms: an enode URL, an ENR, or a multiaddr `/…/tcp/…[/rlpx]/p2p/16Uiu2…` (also `/p2p/16Uiu2…` alone).
 * Blanks around it are passed over. A bare public key is refused, as geth does since 1.9.
 *
 * @throws KumikoError `identity/bad-enode`, `identity/bad-enr`, `identity/bad-multiaddr`, or `identity/bad-node` for what is none of these.
 */
export function parseNode(text: string): NodeRecord {
  const trimmed = text.trim()
  if (trimmed.startsWith('enode://')) return nodeFromEnode(parseEnode(trimmed))
  if (trimmed.startsWith('enr:')) return nodeFromEnrText(trimmed)
  if (trimmed.startsWith('/')) return nodeFromMultiaddr(readMultiaddr(trimmed))
  const shown = trimmed.slice(0, 200)
  const hint = /^[0-9a-f]{128}$/i.test(trimmed) ? '; put "enode://" in front of a bare public key' : ''
  throw new KumikoError('identity/bad-node', `bad node "${shown}": want enode://…, enr:… or a multiaddr with /p2p/…${hint}`, {
    context: { node: shown },
  })
}

/** What is needed to know a node. */
export interface NodeParts {
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array
  /** In any order; what is neither an address of a host nor a DNS name is left out. */
  readonly endpoints?: readonly NodeEndpoint[]
}

/**
 * A node from its parts.
 *
 * @throws KumikoError `identity/bad-public-key`: check what came from the network with `curve.expand` before.
 */
export function nodeFromParts({ publicKey, endpoints = [] }: NodeParts): NodeRecord {
  const expanded = curve.expand(publicKey)
  if (expanded === undefined) {
    throw new KumikoError('identity/bad-public-key', 'bad public key: want 33 bytes, a compressed point of secp256k1')
  }
  return new KnownNode(publicKey, nodeIdOf(expanded), rank(endpoints))
}

/** A node from its ENR. */
export function nodeFromEnr(enr: Enr): NodeRecord {
  return new KnownNode(enr.publicKey, enr.nodeId, rank(endpointsOf(enr)), enr)
}

/** A node from its enode URL. */
export function nodeFromEnode({ publicKey, host, tcp, udp }: Enode): NodeRecord {
  return nodeFromParts({ publicKey, endpoints: host === undefined ? [] : [endpointOf(host, tcp, udp)] })
}

/**
 * A node from its address. The address says nothing of UDP.
 *
 * @throws KumikoError `identity/bad-multiaddr` where it lacks the PeerId of a secp256k1 key, or is no address that RLPx can use.
 */
export function nodeFromMultiaddr(address: Multiaddr): NodeRecord {
  const { publicKey, host, tcp } = readRlpxMultiaddr(address) ?? {}
  if (publicKey === undefined) {
    throw badMultiaddr(address.toString(), 'want /(ip4|ip6|dns|dns4|dns6)/…/tcp/…[/rlpx]/p2p/16Uiu2…')
  }
  return nodeFromParts({ publicKey, endpoints: host === undefined ? [] : [endpointOf(host, tcp, undefined)] })
}

/** A node of which only the PeerId is known; undefined where that is not of a secp256k1 key. */
export function nodeFromPeerId(peerId: PeerId): NodeRecord | undefined {
  const publicKey = publicKeyOf(peerId)
  return publicKey === undefined ? undefined : nodeFromParts({ publicKey })
}

/** The ENR that a node was made from, or undefined. */
export function enrOf(node: NodeRecord): Enr | undefined {
  return node instanceof KnownNode ? node.enr : undefined
}

/** The text of the ENR that a node was made from, or undefined: only the owner of the key can make one. */
export function enrTextOf(node: NodeRecord): string | undefined {
  const enr = enrOf(node)
  return enr === undefined ? undefined : formatEnr(enr)
}

/** The enode URL of a node's best endpoint; an incomplete one where no endpoint is known. */
export function enodeOf(node: NodeRecord): string {
  return formatEnode({ publicKey: node.publicKey, ...node.endpoints[0] })
}

/** A node, however it was learned. */
class KnownNode implements NodeRecord {
  readonly publicKey: Uint8Array
  readonly nodeId: NodeId
  readonly endpoints: readonly NodeEndpoint[]
  readonly enr: Enr | undefined
  #peerId: PeerId | undefined
  #addresses: readonly Multiaddr[] | undefined

  constructor(publicKey: Uint8Array, nodeId: NodeId, endpoints: readonly NodeEndpoint[], enr?: Enr) {
    this.publicKey = publicKey
    this.nodeId = nodeId
    this.endpoints = endpoints
    this.enr = enr
  }

  get peerId(): PeerId {
    this.#peerId ??= peerIdOf(this.publicKey)
    return this.#peerId
  }

  get addresses(): readonly Multiaddr[] {
    this.#addresses ??= [
      ...this.endpoints.flatMap((endpoint) => rlpxMultiaddr(endpoint, this.peerId.toString()) ?? []),
      ...readEnrMultiaddrs(this.entry(MULTIADDRS_KEY), this.peerId),
    ]
    return this.#addresses
  }

  get seq(): bigint {
    return this.enr?.seq ?? 0n
  }

  entry(key: string): Uint8Array | undefined {
    return this.enr?.entries.get(key)
  }
}

/** @see EIP-778 § Key/Value Pairs: without tcp6 or udp6, tcp or udp holds for both families. */
function endpointsOf({ entries }: Enr): NodeEndpoint[] {
  const tcp = portOf(entries, 'tcp')
  const udp = portOf(entries, 'udp')
  const ip4 = ipOf(entries, 'ip', 4)
  const ip6 = ipOf(entries, 'ip6', 16)
  return [
    ...(ip4 === undefined ? [] : [endpointOf(ip4, tcp, udp)]),
    ...(ip6 === undefined ? [] : [endpointOf(ip6, portOf(entries, 'tcp6') ?? tcp, portOf(entries, 'udp6') ?? udp)]),
  ]
}

function ipOf(entries: Enr['entries'], key: string, length: number): string | undefined {
  const entry = entries.get(key)
  const bytes = entry === undefined ? undefined : decodeRlp(entry)
  return isRlpBytes(bytes) && bytes.length === length ? formatIp(bytes) : undefined
}

function portOf(entries: Enr['entries'], key: string): number | undefined {
  const entry = entries.get(key)
  return entry === undefined ? undefined : rlpUint(decodeRlp(entry), 2)
}

function endpointOf(host: string, tcp: number | undefined, udp: number | undefined): NodeEndpoint {
  return { host, ...(tcp === undefined || tcp === 0 ? {} : { tcp }), ...(udp === undefined || udp === 0 ? {} : { udp }) }
}

/** DNS names first, then the farthest reach, then IPv4; one a family, and none that is nowhere. */
function rank(endpoints: readonly NodeEndpoint[]): NodeEndpoint[] {
  const ranked = endpoints
    .map((endpoint) => ({ endpoint, ip: parseIp(endpoint.host) }))
    .map(({ endpoint, ip }) => ({ endpoint, family: ip?.length ?? 0, reach: ip === undefined ? nameScope(endpoint.host) : ipScope(ip) }))
    .filter(({ reach }) => reach > 0)
    .sort((a, b) => b.reach - a.reach || a.family - b.family)
  return ranked.filter(({ family }, i) => ranked.findIndex((other) => other.family === family) === i).map(({ endpoint }) => endpoint)
}

/** A name goes before every address: who gives one means it. */
function nameScope(host: string): number {
  return isDnsName(host) ? 5 : 0
}

function nodeFromEnrText(text: string): NodeRecord {
  const enr = decodeEnrText(text)
  if (!isFault(enr)) return nodeFromEnr(enr)
  const shown = text.slice(0, 200)
  throw new KumikoError('identity/bad-enr', `bad ENR "${shown}": ${enr.detail}`, { context: { enr: shown } })
}

function readMultiaddr(text: string): Multiaddr {
  registerRlpx()
  try {
    return multiaddr(text)
  } catch (cause) {
    throw badMultiaddr(text, cause instanceof Error ? cause.message : 'not a multiaddr', cause)
  }
}

function badMultiaddr(text: string, why: string, cause?: unknown): KumikoError {
  const address = text.slice(0, 200)
  return new KumikoError('identity/bad-multiaddr', `bad multiaddr "${address}": ${why}`, { context: { address }, cause })
}
