import { compareUtf8, concatBytes, encodeUtf8, equalBytes, WireReader, WireType, WireWriter } from '@kumiko/fabric-protocol'
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
  return equalBytes(encodeMessage(type, a), encodeMessage(type, b))
}

// Reading.

/**
 * Reads a message as Go's protobuf does: repeated messages of one field merge, the last scalar and the last member of a oneof count,
 * a known field of the wrong wire type is unknown, text is UTF-8.
 * @param input - Never throws for any bytes. The message's bytes are views of it.
 * @returns `fabric-msp/bad-message` where Go refuses the bytes, and for what nests deeper than {@link MESSAGE_DEPTH_MAX}.
 */
export function decodeMessage<T extends Message>(type: MessageType<T>, input: Uint8Array): T | Fault {
  const message = read(type, input, 0)
  // The type's fields are those of T: `messageType` asks for it.
  return isFault(message) ? message : (message as T)
}

type Draft = Record<string, unknown>

interface Unknown {
  readonly number: number
  readonly type: WireType
  readonly raw: Uint8Array
}

function read(type: MessageType<Message>, input: Uint8Array, depth: number): Draft | Fault {
  const draft: Draft = {}
  for (const [name, field] of type.fields) draft[name] = defaultOf(field)
  const parts = new Map<string, Uint8Array[]>()
  const unknown: Unknown[] = []
  const reader = new WireReader(input)
  if (depth > MESSAGE_DEPTH_MAX) reader.fail('nests too deep')
  while (reader.next()) {
    const known = type.byNumber.get(reader.number)
    if (known === undefined || !reader.is(reader.number, wireTypeOf(known[1]))) {
      unknown.push({ number: reader.number, type: reader.type, raw: reader.raw })
      continue
    }
    const fault = readField(type, draft, parts, known, reader, depth)
    if (fault !== undefined) return fault
  }
  if (reader.fault !== undefined) return { fault: 'fabric-msp/bad-message', detail: `${type.name}: ${reader.fault.detail ?? ''}` }
  if (unknown.length > 0) draft.unknownFields = writeUnknown(unknown)
  return mergeParts(type, draft, parts, depth)
}

/** Puts a field into the draft. */
function readField(
  type: MessageType<Message>,
  draft: Draft,
  parts: Map<string, Uint8Array[]>,
  [name, field]: readonly [string, Field<unknown>],
  reader: WireReader,
  depth: number,
): Fault | undefined {
  if (field.label === 'map') return readEntry(draft[name], field, reader.bytes, depth)
  if (field.oneof !== undefined) clearOthers(type, draft, parts, name, field.oneof)
  const value = field.kind === 'message' ? readNested(field, reader.bytes, depth) : readScalar(field.kind, reader)
  if (isFault(value)) return value
  if (field.label === 'single') draft[name] = value
  else if (Array.isArray(draft[name])) draft[name].push(value)
  if (field.kind === 'message' && field.label === 'single') keepPart(parts, name, reader.bytes)
  return undefined
}

function keepPart(parts: Map<string, Uint8Array[]>, name: string, part: Uint8Array): void {
  const earlier = parts.get(name)
  if (earlier === undefined) parts.set(name, [part])
  else earlier.push(part)
}

/** Messages that came in parts, each well formed, are what the parts one after the other are. Once for all parts: they may be many. */
function mergeParts(
  type: MessageType<Message>,
  draft: Draft,
  parts: ReadonlyMap<string, readonly Uint8Array[]>,
  depth: number,
): Draft | Fault {
  for (const [name, list] of parts) {
    const field = type.fields.get(name)
    if (field === undefined || list.length < 2) continue
    const value = readNested(field, concatBytes(list), depth)
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
  const entry = read(entryType(field), input, depth)
  if (isFault(entry)) return entry
  // An absent message is an empty one here.
  const content = entry.value ?? readNested(field, new Uint8Array(), depth)
  if (map instanceof Map) map.set(entry.key, content)
  return undefined
}

function entryType(field: Field<unknown>): MessageType<Message> {
  const { label: _, scope: __, ...rest } = field
  const value: readonly [string, Field<unknown>] = ['value', { ...rest, number: 2, label: 'single' }]
  const key: readonly [string, Field<unknown>] = ['key', text(1)]
  return {
    name: `entry of field ${field.number}`,
    fields: new Map([key, value]),
    byNumber: new Map([[1, key] as const, [2, value] as const]),
  }
}

/** Text that is not UTF-8 fails the reader. */
function readScalar(kind: FieldKind, reader: WireReader): unknown {
  switch (kind) {
    case 'string':
      return reader.string()
    case 'bytes':
      return reader.bytes
    case 'bool':
      return reader.bool()
    case 'int64':
      return reader.int64()
    case 'uint64':
      return reader.uint64()
    case 'uint32':
      return reader.uint32()
    default:
      return reader.int32()
  }
}

function wireTypeOf(field: Field<unknown>): WireType {
  const isBytes = field.label === 'map' || field.kind === 'string' || field.kind === 'bytes' || field.kind === 'message'
  return isBytes ? WireType.bytes : WireType.varint
}

// Writing.

/**
 * Writes a message as Go's deterministic marshalling does: ascending fields, maps by their keys' UTF-8, defaults left out, unknown
 * fields last.
 * @throws KumikoError `fabric-protocol/bad-string` for half a surrogate pair.
 */
export function encodeMessage<T extends Message>(type: MessageType<T>, message: T): Uint8Array {
  const writer = new WireWriter()
  // A message's own properties, seen by name.
  const values = message as Readonly<Record<string, unknown>>
  for (const [name, field] of type.fields) writeField(writer, field, values[name])
  if (message.unknownFields !== undefined) writer.append(message.unknownFields)
  return writer.finish()
}

function writeField(writer: WireWriter, field: Field<unknown>, value: unknown): void {
  if (value === undefined) return
  if (value instanceof Map) {
    const entries = [...value].map(([key, content]): [string, unknown] => [String(key), content])
    for (const [key, content] of entries.sort(([a], [b]) => compareUtf8(a, b)))
      writer.element(field.number, writeEntry(field, key, content))
  } else if (Array.isArray(value)) {
    for (const item of value) writeOne(writer, field.number, field, item)
  } else if (field.oneof !== undefined || !isDefault(value)) {
    writeOne(writer, field.number, field, value)
  }
}

/** Go writes both, defaults too. */
function writeEntry(field: Field<unknown>, key: string, value: unknown): Uint8Array {
  const writer = new WireWriter().element(1, encodeUtf8(key))
  writeOne(writer, 2, field, value)
  return writer.finish()
}

function isDefault(value: unknown): boolean {
  return value === '' || value === 0 || value === 0n || value === false || (value instanceof Uint8Array && value.length === 0)
}

function writeOne(writer: WireWriter, number: number, field: Field<unknown>, value: unknown): void {
  if (typeof value === 'string') writer.element(number, encodeUtf8(value))
  else if (value instanceof Uint8Array) writer.element(number, value)
  else if (typeof value === 'object' && value !== null && field.type !== undefined)
    writer.element(number, encodeMessage(field.type(), value))
  else if (typeof value === 'bigint' || typeof value === 'number' || typeof value === 'boolean') {
    writer.presentVarint(number, BigInt.asUintN(64, BigInt(value)))
  }
}

function writeUnknown(unknown: Unknown[]): Uint8Array {
  const writer = new WireWriter()
  for (const { number, type, raw } of unknown.sort((a, b) => a.number - b.number)) writer.rawField(number, type, raw)
  return writer.finish()
}
