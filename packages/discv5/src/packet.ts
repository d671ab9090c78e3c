import type { Fault } from '@kumiko/interface'
import type { HeaderMask } from './header-mask.ts'

/** § Packet Encoding: "The maximum size of any packet is 1280 bytes." */
export const PACKET_SIZE_MAX_BYTES = 1280

/** A WHOAREYOU packet: the smallest there is. */
export const PACKET_SIZE_MIN_BYTES = 63

/** What a message takes in a packet at least: its authentication tag. */
export const TAG_BYTES = 16

const IV_BYTES = 16
/** protocol-id, version, flag, nonce, authdata-size. */
const STATIC_HEADER_BYTES = 6 + 2 + 1 + 12 + 2
const AUTHDATA_AT = IV_BYTES + STATIC_HEADER_BYTES

/** "discv5", and version 1. */
const PROTOCOL = Uint8Array.of(0x64, 0x69, 0x73, 0x63, 0x76, 0x35)
const VERSION = 1

/** flag: what the authdata is. */
const FLAG = { message: 0, whoareyou: 1, handshake: 2 } as const

const ID_BYTES = 32
const WHOAREYOU_AUTHDATA_BYTES = 24
/** src-id, sig-size, eph-key-size. */
const HANDSHAKE_HEAD_BYTES = ID_BYTES + 2
/** Of the identity scheme "v4". */
const SIGNATURE_BYTES = 64
const EPHEMERAL_KEY_BYTES = 33

/** What a handshake adds to a message in front of the record. */
export const HANDSHAKE_AUTHDATA_MIN_BYTES: number = HANDSHAKE_HEAD_BYTES + SIGNATURE_BYTES + EPHEMERAL_KEY_BYTES

/** How many bytes of plain message fit beside an authdata of a size. */
export function messageSizeMax(authdataBytes: number = ID_BYTES): number {
  return PACKET_SIZE_MAX_BYTES - AUTHDATA_AT - authdataBytes - TAG_BYTES
}

/** What all packets have. All bytes are copies, or views of copies. */
interface PacketBase {
  /** masking-iv ‖ static-header ‖ authdata, in the clear: what a message is authenticated with, and what a WHOAREYOU's challenge-data is. */
  readonly header: Uint8Array
  /** 12 bytes. */
  readonly nonce: Uint8Array
}

/** An encrypted message, or a random packet, which nobody can tell from one. */
export interface MessagePacket extends PacketBase {
  readonly kind: 'message'
  /** 32 bytes. */
  readonly sourceId: Uint8Array
  /** Ciphertext and tag. A view of the datagram. */
  readonly sealed: Uint8Array
}

/** "Who are you?": `nonce` is that of the packet which it answers. */
export interface WhoareyouPacket extends PacketBase {
  readonly kind: 'whoareyou'
  /** The highest sequence number of the recipient's record that the sender knows; 0n for none. */
  readonly enrSeq: bigint
}

/** A message with the answer to WHOAREYOU. */
export interface HandshakePacket extends PacketBase {
  readonly kind: 'handshake'
  readonly sourceId: Uint8Array
  readonly idSignature: Uint8Array
  /** Compressed. */
  readonly ephemeralKey: Uint8Array
  /** RLP of an ENR; undefined where the sender believes that it is known. */
  readonly record: Uint8Array | undefined
  readonly sealed: Uint8Array
}

export type Packet = MessagePacket | WhoareyouPacket | HandshakePacket

/** Reused: nothing is allocated for what is not ours. */
const scratch = new Uint8Array(32)

/**
 * Reads a datagram's header.
 *
 * @param mask - Made of our own id.
 * @returns Undefined for what is no packet of discovery v5 to us, in about a microsecond · the fault of one that is.
 */
export function decodePacket(datagram: Uint8Array, mask: HeaderMask): Packet | Fault | undefined {
  if (datagram.length < PACKET_SIZE_MIN_BYTES || datagram.length > PACKET_SIZE_MAX_BYTES) return undefined
  const iv = datagram.subarray(0, IV_BYTES)
  mask.apply(iv, datagram.subarray(IV_BYTES), scratch)
  for (let i = 0; i < PROTOCOL.length; i++) if (scratch[i] !== PROTOCOL[i]) return undefined
  if (uint16(scratch, 6) !== VERSION) return fault('bad-version')
  const flag = scratch[8] ?? 0
  const authdataBytes = uint16(scratch, STATIC_HEADER_BYTES - 2)
  const sealedBytes = datagram.length - AUTHDATA_AT - authdataBytes
  if (!isAuthdataSize(flag, authdataBytes, sealedBytes)) return fault('bad-header')
  const header = datagram.slice(0, AUTHDATA_AT + authdataBytes)
  header.set(scratch.subarray(0, STATIC_HEADER_BYTES + 9), IV_BYTES)
  mask.apply(iv, datagram.subarray(IV_BYTES + scratch.length), header.subarray(IV_BYTES + scratch.length), scratch.length)
  return packetOf(flag, header, datagram.subarray(header.length))
}

/** A message: an ordinary one, or a random packet. @param iv - 16 random bytes. @param nonce - 12 bytes. */
export function messageHeader(iv: Uint8Array, nonce: Uint8Array, sourceId: Uint8Array): Uint8Array {
  const header = headerOf(FLAG.message, iv, nonce, ID_BYTES)
  header.set(sourceId, AUTHDATA_AT)
  return header
}

/** "Who are you?" It is its own challenge-data. @param nonce - Of the packet that cannot be read. @param idNonce - 16 random bytes. */
export function whoareyouHeader(iv: Uint8Array, nonce: Uint8Array, idNonce: Uint8Array, enrSeq: bigint): Uint8Array {
  const header = headerOf(FLAG.whoareyou, iv, nonce, WHOAREYOU_AUTHDATA_BYTES)
  header.set(idNonce, AUTHDATA_AT)
  new DataView(header.buffer, header.byteOffset).setBigUint64(AUTHDATA_AT + 16, enrSeq)
  return header
}

/** What answers WHOAREYOU. */
export interface HandshakeAuthdata {
  readonly sourceId: Uint8Array
  /** 64 bytes. */
  readonly idSignature: Uint8Array
  /** 33 bytes. */
  readonly ephemeralKey: Uint8Array
  readonly record: Uint8Array | undefined
}

/** A handshake. The message goes behind it. */
export function handshakeHeader(iv: Uint8Array, nonce: Uint8Array, authdata: HandshakeAuthdata): Uint8Array {
  const { sourceId, idSignature, ephemeralKey, record = new Uint8Array(0) } = authdata
  const header = headerOf(FLAG.handshake, iv, nonce, HANDSHAKE_AUTHDATA_MIN_BYTES + record.length)
  header.set(sourceId, AUTHDATA_AT)
  header.set([SIGNATURE_BYTES, EPHEMERAL_KEY_BYTES], AUTHDATA_AT + ID_BYTES)
  header.set(idSignature, AUTHDATA_AT + HANDSHAKE_HEAD_BYTES)
  header.set(ephemeralKey, AUTHDATA_AT + HANDSHAKE_HEAD_BYTES + SIGNATURE_BYTES)
  header.set(record, AUTHDATA_AT + HANDSHAKE_AUTHDATA_MIN_BYTES)
  return header
}

/**
 * The datagram.
 *
 * @param header - As the functions above make it.
 * @param sealed - Ciphertext and tag; empty for WHOAREYOU.
 * @param mask - Made of the recipient's id.
 */
export function encodePacket(header: Uint8Array, sealed: Uint8Array, mask: HeaderMask): Uint8Array {
  const datagram = new Uint8Array(header.length + sealed.length)
  datagram.set(header)
  datagram.set(sealed, header.length)
  const masked = datagram.subarray(IV_BYTES, header.length)
  mask.apply(header.subarray(0, IV_BYTES), masked, masked)
  return datagram
}

function headerOf(flag: number, iv: Uint8Array, nonce: Uint8Array, authdataBytes: number): Uint8Array {
  const header = new Uint8Array(AUTHDATA_AT + authdataBytes)
  header.set(iv)
  header.set(PROTOCOL, IV_BYTES)
  header[IV_BYTES + 7] = VERSION
  header[IV_BYTES + 8] = flag
  header.set(nonce, IV_BYTES + 9)
  header[AUTHDATA_AT - 2] = authdataBytes >> 8
  header[AUTHDATA_AT - 1] = authdataBytes & 0xff
  return header
}

/** A message is never shorter than its tag, so that what we answer with WHOAREYOU is always longer than that. */
function isAuthdataSize(flag: number, authdataBytes: number, sealedBytes: number): boolean {
  if (flag === FLAG.message) return authdataBytes === ID_BYTES && sealedBytes >= TAG_BYTES
  if (flag === FLAG.whoareyou) return authdataBytes === WHOAREYOU_AUTHDATA_BYTES && sealedBytes === 0
  return flag === FLAG.handshake && authdataBytes >= HANDSHAKE_AUTHDATA_MIN_BYTES && sealedBytes >= TAG_BYTES
}

function packetOf(flag: number, header: Uint8Array, sealed: Uint8Array): Packet | Fault {
  const nonce = header.subarray(IV_BYTES + 9, IV_BYTES + 21)
  const authdata = header.subarray(AUTHDATA_AT)
  if (flag === FLAG.whoareyou) {
    const enrSeq = new DataView(header.buffer, header.byteOffset).getBigUint64(AUTHDATA_AT + 16)
    return { kind: 'whoareyou', header, nonce, enrSeq }
  }
  const sourceId = authdata.subarray(0, ID_BYTES)
  if (flag === FLAG.message) return { kind: 'message', header, nonce, sourceId, sealed }
  if (authdata[ID_BYTES] !== SIGNATURE_BYTES || authdata[ID_BYTES + 1] !== EPHEMERAL_KEY_BYTES) return fault('bad-header')
  const keyAt = HANDSHAKE_HEAD_BYTES + SIGNATURE_BYTES
  const record = authdata.subarray(HANDSHAKE_AUTHDATA_MIN_BYTES)
  return {
    kind: 'handshake',
    header,
    nonce,
    sourceId,
    idSignature: authdata.subarray(HANDSHAKE_HEAD_BYTES, keyAt),
    ephemeralKey: authdata.subarray(keyAt, keyAt + EPHEMERAL_KEY_BYTES),
    record: record.length === 0 ? undefined : record,
    sealed,
  }
}

function uint16(bytes: Uint8Array, at: number): number {
  return ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)
}

function fault(what: 'bad-version' | 'bad-header'): Fault {
  return { fault: `discv5/${what}` }
}
