import { RLP } from '@ethereumjs/rlp'
import { type Fault, KumikoError } from '@kumiko/interface'
import { fromHex } from './hex.ts'

/** What RLP decodes to: byte strings, and lists of items, {@link RLP_DEPTH_MAX} deep at most. */
export type RlpItem = Uint8Array | readonly RlpItem[]

/** What RLP encodes: items, and unsigned integers in their canonical form (big endian, no leading zeros). */
export type RlpInput = Uint8Array | number | bigint | readonly RlpInput[]

/** Lists within lists. Nothing in devp2p goes beyond 8; the library copies once a level, so depth is what makes it slow. */
export const RLP_DEPTH_MAX = 32

/** Items in all, lists included. Each takes some hundred bytes of memory, however short it is. */
export const RLP_ITEMS_MAX = 65_536

/**
 * Decodes one item that fills `bytes`. Only canonical forms pass: shortest sizes, no prefix on a single byte below 0x80, nothing behind
 * the item.
 *
 * @param bytes - As they came from the network. The result holds copies.
 * @param itemsMax - Items in all, lists included: an empty list is one byte, and costs a third of a microsecond.
 * @returns The item, or the fault `identity/bad-rlp`.
 * @see Yellow paper, appendix B.
 */
export function decodeRlp(bytes: Uint8Array, itemsMax: number = RLP_ITEMS_MAX): RlpItem | Fault {
  if (bytes.length === 0) return badRlp('no bytes')
  const excess = excessOf(bytes, itemsMax)
  if (excess !== undefined) return badRlp(excess)
  try {
    // A Buffer's slices are views; a plain array's are copies.
    return RLP.decode(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length))
  } catch (error) {
    return badRlp(error instanceof Error ? error.message : undefined)
  }
}

/**
 * Decodes the item that `bytes` start with, and ignores what is behind it, as EIP-8 asks of handshakes and discovery packets.
 *
 * @returns The item, or the fault `identity/bad-rlp`.
 */
export function decodeRlpPrefix(bytes: Uint8Array, itemsMax: number = RLP_ITEMS_MAX): RlpItem | Fault {
  const first = bytes[0]
  if (first === undefined) return badRlp('no bytes')
  const { headBytes, payloadBytes } = headerAt(bytes, 0, first)
  const end = headBytes + payloadBytes
  return end > bytes.length ? badRlp('shorter than its header says') : decodeRlp(bytes.subarray(0, end), itemsMax)
}

/**
 * Encodes an item.
 *
 * @param input - A list holds at most some 60,000 items; a byte below 0x80 may come back as the array that was given.
 * @throws KumikoError `identity/bad-rlp-input` for a number that is negative, fractional or beyond 2^53 − 1.
 */
export function encodeRlp(input: RlpInput): Uint8Array {
  return RLP.encode(checkNumbers(input))
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

/**
 * Walks the headers without copying, in one pass. What is wrong otherwise is left to the decoder: the walk only has to end.
 */
function excessOf(bytes: Uint8Array, itemsMax: number): string | undefined {
  const ends: number[] = []
  let items = 0
  for (let at = 0; at < bytes.length; ) {
    while (at >= (ends.at(-1) ?? Number.POSITIVE_INFINITY)) ends.pop()
    if (++items > itemsMax) return `more than ${itemsMax} items`
    const first = bytes[at] ?? 0
    const { headBytes, payloadBytes } = headerAt(bytes, at, first)
    if (first >= 0xc0 && ends.push(at + headBytes + payloadBytes) > RLP_DEPTH_MAX) return `lists within lists beyond ${RLP_DEPTH_MAX}`
    at += first >= 0xc0 ? headBytes : headBytes + payloadBytes
  }
  return undefined
}

function headerAt(bytes: Uint8Array, at: number, first: number): { headBytes: number; payloadBytes: number } {
  if (first < 0x80) return { headBytes: 1, payloadBytes: 0 }
  const short = first < 0xc0 ? first - 0x80 : first - 0xc0
  if (short <= 55) return { headBytes: 1, payloadBytes: short }
  const sizeBytes = short - 55
  let payloadBytes = 0
  for (const byte of bytes.subarray(at + 1, at + 1 + sizeBytes)) payloadBytes = payloadBytes * 256 + byte
  return { headBytes: 1 + sizeBytes, payloadBytes }
}

type LibraryInput = Uint8Array | LibraryInput[]

function checkNumbers(input: RlpInput): LibraryInput {
  if (input instanceof Uint8Array) return input
  if (typeof input === 'object') return input.map(checkNumbers)
  if (input >= 0 && (typeof input === 'bigint' || Number.isSafeInteger(input))) return uintBytes(input)
  throw new KumikoError('identity/bad-rlp-input', `RLP encodes unsigned integers only: ${input} is none; use a bigint beyond 2^53`)
}

/** Big endian, without leading zeros; none at all for 0. The library's own way goes through hex digits. */
function uintBytes(input: number | bigint): Uint8Array {
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
  return detail === undefined ? { fault: 'identity/bad-rlp' } : { fault: 'identity/bad-rlp', detail: detail.slice(0, 200) }
}
