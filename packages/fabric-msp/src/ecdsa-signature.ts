import type { CurveName } from './certificate.ts'
import { DerReader, derElement, derUnsigned, isShortestInteger, TAG, withoutLeadingZeros } from './der.ts'

/** An ECDSA signature's numbers: positive, most significant byte first, no zeros in front. Views of what was read. */
export interface EcdsaSignature {
  readonly r: Uint8Array
  readonly s: Uint8Array
}

/**
 * Reads a signature with the leniency of Go's `encoding/asn1`, by which Fabric reads all but those on certificates
 * (`bccsp/utils/ecdsa.go`, research § 3.2): whatever stands after the two numbers or after the SEQUENCE is ignored.
 * @returns `undefined` unless r and s are positive.
 */
export function readSignature(bytes: Uint8Array): EcdsaSignature | undefined {
  return readShortSignature(bytes) ?? readLenientSignature(bytes)
}

/** Nearly all signatures are of this form; read in place they take a tenth of the memory. @returns `undefined` for all others, right or wrong. */
function readShortSignature(bytes: Uint8Array): EcdsaSignature | undefined {
  const rEnd = endOfInteger(bytes, 2)
  const end = endOfInteger(bytes, rEnd)
  const isWhole = bytes[0] === TAG.sequence && bytes[1] === end - 2 && end - 2 < 0x80 && bytes.length === end
  if (!isWhole) return undefined
  return { r: unsignedAt(bytes, 4, rEnd), s: unsignedAt(bytes, rEnd + 2, end) }
}

/** @returns Where a positive INTEGER of the shortest form and less than 128 bytes ends; NaN where there is none at `at`. */
function endOfInteger(bytes: Uint8Array, at: number): number {
  const [length = 0, first = 0, second = 0] = [bytes[at + 1], bytes[at + 2], bytes[at + 3]]
  const isPositive = first > 0 ? first < 0x80 : second >= 0x80 && length > 1
  return bytes[at] === TAG.integer && length > 0 && length < 0x80 && isPositive ? at + 2 + length : Number.NaN
}

function unsignedAt(bytes: Uint8Array, start: number, end: number): Uint8Array {
  return bytes.subarray(bytes[start] === 0 ? start + 1 : start, end)
}

function readLenientSignature(bytes: Uint8Array): EcdsaSignature | undefined {
  const sequence = lenientElement(bytes, TAG.sequence)
  const r = sequence && lenientElement(sequence.content, TAG.integer)
  const s = r && lenientElement(r.rest, TAG.integer)
  return s && positive(r.content, s.content)
}

/** Reads a signature as Go's `ecdsa.VerifyASN1` does, which checks those on certificates: nothing may follow. */
export function readStrictSignature(bytes: Uint8Array): EcdsaSignature | undefined {
  const reader = new DerReader(bytes)
  const sequence = reader.open(TAG.sequence, 'signature')
  const r = sequence.integer('r')
  const s = sequence.integer('s')
  return reader.isEmpty && sequence.isEmpty && reader.failure === undefined ? positive(r, s) : undefined
}

/** The signature in DER. */
export function encodeSignature({ r, s }: EcdsaSignature): Uint8Array {
  return derElement(TAG.sequence, derUnsigned(r), derUnsigned(s))
}

/** Whether s is at most half of the curve's order. Fabric takes no others. */
export function isLowS(curve: CurveName, s: Uint8Array): boolean {
  const half = HALVES[curve]
  return s.length < half.length || (s.length === half.length && compare(s, half) <= 0)
}

/** The same signature with the low one of its two possible s. */
export function toLowS(curve: CurveName, signature: EcdsaSignature): EcdsaSignature {
  if (isLowS(curve, signature.s)) return signature
  const s = ORDERS[curve] - BigInt(`0x${hexFrom(signature.s)}`)
  return s > 0n ? { r: signature.r, s: bytesFrom(s) } : signature
}

/** r and s side by side, each as long as the curve's order (IEEE P1363); `undefined` if one is longer. */
export function toP1363(curve: CurveName, { r, s }: EcdsaSignature): Uint8Array | undefined {
  const size = ORDER_BYTES[curve]
  if (r.length > size || s.length > size) return undefined
  const bytes = new Uint8Array(2 * size)
  bytes.set(r, size - r.length)
  bytes.set(s, 2 * size - s.length)
  return bytes
}

/** The numbers of a signature in IEEE P1363. */
export function fromP1363(bytes: Uint8Array): EcdsaSignature {
  const size = bytes.length / 2
  return { r: withoutLeadingZeros(bytes.subarray(0, size)), s: withoutLeadingZeros(bytes.subarray(size)) }
}

const ORDERS: Readonly<Record<CurveName, bigint>> = {
  'P-224': 0xffffffffffffffffffffffffffff16a2e0b8f03e13dd29455c5c2a3dn,
  'P-256': 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n,
  'P-384': 0xffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973n,
  'P-521':
    0x1fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409n,
}

const ORDER_BYTES: Readonly<Record<CurveName, number>> = { 'P-224': 28, 'P-256': 32, 'P-384': 48, 'P-521': 66 }

const HALVES: Readonly<Record<CurveName, Uint8Array>> = {
  'P-224': bytesFrom(ORDERS['P-224'] >> 1n),
  'P-256': bytesFrom(ORDERS['P-256'] >> 1n),
  'P-384': bytesFrom(ORDERS['P-384'] >> 1n),
  'P-521': bytesFrom(ORDERS['P-521'] >> 1n),
}

function positive(r: Uint8Array, s: Uint8Array): EcdsaSignature | undefined {
  const isNegative = ((r[0] ?? 0x80) & 0x80) !== 0 || ((s[0] ?? 0x80) & 0x80) !== 0
  const numbers = { r: withoutLeadingZeros(r), s: withoutLeadingZeros(s) }
  return isNegative || numbers.r.length === 0 || numbers.s.length === 0 ? undefined : numbers
}

interface LenientElement {
  readonly content: Uint8Array
  readonly rest: Uint8Array
}

/** Go's `encoding/asn1` reads lengths of up to four bytes below 2²³, in their shortest form, as `cryptobyte` does; and integers likewise. */
function lenientElement(bytes: Uint8Array, tag: number): LenientElement | undefined {
  const reader = new DerReader(bytes)
  const { whole, content } = reader.element(tag, 'signature')
  if (reader.failure !== undefined || (tag === TAG.integer && !isShortestInteger(content))) return undefined
  return { content, rest: bytes.subarray(whole.length) }
}

function compare(a: Uint8Array, b: Uint8Array): number {
  for (let i = 0; i < a.length; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0)
    if (difference !== 0) return difference
  }
  return 0
}

function hexFrom(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

function bytesFrom(number: bigint): Uint8Array {
  const hex = number.toString(16)
  const even = hex.length % 2 === 0 ? hex : `0${hex}`
  return Uint8Array.from(even.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}
