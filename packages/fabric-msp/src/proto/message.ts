import { type Fault, isFault } from '@kumiko/interface'

/** Messages nest at most this deep; protobuf's own bound in Go is 10,000. Fabric's messages nest fewer than 20, policies apart. */
export const MESSAGE_DEPTH_MAX = 1000

/** A decoded message. Absent messages and absent members of a oneof are `undefined`, everything else has its default. */
export interface Message {
  /** Fields that the type does not know, as they were, in ascending order of their numbers. */
  readonly unknownFields?: Uint8Array
}

/** A field's kind on the wire and in JSON. Enums and int32 are numbers, uint64 and int64 bigints. */
export type FieldKind = 'string' | 'bytes' | 'bool' | 'int32' | 'uint32' | 'int64' | 'uint64' | 'enum' | 'message'

/** What bytes hold, where a field of bytes holds a message: by the message around it and the scope it is in. */
export type Opaque = (parent: Readonly<Record<string, unknown>>, scope: string) => MessageType<Message> | undefined

/** A field's place and kind. `T` is what a decoded message has there. */
export interface Field<T> {
  readonly number: number
  readonly kind: FieldKind
  readonly label: 'single' | 'list' | 'map'
  /** Of kind `message`: a function, since types may hold themselves. */
  readonly type?: () => MessageType<Message>
  /** Of kind `enum`: names by number. */
  readonly names?: readonly string[]
  /** Members of one oneof share its name. */
  readonly oneof?: string
  /** For JSON only. */
  readonly opaque?: Opaque
  /** For JSON only: the scope of what is below, by the scope here and the key in a map. */
  readonly scope?: (scope: string, key: string) => string
  readonly example?: T
}

/** How a message looks: its fields by their names in TypeScript (`maxMessageCount` for `max_message_count`). */
export interface MessageType<T extends Message> {
  /** As Fabric's protos call it: `common.ConfigGroup`. */
  readonly name: string
  readonly fields: ReadonlyMap<string, Field<unknown>>
  readonly byNumber: ReadonlyMap<number, readonly [string, Field<unknown>]>
  readonly example?: T
}

/** The fields of a message, one for each of its properties. */
export type FieldsOf<T extends Message> = { readonly [K in Exclude<keyof T, 'unknownFields'>]-?: Field<T[K]> }

/** Makes a message's type from its fields. */
export function messageType<T extends Message>(name: string, fields: FieldsOf<T>): MessageType<T> {
  const entries = Object.entries<Field<unknown>>(fields).sort(([, a], [, b]) => a.number - b.number)
  return { name, fields: new Map(entries), byNumber: new Map(entries.map((entry) => [entry[1].number, entry])) }
}

/** A field of UTF-8. */
export function text(number: number): Field<string> {
  return { number, kind: 'string', label: 'single' }
}

/** Repeated UTF-8. */
export function texts(number: number): Field<readonly string[]> {
  return { number, kind: 'string', label: 'list' }
}

/** A field of bytes. @param opaque - The message they hold, if they hold one: for JSON. */
export function bytes(number: number, opaque?: Opaque): Field<Uint8Array> {
  return { number, kind: 'bytes', label: 'single', ...(opaque && { opaque }) }
}

/** Repeated bytes. @param opaque - The message that each holds. */
export function bytesList(number: number, opaque?: Opaque): Field<readonly Uint8Array[]> {
  return { number, kind: 'bytes', label: 'list', ...(opaque && { opaque }) }
}

/** A map from text to bytes. */
export function bytesMap(number: number): Field<ReadonlyMap<string, Uint8Array>> {
  return { number, kind: 'bytes', label: 'map' }
}

/** A field of true or false. */
export function bool(number: number): Field<boolean> {
  return { number, kind: 'bool', label: 'single' }
}

/** A signed number of 32 bits. */
export function int32(number: number): Field<number> {
  return { number, kind: 'int32', label: 'single' }
}

/** An unsigned number of 32 bits. */
export function uint32(number: number): Field<number> {
  return { number, kind: 'uint32', label: 'single' }
}

/** A signed number of 64 bits. */
export function int64(number: number): Field<bigint> {
  return { number, kind: 'int64', label: 'single' }
}

/** An unsigned number of 64 bits. */
export function uint64(number: number): Field<bigint> {
  return { number, kind: 'uint64', label: 'single' }
}

/** An open enum: numbers without a name are kept. @param names - By number, from 0. */
export function choice(number: number, names: readonly string[]): Field<number> {
  return { number, kind: 'enum', label: 'single', names }
}

/** A message in a message. */
export function nested<T extends Message>(number: number, type: () => MessageType<T>, scope?: Field<T>['scope']): Field<T | undefined> {
  return { number, kind: 'message', label: 'single', type, ...(scope && { scope }) }
}

/** Repeated messages. */
export function nestedList<T extends Message>(number: number, type: () => MessageType<T>): Field<readonly T[]> {
  return { number, kind: 'message', label: 'list', type }
}

/** A map from text to messages. */
export function nestedMap<T extends Message>(
  number: number,
  type: () => MessageType<T>,
  scope?: Field<T>['scope'],
): Field<ReadonlyMap<string, T>> {
  return { number, kind: 'message', label: 'map', type, ...(scope && { scope }) }
}

/** Makes a field a member of a oneof: the last one on the wire counts. */
export function member<T>(oneof: string, field: Field<T>): Field<T | undefined> {
  const { example: _, ...rest } = field
  return { ...rest, oneof }
}

/** @returns What a field has when the wire has none of it. */
export function defaultOf(field: Field<unknown>): unknown {
  if (field.oneof !== undefined) return undefined
  if (field.label === 'list') return []
  if (field.label === 'map') return new Map()
  switch (field.kind) {
    case 'string':
      return ''
    case 'bytes':
      return new Uint8Array()
    case 'bool':
      return false
    case 'int64':
    case 'uint64':
      return 0n
    case 'message':
      return undefined
    default:
      return 0
  }
}

/**
 * Tells whether two messages are equal as `proto.Equal` says: by their structure, whatever order the wire had. Both are of the type.
 */
export function isSameMessage<T extends Message>(type: MessageType<T>, a: T, b: T): boolean {
  return isSameBytes(encodeMessage(type, a), encodeMessage(type, b))
}

// Reading.

/**
 * Reads a message as Go's protobuf does: repeated messages of one field merge, the last scalar and the last member of a oneof count,
 * a known field of the wrong wire type is unknown, text is UTF-8.
 * @param input - Never throws for any bytes. The message's bytes are views of it.
 */
export function decodeMessage<T extends Message>(type: MessageType<T>, input: Uint8Array): T | Fault {
  const message = read(type, input, 0)
  // The type's fields are those of T: `messageType` asks for it.
  return isFault(message) ? message : (message as T)
}

type Draft = Record<string, unknown>

interface Raw {
  readonly number: number
  readonly wireType: number
  /** From the tag on. */
  readonly start: number
  readonly value: bigint
  readonly bytes: Uint8Array
  readonly end: number
}

function bad(type: MessageType<Message>, detail: string): Fault {
  return { fault: 'fabric-msp/bad-message', detail: `${type.name}: ${detail}` }
}

function read(type: MessageType<Message>, input: Uint8Array, depth: number): Draft | Fault {
  if (depth > MESSAGE_DEPTH_MAX) return bad(type, 'nests too deep')
  const draft: Draft = {}
  for (const [name, field] of type.fields) draft[name] = defaultOf(field)
  const parts = new Map<string, Uint8Array[]>()
  const unknown: Raw[] = []
  for (let at = 0; at < input.length; ) {
    const raw = readRaw(input, at)
    if (raw === undefined) return bad(type, `cut off or malformed at byte ${at}`)
    at = raw.end
    const known = type.byNumber.get(raw.number)
    if (known === undefined || wireTypeOf(known[1]) !== raw.wireType) {
      unknown.push(raw)
      continue
    }
    const fault = readField(type, draft, parts, known, raw, depth)
    if (fault !== undefined) return fault
  }
  if (unknown.length > 0)
    draft.unknownFields = joinBytes(unknown.sort((a, b) => a.number - b.number).map(({ start, end }) => input.subarray(start, end)))
  return readParts(type, draft, parts, depth)
}

/** Puts a field into the draft; messages wait in `parts` until all of their parts are there. */
function readField(
  type: MessageType<Message>,
  draft: Draft,
  parts: Map<string, Uint8Array[]>,
  [name, field]: readonly [string, Field<unknown>],
  raw: Raw,
  depth: number,
): Fault | undefined {
  if (field.label === 'map') return readEntry(draft[name], field, raw.bytes, depth)
  if (field.oneof !== undefined) clearOthers(type, draft, parts, name, field.oneof)
  if (field.kind === 'message' && field.label === 'single') {
    const earlier = parts.get(name)
    if (earlier === undefined) parts.set(name, [raw.bytes])
    else earlier.push(raw.bytes)
    return undefined
  }
  const value = field.kind === 'message' ? readNested(field, raw.bytes, depth) : readScalar(type, name, field.kind, raw)
  if (isFault(value)) return value
  if (field.label === 'single') draft[name] = value
  else if (Array.isArray(draft[name])) draft[name].push(value)
  return undefined
}

function readParts(type: MessageType<Message>, draft: Draft, parts: ReadonlyMap<string, Uint8Array[]>, depth: number): Draft | Fault {
  for (const [name, list] of parts) {
    const field = type.fields.get(name)
    if (field === undefined) continue
    const value = readNested(field, list.length === 1 && list[0] !== undefined ? list[0] : joinBytes(list), depth)
    if (isFault(value)) return value
    draft[name] = value
  }
  return draft
}

function readNested(field: Field<unknown>, input: Uint8Array, depth: number): Draft | Fault {
  return field.type === undefined ? {} : read(field.type(), input, depth + 1)
}

function clearOthers(type: MessageType<Message>, draft: Draft, parts: Map<string, Uint8Array[]>, name: string, oneof: string): void {
  for (const [other, field] of type.fields) {
    if (field.oneof !== oneof || other === name) continue
    draft[other] = undefined
    parts.delete(other)
  }
}

/** An entry is a message of key (1) and value (2); of entries with one key the last counts. */
function readEntry(map: unknown, field: Field<unknown>, input: Uint8Array, depth: number): Fault | undefined {
  const { label: _, scope: __, ...rest } = field
  const value: Field<unknown> = { ...rest, number: 2, label: 'single' }
  const key = text(1)
  const type: MessageType<Message> = {
    name: `an entry of field ${field.number}`,
    fields: new Map<string, Field<unknown>>([
      ['key', key],
      ['value', value],
    ]),
    byNumber: new Map<number, readonly [string, Field<unknown>]>([
      [1, ['key', key]],
      [2, ['value', value]],
    ]),
  }
  const entry = read(type, input, depth)
  if (isFault(entry)) return entry
  // An absent message is an empty one here.
  const content = entry.value ?? readNested(field, new Uint8Array(), depth)
  if (map instanceof Map) map.set(entry.key, content)
  return undefined
}

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

function readScalar(type: MessageType<Message>, name: string, kind: FieldKind, { value, bytes: content }: Raw): unknown {
  switch (kind) {
    case 'string':
      try {
        return utf8.decode(content)
      } catch {
        return bad(type, `${name} is not UTF-8`)
      }
    case 'bytes':
      return content
    case 'bool':
      return value !== 0n
    case 'int64':
      return BigInt.asIntN(64, value)
    case 'uint64':
      return value
    case 'uint32':
      return Number(BigInt.asUintN(32, value))
    default:
      return Number(BigInt.asIntN(32, value))
  }
}

function wireTypeOf(field: Field<unknown>): number {
  return field.label === 'map' || field.kind === 'string' || field.kind === 'bytes' || field.kind === 'message' ? 2 : 0
}

const NOTHING = new Uint8Array()

/** Reads a tag and what follows it. @returns Undefined for what is cut off, has number 0 or is an (ancient) group. */
function readRaw(input: Uint8Array, start: number): Raw | undefined {
  const tag = readVarint(input, start)
  if (tag === undefined || tag.value >> 3n === 0n || tag.value >> 3n > 0x1fffffffn) return undefined
  const head = { number: Number(tag.value >> 3n), wireType: Number(tag.value & 7n), start }
  switch (head.wireType) {
    case 0: {
      const varint = readVarint(input, tag.end)
      return varint && { ...head, value: varint.value, bytes: NOTHING, end: varint.end }
    }
    case 1:
    case 5: {
      const end = tag.end + (head.wireType === 1 ? 8 : 4)
      return end > input.length ? undefined : { ...head, value: 0n, bytes: NOTHING, end }
    }
    case 2: {
      const length = readVarint(input, tag.end)
      if (length === undefined || length.value > BigInt(input.length - length.end)) return undefined
      const end = length.end + Number(length.value)
      return { ...head, value: 0n, bytes: input.subarray(length.end, end), end }
    }
    default:
      return undefined
  }
}

function readVarint(input: Uint8Array, at: number): { readonly value: bigint; readonly end: number } | undefined {
  let value = 0n
  for (let length = 0; length < 10; length++) {
    const byte = input[at + length]
    if (byte === undefined || (length === 9 && byte > 1)) return undefined
    value |= BigInt(byte & 0x7f) << BigInt(7 * length)
    if (byte < 0x80) return { value, end: at + length + 1 }
  }
  return undefined
}

/** Bytes one after the other, copied. */
export function joinBytes(parts: readonly Uint8Array[]): Uint8Array {
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

// Writing.

/**
 * Writes a message as Go's deterministic marshalling does: ascending fields, maps by their keys' UTF-8, defaults left out, unknown
 * fields last.
 */
export function encodeMessage<T extends Message>(type: MessageType<T>, message: T): Uint8Array {
  const parts: Uint8Array[] = []
  // A message's own properties, seen by name.
  const values = message as Readonly<Record<string, unknown>>
  for (const [name, field] of type.fields) writeField(parts, field, values[name])
  if (message.unknownFields !== undefined) parts.push(message.unknownFields)
  return joinBytes(parts)
}

const encoder = new TextEncoder()

function writeField(parts: Uint8Array[], field: Field<unknown>, value: unknown): void {
  if (value === undefined) return
  if (value instanceof Map) {
    const entries = [...value].map(([key, content]) => [encoder.encode(String(key)), content] as const)
    for (const [key, content] of entries.sort(([a], [b]) => compareBytes(a, b))) writeEntry(parts, field, key, content)
  } else if (field.label === 'list') {
    if (Array.isArray(value)) for (const item of value) writeOne(parts, field.number, field, item, true)
  } else {
    writeOne(parts, field.number, field, value, field.oneof !== undefined)
  }
}

function writeEntry(parts: Uint8Array[], field: Field<unknown>, key: Uint8Array, value: unknown): void {
  const entry: Uint8Array[] = []
  // Go writes both, defaults too.
  writeBytes(entry, 1, key)
  writeOne(entry, 2, field, value, true)
  writeBytes(parts, field.number, joinBytes(entry))
}

function writeOne(parts: Uint8Array[], number: number, field: Field<unknown>, value: unknown, withDefault: boolean): void {
  if (field.kind === 'message') {
    if (field.type !== undefined && typeof value === 'object' && value !== null)
      writeBytes(parts, number, encodeMessage(field.type(), value))
  } else if (typeof value === 'string') {
    if (withDefault || value !== '') writeBytes(parts, number, encoder.encode(value))
  } else if (value instanceof Uint8Array) {
    if (withDefault || value.length > 0) writeBytes(parts, number, value)
  } else if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') {
    const bits = BigInt.asUintN(64, BigInt(value))
    if (withDefault || bits !== 0n) parts.push(varint(BigInt(number) << 3n), varint(bits))
  }
}

function writeBytes(parts: Uint8Array[], number: number, content: Uint8Array): void {
  parts.push(varint((BigInt(number) << 3n) | 2n), varint(BigInt(content.length)), content)
}

function varint(value: bigint): Uint8Array {
  const out: number[] = []
  for (let rest = value; ; rest >>= 7n) {
    if (rest < 0x80n) return Uint8Array.from([...out, Number(rest)])
    out.push(Number(rest & 0x7fn) | 0x80)
  }
}

/** Orders bytes, and so UTF-8 text, as Go does. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  for (let at = 0; at < Math.min(a.length, b.length); at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0)
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Tells whether bytes are equal. Not in constant time: nothing here is secret. */
export function isSameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0
}
