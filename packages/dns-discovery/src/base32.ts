import { base32upper } from 'multiformats/bases/base32'

const ALPHABET = 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'

/** RFC 4648 § 6, upper case, without padding. */
export function encodeBase32(bytes: Uint8Array): string {
  return base32upper.baseEncode(bytes)
}

/**
 * Reads base32 as go-ethereum does: upper case only, no padding, and bits that are left over at the end may be anything.
 *
 * @returns Undefined for other characters, and for a length that no bytes encode to.
 */
export function decodeBase32(text: string): Uint8Array | undefined {
  if (!/^[A-Z2-7]*$/.test(text) || [1, 3, 6].includes(text.length % 8)) return undefined
  const bytes = new Uint8Array(Math.floor((text.length * 5) / 8))
  let bits = 0
  let bitCount = 0
  let at = 0
  for (const character of text) {
    bits = ((bits << 5) | ALPHABET.indexOf(character)) & 0xfff
    bitCount += 5
    if (bitCount < 8) continue
    bitCount -= 8
    bytes[at++] = bits >>> bitCount
  }
  return bytes
}
