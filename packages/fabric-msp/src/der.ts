/** Tags of DER, of one byte (X.690 § 8.1.2). Context-specific ones are {@link contextTag}. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  utf8String: 0x0c,
  numericString: 0x12,
  printableString: 0x13,
  t61String: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** The tag `[number]`: constructed where it holds elements (explicit), else primitive. */
export function contextTag(number: number, form: 'primitive' | 'constructed'): number {
  return (form === 'constructed' ? 0xa0 : 0x80) | number
}

/** An element of DER. Views of the bytes that were read. */
export interface DerElement {
  readonly tag: number
  /** With tag and length. */
  readonly whole: Uint8Array
  readonly content: Uint8Array
}

/**
 * Reads DER as Go's `cryptobyte` does, which decides what certificate Fabric accepts: tags of one byte, definite lengths of at most four bytes in
 * their shortest form.
 *
 * A read that fails is remembered, empties the reader and all that were opened from it, and yields empty values: read everything, then look at
 * {@link failure}. So no loop over a reader runs longer than its input.
 */
export class DerReader {
  readonly #bytes: Uint8Array
  readonly #shared: { failure: string | undefined }
  #at = 0

  /** @param bytes - Kept; what is read are views of it. */
  constructor(bytes: Uint8Array, parent?: DerReader) {
    this.#bytes = bytes
    this.#shared = parent === undefined ? { failure: undefined } : parent.#shared
  }

  /** What went wrong first, in this reader or one that shares its fate. */
  get failure(): string | undefined {
    return this.#shared.failure
  }

  /** Nothing is left, or something failed. */
  get isEmpty(): boolean {
    return this.#shared.failure !== undefined || this.#at >= this.#bytes.length
  }

  /** Remembers the failure, if it is the first. */
  fail(what: string): void {
    this.#shared.failure ??= what
  }

  /** The next element's first byte; `undefined` at the end. */
  peek(): number | undefined {
    return this.isEmpty ? undefined : this.#bytes[this.#at]
  }

  /** The next element, whatever its tag. @param what - Named in the failure. */
  any(what: string): DerElement {
    const element = this.isEmpty ? undefined : elementAt(this.#bytes, this.#at)
    if (element === undefined) {
      this.fail(what)
      return { tag: 0, whole: NOTHING, content: NOTHING }
    }
    this.#at += element.whole.length
    return element
  }

  /** The next element, which must have the tag. */
  element(tag: number, what: string): DerElement {
    const element = this.any(what)
    if (element.tag !== tag) this.fail(what)
    return this.failure === undefined ? element : { tag, whole: NOTHING, content: NOTHING }
  }

  /** The content of the next element, which must have the tag. */
  content(tag: number, what: string): Uint8Array {
    return this.element(tag, what).content
  }

  /** A reader of the next element's content; the element must have the tag. */
  open(tag: number, what: string): DerReader {
    return new DerReader(this.content(tag, what), this)
  }

  /** A reader of the next element's content if it has the tag. */
  openOptional(tag: number, what: string): DerReader | undefined {
    return this.peek() === tag ? this.open(tag, what) : undefined
  }

  /** A whole number as its shortest two's complement, most significant byte first. */
  integer(what: string): Uint8Array {
    const content = this.content(TAG.integer, what)
    if (!isShortestInteger(content)) this.fail(what)
    return content
  }

  /** A whole number of 0 to 2³¹ − 1. */
  smallInteger(what: string): number {
    const content = this.integer(what)
    const value = content.reduce((sum, byte) => sum * 256 + byte, 0)
    if (((content[0] ?? 0) & 0x80) !== 0 || content.length > 5 || value > 0x7fffffff) this.fail(what)
    return this.failure === undefined ? value : 0
  }

  boolean(what: string): boolean {
    const content = this.content(TAG.boolean, what)
    if (content.length !== 1 || (content[0] !== 0 && content[0] !== 0xff)) this.fail(what)
    return content[0] === 0xff
  }

  /** An object identifier with dots: `1.2.840.10045.2.1`. */
  oid(what: string): string {
    const oid = oidFrom(this.content(TAG.oid, what))
    if (oid === undefined) this.fail(what)
    return oid ?? ''
  }

  /** A string of bits; those that pad its last byte must be 0. */
  bitString(what: string): BitString {
    const content = this.content(TAG.bitString, what)
    const padding = content[0] ?? 8
    const bytes = content.subarray(1)
    const last = bytes.at(-1)
    const isSound = padding <= 7 && (last === undefined ? padding === 0 : (last & ((1 << padding) - 1)) === 0)
    if (!isSound) this.fail(what)
    return { bytes, padding }
  }
}

/** Bits, most significant first. */
export interface BitString {
  readonly bytes: Uint8Array
  /** How many bits of the last byte do not count: 0–7. */
  readonly padding: number
}

/** The bits moved so that the last one is the last byte's lowest, as Go's `BitString.RightAlign`. */
export function rightAligned({ bytes, padding }: BitString): Uint8Array {
  if (padding === 0) return bytes
  return bytes.map((byte, i) => (byte >> padding) | (((bytes[i - 1] ?? 0) << (8 - padding)) & 0xff))
}

/** An element of DER from its content. */
export function derElement(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const length = parts.reduce((sum, part) => sum + part.length, 0)
  const header = [tag, ...derLength(length)]
  const element = new Uint8Array(header.length + length)
  element.set(header)
  let at = header.length
  for (const part of parts) {
    element.set(part, at)
    at += part.length
  }
  return element
}

/** An INTEGER from the bytes of a number that is not negative, most significant first. */
export function derUnsigned(bytes: Uint8Array): Uint8Array {
  const shortest = withoutLeadingZeros(bytes)
  const isSigned = shortest.length === 0 || ((shortest[0] ?? 0) & 0x80) !== 0
  return derElement(TAG.integer, isSigned ? ZERO : NOTHING, shortest)
}

/** The number's bytes, those that are 0 in front left out: empty for 0. A view. */
export function withoutLeadingZeros(bytes: Uint8Array): Uint8Array {
  let zeros = 0
  while (bytes[zeros] === 0) zeros++
  return bytes.subarray(zeros)
}

/** An INTEGER holds at least a byte, and none that only repeats the sign. */
export function isShortestInteger(content: Uint8Array): boolean {
  const [first, second] = content
  if (first === undefined) return false
  return second === undefined || !((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
}

function derLength(length: number): number[] {
  if (length < 0x80) return [length]
  const bytes: number[] = []
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) bytes.unshift(rest % 256)
  return [0x80 | bytes.length, ...bytes]
}

function elementAt(bytes: Uint8Array, at: number): DerElement | undefined {
  const tag = bytes[at]
  const first = bytes[at + 1]
  if (tag === undefined || first === undefined || (tag & 0x1f) === 0x1f) return undefined
  const size = first < 0x80 ? 0 : first & 0x7f
  const length = first < 0x80 ? first : longLength(bytes.subarray(at + 2, at + 2 + size), size)
  const start = at + 2 + size
  if (length === undefined || start + length > bytes.length) return undefined
  return { tag, whole: bytes.subarray(at, start + length), content: bytes.subarray(start, start + length) }
}

function longLength(bytes: Uint8Array, size: number): number | undefined {
  if (size === 0 || size > 4 || bytes.length < size || bytes[0] === 0) return undefined
  const length = bytes.reduce((sum, byte) => sum * 256 + byte, 0)
  return length < 0x80 ? undefined : length
}

function oidFrom(content: Uint8Array): string | undefined {
  const parts: number[] = []
  let value = 0
  let isInside = false
  for (const byte of content) {
    if ((!isInside && byte === 0x80) || value >= 2 ** 24) return undefined
    value = value * 128 + (byte & 0x7f)
    isInside = byte >= 0x80
    if (isInside) continue
    parts.push(value)
    value = 0
  }
  const [first, ...others] = parts
  if (first === undefined || isInside) return undefined
  const root = Math.min(Math.floor(first / 40), 2)
  return [root, first - root * 40, ...others].join('.')
}

const NOTHING = new Uint8Array(0)
const ZERO = new Uint8Array(1)
