import { sha256 } from './hash.ts'
import { encodeOrderPreservingPair } from './order-preserving-varint.ts'
import type { Version } from './read-write-set.ts'
import { compareBytes, compareUtf8 } from './utf8-order.ts'
import { encodeUtf8, encodeVarint, WireWriter } from './wire.ts'

/** A key's new value as a block leaves it. */
export interface Update<Key> {
  /** Text in public, a hash's bytes in a collection. */
  readonly key: Key
  /** Undefined where the key is deleted; a hash in a collection. */
  readonly value: Uint8Array | undefined
  readonly version: Version
}

/** What a block changes in a namespace: public keys, and hashes of each collection's keys. Each key once, in any order. */
export interface NamespaceUpdates {
  readonly namespace: string
  readonly updates: readonly Update<string>[]
  readonly collections: readonly { readonly collection: string; readonly updates: readonly Update<Uint8Array>[] }[]
}

/** A version as bytes that order as versions do: both numbers as order-preserving varints. @see Fabric `version.Height` ToBytes */
export function versionBytes(version: Version): Uint8Array {
  return encodeOrderPreservingPair(version.blockNumber, version.transactionNumber)
}

/**
 * What a block changes, as bytes: namespaces by UTF-8, but not `''`, which holds the channel's configuration; in each the public keys, then
 * the collections with their key hashes. A namespace's name stands at its first entry only, a collection's too. Metadata is not part of it.
 * @see Fabric `core/ledger/kvledger/txmgmt/privacyenabledstate/db.go`, `deterministic_bytes.go`
 */
export function updateBytes(namespaces: readonly NamespaceUpdates[]): Uint8Array {
  const [writer, entry] = [new WireWriter(), new WireWriter()]
  const sorted = namespaces.filter(({ namespace }) => namespace !== '').toSorted((a, b) => compareUtf8(a.namespace, b.namespace))
  for (const each of sorted) writeNamespace(writer, entry, each)
  return writer.finish()
}

/**
 * A block's commit hash, over all that blocks have changed so far: peers that agree on it have the same state.
 * @param filter - The validation codes, a byte a transaction.
 * @param updates - {@link updateBytes}.
 * @param previous - That of the block before; undefined at block 1: block 0 has none.
 * @see Fabric `core/ledger/kvledger/kv_ledger.go` addBlockCommitHash
 */
export function commitHash(filter: Uint8Array, updates: Uint8Array, previous: Uint8Array | undefined): Uint8Array {
  return sha256(encodeVarint(BigInt(filter.length)), filter, updates, previous ?? new Uint8Array())
}

/** Names not told yet, of which the next entry tells. */
interface Place {
  namespace: string
  collection: string
}

/** Entries are field 1, a `KVWriteProto` each. */
function writeNamespace(writer: WireWriter, entry: WireWriter, { namespace, updates, collections }: NamespaceUpdates): void {
  const place: Place = { namespace, collection: '' }
  for (const update of updates.toSorted((a, b) => compareUtf8(a.key, b.key)))
    writer.element(1, writeEntry(entry, update, encodeUtf8(update.key), place))
  for (const { collection, updates } of collections.toSorted((a, b) => compareUtf8(a.collection, b.collection))) {
    place.collection = collection
    for (const update of updates.toSorted((a, b) => compareBytes(a.key, b.key)))
      writer.element(1, writeEntry(entry, update, update.key, place))
  }
}

/** @returns A view, until the next entry. */
function writeEntry(entry: WireWriter, { value, version }: Update<unknown>, key: Uint8Array, place: Place): Uint8Array {
  const { namespace, collection } = place
  place.namespace = ''
  place.collection = ''
  return entry
    .restart()
    .string(1, namespace)
    .string(2, collection)
    .bytes(3, key)
    .bool(4, value === undefined)
    .bytes(5, value ?? NOTHING)
    .bytes(6, versionBytes(version))
    .view()
}

const NOTHING = new Uint8Array()
