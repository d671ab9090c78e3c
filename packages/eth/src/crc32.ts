/** IEEE 802.3, reflected. */
const POLYNOMIAL = 0xedb88320

/**
 * CRC-32 as Ethernet and gzip have it, bit by bit: fork ids take few bytes.
 *
 * @param before - The checksum of what comes before these bytes.
 */
export function crc32(bytes: Uint8Array, before = 0): number {
  let sum = ~before
  for (const byte of bytes) {
    sum ^= byte
    for (let bit = 0; bit < 8; bit++) sum = (sum >>> 1) ^ (sum & 1 ? POLYNOMIAL : 0)
  }
  return ~sum >>> 0
}
