import { createCipheriv, createDecipheriv, hash, hkdfSync } from 'node:crypto'
import { curve } from '@kumiko/identity'

/** @see discv5-wire.md § Packet Encoding: flag */
export const FLAG = { message: 0, whoareyou: 1, handshake: 2 } as const

const IV_BYTES = 16
/** protocol-id, version, flag, nonce, authdata-size. */
const STATIC_HEADER_BYTES = 23
const NONCE_BYTES = 12
const TAG_BYTES = 16
/** src-id, sig-size, eph-key-size; then the signature and the key. */
const HANDSHAKE_HEAD_BYTES = 34
const SIGNATURE_BYTES = 64
const KEY_BYTES = 33

/** A packet in the clear, but for its message. */
export interface OpenPacket {
  readonly flag: number
  readonly nonce: Uint8Array
  readonly authdata: Uint8Array
  /** masking-iv ‖ static-header ‖ authdata: what a message is authenticated with, and a WHOAREYOU's challenge-data. */
  readonly header: Uint8Array
  /** Ciphertext and tag; empty in a WHOAREYOU. */
  readonly sealed: Uint8Array
}

/** A header in the clear. @param iv - 16 bytes. @param nonce - 12 bytes. */
export function headerOf(flag: number, iv: Uint8Array, nonce: Uint8Array, authdata: Uint8Array): Uint8Array {
  const sizes = Uint8Array.of(authdata.length >> 8, authdata.length & 0xff)
  return concat(iv, Buffer.from('discv5'), Uint8Array.of(0, 1, flag), nonce, sizes, authdata)
}

/** The datagram. @param recipient - Its node id, 32 bytes. */
export function maskPacket(header: Uint8Array, sealed: Uint8Array, recipient: Uint8Array): Uint8Array {
  return concat(header.subarray(0, IV_BYTES), masking(header, recipient).update(header.subarray(IV_BYTES)), sealed)
}

/** @param recipient - Our node id. @returns Undefined for what is no packet to us. */
export function openPacket(datagram: Uint8Array, recipient: Uint8Array): OpenPacket | undefined {
  if (datagram.length < IV_BYTES + STATIC_HEADER_BYTES) return undefined
  const mask = masking(datagram, recipient)
  const fixed = mask.update(datagram.subarray(IV_BYTES, IV_BYTES + STATIC_HEADER_BYTES))
  const end = IV_BYTES + STATIC_HEADER_BYTES + fixed.readUInt16BE(STATIC_HEADER_BYTES - 2)
  if (fixed.toString('latin1', 0, 8) !== 'discv5\0\u0001' || end > datagram.length) return undefined
  const authdata = new Uint8Array(mask.update(datagram.subarray(IV_BYTES + STATIC_HEADER_BYTES, end)))
  return {
    flag: fixed[8] ?? 0,
    nonce: new Uint8Array(fixed.subarray(9, 9 + NONCE_BYTES)),
    authdata,
    header: concat(datagram.subarray(0, IV_BYTES), fixed, authdata),
    sealed: datagram.subarray(end),
  }
}

/** src-id ‖ sig-size ‖ eph-key-size ‖ id-signature ‖ eph-pubkey ‖ record */
export function handshakeAuthdata(source: Uint8Array, signature: Uint8Array, ephemeralKey: Uint8Array, record: Uint8Array): Uint8Array {
  return concat(source, Uint8Array.of(SIGNATURE_BYTES, KEY_BYTES), signature, ephemeralKey, record)
}

/** @returns Undefined where it has other sizes than those of identity scheme "v4". */
export function readHandshake(authdata: Uint8Array): { readonly signature: Uint8Array; readonly ephemeralKey: Uint8Array } | undefined {
  const keyAt = HANDSHAKE_HEAD_BYTES + SIGNATURE_BYTES
  if (authdata.length < keyAt + KEY_BYTES || authdata[32] !== SIGNATURE_BYTES || authdata[33] !== KEY_BYTES) return undefined
  return { signature: authdata.subarray(HANDSHAKE_HEAD_BYTES, keyAt), ephemeralKey: authdata.subarray(keyAt, keyAt + KEY_BYTES) }
}

/** Who agrees on keys, and about what. */
export interface Agreement {
  readonly challengeData: Uint8Array
  /** Node ids. */
  readonly initiator: Uint8Array
  readonly recipient: Uint8Array
}

/** The initiator's key and the recipient's, 16 bytes each. @param publicKey - Of the other end; compressed, a point of the curve. */
export function agree(secretKey: Uint8Array, publicKey: Uint8Array, agreement: Agreement): [Uint8Array, Uint8Array] {
  const secret = curve.ecdhPoint(secretKey, publicKey) ?? new Uint8Array(KEY_BYTES)
  const info = concat(Buffer.from('discovery v5 key agreement'), agreement.initiator, agreement.recipient)
  const keys = new Uint8Array(hkdfSync('sha256', secret, agreement.challengeData, info, 32))
  return [keys.subarray(0, 16), keys.subarray(16)]
}

/** What the initiator signs. */
export function identityHash({ challengeData, recipient }: Agreement, ephemeralKey: Uint8Array): Uint8Array {
  return hash('sha256', concat(Buffer.from('discovery v5 identity proof'), challengeData, ephemeralKey, recipient), 'buffer')
}

/** AES-128-GCM. @returns Ciphertext and tag. */
export function encrypt(key: Uint8Array, nonce: Uint8Array, plain: Uint8Array, authenticated: Uint8Array): Uint8Array {
  const cipher = createCipheriv('aes-128-gcm', key, nonce).setAAD(authenticated)
  return concat(cipher.update(plain), cipher.final(), cipher.getAuthTag())
}

/** @returns Undefined where these are not the keys. */
export function decrypt(key: Uint8Array, { nonce, header, sealed }: OpenPacket): Uint8Array | undefined {
  if (sealed.length < TAG_BYTES) return undefined
  const decipher = createDecipheriv('aes-128-gcm', key, nonce)
    .setAAD(header)
    .setAuthTag(sealed.subarray(sealed.length - TAG_BYTES))
  try {
    return concat(decipher.update(sealed.subarray(0, sealed.length - TAG_BYTES)), decipher.final())
  } catch {
    return undefined
  }
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(Buffer.concat(parts))
}

function masking(packet: Uint8Array, recipient: Uint8Array): ReturnType<typeof createCipheriv> {
  return createCipheriv('aes-128-ctr', recipient.subarray(0, 16), packet.subarray(0, IV_BYTES))
}
