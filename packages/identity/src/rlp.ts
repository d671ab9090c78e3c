import { type Fault, KumikoError } from '@kumiko/interface'
import { fromHex } from './hex.ts'

/** What RLP decodes to: byte strings, and lists of items, {@link RLP_DEPTH_MAX} deep at most. */
export type RlpItem = Uint8Array | readonly RlpItem[]

/** What RLP encodes: items, and unsigned integers in their canonical form (big endian, no leading zeros). */
export type RlpInput = Uint8Array | number | bigint | readonly RlpInput[]

/** Lists within lists. Nothing in devp2p goes beyond 8; who reads or writes items one within the other relies on a bound. */
export const RLP_DEPTH_MAX = 32

/** Items in all, lists included. Each takes some hundred bytes of memory, however short it is. */
export const RLP_ITEMS_MAX = 65_536

/**
 * Decodes one item that fills `bytes`. Only canonical forms pass: shortest sizes, no prefix on a single byte below 0x80, nothing behind
 * the item.
 *
 * @param bytes - As they came from the network. The result holds copies.
 * @returns The item, or the fault `identity/bad-rlp`.
 * @see Yellow paper, appendix B.
 */
export function decodeRlp(bytes: Uint8Array): RlpItem | Fault {
  if (bytes.length === 0) return badRlp('no bytes')
  const reader = new RlpReader(bytes)
  const item = reader.item(bytes.length, 0)
  if (item === undefined) return badRlp(reader.fault)
  return reader.at === bytes.length ? item : badRlp('bytes behind the item')
}

/**
 * Decodes the item that `bytes` start with, and ignores what is behind it, as EIP-8 asks of handshakes and discovery packets.
 *
 * @returns The item, or the fault `identity/bad-rlp`.
 */
export function decodeRlpPrefix(bytes: Uint8Array): RlpItem | Fault {
  const first = bytes[0]
  if (first === undefined) return badRlp('no bytes')
  const end = first < 0x80 ? 1 : 1 + sizeBytesOf(first) + payloadBytesAt(bytes, 0)
  return end > bytes.length ? badRlp('shorter than its header says') : decodeRlp(bytes.subarray(0, end))
}

/**
 * Encodes an item.
 *
 * @param input - A byte below 0x80 may come back as the array that was given.
 * @throws KumikoError `identity/bad-rlp-input` for a number that is negative, fractional or beyond 2^53 − 1.
 */
export function encodeRlp(input: RlpInput): Uint8Array {
  if (typeof input !== 'object') return encodeBytes(uintBytes(input))
  return input instanceof Uint8Array ? encodeBytes(input) : encodeRlpList(input.map(encodeRlp))
}

/** Encodes a list. @param items - The RLP of each. */
export function encodeRlpList(items: readonly Uint8Array[]): Uint8Array {
  let size = 0
  for (const item of items) size += item.length
  return behindHead(0xc0, size, items)
}

/** Tells a list from a byte string, and both from a fault and from a missing item. */
export function isRlpList(item: RlpItem | Fault | undefined): item is readonly RlpItem[] {
  return Array.isArray(item)
}

/** Tells a byte string from a list, and both from a fault and from a missing item. */
export function isRlpBytes(item: RlpItem | Fault | undefined): item is Uint8Array {
  return item instanceof Uint8Array
}

/**
 * An unsigned integer in its canonical form.
 *
 * @param bytesMax - 1–6: beyond that a number is not exact; see {@link rlpBigUint}.
 * @returns Undefined for a list, for a missing item, for leading zeros and for more bytes.
 */
export function rlpUint(item: RlpItem | Fault | undefined, bytesMax: 1 | 2 | 3 | 4 | 5 | 6): number | undefined {
  if (!isRlpBytes(item) || item.length > bytesMax || item[0] === 0) return undefined
  let value = 0
  for (const byte of item) value = value * 256 + byte
  return value
}

/** As {@link rlpUint}, of any size: 8 for uint64, 32 for uint256. */
export function rlpBigUint(item: RlpItem | Fault | undefined, bytesMax: number): bigint | undefined {
  if (!isRlpBytes(item) || item.length > bytesMax || item[0] === 0) return undefined
  let value = 0n
  for (const byte of item) value = (value << 8n) | BigInt(byte)
  return value
}

/** Reads items one within the other, in one pass. */
class RlpReader {
  readonly #bytes: Uint8Array
  #items = 0
  /** Where the next item begins. */
  at = 0
  /** Why there is none. */
  fault: string | undefined

  constructor(bytes: Uint8Array) {
    // A Buffer's slices are views; a plain array's are copies.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length)
  }

  /** @param end - Of what it is in. @param depth - Of lists that it is in. @returns Undefined where there is a fault. */
  item(end: number, depth: number): RlpItem | undefined {
    if (++this.#items > RLP_ITEMS_MAX) return this.#fail(`more than ${RLP_ITEMS_MAX} items`)
    const start = this.at
    const first = this.#bytes[start] ?? 0
    if (first < 0x80) {
      this.at = start + 1
      return this.#bytes.slice(start, start + 1)
    }
    const sizeBytes = sizeBytesOf(first)
    const payloadBytes = payloadBytesAt(this.#bytes, start)
    this.at = start + 1 + sizeBytes
    const itemEnd = this.at + payloadBytes
    if (itemEnd > end) return this.#fail('shorter than its header says')
    if (sizeBytes > 0 && (payloadBytes < 56 || this.#bytes[start + 1] === 0)) return this.#fail('a size that is not the shortest')
    return first < 0xc0 ? this.#string(itemEnd) : this.#list(itemEnd, depth + 1)
  }

  #string(end: number): Uint8Array | undefined {
    const bytes = this.#bytes.slice(this.at, end)
    this.at = end
    return bytes.length === 1 && (bytes[0] ?? 0) < 0x80 ? this.#fail('a prefix on a single byte') : bytes
  }

  #list(end: number, depth: number): RlpItem[] | undefined {
    if (depth > RLP_DEPTH_MAX) return this.#fail(`lists within lists beyond ${RLP_DEPTH_MAX}`)
    const items: RlpItem[] = []
    while (this.at < end) {
      const item = this.item(end, depth)
      if (item === undefined) return undefined
      items.push(item)
    }
    return items
  }

  #fail(why: string): undefined {
    this.fault = why
  }
}

/** Of a header: how many bytes behind the first one tell the size. @param first - 0x80 at least. */
function sizeBytesOf(first: number): number {
  return Math.max(0, (first & 0x3f) - 55)
}

/** What the header at a place says. Inexact beyond 2^53, which is beyond all arrays. */
function payloadBytesAt(bytes: Uint8Array, at: number): number {
  const first = bytes[at] ?? 0
  const sizeBytes = sizeBytesOf(first)
  if (sizeBytes === 0) return first & 0x3f
  let payloadBytes = 0
  for (let i = 1; i <= sizeBytes; i++) payloadBytes = payloadBytes * 256 + (bytes[at + i] ?? 0)
  return payloadBytes
}

function encodeBytes(bytes: Uint8Array): Uint8Array {
  return bytes.length === 1 && (bytes[0] ?? 0) < 0x80 ? bytes : behindHead(0x80, bytes.length, [bytes])
}

/** @param kind - 0x80 or 0xc0. @param size - Of all parts. */
function behindHead(kind: number, size: number, parts: readonly Uint8Array[]): Uint8Array {
  const sizeBytes = size < 56 ? undefined : uintBytes(size)
  let at = 1 + (sizeBytes?.length ?? 0)
  const item = new Uint8Array(at + size)
  item[0] = sizeBytes === undefined ? kind + size : kind + 55 + sizeBytes.length
  if (sizeBytes !== undefined) item.set(sizeBytes, 1)
  for (const part of parts) {
    item.set(part, at)
    at += part.length
  }
  return item
}

/** Big endian, without leading zeros; none at all for 0. */
function uintBytes(input: number | bigint): Uint8Array {
  if (input < 0 || (typeof input === 'number' && !Number.isSafeInteger(input))) {
    throw new KumikoError('identity/bad-rlp-input', `RLP encodes unsigned integers only: ${input} is none; use a bigint beyond 2^53`)
  }
  if (typeof input === 'bigint') {
    return input <= Number.MAX_SAFE_INTEGER ? uintBytes(Number(input)) : (fromHex(evenHex(input)) ?? new Uint8Array())
  }
  let length = 0
  for (let rest = input; rest > 0; rest = Math.floor(rest / 256)) length++
  const bytes = new Uint8Array(length)
  for (let rest = input, at = length - 1; at >= 0; rest = Math.floor(rest / 256), at--) bytes[at] = rest
  return bytes
}

function evenHex(value: bigint): string {
  const digits = value.toString(16)
  return digits.length % 2 === 0 ? digits : `0${digits}`
}

function badRlp(detail: string | undefined): Fault {
  return detail === undefined ? { fault: 'identity/bad-rlp' } : { fault: 'identity/bad-rlp', detail }
}
