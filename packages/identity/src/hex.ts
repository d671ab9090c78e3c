import { base16 } from 'multiformats/bases/base16'

/** Lower-case hex digits, two a byte. */
export function toHex(bytes: Uint8Array): string {
  return base16.baseEncode(bytes)
}

/**
 * @param text - Hex digits of either case, without `0x`.
 * @returns Undefined where a character is no hex digit or their number is odd.
 */
export function fromHex(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0 || !/^[0-9a-f]*$/i.test(text)) return undefined
  return base16.baseDecode(text.toLowerCase())
}
