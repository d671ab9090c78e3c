import {
  bytes,
  compareBytes,
  concatBytes,
  decodeOrderPreservingVarint,
  decodeUtf8,
  encodeUtf8,
  type Message,
  message,
  type Version,
  versionBytes,
  type WireWriter,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import { KeyWriter } from '../key-writer.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import type { StateKey } from './state-database.ts'

/** `stateleveldb.DBValue`. */
interface DBValue {
  readonly version: Uint8Array
  readonly value: Uint8Array
  readonly metadata: Uint8Array
}
const DBValue: Message<DBValue> = message<DBValue>('DBValue', { version: bytes(1), value: bytes(2), metadata: bytes(3) })

/** Stands before all keys of the state. */
export const STATE_PREFIX: Uint8Array = encodeUtf8('d')
/** Comes after all keys of the state. */
export const STATE_END: Uint8Array = encodeUtf8('e')

const SEPARATOR = Uint8Array.of(0)
const AFTER_SEPARATOR = Uint8Array.of(1)

/** Can the namespace be told from its keys? Fabric's all can. */
export function isNamespace(namespace: string): boolean {
  return !namespace.includes('\0')
}

/**
 * A key as Fabric has it in LevelDB: `d`, namespace, 0, key. They order by namespace, then by key.
 * @param namespace - {@link isNamespace}.
 * @see Fabric `core/ledger/kvledger/txmgmt/statedb/stateleveldb`; research § 3.7
 */
export function encodeStateKey(namespace: string, key: string): Uint8Array {
  return putStateKey(new KeyWriter(), namespace, key)
}

/** As {@link encodeStateKey}. @returns The writer's, until its next. */
export function putStateKey(writer: KeyWriter, namespace: string, key: string): Uint8Array {
  return writer.text('d').text(namespace).text('\0').text(key).key()
}

/** What comes after all keys of a namespace. */
export function namespaceEnd(namespace: string): Uint8Array {
  return concatBytes([STATE_PREFIX, encodeUtf8(namespace), AFTER_SEPARATOR])
}

/** The inverse of {@link encodeStateKey}. @returns `fabric-ledger/bad-state-record`. */
export function decodeStateKey(bytes: Uint8Array): StateKey | Fault {
  const at = bytes.indexOf(0)
  const isOurs = at > 0 && compareBytes(bytes.subarray(0, 1), STATE_PREFIX) === 0
  const namespace = isOurs ? decodeUtf8(bytes.subarray(1, at)) : undefined
  const key = decodeUtf8(bytes.subarray(at + SEPARATOR.length))
  return namespace === undefined || key === undefined ? badRecord('no key of a namespace') : { namespace, key }
}

/** Writes a value as Fabric has it in LevelDB. @returns The writer's, until its next message. */
export function putStateValue(writer: WireWriter, { value, metadata, version }: VersionedValue): Uint8Array {
  DBValue.write(writer.restart(), { version: versionBytes(version), value, metadata })
  return writer.view()
}

/** The inverse of {@link putStateValue}, with views. @returns `fabric-ledger/bad-state-record`. */
export function decodeStateValue(bytes: Uint8Array): VersionedValue | Fault {
  const decoded = DBValue.decode(bytes)
  if (isFault(decoded)) return badRecord(decoded.detail ?? decoded.fault)
  const version = decodeVersion(decoded.version)
  return isFault(version) ? version : { value: decoded.value, metadata: decoded.metadata, version }
}

/** @returns KumikoError `fabric-ledger/bad-namespace`: it is no {@link isNamespace}. */
export function badNamespace(namespace: string): KumikoError {
  const message = `namespace ${JSON.stringify(namespace)} holds U+0000: it cannot be told from its keys`
  return new KumikoError('fabric-ledger/bad-namespace', message, { context: { namespace } })
}

function decodeVersion(bytes: Uint8Array): Version | Fault {
  const block = decodeOrderPreservingVarint(bytes)
  if (isFault(block)) return badRecord('a version without block')
  const transaction = decodeOrderPreservingVarint(bytes, block.next)
  if (isFault(transaction) || transaction.next !== bytes.length) return badRecord('a version without transaction')
  return { blockNumber: block.value, transactionNumber: transaction.value }
}

function badRecord(detail: string): Fault {
  return { fault: 'fabric-ledger/bad-state-record', detail }
}
