import type { StateChange, StateEntry } from '@kumiko/fabric-ledger'
import {
  concatBytes,
  decodeOrderPreservingVarint,
  encodeUtf8,
  toHex,
  type Version,
  versionBytes,
  WireReader,
  WireType,
  WireWriter,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { type Json, type JsonObject, readJsonBytes, writeObject, writeString } from './json.ts'

/** A document's members, each value as JSON, without `_id` and `_rev`. */
export type Members = ReadonlyMap<string, string>

const VERSION = '~version'
const ATTACHMENT = 'valueBytes'
const DELETED: Members = new Map([['_deleted', 'true']])

/**
 * Why CouchDB cannot hold a write: a key that is empty, begins with `_` or has no UTF-8; a JSON object with a member `~version` or one that
 * begins with `_`. Whoever validates blocks must ask, for the code 24.
 * @returns Fabric's words: chaincode is told them.
 * @see Fabric `core/ledger/kvledger/txmgmt/statedb/statecouchdb/couchdoc_conv.go` validateKey, validateValue
 */
export function refusalOf(key: string, value: Uint8Array): string | undefined {
  if (!isKey(key)) return keyRefusal(key)
  const reserved = [...(objectOf(value)?.members.keys() ?? [])].find((name) => name === VERSION || name.startsWith('_'))
  return reserved === undefined ? undefined : `field [${reserved.slice(0, 200)}] is not valid for the CouchDB state database`
}

function keyRefusal(key: string): string {
  if (key === '') return 'invalid key. Empty string is not supported as a key by couchdb'
  if (!key.isWellFormed()) return `invalid key [${toHex(new TextEncoder().encode(key.slice(0, 200)))}], must be a UTF-8 string`
  return `invalid key [${key.slice(0, 200)}], cannot begin with "_"`
}

/** Can a document have the key? */
export function isKey(key: string): boolean {
  return key !== '' && !key.startsWith('_') && key.isWellFormed()
}

/**
 * What a change makes of its key's document. A JSON object becomes the document itself, as Go reads it: numbers are 64-bit floats. What is
 * not a JSON object becomes an attachment, byte for byte.
 * @throws KumikoError `fabric-couchdb/bad-write`, where {@link refusalOf} tells why.
 * @see Fabric `couchdoc_conv.go` keyValToCouchDoc
 */
export function membersOf({ key, value, metadata, version }: StateChange): Members {
  const refusal = refusalOf(key, value ?? new Uint8Array())
  if (refusal !== undefined) throw new KumikoError('fabric-couchdb/bad-write', refusal)
  if (value === undefined) return DELETED
  const members = new Map<string, string>([[VERSION, writeString(toBase64(versionAndMetadata(version, metadata)))]])
  const object = objectOf(value)
  if (object === undefined) members.set('_attachments', attachmentText(value))
  else for (const [name, { text }] of object.members) members.set(name, text)
  return members
}

/** What a document tells. */
export interface StoredEntry extends StateEntry {
  readonly revision: string
}

/**
 * What a document holds. Of JSON the members are sorted, space is gone, and numbers are as CouchDB writes them: what Fabric's peer reads too.
 * @returns Undefined where an attachment's bytes were left out, to be read alone.
 * @throws KumikoError `fabric-couchdb/bad-document`
 * @see Fabric `couchdoc_conv.go` couchDocToKeyValue
 */
export function entryOf(document: JsonObject): StoredEntry | undefined {
  const key = stringOf(document, '_id')
  const told = versionOf(stringOf(document, VERSION))
  if (key === undefined || told === undefined) throw badDocument(key)
  const value = valueIn(document, key)
  return value && { key, value, ...told, revision: stringOf(document, '_rev') ?? '' }
}

/** A member that is a string. */
export function stringOf(json: Json | undefined, name: string): string | undefined {
  const member = memberOf(json, name)
  return member?.kind === 'string' ? member.value : undefined
}

/** A member of an object; undefined of anything else. */
export function memberOf(json: Json | undefined, name: string): Json | undefined {
  return json?.kind === 'object' ? json.members.get(name) : undefined
}

function valueIn(document: JsonObject, key: string): Uint8Array | undefined {
  const attachments = memberOf(document, '_attachments')
  if (attachments === undefined) return encodeUtf8(writeObject(ownMembers(document)))
  const attachment = memberOf(attachments, ATTACHMENT)
  if (attachment === undefined) throw badDocument(key)
  const data = stringOf(attachment, 'data')
  return data === undefined ? undefined : fromBase64(data)
}

function* ownMembers({ members }: JsonObject): Generator<readonly [string, string]> {
  for (const [name, { text }] of members) if (name !== '_id' && name !== '_rev' && name !== VERSION) yield [name, text]
}

/** Undefined for what is not a JSON object, `null` too. */
function objectOf(value: Uint8Array): JsonObject | undefined {
  const json = readJsonBytes(value, 'nearest')
  return json?.kind === 'object' ? json : undefined
}

function attachmentText(value: Uint8Array): string {
  return `{"${ATTACHMENT}":{"content_type":"application/octet-stream","data":"${toBase64(value)}"}}`
}

/** @see Fabric `statecouchdb/dbvalue.proto` VersionAndMetadata */
function versionAndMetadata(version: Version, metadata: Uint8Array): Uint8Array {
  return new WireWriter().bytes(1, versionBytes(version)).bytes(2, metadata).finish()
}

function versionOf(text: string | undefined): { readonly version: Version; readonly metadata: Uint8Array } | undefined {
  if (text === undefined) return
  const parts: [Uint8Array, Uint8Array] = [new Uint8Array(), new Uint8Array()]
  const reader = new WireReader(fromBase64(text))
  while (reader.next()) {
    if (reader.is(1, WireType.bytes)) parts[0] = reader.bytes
    else if (reader.is(2, WireType.bytes)) parts[1] = reader.bytes
  }
  const block = decodeOrderPreservingVarint(parts[0])
  const transaction = isFault(block) ? block : decodeOrderPreservingVarint(parts[0], block.next)
  if (reader.fault || isFault(block) || isFault(transaction)) return
  return { version: { blockNumber: block.value, transactionNumber: transaction.value }, metadata: concatBytes([parts[1]]) }
}

function toBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('base64')
}

/** Bytes that share no memory with others, which `Buffer.from` may. */
function fromBase64(text: string): Uint8Array {
  return new Uint8Array(Buffer.from(text, 'base64'))
}

function badDocument(key: string | undefined): KumikoError {
  const message =
    'a document has no id, version or value: something else wrote to the database; remove its databases, to have them made anew'
  return new KumikoError('fabric-couchdb/bad-document', message, { context: { key } })
}
