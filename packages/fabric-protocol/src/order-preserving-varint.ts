import type { Fault } from '@kumiko/interface'

/**
 * A number as `[count of significant bytes][those bytes, big-endian]`: encodings order as the numbers do.
 * @param value - 0 to 2⁶⁴ − 1; 0 is a single zero byte.
 * @see Fabric `common/ledger/util/util.go` EncodeOrderPreservingVarUint64
 */
export function encodeOrderPreservingVarint(value: bigint): Uint8Array {
  const bytes = new Uint8Array(1 + sizeOf(value))
  putOrderPreservingVarint(value, bytes, 0)
  return bytes
}

/** Two numbers, as {@link encodeOrderPreservingVarint} writes them, one after the other. */
export function encodeOrderPreservingPair(first: bigint, second: bigint): Uint8Array {
  const bytes = new Uint8Array(2 + sizeOf(first) + sizeOf(second))
  putOrderPreservingVarint(second, bytes, putOrderPreservingVarint(first, bytes, 0))
  return bytes
}

/** How many bytes are significant: 0 to 8. */
function sizeOf(value: bigint): number {
  if (value <= 0xffff_ffffn) return 4 - (Math.clz32(Number(value)) >>> 3)
  return 8 - (Math.clz32(Number(value >> 32n)) >>> 3)
}

/**
 * Writes a number as {@link encodeOrderPreservingVarint} does.
 * @param into - Has room for it: 9 bytes suffice.
 * @returns Where the bytes after it start.
 */
export function putOrderPreservingVarint(value: bigint, into: Uint8Array, offset: number): number {
  const size = sizeOf(value)
  into[offset] = size
  // Those of 32 bits, which nearly all are, need no bigint for each byte.
  let high = value > 0xffff_ffffn ? Number(value >> 32n) : 0
  let low = high === 0 ? Number(value) : Number(value & 0xffff_ffffn)
  for (let at = offset + size; at > offset; at--) {
    into[at] = low & 0xff
    low = (low >>> 8) | ((high & 0xff) << 24)
    high >>>= 8
  }
  return offset + 1 + size
}

/**
 * The number at an offset, and where the bytes after it start.
 * @returns `fabric-protocol/bad-varint` where it is cut short or longer than 8 bytes. Leading zeros are accepted, as Fabric does.
 */
export function decodeOrderPreservingVarint(bytes: Uint8Array, offset = 0): { readonly value: bigint; readonly next: number } | Fault {
  const size = bytes[offset]
  if (size === undefined || size > 8) return { fault: 'fabric-protocol/bad-varint', detail: `no size from 0 to 8 at byte ${offset}` }
  const next = offset + 1 + size
  if (next > bytes.length) return { fault: 'fabric-protocol/bad-varint', detail: `cut short at byte ${bytes.length}` }
  let value = 0n
  for (const byte of bytes.subarray(offset + 1, next)) value = (value << 8n) | BigInt(byte)
  return { value, next }
}
