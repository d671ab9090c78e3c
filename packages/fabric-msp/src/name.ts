import { decodeUtf8 } from '@kumiko/fabric-protocol'
import { DerReader, TAG } from './der.ts'

/** A distinguished name. Attributes may be repeated, within a relative name or across them. */
export interface Name {
  /** The whole element. Names are equal if these bytes are. */
  readonly raw: Uint8Array
  /** In order. Go 1.26 refuses values that are no strings. */
  readonly attributes: readonly NameAttribute[]
}

/** An attribute of a {@link Name}. */
export interface NameAttribute {
  /** `2.5.4.11` */
  readonly type: string
  readonly value: string
}

/**
 * Reads a Name (RFC 5280 § 4.1.2.4); a failure is the reader's.
 * @param isLenient - Values of types that are no strings count as empty: so are names read in revocation lists.
 */
export function readName(reader: DerReader, what: string, isLenient = false): Name {
  const { whole, content } = reader.element(TAG.sequence, what)
  const names = new DerReader(content, reader)
  const attributes: NameAttribute[] = []
  while (!names.isEmpty) {
    const set = names.open(TAG.set, what)
    while (!set.isEmpty) {
      attributes.push(readAttribute(set.open(TAG.sequence, what), what, isLenient))
    }
  }
  return { raw: whole, attributes }
}

/** The values of the `organizationalUnitName` attributes, in order. */
export function organizationalUnitsOf(name: Name): string[] {
  return name.attributes.filter(({ type }) => type === '2.5.4.11').map(({ value }) => value)
}

/** The value of the last `commonName`; empty if there is none. */
export function commonNameOf(name: Name): string {
  return name.attributes.findLast(({ type }) => type === '2.5.4.3')?.value ?? ''
}

function readAttribute(reader: DerReader, what: string, isLenient: boolean): NameAttribute {
  const type = reader.oid(what)
  const { tag, content } = reader.any(what)
  const value = STRINGS[tag]?.(content)
  if (value === undefined && !(isLenient && STRINGS[tag] === undefined)) reader.fail(what)
  return { type, value: value ?? '' }
}

/** By tag: the string, or `undefined` if the bytes are not of that type. */
const STRINGS: Readonly<Record<number, (content: Uint8Array) => string | undefined>> = {
  [TAG.utf8String]: decodeUtf8,
  [TAG.printableString]: (content) => ascii(content, /^[A-Za-z0-9'()+,\-./ :=?*&]*$/),
  [TAG.numericString]: (content) => ascii(content, /^[0-9 ]*$/),
  [TAG.ia5String]: (content) => ascii(content, ASCII),
  [TAG.t61String]: latin1,
  [TAG.bmpString]: bmp,
}

/** Whether all bytes are ASCII. */
export function isAscii(bytes: Uint8Array): boolean {
  return bytes.every((byte) => byte < 0x80)
}

/** Each byte as the character of its number. */
export function latin1(bytes: Uint8Array): string {
  let text = ''
  for (const byte of bytes) text += String.fromCharCode(byte)
  return text
}

function ascii(content: Uint8Array, allowed: RegExp): string | undefined {
  const text = latin1(content)
  return allowed.test(text) ? text : undefined
}

/** Two bytes a character, none of them a surrogate or a noncharacter; a terminator is dropped. */
function bmp(content: Uint8Array): string | undefined {
  if (content.length % 2 !== 0) return undefined
  const units = Array.from({ length: content.length / 2 }, (_, i) => (content[2 * i] ?? 0) * 256 + (content[2 * i + 1] ?? 0))
  if (units.at(-1) === 0) units.pop()
  const isRefused = (unit: number): boolean => unit >= 0xfffe || (unit >= 0xfdd0 && unit <= 0xfdef) || (unit >= 0xd800 && unit <= 0xdfff)
  return units.some(isRefused) ? undefined : units.map((unit) => String.fromCharCode(unit)).join('')
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are ASCII too
const ASCII = /^[\x00-\x7f]*$/
