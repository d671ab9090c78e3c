import type { RlpInput, RlpItem } from '@kumiko/identity'
import {
  curve,
  decodeRlp,
  decodeRlpPrefix,
  encodeRlp,
  formatIp,
  ipBytes,
  isRlpBytes,
  isRlpList,
  keccak256,
  rlpBigUint,
  rlpUint,
} from '@kumiko/identity'
import { type Fault, isFault } from '@kumiko/interface'

/** "Packets are at most 1280 bytes." @see discv4.md § Wire Protocol */
export const PACKET_SIZE_MAX_BYTES = 1280

/** Hash, signature and type: what every packet begins with. */
const HASH_BYTES = 32
const SIGNATURE_BYTES = 65
const HEAD_BYTES = HASH_BYTES + SIGNATURE_BYTES + 1

/** As many neighbors as fit a packet, whatever their addresses: 91 bytes each at most. */
export const NEIGHBORS_PER_PACKET_MAX = 12

/** Items of a packet: neighbors have 74, a record 300 at most. What has more is made to keep us busy. */
const ITEMS_MAX = 512

/** @see discv4.md § Ping Packet, "version" */
export const VERSION = 4

const TYPES = { ping: 1, pong: 2, findnode: 3, neighbors: 4, enrrequest: 5, enrresponse: 6 } as const

/** What a packet is. */
export type PacketType = keyof typeof TYPES

const TYPE_OF: ReadonlyMap<number, PacketType> = new Map(Object.entries(TYPES).map(([type, code]) => [code, type as PacketType]))

/** Where a node says that it, or the other, is. */
export interface WireEndpoint {
  /** In canonical form, IPv4-mapped IPv6 as IPv4; `0.0.0.0` for none and for what is no address. */
  readonly ip: string
  /** 0–65535. */
  readonly udp: number
  /** 0–65535; 0 where it is not known. */
  readonly tcp: number
}

/** A node that another one tells of. */
export interface WireNode extends WireEndpoint {
  /** 64 bytes, x‖y; not yet known to be a point of the curve. */
  readonly publicKey: Uint8Array
}

/** When a packet becomes invalid. */
export interface Expiring {
  /** Unix time in seconds; negative for what was beyond 2^63. */
  readonly expiration: number
}

/** @see discv4.md § Ping Packet (0x01) */
export interface PingPacket extends Expiring {
  readonly type: 'ping'
  /** Any; ours is {@link VERSION}. */
  readonly version: number
  readonly from: WireEndpoint
  readonly to: WireEndpoint
  /** Undefined where there is none, or something else in its place. */
  readonly enrSeq: bigint | undefined
}

/** @see discv4.md § Pong Packet (0x02) */
export interface PongPacket extends Expiring {
  readonly type: 'pong'
  readonly to: WireEndpoint
  /** 32 bytes. */
  readonly pingHash: Uint8Array
  readonly enrSeq: bigint | undefined
}

/** @see discv4.md § FindNode Packet (0x03) */
export interface FindnodePacket extends Expiring {
  readonly type: 'findnode'
  /** 64 bytes; need not be a point of the curve. */
  readonly target: Uint8Array
}

/** @see discv4.md § Neighbors Packet (0x04) */
export interface NeighborsPacket extends Expiring {
  readonly type: 'neighbors'
  readonly nodes: readonly WireNode[]
}

/** @see discv4.md § ENRRequest Packet (0x05) */
export interface EnrRequestPacket extends Expiring {
  readonly type: 'enrrequest'
}

/** @see discv4.md § ENRResponse Packet (0x06) */
export interface EnrResponsePacket {
  readonly type: 'enrresponse'
  /** 32 bytes. */
  readonly requestHash: Uint8Array
  /** RLP of a node record, unverified. */
  readonly record: Uint8Array
}

/** What nodes say to each other. */
export type Packet = PingPacket | PongPacket | FindnodePacket | NeighborsPacket | EnrRequestPacket | EnrResponsePacket

/**
 * Tells whether a datagram is of this protocol: whether its first 32 bytes are the hash of the rest. The cheapest look there is.
 *
 * @see discv4.md § Wire Protocol: hash ‖ signature ‖ packet-type ‖ packet-data
 */
export function isPacket(bytes: Uint8Array): boolean {
  if (bytes.length < HEAD_BYTES || bytes.length > PACKET_SIZE_MAX_BYTES) return false
  const hash = keccak256(bytes.subarray(HASH_BYTES))
  for (let i = 0; i < HASH_BYTES; i++) if (hash[i] !== bytes[i]) return false
  return true
}

/** What a packet is, without a look at what it says; undefined for a type that there is not. {@link isPacket} must hold. */
export function packetTypeOf(bytes: Uint8Array): PacketType | undefined {
  return TYPE_OF.get(bytes[HEAD_BYTES - 1] ?? 0)
}

/**
 * Reads what a packet says, without a look at who signed it. Further list elements and what is behind the list are passed over (EIP-8).
 *
 * @param bytes - {@link isPacket} must hold. Not kept.
 * @returns The packet, or the fault `discv4/unknown-type` or `discv4/bad-packet`.
 */
export function decodePacket(bytes: Uint8Array): Packet | Fault {
  const type = packetTypeOf(bytes)
  if (type === undefined) return { fault: 'discv4/unknown-type', detail: `type ${bytes[HEAD_BYTES - 1]}` }
  const items = decodeRlpPrefix(bytes.subarray(HEAD_BYTES), ITEMS_MAX)
  if (isFault(items)) return badPacket(type, items.detail ?? 'bad RLP')
  return (isRlpList(items) ? DECODERS[type](items) : undefined) ?? badPacket(type, 'not as specified')
}

/** The packet's own hash, 32 bytes: what answers refer to. A view. */
export function hashOf(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, HASH_BYTES)
}

/** Who signed a packet: 64 bytes, or undefined where nobody can have. {@link isPacket} must hold. Costs as much as all else together. */
export function signerOf(bytes: Uint8Array): Uint8Array | undefined {
  const hash = keccak256(bytes.subarray(HASH_BYTES + SIGNATURE_BYTES))
  return curve.recover(hash, bytes.subarray(HASH_BYTES, HASH_BYTES + SIGNATURE_BYTES))
}

/** Tells whether a node signed a packet, which is sooner told than who did. @param publicKey - 64 bytes. */
export function isSignedBy(bytes: Uint8Array, publicKey: Uint8Array): boolean {
  const hash = keccak256(bytes.subarray(HASH_BYTES + SIGNATURE_BYTES))
  return curve.verify(hash, bytes.subarray(HASH_BYTES, HASH_BYTES + SIGNATURE_BYTES - 1), publicKey)
}

/** Makes and signs a packet. Its size is the caller's concern: only neighbors and records can be too many. */
export function encodePacket(packet: Packet, secretKey: Uint8Array): Uint8Array {
  return sealPacket(TYPES[packet.type], encodeRlp(itemsOf(packet)), secretKey)
}

/**
 * Signs packet data, whatever it says.
 *
 * @param type - The number, 0–255.
 */
export function sealPacket(type: number, data: Uint8Array, secretKey: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + data.length)
  bytes[HEAD_BYTES - 1] = type
  bytes.set(data, HEAD_BYTES)
  bytes.set(curve.sign(keccak256(bytes.subarray(HEAD_BYTES - 1)), secretKey), HASH_BYTES)
  bytes.set(keccak256(bytes.subarray(HASH_BYTES)))
  return bytes
}

type Items = readonly RlpItem[]

const DECODERS: { readonly [T in PacketType]: (items: Items) => Packet | undefined } = {
  ping([versionItem, fromItem, toItem, expirationItem, enrSeq]) {
    const version = rlpBigUint(versionItem, 8)
    const [from, to, expiration] = [endpointOf(fromItem), endpointOf(toItem), expirationOf(expirationItem)]
    if (version === undefined || from === undefined || to === undefined || expiration === undefined) return undefined
    return { type: 'ping', version: Number(version), from, to, expiration, enrSeq: rlpBigUint(enrSeq, 8) }
  },
  pong([toItem, pingHash, expirationItem, enrSeq]) {
    const [to, expiration] = [endpointOf(toItem), expirationOf(expirationItem)]
    if (to === undefined || !isBytes(pingHash, HASH_BYTES) || expiration === undefined) return undefined
    return { type: 'pong', to, pingHash, expiration, enrSeq: rlpBigUint(enrSeq, 8) }
  },
  findnode([target, expirationItem]) {
    const expiration = expirationOf(expirationItem)
    return isBytes(target, 64) && expiration !== undefined ? { type: 'findnode', target, expiration } : undefined
  },
  neighbors([nodeItems, expirationItem]) {
    const expiration = expirationOf(expirationItem)
    if (!isRlpList(nodeItems) || expiration === undefined) return undefined
    const nodes = nodeItems.map(nodeOf).filter((node) => node !== undefined)
    return nodes.length === nodeItems.length ? { type: 'neighbors', nodes, expiration } : undefined
  },
  enrrequest([expirationItem]) {
    const expiration = expirationOf(expirationItem)
    return expiration === undefined ? undefined : { type: 'enrrequest', expiration }
  },
  enrresponse([requestHash, record]) {
    if (!isBytes(requestHash, HASH_BYTES) || !isRlpList(record)) return undefined
    return { type: 'enrresponse', requestHash, record: encodeRlp(record) }
  },
}

function itemsOf(packet: Packet): RlpInput {
  switch (packet.type) {
    case 'ping':
      return [packet.version, endpointItem(packet.from), endpointItem(packet.to), packet.expiration, ...seqItem(packet.enrSeq)]
    case 'pong':
      return [endpointItem(packet.to), packet.pingHash, packet.expiration, ...seqItem(packet.enrSeq)]
    case 'findnode':
      return [packet.target, packet.expiration]
    case 'neighbors':
      return [packet.nodes.map((node) => [...endpointItem(node), node.publicKey]), packet.expiration]
    case 'enrrequest':
      return [packet.expiration]
    case 'enrresponse': {
      const record = decodeRlp(packet.record)
      return [packet.requestHash, isFault(record) ? [] : record]
    }
  }
}

function endpointItem({ ip, udp, tcp }: WireEndpoint): RlpInput[] {
  return [ipBytes(ip) ?? new Uint8Array(4), udp, tcp]
}

function seqItem(enrSeq: bigint | undefined): bigint[] {
  return enrSeq === undefined ? [] : [enrSeq]
}

function endpointOf(item: RlpItem | undefined): WireEndpoint | undefined {
  if (!isRlpList(item)) return undefined
  const [ip, udpItem, tcpItem] = item
  const [udp, tcp] = [rlpUint(udpItem, 2), rlpUint(tcpItem, 2)]
  if (!isRlpBytes(ip) || udp === undefined || tcp === undefined) return undefined
  return { ip: ip.length === 4 || ip.length === 16 ? formatIp(ip) : '0.0.0.0', udp, tcp }
}

function nodeOf(item: RlpItem): WireNode | undefined {
  const endpoint = endpointOf(item)
  const publicKey = isRlpList(item) ? item[3] : undefined
  return endpoint !== undefined && isBytes(publicKey, 64) ? { ...endpoint, publicKey } : undefined
}

/** Read as signed: those who write −1 mean the past. */
function expirationOf(item: RlpItem | undefined): number | undefined {
  const expiration = rlpBigUint(item, 8)
  return expiration === undefined ? undefined : Number(BigInt.asIntN(64, expiration))
}

function isBytes(item: RlpItem | undefined, length: number): item is Uint8Array {
  return isRlpBytes(item) && item.length === length
}

function badPacket(type: PacketType, why: string): Fault {
  return { fault: 'discv4/bad-packet', detail: `${type}: ${why}`.slice(0, 200) }
}
