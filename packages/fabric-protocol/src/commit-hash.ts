import { concatBytes, sha256 } from './hash.ts'
import { bool, bytes, type Message, message, repeatedNested, string } from './message.ts'
import { encodeOrderPreservingVarint } from './order-preserving-varint.ts'
import type { Version } from './read-write-set.ts'
import { compareBytes, compareUtf8 } from './utf8-order.ts'
import { encodeUtf8, encodeVarint } from './wire.ts'

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

interface KVWriteProto {
  readonly namespace: string
  readonly collection: string
  readonly key: Uint8Array
  readonly isDelete: boolean
  readonly value: Uint8Array
  readonly versionBytes: Uint8Array
}
interface Updates {
  readonly writes: readonly KVWriteProto[]
}
const KVWriteProto: Message<KVWriteProto> = message<KVWriteProto>('KVWriteProto', {
  namespace: string(1),
  collection: string(2),
  key: bytes(3),
  isDelete: bool(4),
  value: bytes(5),
  versionBytes: bytes(6),
})
const Updates: Message<Updates> = message<Updates>('Updates', { writes: repeatedNested(1, () => KVWriteProto) })

/** A version as bytes that order as versions do: both numbers as order-preserving varints. @see Fabric `version.Height` ToBytes */
export function versionBytes(version: Version): Uint8Array {
  return concatBytes([encodeOrderPreservingVarint(version.blockNumber), encodeOrderPreservingVarint(version.transactionNumber)])
}

/**
 * What a block changes, as bytes: namespaces by UTF-8, but not `''`, which holds the channel's configuration; in each the public keys, then
 * the collections with their key hashes. A namespace's name stands at its first entry only, a collection's too. Metadata is not part of it.
 * @see Fabric `core/ledger/kvledger/txmgmt/privacyenabledstate/db.go`, `deterministic_bytes.go`
 */
export function updateBytes(namespaces: readonly NamespaceUpdates[]): Uint8Array {
  const writes = namespaces
    .filter(({ namespace }) => namespace !== '')
    .toSorted((a, b) => compareUtf8(a.namespace, b.namespace))
    .flatMap(writesOf)
  return Updates.encode({ writes })
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

function writesOf({ namespace, updates, collections }: NamespaceUpdates): KVWriteProto[] {
  const open = updates.toSorted((a, b) => compareUtf8(a.key, b.key)).map((update) => writeOf(update, encodeUtf8(update.key)))
  const hidden = collections
    .toSorted((a, b) => compareUtf8(a.collection, b.collection))
    .flatMap(({ collection, updates }) => {
      const sorted = updates.toSorted((a, b) => compareBytes(a.key, b.key)).map((update) => writeOf(update, update.key))
      return sorted.map((write, index) => (index === 0 ? { ...write, collection } : write))
    })
  return [...open, ...hidden].map((write, index) => (index === 0 ? { ...write, namespace } : write))
}

function writeOf({ value, version }: Update<unknown>, key: Uint8Array): KVWriteProto {
  const isDelete = value === undefined
  return { namespace: '', collection: '', key, isDelete, value: value ?? new Uint8Array(), versionBytes: versionBytes(version) }
}
