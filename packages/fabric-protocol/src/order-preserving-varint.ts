import type { Fault } from '@kumiko/interface'

/**
 * A number as `[count of significant bytes][those bytes, big-endian]`: encodings order as the numbers do.
 * @param value - 0 to 2⁶⁴ − 1; 0 is a single zero byte.
 * @see Fabric `common/ledger/util/util.go` EncodeOrderPreservingVarUint64
 */
export function encodeOrderPreservingVarint(value: bigint): Uint8Array {
  // Nearly all are of one byte or two.
  if (value === 0n) return new Uint8Array(1)
  if (value <= 0xffn) return Uint8Array.of(1, Number(value))
  if (value < 0x100n) return value === 0n ? Uint8Array.of(0) : Uint8Array.of(1, Number(value))
  const bytes: number[] = []
  for (let rest = value; rest > 0n; rest >>= 8n) bytes.unshift(Number(rest & 0xffn))
  return Uint8Array.of(bytes.length, ...bytes)
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
