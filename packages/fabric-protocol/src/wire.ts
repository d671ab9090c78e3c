import { type Fault, KumikoError } from '@kumiko/interface'

/** The wire types of Protocol Buffers. `group` is a start tag with all up to its end tag; an end tag alone is a fault. */
export const WireType = { varint: 0, fixed64: 1, bytes: 2, group: 3, fixed32: 5 } as const

/** One of {@link WireType}. */
export type WireType = (typeof WireType)[keyof typeof WireType]

/** The highest field number: 2²⁹ − 1. */
export const FIELD_NUMBER_MAX = 0x1fff_ffff

const END_GROUP = 4
const GROUP_DEPTH_MAX = 10_000
const NUMBER_IN_GROUP_MAX = 0x7fff_ffff
const EMPTY = new Uint8Array()
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()
const SAFE_MAX = BigInt(Number.MAX_SAFE_INTEGER)

/** Text of so many bytes is read and written without the decoder and the encoder. */
const SHORT_MAX = 128

/** Buffers of this size go from writer to writer: nested messages need some at once. */
const SPARE_SIZE = 4096
const SPARE_MAX = 16
const spare: Uint8Array[] = []

/**
 * Reads a message's fields one at a time, in the order on the wire, and accepts exactly what Go's `proto.Unmarshal` accepts: varints
 * longer than needed, fields out of order or twice, unknown fields and groups; but no field number 0, no varint above 64 bits, no cut end.
 *
 * ```ts
 * const reader = new WireReader(bytes)
 * while (reader.next()) if (reader.is(1, WireType.bytes)) payload = reader.bytes
 * if (reader.fault) return reader.fault
 * ```
 *
 * Never throws and never copies: what it returns are views of the bytes given.
 */
export class WireReader {
  /** The number of the field that {@link next} came to: 1 to 2²⁹ − 1. */
  number = 0
  /** The wire type of the field that {@link next} came to. */
  type: WireType = WireType.varint
  /** What ended reading early; looked at after {@link next} said false. `fabric-protocol/malformed`. */
  fault: Fault | undefined
  readonly #source: Uint8Array
  readonly #end: number
  #offset: number
  #start = 0
  #low = 0
  #high = 0

  /**
   * @param source - A message; not written to, and kept as long as views of it are.
   * @param from - Where in the source it begins. @param end - And ends.
   */
  constructor(source: Uint8Array, from = 0, end: number = source.length) {
    this.#source = source
    this.#offset = from
    this.#end = end
  }

  /** Goes to the next field. @returns False at the end, and when the bytes are at fault. */
  next(): boolean {
    if (this.fault !== undefined || this.#offset >= this.#end) return false
    const type = this.#readTag(FIELD_NUMBER_MAX)
    if (type === END_GROUP) this.fail('a group ends that did not start')
    if (type === undefined || type === END_GROUP) return false
    this.type = type
    this.#start = this.#offset
    return type === WireType.group ? this.#skipGroup() : this.#readValue(type)
  }

  /** Is the field this one, of this type? With another type Go takes it for an unknown field, so no fault. */
  is(number: number, type: WireType): boolean {
    return this.number === number && this.type === type
  }

  /** The contents of a field of type `bytes`: a view. Empty for other types. */
  get bytes(): Uint8Array {
    return this.type === WireType.bytes && this.#low > 0 ? this.#source.subarray(this.#offset - this.#low, this.#offset) : EMPTY
  }

  /** Reads the contents of a field of type `bytes`, which are a message. */
  nested(): WireReader {
    return new WireReader(this.#source, this.type === WireType.bytes ? this.#offset - this.#low : this.#offset, this.#offset)
  }

  /** The contents of a field of type `bytes` as text. @returns `''`, with {@link fault} set, where it is not UTF-8: Go refuses it too. */
  string(): string {
    const start = this.type === WireType.bytes ? this.#offset - this.#low : this.#offset
    const text = shortAscii(this.#source, start, this.#offset) ?? decodeUtf8(this.bytes)
    if (text === undefined) this.fail(`field ${this.number} is not UTF-8`)
    return text ?? ''
  }

  /** A varint as `uint64`. */
  uint64(): bigint {
    return this.#high === 0 ? BigInt(this.#low) : (BigInt(this.#high) << 32n) | BigInt(this.#low)
  }

  /** A varint as `int64`, two's complement. */
  int64(): bigint {
    return BigInt.asIntN(64, this.uint64())
  }

  /** A varint's low 32 bits as `uint32`: Go drops the others. */
  uint32(): number {
    return this.#low
  }

  /** A varint's low 32 bits as `int32`; so are enumerations read. */
  int32(): number {
    return this.#low | 0
  }

  /** A varint as `bool`: true unless 0. */
  bool(): boolean {
    return this.#low !== 0 || this.#high !== 0
  }

  /** The field's value as it stands on the wire, after its tag: a view. */
  get raw(): Uint8Array {
    return this.#source.subarray(this.#start, this.#offset)
  }

  /** Ends reading: {@link next} says false from now on. The first reason counts. */
  fail(detail: string): void {
    this.fault ??= { fault: 'fabric-protocol/malformed', detail }
  }

  #readValue(type: WireType): boolean {
    if (type === WireType.varint) return this.#readVarint()
    if (type === WireType.fixed64) return this.#skip(8)
    if (type === WireType.fixed32) return this.#skip(4)
    return this.#readVarint() && this.#skip(this.#high === 0 ? this.#low : Number.POSITIVE_INFINITY)
  }

  #skip(length: number): boolean {
    if (length > this.#end - this.#offset) return this.#cut()
    this.#offset += length
    return true
  }

  #readTag(numberMax: number): WireType | typeof END_GROUP | undefined {
    if (!this.#readVarint()) return
    const number = this.#low >>> 3
    const type = this.#low & 7
    if (this.#high !== 0 || number === 0 || number > numberMax) this.fail(`no such field number before byte ${this.#offset}`)
    else if (type > 5) this.fail(`no such wire type before byte ${this.#offset}`)
    else {
      this.number = number
      // 0 to 5: just checked.
      return type as WireType | typeof END_GROUP
    }
    return
  }

  #skipGroup(): boolean {
    const { number } = this
    const open = [number]
    while (open.length > 0) {
      const type = this.#readTag(NUMBER_IN_GROUP_MAX)
      if (type === undefined) return false
      if (type === WireType.group) open.push(this.number)
      else if (type !== END_GROUP) this.#readValue(type)
      else if (open.pop() !== this.number) this.fail('a group ends that did not start')
      if (open.length > GROUP_DEPTH_MAX) this.fail('groups are nested too deep')
      if (this.fault !== undefined) return false
    }
    this.number = number
    return true
  }

  /** Seven bits a byte, least significant first, into two halves of 32 bits; the tenth byte has one bit left. */
  #readVarint(): boolean {
    let low = 0
    let high = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#offset < this.#end ? this.#source[this.#offset] : undefined
      if (byte === undefined) return this.#cut()
      this.#offset++
      const bits = byte & 0x7f
      if (shift < 28) low |= bits << shift
      else if (shift === 28) {
        low |= bits << 28
        high = bits >>> 4
      } else high |= bits << (shift - 32)
      if (byte < 0x80) {
        this.#low = low >>> 0
        this.#high = high >>> 0
        if (shift === 63 && byte > 1) break
        return true
      }
    }
    this.fail(`a varint exceeds 64 bits before byte ${this.#offset}`)
    return false
  }

  #cut(): false {
    this.fail(`cut short at byte ${this.#end}`)
    return false
  }
}

/**
 * Writes a message as Go does: fields by ascending number, shortest varints, defaults omitted. The owner of the bytes that it returns is the caller.
 * @throws KumikoError `fabric-protocol/field-order` where a number is lower than the one before; `fabric-protocol/bad-number`;
 * `fabric-protocol/bad-string`.
 */
export class WireWriter {
  #target = spare.pop() ?? new Uint8Array(SPARE_SIZE)
  #isOwn = true
  #length = 0
  #number = 0

  /** Writes nothing for 0. @param value - 0 to 2⁶⁴ − 1. */
  uint64(number: number, value: bigint): this {
    return value === 0n ? this.#passed(number) : this.#tag(number, WireType.varint).#uint64(value)
  }

  /** Writes nothing for 0. @param value - −2⁶³ to 2⁶³ − 1; negative ones take ten bytes. */
  int64(number: number, value: bigint): this {
    if (BigInt.asIntN(64, value) !== value) throw badNumber(value)
    return this.uint64(number, BigInt.asUintN(64, value))
  }

  /** Writes nothing for 0. @param value - 0 to 2³² − 1. */
  uint32(number: number, value: number): this {
    if (value >>> 0 !== value) throw badNumber(value)
    return value === 0 ? this.#passed(number) : this.#tag(number, WireType.varint).#small(value)
  }

  /** Writes nothing for 0; enumerations too. @param value - −2³¹ to 2³¹ − 1; negative ones take ten bytes. */
  int32(number: number, value: number): this {
    if ((value | 0) !== value) throw badNumber(value)
    return value < 0 ? this.int64(number, BigInt(value)) : this.uint32(number, value)
  }

  /** Writes nothing for false. */
  bool(number: number, value: boolean): this {
    return this.uint32(number, value ? 1 : 0)
  }

  /** Writes nothing where empty. */
  bytes(number: number, value: Uint8Array): this {
    return value.length === 0 ? this.#passed(number) : this.element(number, value)
  }

  /** Writes nothing where empty. */
  string(number: number, value: string): this {
    return value === '' ? this.#passed(number) : this.element(number, encodeUtf8(value))
  }

  /** Bytes that are written even where empty: a nested message, an element of a repeated field, a field of a oneof. */
  element(number: number, value: Uint8Array): this {
    return this.#tag(number, WireType.bytes).#small(value.length).#append(value)
  }

  /** A varint that is written even where 0: a field of a oneof. @param value - 0 to 2⁶⁴ − 1. */
  presentVarint(number: number, value: bigint): this {
    return this.#tag(number, WireType.varint).#uint64(value)
  }

  /** A field with its value as it stood on the wire ({@link WireReader.raw}), in any order: unknown fields come last. */
  rawField(number: number, type: WireType, raw: Uint8Array): this {
    return this.#varint(number * 8 + type).#append(raw)
  }

  /** Fields written before. */
  append(fields: Uint8Array): this {
    return this.#append(fields)
  }

  /** Begins another message. */
  restart(): this {
    this.#length = 0
    this.#number = 0
    return this
  }

  /** What was written: a view, until the writer writes on or begins another message. */
  view(): Uint8Array {
    return this.#target.subarray(0, this.#length)
  }

  /** What was written: a copy of exactly its size. */
  finish(): Uint8Array {
    const written = this.#target.slice(0, this.#length)
    if (this.#isOwn && this.#target.length === SPARE_SIZE && spare.length < SPARE_MAX) spare.push(this.#target)
    // Full, so that whoever writes on gets room of their own.
    this.#target = written
    this.#isOwn = false
    return written
  }

  #passed(number: number): this {
    if (number < this.#number) throw new KumikoError('fabric-protocol/field-order', `write field ${number} before field ${this.#number}`)
    this.#number = number
    return this
  }

  #tag(number: number, type: WireType): this {
    if (number < 1 || number > FIELD_NUMBER_MAX) throw badNumber(number)
    return this.#passed(number).#varint(number * 8 + type)
  }

  #small(value: number): this {
    return this.#varint(value)
  }

  /** @param value - A safe integer from 0 on. */
  #varint(value: number): this {
    this.#reserve(8)
    let rest = value
    while (rest > 0x7f) {
      this.#target[this.#length++] = (rest & 0x7f) | 0x80
      rest = Math.floor(rest / 128)
    }
    this.#target[this.#length++] = rest
    return this
  }

  #uint64(value: bigint): this {
    if (BigInt.asUintN(64, value) !== value) throw badNumber(value)
    return value <= SAFE_MAX ? this.#varint(Number(value)) : this.#append(encodeVarint(value))
  }

  #append(bytes: Uint8Array): this {
    this.#reserve(bytes.length)
    this.#target.set(bytes, this.#length)
    this.#length += bytes.length
    return this
  }

  #reserve(length: number): void {
    const needed = this.#length + length
    if (needed <= this.#target.length) return
    const larger = new Uint8Array(Math.max(needed, this.#target.length * 2))
    larger.set(this.#target.subarray(0, this.#length))
    this.#target = larger
    this.#isOwn = true
  }
}

/** The shortest varint of a number. @param value - 0 to 2⁶⁴ − 1. @returns 1 to 10 bytes. */
export function encodeVarint(value: bigint): Uint8Array {
  const bytes: number[] = []
  let rest = value
  while (rest > 0x7fn) {
    bytes.push(Number(rest & 0x7fn) | 0x80)
    rest >>= 7n
  }
  bytes.push(Number(rest))
  return Uint8Array.from(bytes)
}

/**
 * A varint that stands alone, as before a record.
 * @param offset - Where it starts.
 * @returns Its value and where the bytes after it start; undefined where the bytes end before it does; a fault where it exceeds 64 bits.
 */
export function decodeVarint(bytes: Uint8Array, offset: number): { readonly value: bigint; readonly next: number } | Fault | undefined {
  let value = 0n
  for (let index = 0; index < 10; index++) {
    const byte = bytes[offset + index]
    if (byte === undefined) return
    value |= BigInt(byte & 0x7f) << BigInt(7 * index)
    if (byte < 0x80) return index === 9 && byte > 1 ? tooLong(offset) : { value, next: offset + index + 1 }
  }
  return tooLong(offset)
}

/** Text as UTF-8. @throws KumikoError `fabric-protocol/bad-string` for half a surrogate pair, which has no UTF-8. */
export function encodeUtf8(text: string): Uint8Array {
  const ascii = encodeShortAscii(text)
  if (ascii !== undefined) return ascii
  if (!text.isWellFormed()) throw new KumikoError('fabric-protocol/bad-string', 'text holds half a surrogate pair: it has no UTF-8')
  return encoder.encode(text)
}

/** Most names, keys and ids are short and ASCII: a loop takes a fraction of the time that the encoder takes. */
function encodeShortAscii(text: string): Uint8Array | undefined {
  const { length } = text
  if (length > SHORT_MAX) return
  const bytes = new Uint8Array(length)
  for (let at = 0; at < length; at++) {
    const unit = text.charCodeAt(at)
    if (unit > 0x7f) return
    bytes[at] = unit
  }
  return bytes
}

/** UTF-8 as text; a byte order mark is kept. @returns Undefined where the bytes are not UTF-8. */
export function decodeUtf8(bytes: Uint8Array): string | undefined {
  const ascii = shortAscii(bytes, 0, bytes.length)
  if (ascii !== undefined) return ascii
  try {
    return decoder.decode(bytes)
  } catch {
    return
  }
}

/** The first bytes of the same room, by how many: nothing of it is left when a call returns. */
const room = new Uint8Array(SHORT_MAX)
const ROOMS: readonly Uint8Array[] = Array.from({ length: SHORT_MAX + 1 }, (_, length) => room.subarray(0, length))

/** Most texts are this; the decoder takes a multiple of the time, and a view of the bytes as much memory as the text. */
function shortAscii(bytes: Uint8Array, start: number, end: number): string | undefined {
  const short = ROOMS[end - start]
  if (short === undefined) return
  for (let at = start; at < end; at++) {
    const byte = bytes[at] ?? 0
    if (byte > 0x7f) return
    short[at - start] = byte
  }
  return Reflect.apply(String.fromCharCode, undefined, short)
}

function tooLong(offset: number): Fault {
  return { fault: 'fabric-protocol/malformed', detail: `a varint exceeds 64 bits at byte ${offset}` }
}

function badNumber(value: bigint | number): KumikoError {
  return new KumikoError('fabric-protocol/bad-number', `${value} does not fit its field`, { context: { value: String(value) } })
}
