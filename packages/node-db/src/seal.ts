import { crc32 } from 'node:zlib'

const CRC_SIZE_BYTES = 4

/**
 * Puts a checksum behind a value. LevelDB has its own for each block, but looks at them only where a reader asks it to, and the binding does
 * not: what a failing disk makes of an entry would be given out as good.
 *
 * @returns The value and the CRC-32 of key and value, 4 bytes big endian.
 */
export function seal(key: Uint8Array, value: Uint8Array): Uint8Array {
  const sealed = new Uint8Array(value.length + CRC_SIZE_BYTES)
  sealed.set(value)
  new DataView(sealed.buffer).setUint32(value.length, crc32(value, crc32(key)))
  return sealed
}

/** @returns The value, a view of what was given; undefined where the checksum is wrong. */
export function unseal(key: Uint8Array, sealed: Uint8Array): Uint8Array | undefined {
  const length = sealed.length - CRC_SIZE_BYTES
  if (length < 0) return undefined
  const value = new Uint8Array(sealed.buffer, sealed.byteOffset, length)
  const sum = new DataView(sealed.buffer, sealed.byteOffset + length).getUint32(0)
  return sum === crc32(value, crc32(key)) ? value : undefined
}
