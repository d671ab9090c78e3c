import { concatBytes, decodeOrderPreservingVarint, decodeUtf8, encodeOrderPreservingVarint, encodeUtf8 } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/** A part of a record's key. Its first byte is at most 8, so that 255 comes after all that go on with the part. */
export interface KeyPart<T> {
  write(value: T): Uint8Array
  read(bytes: Uint8Array, offset: number): { readonly value: T; readonly next: number } | Fault
}

/** Which keys a kind of records has: {@link recordKey}. */
export interface RecordKey<T extends object> {
  encode(value: T): Uint8Array
  /** Faults: `fabric-ledger/bad-key`. Never throws. */
  decode(bytes: Uint8Array): T | Fault
  /** All keys that begin with these parts, which are the first ones. */
  range(first: Partial<T>): KeyRange
  /** All keys that begin with these parts and whose next part is at most this value's. */
  rangeTo<Name extends keyof T>(first: Partial<T>, name: Name, last: T[Name]): KeyRange
}

/** Bounds of a range, for LevelDB. */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

const LAST = Uint8Array.of(0xff)
const U64_MAX = 0xffff_ffff_ffff_ffffn

/**
 * A kind of records in a key-value store.
 * @param prefix - One ASCII letter, another for each kind.
 * @param parts - In the order that they sort by.
 */
export function recordKey<T extends object>(prefix: string, parts: { readonly [Name in keyof T]: KeyPart<T[Name]> }): RecordKey<T> {
  // Each part is of its name's type: Object.entries does not know.
  const entries = Object.entries(parts) as [keyof T & string, KeyPart<unknown>][]
  const start = encodeUtf8(prefix)
  const encode = (value: Partial<T>) =>
    concatBytes([start, ...entries.filter(([name]) => value[name] !== undefined).map(([name, part]) => part.write(value[name]))])
  return {
    encode,
    decode: (bytes) => decodeParts(bytes, start, entries) as T | Fault,
    range: (first) => ({ gte: encode(first), lt: concatBytes([encode(first), LAST]) }),
    rangeTo: (first, name, last) => ({ gte: encode(first), lt: concatBytes([encode({ ...first, [name]: last }), LAST]) }),
  }
}

function decodeParts(
  bytes: Uint8Array,
  start: Uint8Array,
  entries: readonly [string, KeyPart<unknown>][],
): Record<string, unknown> | Fault {
  if (bytes[0] !== start[0]) return { fault: 'fabric-ledger/bad-key', detail: `begins with ${bytes[0]}, not ${start[0]}` }
  const value: Record<string, unknown> = {}
  let offset = start.length
  for (const [name, part] of entries) {
    const read = part.read(bytes, offset)
    if (isFault(read)) return { fault: 'fabric-ledger/bad-key', detail: `${name}: ${read.detail}` }
    value[name] = read.value
    offset = read.next
  }
  if (offset !== bytes.length) return { fault: 'fabric-ledger/bad-key', detail: `${bytes.length - offset} bytes too many` }
  return value
}

/** The same bytes as those of a large number, sooner. */
function encodeCount(value: number): Uint8Array {
  if (value === 0) return Uint8Array.of(0)
  return value < 256 ? Uint8Array.of(1, value) : encodeOrderPreservingVarint(BigInt(value))
}

/** A number from 0 to 2⁶⁴ − 1, small ones first. */
export const ascending: KeyPart<bigint> = { write: encodeOrderPreservingVarint, read: decodeOrderPreservingVarint }

/** A number from 0 to 2⁶⁴ − 1, large ones first. */
export const descending: KeyPart<bigint> = {
  write: (value) => encodeOrderPreservingVarint(U64_MAX - value),
  read(bytes, offset) {
    const read = decodeOrderPreservingVarint(bytes, offset)
    return isFault(read) ? read : { value: U64_MAX - read.value, next: read.next }
  },
}

/** A small number from 0, small ones first. */
export const place: KeyPart<number> = {
  write: encodeCount,
  read(bytes, offset) {
    const read = decodeOrderPreservingVarint(bytes, offset)
    if (isFault(read)) return read
    if (read.value > Number.MAX_SAFE_INTEGER) return { fault: 'fabric-ledger/bad-key', detail: `${read.value} is too large` }
    return { value: Number(read.value), next: read.next }
  },
}

/** Bytes of any length, short ones first. */
export const blob: KeyPart<Uint8Array> = {
  write: (value) => concatBytes([encodeCount(value.length), value]),
  read(bytes, offset) {
    const size = decodeOrderPreservingVarint(bytes, offset)
    if (isFault(size)) return size
    if (size.value > BigInt(bytes.length - size.next))
      return { fault: 'fabric-ledger/bad-key', detail: `cut short at byte ${bytes.length}` }
    const next = size.next + Number(size.value)
    return { value: bytes.subarray(size.next, next), next }
  },
}

/** Text of any length, short ones first. */
export const text: KeyPart<string> = {
  write: (value) => blob.write(encodeUtf8(value)),
  read(bytes, offset) {
    const read = blob.read(bytes, offset)
    if (isFault(read)) return read
    const value = decodeUtf8(read.value)
    return value === undefined ? { fault: 'fabric-ledger/bad-key', detail: 'text is not UTF-8' } : { value, next: read.next }
  },
}
