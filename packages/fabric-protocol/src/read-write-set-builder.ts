import { hashKey, sha256 } from './hash.ts'
import {
  type CollectionHashedReadWriteSet,
  type CollectionPrivateReadWriteSet,
  type KVMetadataEntry,
  type KVRead,
  KVRWSet,
  type KVWrite,
  type NamespaceReadWriteSet,
  type PrivateReadWriteSet,
  type RangeQueryInfo,
  type ReadWriteSet,
  type Version,
} from './read-write-set.ts'
import { compareUtf8 } from './utf8-order.ts'

/** A write of a simulation. No value, or an empty one, deletes the key. */
export interface SimulatedWrite {
  readonly key: string
  readonly value: Uint8Array | undefined
}

/** A private write of a simulation. */
export interface SimulatedPrivateWrite extends SimulatedWrite {
  /** Deletes the key with its private history; `value` is undefined then. */
  readonly isPurge?: boolean
}

/** All of a key's metadata by name; none removes it. */
export interface SimulatedMetadataWrite {
  readonly key: string
  readonly metadata: ReadonlyMap<string, Uint8Array>
}

/** What a simulation did in a collection, by plain keys. */
export interface SimulatedCollection {
  readonly collection: string
  /** Reads of hashes and of values. */
  readonly reads: readonly { readonly key: string; readonly version: Version | undefined }[]
  readonly writes: readonly SimulatedPrivateWrite[]
  readonly metadataWrites: readonly SimulatedMetadataWrite[]
}

/** What a simulation did in a namespace. Of two entries with one key the later counts. */
export interface SimulatedNamespace {
  readonly namespace: string
  readonly reads: readonly KVRead[]
  /** Keeps its order; of two with the same range the first counts. */
  readonly rangeQueries: readonly RangeQueryInfo[]
  readonly writes: readonly SimulatedWrite[]
  readonly metadataWrites: readonly SimulatedMetadataWrite[]
  readonly collections: readonly SimulatedCollection[]
}

/** What a simulation comes down to: what all may see, and what only the collections' members may, if anything. */
export interface ReadWriteSets {
  readonly public: ReadWriteSet
  readonly private: PrivateReadWriteSet | undefined
}

/**
 * Orders what a simulation did as each Fabric peer would, so that their responses are the same bytes: namespaces, collections, keys and
 * names of metadata by UTF-8, hashed entries by their plain keys, range queries as they came.
 * @param namespaces - Each namespace once, each collection once in its namespace.
 * @throws KumikoError `fabric-protocol/bad-string` for keys that have no UTF-8.
 * @see Fabric `core/ledger/kvledger/txmgmt/rwsetutil/rwset_builder.go`
 */
export function buildReadWriteSets(namespaces: readonly SimulatedNamespace[]): ReadWriteSets {
  const ordered = sortBy(namespaces, ({ namespace }) => namespace)
  const privates = ordered.map(({ namespace, collections }) => ({ namespace, collections: buildPrivate(collections) }))
  const written = privates.filter(({ collections }) => collections.length > 0)
  return {
    public: { namespaces: ordered.map((simulated, index) => buildNamespace(simulated, privates[index]?.collections ?? [])) },
    private: written.length === 0 ? undefined : { namespaces: written },
  }
}

function buildNamespace(simulated: SimulatedNamespace, privates: readonly CollectionPrivateReadWriteSet[]): NamespaceReadWriteSet {
  const { namespace, reads, rangeQueries, writes, metadataWrites, collections } = simulated
  return {
    namespace,
    keyValue: {
      reads: sortByKey(reads),
      rangeQueriesInfo: distinctRanges(rangeQueries),
      writes: sortByKey(writes).map(writeOf),
      metadataWrites: sortByKey(metadataWrites).map(({ key, metadata }) => ({ key, entries: entriesOf(metadata) })),
    },
    collections: sortBy(collections, ({ collection }) => collection).map((simulated) => buildHashed(simulated, privates)),
  }
}

function buildHashed(simulated: SimulatedCollection, privates: readonly CollectionPrivateReadWriteSet[]): CollectionHashedReadWriteSet {
  const { collection, reads, writes, metadataWrites } = simulated
  const written = privates.find((candidate) => candidate.collection === collection)
  return {
    collection,
    hashed: {
      hashedReads: sortByKey(reads).map(({ key, version }) => ({ keyHash: hashKey(key), version })),
      hashedWrites: sortByKey(writes).map(({ key, value, isPurge = false }) => ({
        keyHash: hashKey(key),
        isDelete: isEmpty(value),
        valueHash: isEmpty(value) ? new Uint8Array() : sha256(value ?? new Uint8Array()),
        isPurge,
      })),
      metadataWrites: sortByKey(metadataWrites).map(({ key, metadata }) => ({ keyHash: hashKey(key), entries: entriesOf(metadata) })),
    },
    privateHash: written === undefined ? new Uint8Array() : sha256(written.bytes),
  }
}

/** Collections that were written to. Of metadata the private set names the keys alone. */
function buildPrivate(collections: readonly SimulatedCollection[]): CollectionPrivateReadWriteSet[] {
  const written = collections.filter(({ writes, metadataWrites }) => writes.length > 0 || metadataWrites.length > 0)
  return sortBy(written, ({ collection }) => collection).map(({ collection, writes, metadataWrites }) => {
    const keyValue: KVRWSet = {
      reads: [],
      rangeQueriesInfo: [],
      writes: sortByKey(writes).map(writeOf),
      metadataWrites: sortByKey(metadataWrites).map(({ key }) => ({ key, entries: [] })),
    }
    return { collection, keyValue, bytes: KVRWSet.encode(keyValue) }
  })
}

function writeOf({ key, value }: SimulatedWrite): KVWrite {
  return { key, isDelete: isEmpty(value), value: value ?? new Uint8Array() }
}

function isEmpty(value: Uint8Array | undefined): boolean {
  return (value?.length ?? 0) === 0
}

function entriesOf(metadata: ReadonlyMap<string, Uint8Array>): KVMetadataEntry[] {
  return sortBy([...metadata], ([name]) => name).map(([name, value]) => ({ name, value }))
}

function distinctRanges(queries: readonly RangeQueryInfo[]): RangeQueryInfo[] {
  const distinct = new Map<string, RangeQueryInfo>()
  for (const query of queries) {
    const range = JSON.stringify([query.startKey, query.endKey, query.itrExhausted])
    if (!distinct.has(range)) distinct.set(range, query)
  }
  return [...distinct.values()]
}

function sortByKey<T extends { readonly key: string }>(entries: readonly T[]): T[] {
  const last = new Map(entries.map((entry) => [entry.key, entry]))
  return sortBy([...last.values()], ({ key }) => key)
}

function sortBy<T>(entries: readonly T[], textOf: (entry: T) => string): T[] {
  return entries.toSorted((a, b) => compareUtf8(textOf(a), textOf(b)))
}
