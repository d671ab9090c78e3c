import { compareUtf8 } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { fromBase64, toBase64 } from './base64.ts'
import { decodeMessage, defaultOf, encodeMessage, type Field, MESSAGE_DEPTH_MAX, type Message, type MessageType } from './message.ts'
import { formatTimestamp, parseTimestamp, timestamp } from './timestamp.ts'

/** What JSON can hold. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json }

type Values = Readonly<Record<string, unknown>>

/**
 * Shows a message as `configtxlator` 2.5 does (`fabric-config/protolator`): names as in the protos and in order, bytes in base64 (null
 * where empty, but not in a list), 64 bits as text, enums by name, absent messages null, and messages in bytes opened where their type
 * is known. Bytes that do not hold what they should are shown in base64; unknown fields are not shown.
 * @param scope - For a `ConfigGroup`: where in the configuration's tree it is, see `ConfigScope`.
 */
export function messageToJson<T extends Message>(type: MessageType<T>, message: T, scope = ''): Json {
  // A message's own properties, seen by name.
  return showMessage(type, message as Values, scope)
}

function showMessage(type: MessageType<Message>, values: Values, scope: string): Json {
  if (type.name === timestamp.name) return showTimestamp(values)
  const shown: [string, Json][] = []
  for (const [name, field] of type.fields) {
    const value = values[name]
    // An absent member of a oneof is not even null.
    if (field.oneof === undefined || value !== undefined) shown.push([protoName(name), showField(field, value, values, scope)])
  }
  return sorted(shown)
}

function showField(field: Field<unknown>, value: unknown, parent: Values, scope: string): Json {
  if (value instanceof Map) {
    return sorted([...value].map(([key, item]) => [String(key), showValue(field, item, parent, scopeBelow(field, scope, String(key)))]))
  }
  if (Array.isArray(value)) return value.map((item) => showValue(field, item, parent, scope) ?? '')
  return showValue(field, value, parent, scopeBelow(field, scope, ''))
}

function showValue(field: Field<unknown>, value: unknown, parent: Values, scope: string): Json {
  if (field.kind === 'message') return isValues(value) && field.type !== undefined ? showMessage(field.type(), value, scope) : null
  if (value instanceof Uint8Array) return showBytes(value, field.opaque?.(parent, scope), scope)
  if (typeof value === 'bigint') return String(value)
  if (field.kind === 'enum' && typeof value === 'number') return field.names?.[value] ?? value
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : null
}

function showBytes(bytes: Uint8Array, type: MessageType<Message> | undefined, scope: string): Json {
  if (bytes.length === 0) return null
  const message = type === undefined ? undefined : decodeMessage(type, bytes)
  return type === undefined || message === undefined || isFault(message) ? toBase64(bytes) : messageToJson(type, message, scope)
}

function showTimestamp({ seconds, nanos }: Values): Json {
  if (typeof seconds !== 'bigint' || typeof nanos !== 'number') return null
  return formatTimestamp({ seconds, nanos }) ?? `${seconds}.${nanos}`
}

function scopeBelow(field: Field<unknown>, scope: string, key: string): string {
  return field.scope === undefined ? scope : field.scope(scope, key)
}

/** `maxMessageCount` is `max_message_count` in the proto. */
function protoName(name: string): string {
  return name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
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
 * @throws KumikoError `fabric-msp/bad-json`, with the path in its context, for unknown names and for values of the wrong kind.
 */
export function messageFromJson<T extends Message>(type: MessageType<T>, json: Json, scope = ''): T {
  // The type's fields are those of T.
  return takeMessage(type, json, scope, []) as T
}

type Path = readonly (string | number)[]

function takeMessage(type: MessageType<Message>, json: Json, scope: string, path: Path): Values {
  if (path.length > MESSAGE_DEPTH_MAX) throw wrong(path, 'nests too deep')
  if (type.name === timestamp.name) return takeTimestamp(json, path)
  if (!isObject(json)) throw wrong(path, `needs an object: ${type.name}`)
  const names = new Map([...type.fields.keys()].map((name) => [protoName(name), name]))
  const unknown = Object.keys(json).find((key) => !names.has(key))
  if (unknown !== undefined) throw wrong([...path, unknown], `is no field of ${type.name}: it has ${[...names.keys()].join(', ')}`)
  const values: Record<string, unknown> = {}
  // What bytes hold may depend on the other fields, so those come first.
  for (const isOpaque of [false, true]) {
    for (const [name, field] of type.fields) {
      if ((field.opaque !== undefined) !== isOpaque) continue
      const key = protoName(name)
      const given = Object.hasOwn(json, key) ? json[key] : undefined
      values[name] = given === undefined || given === null ? defaultOf(field) : takeField(field, given, values, scope, [...path, key])
    }
  }
  return values
}

function takeField(field: Field<unknown>, json: Json, parent: Values, scope: string, path: Path): unknown {
  if (field.label === 'list') {
    if (!isList(json)) throw wrong(path, 'needs a list')
    return json.map((item, at) => takeValue(field, item, parent, scope, [...path, at]))
  }
  if (field.label === 'single') return takeValue(field, json, parent, scopeBelow(field, scope, ''), path)
  if (!isObject(json)) throw wrong(path, 'needs an object')
  const entries = Object.entries(json)
  return new Map(entries.map(([key, item]) => [key, takeValue(field, item, parent, scopeBelow(field, scope, key), [...path, key])]))
}

function takeValue(field: Field<unknown>, json: Json, parent: Values, scope: string, path: Path): unknown {
  switch (field.kind) {
    case 'message':
      return field.type === undefined ? undefined : takeMessage(field.type(), json, scope, path)
    case 'bytes':
      return takeBytes(json, field.opaque?.(parent, scope), scope, path)
    case 'string':
      if (typeof json === 'string' && json.isWellFormed()) return json
      throw wrong(path, 'needs text')
    case 'bool':
      if (typeof json === 'boolean') return json
      throw wrong(path, 'needs true or false')
    case 'enum':
      return takeEnum(json, field.names ?? [], path)
    default:
      return takeInteger(field.kind, json, path)
  }
}

function takeBytes(json: Json, type: MessageType<Message> | undefined, scope: string, path: Path): Uint8Array {
  if (json === null) return new Uint8Array()
  if (typeof json === 'string') {
    const bytes = fromBase64(json)
    if (bytes !== undefined) return bytes
  }
  if (type !== undefined && isObject(json)) return encodeMessage(type, takeMessage(type, json, scope, path))
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
  return new KumikoError('fabric-msp/bad-json', `${at} ${what}`, { context: { path: path.join('.') } })
}
