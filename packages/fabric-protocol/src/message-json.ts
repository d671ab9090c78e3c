import { isFault, KumikoError } from '@kumiko/interface'
import { fromBase64, toBase64 } from './base64.ts'
import { Timestamp } from './header.ts'
import { type JsonNote, jsonNoteOf } from './json-notes.ts'
import { type Field, MESSAGE_DEPTH_MAX, type Message } from './message.ts'
import { formatTimestamp, parseTimestamp } from './timestamp-text.ts'
import { compareUtf8 } from './utf8-order.ts'

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

type Values = Readonly<Record<string, unknown>>

/**
 * Shows a message as `configtxlator` 2.5 does (`fabric-config/protolator`): names as in the protos and in order, bytes in base64 (null
 * where empty, but not in a list), 64 bits as text, enums by name, absent messages null, and messages in bytes opened where their type
 * is known. Bytes that do not hold what they should are shown in base64; unknown fields are not shown.
 * @param scope - For a `ConfigGroup`: where in the configuration's tree it is, see `ConfigScope`.
 */
export function messageToJson<T extends object>(type: Message<T>, message: T, scope = ''): Json {
  // A message's own properties, seen by name.
  return showMessage(type, message as Values, scope)
}

/** A field with all that is known of it. */
interface Known {
  readonly field: Field<unknown>
  readonly note: JsonNote
}

function showMessage(type: Message<object>, values: Values, scope: string): Json {
  if (type === Timestamp) return showTimestamp(values)
  const shown: [string, Json][] = []
  for (const [name, field] of type.fields) {
    const [value, note] = [values[name], jsonNoteOf(type, name)]
    // An absent member of a oneof is not even null.
    if (field.oneof === undefined || value !== undefined)
      shown.push([protoName(name, note), showField({ field, note }, value, values, scope)])
  }
  return sorted(shown)
}

function showField(known: Known, value: unknown, parent: Values, scope: string): Json {
  if (value instanceof Map) {
    return sorted([...value].map(([key, item]) => [String(key), showValue(known, item, parent, scopeBelow(known, scope, String(key)))]))
  }
  if (Array.isArray(value)) return value.map((item) => showValue(known, item, parent, scope) ?? '')
  return showValue(known, value, parent, scopeBelow(known, scope, ''))
}

function showValue({ field, note }: Known, value: unknown, parent: Values, scope: string): Json {
  const { type } = field.shape
  if (type !== undefined) return isValues(value) ? showMessage(type(), value, scope) : null
  if (value instanceof Uint8Array) return showBytes(value, note.holds?.(parent, scope), scope)
  if (typeof value === 'bigint') return String(value)
  if (typeof value === 'number') return note.names?.[value] ?? value
  return typeof value === 'string' || typeof value === 'boolean' ? value : null
}

function showBytes(bytes: Uint8Array, type: Message<object> | undefined, scope: string): Json {
  if (bytes.length === 0) return null
  const message = type?.decode(bytes)
  return type === undefined || message === undefined || isFault(message) ? toBase64(bytes) : messageToJson(type, message, scope)
}

function showTimestamp({ seconds, nanos }: Values): Json {
  if (typeof seconds !== 'bigint' || typeof nanos !== 'number') return null
  return formatTimestamp({ seconds, nanos }) ?? `${seconds}.${nanos}`
}

function scopeBelow({ note }: Known, scope: string, key: string): string {
  return note.scope === undefined ? scope : note.scope(scope, key)
}

/** `maxMessageCount` is `max_message_count` in the proto, as a rule. */
function protoName(name: string, note: JsonNote): string {
  return note.name ?? name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
}

/** As Go writes maps: in the order of the keys' UTF-8. */
function sorted(entries: readonly [string, Json][]): Json {
  return Object.fromEntries([...entries].sort(([a], [b]) => compareUtf8(a, b)))
}

function isValues(value: unknown): value is Values {
  return typeof value === 'object' && value !== null
}

/**
 * Reads a message from JSON of {@link messageToJson}'s shape: `configtxlator proto_encode`. What is left out or null has its default;
 * 64 bits may be numbers, enums may be numbers.
 * @throws KumikoError `fabric-protocol/bad-json`, with the path in its context, for unknown names and for values of the wrong kind.
 */
export function messageFromJson<T extends object>(type: Message<T>, json: Json, scope = ''): T {
  // The type's fields are those of T.
  return takeMessage(type, json, scope, []) as T
}

type Path = readonly (string | number)[]

function takeMessage(type: Message<object>, json: Json, scope: string, path: Path): Values {
  if (path.length > MESSAGE_DEPTH_MAX) throw wrong(path, 'nests too deep')
  if (type === Timestamp) return takeTimestamp(json, path)
  if (!isObject(json)) throw wrong(path, `needs an object: ${type.name}`)
  const known = [...type.fields].map(([name, field]) => ({ name, field, note: jsonNoteOf(type, name) }))
  const names = new Set(known.map(({ name, note }) => protoName(name, note)))
  const unknown = Object.keys(json).find((key) => !names.has(key))
  if (unknown !== undefined) throw wrong([...path, unknown], `is no field of ${type.name}: it has ${[...names].join(', ')}`)
  const values: Record<string, unknown> = {}
  // What bytes hold may depend on the other fields, so those come first.
  for (const isHolder of [false, true]) {
    for (const { name, ...of } of known.filter(({ note }) => (note.holds !== undefined) === isHolder)) {
      const key = protoName(name, of.note)
      const given = Object.hasOwn(json, key) ? json[key] : undefined
      values[name] = given === undefined || given === null ? of.field.initial() : takeField(of, given, values, scope, [...path, key])
    }
  }
  return values
}

function takeField(known: Known, json: Json, parent: Values, scope: string, path: Path): unknown {
  const { label } = known.field.shape
  if (label === 'list') {
    if (!isList(json)) throw wrong(path, 'needs a list')
    return json.map((item, at) => takeValue(known, item, parent, scope, [...path, at]))
  }
  if (label === 'single') return takeValue(known, json, parent, scopeBelow(known, scope, ''), path)
  if (!isObject(json)) throw wrong(path, 'needs an object')
  const entries = Object.entries(json)
  return new Map(entries.map(([key, item]) => [key, takeValue(known, item, parent, scopeBelow(known, scope, key), [...path, key])]))
}

function takeValue({ field, note }: Known, json: Json, parent: Values, scope: string, path: Path): unknown {
  const { kind, type } = field.shape
  if (type !== undefined) return takeMessage(type(), json, scope, path)
  switch (kind) {
    case 'message':
      return undefined
    case 'bytes':
      return takeBytes(json, note.holds?.(parent, scope), scope, path)
    case 'string':
      if (typeof json === 'string' && json.isWellFormed()) return json
      throw wrong(path, 'needs text')
    case 'bool':
      if (typeof json === 'boolean') return json
      throw wrong(path, 'needs true or false')
    default:
      return note.names === undefined ? takeInteger(kind, json, path) : takeEnum(json, note.names, path)
  }
}

function takeBytes(json: Json, type: Message<object> | undefined, scope: string, path: Path): Uint8Array {
  if (json === null) return new Uint8Array()
  if (typeof json === 'string') {
    const bytes = fromBase64(json)
    if (bytes !== undefined) return bytes
  }
  if (type !== undefined && isObject(json)) return type.encode(takeMessage(type, json, scope, path))
  throw wrong(path, type === undefined ? 'needs base64' : `needs base64 or an object: ${type.name}`)
}

function takeEnum(json: Json, names: readonly string[], path: Path): number {
  const found = typeof json === 'string' ? names.indexOf(json) : -1
  if (found >= 0) return found
  if (typeof json === 'number') return Number(takeInteger('int32', json, path))
  throw wrong(path, `needs one of ${names.join(', ')}`)
}

const RANGES = {
  int32: [-(2n ** 31n), 2n ** 31n - 1n],
  uint32: [0n, 2n ** 32n - 1n],
  int64: [-(2n ** 63n), 2n ** 63n - 1n],
  uint64: [0n, 2n ** 64n - 1n],
} as const

function takeInteger(kind: keyof typeof RANGES, json: Json, path: Path): number | bigint {
  const isText = typeof json === 'string' && /^-?\d{1,20}$/.test(json)
  const value = isText || (typeof json === 'number' && Number.isSafeInteger(json)) ? BigInt(json) : undefined
  const [least, most] = RANGES[kind]
  if (value === undefined || value < least || value > most) throw wrong(path, `needs a whole number from ${least} to ${most}`)
  return kind === 'int64' || kind === 'uint64' ? value : Number(value)
}

function takeTimestamp(json: Json, path: Path): Values {
  const parsed = typeof json === 'string' ? parseTimestamp(json) : undefined
  if (parsed === undefined) throw wrong(path, 'needs a time such as 2026-11-21T02:56:50Z')
  return { ...parsed }
}

function isObject(json: Json): json is { readonly [key: string]: Json } {
  return typeof json === 'object' && json !== null && !Array.isArray(json)
}

function isList(json: Json): json is readonly Json[] {
  return Array.isArray(json)
}

function wrong(path: Path, what: string): KumikoError {
  const at = path.length === 0 ? 'the JSON' : path.join('.')
  return new KumikoError('fabric-protocol/bad-json', `${at} ${what}`, { context: { path: path.join('.') } })
}
