import type { Fault } from '@kumiko/interface'
import { compareUtf8, equalBytes } from './utf8-order.ts'
import { encodeUtf8, WireReader, WireType, WireWriter } from './wire.ts'

/** How deep messages may nest (Go: 10,000; nothing of Fabric's comes near either). */
export const MESSAGE_DEPTH_MAX = 1000

/** The messages of one request have so many fields at most, elements of lists and what is sent twice among them: see {@link decodeRequest}. */
export const REQUEST_FIELDS_MAX = 1_000_000

/**
 * Under this key a decoded message keeps the fields that its type does not have, in order, as their bytes: one by one the first
 * {@link UNKNOWN_APART_MAX}, the others in larger and larger pieces. It is absent where there are none.
 * Encoding appends them, as Go does: `encode(decode(bytes))` is what Go's unmarshal and marshal make of the bytes.
 */
export const unknownFields: unique symbol = Symbol('unknownFields')

/** Each piece takes a hundred bytes besides its own, and a field may have two. */
const UNKNOWN_APART_MAX = 64

/** What a field is, for those that go through the fields of any message: JSON, comparison. */
export interface Shape {
  /** Enumerations are `int32`. */
  readonly kind: 'string' | 'bytes' | 'bool' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'message'
  readonly label: 'single' | 'list' | 'map'
  /** Of kind `message`: a function, since messages may hold their own kind. */
  readonly type?: () => Message<object>
}

/** One field of a message: made by {@link bytes}, {@link string}, {@link nested} and their like. */
export interface Field<T> {
  readonly number: number
  readonly type: WireType
  readonly shape: Shape
  /** Fields with the same word here are one oneof: the last on the wire counts. */
  readonly oneof?: string
  /** The value where the field is absent: one for all messages, which nobody writes to. */
  initial(): T
  /** Faults are told by `reader.fail`. @param held - What the field holds so far; added to where it is not `initial`'s. @param depth - Of the field's message. */
  read(reader: WireReader, held: T, depth: number): T
  write(writer: WireWriter, value: T): void
}

/** Which fields make up a message, by name. */
export type Fields<T> = { readonly [Name in keyof T]-?: Field<T[Name]> }

/** Reads and writes one type of message. */
export interface Message<T extends object> {
  /** Its full name in Fabric's `.proto`: `common.Envelope`. */
  readonly name: string
  /** By name in TypeScript (`channelId` for `channel_id`), by ascending number. */
  readonly fields: ReadonlyMap<string, Field<unknown>>
  /**
   * Accepts what Go's `proto.Unmarshal` accepts. Holds views of the bytes; takes memory in proportion to them.
   * @returns The message with a value for each field, or `fabric-protocol/malformed`.
   */
  decode(source: Uint8Array): T | Fault
  /** Writes what Go's `proto.Marshal` writes. @param value - Fields left out have their defaults. @throws KumikoError as {@link WireWriter}. */
  encode(value: Partial<T>): Uint8Array
  /** Writes what {@link encode} does. @param to - Has written nothing of the message before. @throws As `encode`. */
  write(to: WireWriter, value: Partial<T>): void
  /** A message with defaults for what is left out. */
  create(value?: Partial<T>): T
  /** Reads into a message that {@link create} made, as Go merges a message that is sent in parts; for fields that hold messages. */
  merge(into: T, reader: WireReader, depth: number): Fault | undefined
}

interface Entry {
  readonly name: string
  readonly field: Field<unknown>
}

type Values = Record<PropertyKey, unknown>

/** A message of these fields. @param name - As in Fabric's `.proto`. */
export function message<T extends object>(name: string, fields: Fields<T>): Message<T> {
  const entries: Entry[] = Object.entries<Field<unknown>>(fields).map(([name, field]) => ({ name, field }))
  entries.sort((a, b) => a.field.number - b.field.number)
  // Each entry reads and makes values of its field's type in T: so the values together are a T.
  let template: Values | undefined
  const create = (value?: Partial<T>): T => {
    template ??= defaults(entries)
    return { ...template, ...value } as T
  }
  const merge = (into: T, reader: WireReader, depth: number): Fault | undefined => {
    const fault = decodeFields(entries, into as Values, reader, depth)
    return fault && { ...fault, detail: `${name}: ${fault.detail}`.slice(-200) }
  }
  const decode = (source: Uint8Array): T | Fault => {
    const value = create()
    return merge(value, new WireReader(source), 0) ?? value
  }
  const named = new Map(entries.map((entry) => [entry.name, entry.field]))
  const write = (to: WireWriter, value: Partial<T>): void => writeFields(entries, to, value as Values)
  const encode = (value: Partial<T>): Uint8Array => {
    const writer = new WireWriter()
    write(writer, value)
    return writer.finish()
  }
  return { name, fields: named, create, merge, decode, encode, write }
}

/** What is left to a request that is being decoded. */
let budget: { fields: number } | undefined

/**
 * Decodes what somebody sent who is not known yet. Two bytes of a message make an object of a hundred, so that a request of the size that Fabric
 * takes would take all memory there is: here more than {@link REQUEST_FIELDS_MAX} fields are a fault. What is in blocks is decoded without this
 * bound, as Go decodes it.
 * @param decode - Decodes one message or some, at once.
 */
export function decodeRequest<T>(decode: () => T): T {
  const before = budget
  budget = { fields: REQUEST_FIELDS_MAX }
  try {
    return decode()
  } finally {
    budget = before
  }
}

function defaults(entries: readonly Entry[]): Values {
  const value: Values = {}
  for (const { name, field } of entries) value[name] = field.initial()
  return value
}

function decodeFields(entries: readonly Entry[], value: Values, reader: WireReader, depth: number): Fault | undefined {
  if (depth > MESSAGE_DEPTH_MAX) reader.fail('messages are nested too deep')
  while (reader.next()) {
    if (budget !== undefined && budget.fields-- <= 0) reader.fail(`more than ${REQUEST_FIELDS_MAX} fields`)
    if (reader.fault !== undefined) break
    const entry = find(entries, reader)
    if (entry === undefined) keepUnknown(value, reader)
    else {
      const held = value[entry.name]
      if (entry.field.oneof !== undefined) clearOneof(entries, entry.field.oneof, value)
      value[entry.name] = entry.field.read(reader, held, depth)
    }
  }
  return reader.fault
}

function find(entries: readonly Entry[], reader: WireReader): Entry | undefined {
  for (const entry of entries) if (entry.field.number === reader.number) return entry.field.type === reader.type ? entry : undefined
  return
}

function keepUnknown(value: Values, reader: WireReader): void {
  const field = new WireWriter().rawField(reader.number, reader.type, reader.raw).finish()
  const kept = value[unknownFields]
  if (!Array.isArray(kept)) value[unknownFields] = [field]
  else if (kept.push(field) > UNKNOWN_APART_MAX) joinLast(kept)
}

/** Joins the last pieces until each is half the one before at most: few are left, and no byte is copied more often than they are. */
function joinLast(pieces: Uint8Array[]): void {
  while (pieces.length > UNKNOWN_APART_MAX) {
    const [before = EMPTY, last = EMPTY] = pieces.slice(-2)
    if (before.length > 2 * last.length) return
    const joined = new Uint8Array(before.length + last.length)
    joined.set(before)
    joined.set(last, before.length)
    pieces.splice(-2, 2, joined)
  }
}

function clearOneof(entries: readonly Entry[], oneof: string, value: Values): void {
  for (const { name, field } of entries) if (field.oneof === oneof) value[name] = undefined
}

function writeFields(entries: readonly Entry[], writer: WireWriter, value: Values): void {
  for (const { name, field } of entries) {
    const held = value[name]
    if (held !== undefined) field.write(writer, held)
  }
  const kept = value[unknownFields]
  if (Array.isArray(kept)) for (const field of kept) writer.append(field)
}

/** A `bytes` field: a view of what was decoded. */
export function bytes(number: number): Field<Uint8Array> {
  return {
    ...scalar(number, 'bytes', (reader) => reader.bytes),
    initial: () => EMPTY,
    write: (to, value) => to.bytes(number, value),
  }
}

/** A `string` field; text that is not UTF-8 is a fault. */
export function string(number: number): Field<string> {
  return {
    ...scalar(number, 'string', (reader) => reader.string()),
    initial: () => '',
    write: (to, value) => to.string(number, value),
  }
}

/** A `bool` field. */
export function bool(number: number): Field<boolean> {
  return {
    ...scalar(number, 'bool', (reader) => reader.bool()),
    initial: () => false,
    write: (to, value) => to.bool(number, value),
  }
}

/** An `int32` field, or an enumeration. */
export function int32(number: number): Field<number> {
  return { ...scalar(number, 'int32', (reader) => reader.int32()), initial: () => 0, write: (to, value) => to.int32(number, value) }
}

/** A `uint32` field. */
export function uint32(number: number): Field<number> {
  return {
    ...scalar(number, 'uint32', (reader) => reader.uint32()),
    initial: () => 0,
    write: (to, value) => to.uint32(number, value),
  }
}

/** An `int64` field. */
export function int64(number: number): Field<bigint> {
  return {
    ...scalar(number, 'int64', (reader) => reader.int64()),
    initial: () => 0n,
    write: (to, value) => to.int64(number, value),
  }
}

/** A `uint64` field. */
export function uint64(number: number): Field<bigint> {
  return {
    ...scalar(number, 'uint64', (reader) => reader.uint64()),
    initial: () => 0n,
    write: (to, value) => to.uint64(number, value),
  }
}

/**
 * A field that is a message; undefined where absent. Sent in parts, the parts are merged, as Go does.
 * @param type - A function, so that messages may hold their own kind.
 */
export function nested<T extends object>(number: number, type: () => Message<T>): Field<T | undefined> {
  return {
    number,
    type: WireType.bytes,
    shape: { kind: 'message', label: 'single', type },
    initial: () => undefined,
    read: (reader, held, depth) => readNested(reader, type(), held ?? type().create(), depth),
    write: (to, value) => {
      if (value !== undefined) to.element(number, type().encode(value))
    },
  }
}

/**
 * The field as one of a oneof: undefined where absent, and written even where it is the default.
 * @param oneof - The same word for all fields of the oneof.
 */
export function oneOf<T>(oneof: string, field: Field<T>): Field<T | undefined> {
  return {
    number: field.number,
    type: field.type,
    shape: field.shape,
    oneof,
    initial: () => undefined,
    read: (reader, held, depth) => field.read(reader, held ?? field.initial(), depth),
    write: (to, value) => {
      if (value === undefined) return
      if (isDefault(value)) writeDefault(to, field)
      else field.write(to, value)
    },
  }
}

/** A repeated `bytes` field. */
export function repeatedBytes(number: number): Field<readonly Uint8Array[]> {
  return repeated(
    number,
    { kind: 'bytes', label: 'list' },
    (reader) => reader.bytes,
    (value) => value,
  )
}

/** A repeated `string` field. */
export function repeatedString(number: number): Field<readonly string[]> {
  return repeated(number, { kind: 'string', label: 'list' }, (reader) => reader.string(), encodeUtf8)
}

/** A repeated field of messages. @param type - A function, so that messages may hold their own kind. */
export function repeatedNested<T extends object>(number: number, type: () => Message<T>): Field<readonly T[]> {
  return repeated(
    number,
    { kind: 'message', label: 'list', type },
    (reader, depth) => readNested(reader, type(), type().create(), depth),
    (value) => type().encode(value),
  )
}

/**
 * A `map<string, …>` field. Written in the order of the keys' UTF-8 (Go's order is random unless asked): never hash what it is part of
 * without knowing that Fabric does too.
 * @param value - Makes the entry's value field, which has number 2.
 */
export function map<V>(number: number, value: (number: number) => Field<V>): Field<ReadonlyMap<string, V>> {
  const [first, second] = [string(1), value(2)]
  const none: ReadonlyMap<string, V> = new Map()
  const entry = message<{ key: string; value: V }>('map entry', { key: present(first), value: present(second) })
  return {
    number,
    type: WireType.bytes,
    shape: { ...second.shape, label: 'map' },
    initial: () => none,
    read: (reader, held, depth) => {
      const read = readNested(reader, entry, entry.create(), depth)
      // Not `initial`'s, so made here: a Map of this decoding alone.
      const entries = held === none ? new Map<string, V>() : (held as Map<string, V>)
      return entries.set(read.key, read.value)
    },
    write: (to, held) => {
      for (const [key, content] of [...held].sort(([a], [b]) => compareUtf8(a, b)))
        to.element(number, entry.encode({ key, value: content }))
    },
  }
}

/** A `map<string, …>` field of messages, as {@link map}. @param type - A function, so that messages may hold their own kind. */
export function mapNested<T extends object>(number: number, type: () => Message<T>): Field<ReadonlyMap<string, T>> {
  return map(number, (at) => {
    let none: T | undefined
    const initial = (): T => {
      none ??= type().create()
      return none
    }
    return {
      ...nested(at, type),
      initial,
      read: (reader, held, depth) => readNested(reader, type(), held === none ? type().create() : held, depth),
    }
  })
}

/** Written even where it is the default: Go writes both of an entry. */
function present<T>(field: Field<T>): Field<T> {
  return { ...field, write: (to, value) => (isDefault(value) ? writeDefault(to, field) : field.write(to, value)) }
}

/**
 * Tells whether two messages are equal as `proto.Equal` says: by their structure, whatever order the wire had.
 * @param type - Of both.
 */
export function isSameMessage<T extends object>(type: Message<T>, a: T, b: T): boolean {
  // A message's own properties, seen by name.
  return isSame(type, a as Values, b as Values)
}

function isSame(type: Message<object>, a: Values, b: Values): boolean {
  for (const [name, { shape }] of type.fields) if (!isSameField(shape, a[name], b[name])) return false
  return isSameField({ kind: 'bytes', label: 'list' }, unknownOf(a), unknownOf(b))
}

function isSameField(shape: Shape, a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((item, at) => isSameField(shape, item, b[at]))
  if (a instanceof Map && b instanceof Map) {
    return a.size === b.size && [...a].every(([key, item]) => b.has(key) && isSameField(shape, item, b.get(key)))
  }
  if (a instanceof Uint8Array && b instanceof Uint8Array) return equalBytes(a, b)
  if (shape.type === undefined || a === undefined || b === undefined) return a === b
  // Of kind `message`.
  return isSame(shape.type(), a as Values, b as Values)
}

/** By ascending number, those of one number as they came: only that order counts. */
function unknownOf(value: Values): readonly Uint8Array[] {
  const kept = value[unknownFields]
  return Array.isArray(kept) ? kept.flatMap(fieldsIn).toSorted((one, other) => tagOf(one) - tagOf(other)) : []
}

function fieldsIn(piece: Uint8Array): Uint8Array[] {
  const reader = new WireReader(piece)
  const fields: Uint8Array[] = []
  while (reader.next()) fields.push(new WireWriter().rawField(reader.number, reader.type, reader.raw).finish())
  return fields
}

function tagOf(field: Uint8Array): number {
  const reader = new WireReader(field)
  reader.next()
  return reader.number
}

const EMPTY = new Uint8Array()
const NOTHING: readonly never[] = Object.freeze([])

function scalar<T>(
  number: number,
  kind: Exclude<Shape['kind'], 'message'>,
  read: (reader: WireReader) => T,
): Pick<Field<T>, 'number' | 'type' | 'shape' | 'read'> {
  const type = kind === 'bytes' || kind === 'string' ? WireType.bytes : WireType.varint
  return { number, type, shape: { kind, label: 'single' }, read }
}

function repeated<T>(
  number: number,
  shape: Shape,
  read: (reader: WireReader, depth: number) => T,
  encode: (value: T) => Uint8Array,
): Field<readonly T[]> {
  return {
    number,
    type: WireType.bytes,
    shape,
    initial: () => NOTHING,
    read: (reader, held, depth) => {
      // Not `initial`'s, so made here: an array of this decoding alone. A copy for each element would take time by the square.
      const list = held === NOTHING ? [] : (held as T[])
      list.push(read(reader, depth))
      return list
    },
    write: (to, values) => {
      for (const value of values) to.element(number, encode(value))
    },
  }
}

function readNested<T extends object>(reader: WireReader, type: Message<T>, into: T, depth: number): T {
  const fault = type.merge(into, reader.nested(), depth + 1)
  if (fault !== undefined) reader.fail(fault.detail ?? fault.fault)
  return into
}

function isDefault(value: unknown): boolean {
  return value === 0 || value === 0n || value === false || value === '' || (value instanceof Uint8Array && value.length === 0)
}

function writeDefault(writer: WireWriter, field: { readonly number: number; readonly type: WireType }): void {
  if (field.type === WireType.bytes) writer.element(field.number, EMPTY)
  else writer.presentVarint(field.number, 0n)
}
