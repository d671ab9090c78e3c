import { compareUtf8 } from '@kumiko/fabric-protocol'

/** A JSON value, and the text that Go's `encoding/json` writes it as. */
export type Json = JsonObject | JsonArray | JsonString | JsonScalar

/** An object: members in the order read, the last one of each name. */
export interface JsonObject {
  readonly kind: 'object'
  readonly text: string
  readonly members: ReadonlyMap<string, Json>
}

/** An array. */
export interface JsonArray {
  readonly kind: 'array'
  readonly text: string
  readonly items: readonly Json[]
}

/** A string, with U+FFFD for half a surrogate pair. */
export interface JsonString {
  readonly kind: 'string'
  readonly text: string
  readonly value: string
}

/** A number, true, false or null: the text tells which. */
export interface JsonScalar {
  readonly kind: 'scalar'
  readonly text: string
}

/**
 * How Go reads numbers: into `any` as the nearest 64-bit float, `1.0` as `1` and 2⁵³ + 1 as 2⁵³, and none beyond the largest; with
 * `Decoder.UseNumber` as they are written.
 */
export type Numbers = 'nearest' | 'as-written'

/** As Go's: deeper nesting is no JSON. What CouchDB answers may hold a value as deep, within some more. */
const DEPTH_MAX: Readonly<Record<Numbers, number>> = { nearest: 10_000, 'as-written': 10_010 }
const SCALAR = /true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const ESCAPED = /[<>&\u2028\u2029]/
const ALL_ESCAPED = /[<>&\u2028\u2029]/g
/** A string that is read and written as it stands there holds only these. */
const PLAIN = /^[ !#-%'-;=?-[\]-~\u00a0-\u2027\u202a-\ud7ff\ue000-\uffff]*$/
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** Reads JSON as Go does. Iterative: nesting costs no stack. @returns Undefined where it is none. */
export function readJson(text: string, numbers: Numbers): Json | undefined {
  try {
    return new Reader(text, numbers).read()
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof RangeError) return undefined
    throw error
  }
}

/** The same of bytes. Each byte that is not UTF-8 counts as U+FFFD. */
export function readJsonBytes(bytes: Uint8Array, numbers: Numbers): Json | undefined {
  return readJson(textOf(bytes), numbers)
}

/** An object of members whose values are JSON already, as Go writes a map: by the names' UTF-8, without space. */
export function writeObject(members: Iterable<readonly [name: string, text: string]>): string {
  let text = ''
  for (const [name, value] of [...members].sort(([a], [b]) => compareUtf8(a, b)))
    text += `${text === '' ? '' : ','}${writeString(name)}:${value}`
  return `{${text}}`
}

/** A string as Go writes it, fit for HTML too. */
export function writeString(value: string): string {
  if (PLAIN.test(value)) return `"${value}"`
  const text = JSON.stringify(value.toWellFormed())
  return ESCAPED.test(text) ? text.replace(ALL_ESCAPED, (letter) => `\\u${letter.charCodeAt(0).toString(16).padStart(4, '0')}`) : text
}

/** Where an object or an array is being read. */
interface Open {
  /** Undefined in an array. */
  readonly members: Map<string, Json> | undefined
  readonly items: Json[]
  name: string
}

class Reader {
  readonly #text: string
  readonly #numbers: Numbers
  readonly #open: Open[] = []
  #at = 0

  constructor(text: string, numbers: Numbers) {
    this.#text = text
    this.#numbers = numbers
  }

  read(): Json {
    for (;;) {
      let value = this.#begin()
      while (value !== undefined) {
        const open = this.#open.at(-1)
        if (open === undefined) return this.#end(value)
        add(open, value)
        value = this.#goOn(open)
      }
    }
  }

  /** @returns Undefined where an object or array was opened that is not empty. */
  #begin(): Json | undefined {
    const first = this.#next()
    if (first === '"') return this.#string()
    if (first !== '{' && first !== '[') return this.#scalar()
    if (this.#open.length >= DEPTH_MAX[this.#numbers]) throw new SyntaxError('nested too deep')
    this.#at++
    const open: Open = { members: first === '{' ? new Map() : undefined, items: [], name: '' }
    if (this.#next() === closing(open)) return this.#close(open)
    this.#open.push(open)
    this.#name(open)
    return
  }

  /** @returns Undefined where another value follows. */
  #goOn(open: Open): Json | undefined {
    const next = this.#next()
    if (next === closing(open)) {
      this.#open.pop()
      return this.#close(open)
    }
    if (next !== ',') throw new SyntaxError('neither comma nor end')
    this.#at++
    this.#name(open)
    return
  }

  #close(open: Open): Json {
    this.#at++
    const { members, items } = open
    if (members !== undefined) return { kind: 'object', text: writeObject(textsOf(members)), members }
    let text = ''
    for (const item of items) text += `${text === '' ? '' : ','}${item.text}`
    return { kind: 'array', text: `[${text}]`, items }
  }

  #name(open: Open): void {
    if (open.members === undefined) return
    if (this.#next() !== '"') throw new SyntaxError('no name')
    open.name = this.#string().value
    if (this.#next() !== ':') throw new SyntaxError('no colon')
    this.#at++
  }

  #string(): JsonString {
    const start = this.#at
    let end = start
    do {
      end = this.#text.indexOf('"', end + 1)
      if (end < 0) throw new SyntaxError('a string does not end')
    } while (isEscaped(this.#text, end))
    this.#at = end + 1
    const plain = this.#text.slice(start + 1, end)
    if (PLAIN.test(plain)) return { kind: 'string', text: this.#text.slice(start, this.#at), value: plain }
    const value = (JSON.parse(this.#text.slice(start, this.#at)) as string).toWellFormed()
    return { kind: 'string', text: writeString(value), value }
  }

  #scalar(): JsonScalar {
    SCALAR.lastIndex = this.#at
    const text = SCALAR.exec(this.#text)?.[0]
    if (text === undefined) throw new SyntaxError('no value')
    this.#at += text.length
    const isNumber = text.at(-1) !== 'e' && text !== 'null'
    return { kind: 'scalar', text: isNumber && this.#numbers === 'nearest' ? nearest(text) : text }
  }

  #end(value: Json): Json {
    if (this.#next() !== '') throw new SyntaxError('more after the value')
    return value
  }

  /** What comes after space; `''` at the end. */
  #next(): string {
    let next = this.#text.charAt(this.#at)
    while (next === ' ' || next === '\n' || next === '\r' || next === '\t') next = this.#text.charAt(++this.#at)
    return next
  }
}

function add({ members, items, name }: Open, value: Json): void {
  if (members === undefined) items.push(value)
  else members.set(name, value)
}

function closing({ members }: Open): string {
  return members === undefined ? ']' : '}'
}

function* textsOf(members: ReadonlyMap<string, Json>): Generator<readonly [string, string]> {
  for (const [name, { text }] of members) yield [name, text]
}

/** Is a quote of the string itself? It is after an odd count of backslashes. */
function isEscaped(text: string, quote: number): boolean {
  let at = quote
  while (text[at - 1] === '\\') at--
  return (quote - at) % 2 === 1
}

/** As JavaScript writes it, which Go copies, but for negative zero. */
function nearest(text: string): string {
  const number = Number(text)
  if (!Number.isFinite(number)) throw new SyntaxError('beyond the largest float')
  return Object.is(number, -0) ? '-0' : String(number)
}

function textOf(bytes: Uint8Array): string {
  try {
    return utf8.decode(bytes)
  } catch {
    return mendedTextOf(bytes)
  }
}

/** Go puts U+FFFD for each byte that does not fit; a `TextDecoder` may put one for several. */
function mendedTextOf(bytes: Uint8Array): string {
  let text = ''
  let start = 0
  for (let at = 0; at < bytes.length; ) {
    const size = sequenceSize(bytes, at)
    at += size || 1
    if (size !== 0) continue
    text += `${utf8.decode(bytes.subarray(start, at - 1))}\ufffd`
    start = at
  }
  return text + utf8.decode(bytes.subarray(start))
}

/** How many bytes a code point has there; 0 where there is none. */
function sequenceSize(bytes: Uint8Array, at: number): number {
  const [lead = 0, second = 0] = bytes.subarray(at, at + 2)
  if (lead < 0x80) return 1
  const size = lead < 0xc2 || lead > 0xf4 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4
  if (size === 0 || at + size > bytes.length) return 0
  const low = lead === 0xe0 ? 0xa0 : lead === 0xf0 ? 0x90 : 0x80
  const high = lead === 0xed ? 0x9f : lead === 0xf4 ? 0x8f : 0xbf
  if (second < low || second > high) return 0
  return bytes.subarray(at + 2, at + size).every((byte) => byte >= 0x80 && byte <= 0xbf) ? size : 0
}
