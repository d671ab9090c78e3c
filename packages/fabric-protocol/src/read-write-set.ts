import { type Fault, isFault } from '@kumiko/interface'
import { sha256 } from './hash.ts'
import { atLevel } from './level.ts'
import {
  bool,
  bytes,
  int32,
  type Message,
  message,
  nested,
  oneOf,
  repeatedBytes,
  repeatedNested,
  string,
  uint32,
  uint64,
} from './message.ts'
import { equalBytes } from './utf8-order.ts'

/** Where a value was written: its height. `kvrwset.Version`. */
export interface Version {
  readonly blockNumber: bigint
  readonly transactionNumber: bigint
}

/** `kvrwset.Version`. */
export const Version: Message<Version> = message<Version>('kvrwset.Version', { blockNumber: uint64(1), transactionNumber: uint64(2) })

/** `kvrwset.KVRead`. */
export interface KVRead {
  readonly key: string
  /** Undefined where the key was absent. */
  readonly version: Version | undefined
}

/** `kvrwset.KVRead`. */
export const KVRead: Message<KVRead> = message<KVRead>('kvrwset.KVRead', { key: string(1), version: nested(2, () => Version) })

/** `kvrwset.KVWrite`. Whether it deletes: {@link isDeletion}. */
export interface KVWrite {
  readonly key: string
  readonly isDelete: boolean
  readonly value: Uint8Array
}

/** `kvrwset.KVWrite`. */
export const KVWrite: Message<KVWrite> = message<KVWrite>('kvrwset.KVWrite', { key: string(1), isDelete: bool(2), value: bytes(3) })

/** `kvrwset.KVMetadataEntry`. */
export interface KVMetadataEntry {
  readonly name: string
  readonly value: Uint8Array
}

/** `kvrwset.KVMetadataEntry`. */
export const KVMetadataEntry: Message<KVMetadataEntry> = message<KVMetadataEntry>('kvrwset.KVMetadataEntry', {
  name: string(1),
  value: bytes(2),
})

/** All of a key's metadata from now on: no entries removes it. `kvrwset.KVMetadataWrite`. */
export interface KVMetadataWrite {
  readonly key: string
  readonly entries: readonly KVMetadataEntry[]
}

/** `kvrwset.KVMetadataWrite`. */
export const KVMetadataWrite: Message<KVMetadataWrite> = message<KVMetadataWrite>('kvrwset.KVMetadataWrite', {
  key: string(1),
  entries: repeatedNested(2, () => KVMetadataEntry),
})

/** What a range query read. `kvrwset.QueryReads`. */
export interface QueryReads {
  readonly kvReads: readonly KVRead[]
}

/** `kvrwset.QueryReads`. */
export const QueryReads: Message<QueryReads> = message<QueryReads>('kvrwset.QueryReads', { kvReads: repeatedNested(1, () => KVRead) })

/** What many reads come down to: see {@link RangeQueryResults}. `kvrwset.QueryReadsMerkleSummary`. */
export interface QueryReadsMerkleSummary {
  readonly maxDegree: number
  readonly maxLevel: number
  readonly maxLevelHashes: readonly Uint8Array[]
}

/** `kvrwset.QueryReadsMerkleSummary`. */
export const QueryReadsMerkleSummary: Message<QueryReadsMerkleSummary> = message<QueryReadsMerkleSummary>(
  'kvrwset.QueryReadsMerkleSummary',
  {
    maxDegree: uint32(1),
    maxLevel: uint32(2),
    maxLevelHashes: repeatedBytes(3),
  },
)

/** `kvrwset.RangeQueryInfo`. One of raw reads and Merkle hashes, or neither where nothing was read. */
export interface RangeQueryInfo {
  readonly startKey: string
  /** Excluded from the range where the iterator was exhausted, else the last key read. */
  readonly endKey: string
  readonly itrExhausted: boolean
  readonly rawReads: QueryReads | undefined
  readonly readsMerkleHashes: QueryReadsMerkleSummary | undefined
}

/** `kvrwset.RangeQueryInfo`. */
export const RangeQueryInfo: Message<RangeQueryInfo> = message<RangeQueryInfo>('kvrwset.RangeQueryInfo', {
  startKey: string(1),
  endKey: string(2),
  itrExhausted: bool(3),
  rawReads: oneOf(
    'reads',
    nested(4, () => QueryReads),
  ),
  readsMerkleHashes: oneOf(
    'reads',
    nested(5, () => QueryReadsMerkleSummary),
  ),
})

/** Public reads and writes of one namespace, or private writes of one collection. `kvrwset.KVRWSet`. */
export interface KVRWSet {
  readonly reads: readonly KVRead[]
  readonly rangeQueriesInfo: readonly RangeQueryInfo[]
  readonly writes: readonly KVWrite[]
  readonly metadataWrites: readonly KVMetadataWrite[]
}

/** `kvrwset.KVRWSet`. */
export const KVRWSet: Message<KVRWSet> = message<KVRWSet>('kvrwset.KVRWSet', {
  reads: repeatedNested(1, () => KVRead),
  rangeQueriesInfo: repeatedNested(2, () => RangeQueryInfo),
  writes: repeatedNested(3, () => KVWrite),
  metadataWrites: repeatedNested(4, () => KVMetadataWrite),
})

/** `kvrwset.KVReadHash`. */
export interface KVReadHash {
  readonly keyHash: Uint8Array
  readonly version: Version | undefined
}

/** `kvrwset.KVReadHash`. */
export const KVReadHash: Message<KVReadHash> = message<KVReadHash>('kvrwset.KVReadHash', {
  keyHash: bytes(1),
  version: nested(2, () => Version),
})

/** `kvrwset.KVWriteHash`. */
export interface KVWriteHash {
  readonly keyHash: Uint8Array
  readonly isDelete: boolean
  readonly valueHash: Uint8Array
  /** The key's private history is to go too. */
  readonly isPurge: boolean
}

/** `kvrwset.KVWriteHash`. */
export const KVWriteHash: Message<KVWriteHash> = message<KVWriteHash>('kvrwset.KVWriteHash', {
  keyHash: bytes(1),
  isDelete: bool(2),
  valueHash: bytes(3),
  isPurge: bool(4),
})

/** `kvrwset.KVMetadataWriteHash`. */
export interface KVMetadataWriteHash {
  readonly keyHash: Uint8Array
  readonly entries: readonly KVMetadataEntry[]
}

/** `kvrwset.KVMetadataWriteHash`. */
export const KVMetadataWriteHash: Message<KVMetadataWriteHash> = message<KVMetadataWriteHash>('kvrwset.KVMetadataWriteHash', {
  keyHash: bytes(1),
  entries: repeatedNested(2, () => KVMetadataEntry),
})

/** Reads and writes of one collection as all may see them. `kvrwset.HashedRWSet`. */
export interface HashedRWSet {
  readonly hashedReads: readonly KVReadHash[]
  readonly hashedWrites: readonly KVWriteHash[]
  readonly metadataWrites: readonly KVMetadataWriteHash[]
}

/** `kvrwset.HashedRWSet`. */
export const HashedRWSet: Message<HashedRWSet> = message<HashedRWSet>('kvrwset.HashedRWSet', {
  hashedReads: repeatedNested(1, () => KVReadHash),
  hashedWrites: repeatedNested(2, () => KVWriteHash),
  metadataWrites: repeatedNested(3, () => KVMetadataWriteHash),
})

/** A collection's part of a read-write set. */
export interface CollectionHashedReadWriteSet {
  readonly collection: string
  readonly hashed: HashedRWSet
  /** SHA-256 of the private write set's bytes; empty where nothing private was written. */
  readonly privateHash: Uint8Array
}

/** A namespace's part of a read-write set. */
export interface NamespaceReadWriteSet {
  readonly namespace: string
  readonly keyValue: KVRWSet
  readonly collections: readonly CollectionHashedReadWriteSet[]
}

/** What a transaction read and wrote, as all may see it. */
export interface ReadWriteSet {
  readonly namespaces: readonly NamespaceReadWriteSet[]
}

/** What a transaction wrote privately in one collection. */
export interface CollectionPrivateReadWriteSet {
  readonly collection: string
  /** A {@link KVRWSet}'s bytes: what its public hash is over. Reads and range queries are never there. */
  readonly bytes: Uint8Array
  readonly keyValue: KVRWSet
}

/** What a transaction wrote privately in one namespace. */
export interface NamespacePrivateReadWriteSet {
  readonly namespace: string
  readonly collections: readonly CollectionPrivateReadWriteSet[]
}

/** What a transaction wrote privately. */
export interface PrivateReadWriteSet {
  readonly namespaces: readonly NamespacePrivateReadWriteSet[]
}

/** `rwset.CollectionHashedReadWriteSet`, as it is on the wire. */
export interface CollectionHashedMessage {
  readonly name: string
  readonly rwset: Uint8Array
  readonly pvtRwsetHash: Uint8Array
}
/** `rwset.NsReadWriteSet`, as it is on the wire. */
export interface NsReadWriteSet {
  readonly namespace: string
  readonly rwset: Uint8Array
  readonly collections: readonly CollectionHashedMessage[]
}
/** `rwset.TxReadWriteSet`, as it is on the wire. */
export interface TxReadWriteSet {
  readonly dataModel: number
  readonly namespaces: readonly NsReadWriteSet[]
}
interface CollectionPvtReadWriteSet {
  readonly name: string
  readonly rwset: Uint8Array
}
interface NsPvtReadWriteSet {
  readonly namespace: string
  readonly collections: readonly CollectionPvtReadWriteSet[]
}
interface TxPvtReadWriteSet {
  readonly dataModel: number
  readonly namespaces: readonly NsPvtReadWriteSet[]
}

/** {@link CollectionHashedMessage} on the wire. */
export const CollectionHashedMessage: Message<CollectionHashedMessage> = message<CollectionHashedMessage>(
  'rwset.CollectionHashedReadWriteSet',
  {
    name: string(1),
    rwset: bytes(2),
    pvtRwsetHash: bytes(3),
  },
)
/** {@link NsReadWriteSet} on the wire. */
export const NsReadWriteSet: Message<NsReadWriteSet> = message<NsReadWriteSet>('rwset.NsReadWriteSet', {
  namespace: string(1),
  rwset: bytes(2),
  collections: repeatedNested(3, () => CollectionHashedMessage),
})
/** {@link TxReadWriteSet} on the wire. */
export const TxReadWriteSet: Message<TxReadWriteSet> = message<TxReadWriteSet>('rwset.TxReadWriteSet', {
  dataModel: int32(1),
  namespaces: repeatedNested(2, () => NsReadWriteSet),
})
const CollectionPvtReadWriteSet: Message<CollectionPvtReadWriteSet> = message<CollectionPvtReadWriteSet>(
  'rwset.CollectionPvtReadWriteSet',
  {
    name: string(1),
    rwset: bytes(2),
  },
)
const NsPvtReadWriteSet: Message<NsPvtReadWriteSet> = message<NsPvtReadWriteSet>('rwset.NsPvtReadWriteSet', {
  namespace: string(1),
  collections: repeatedNested(2, () => CollectionPvtReadWriteSet),
})
const TxPvtReadWriteSet: Message<TxPvtReadWriteSet> = message<TxPvtReadWriteSet>('rwset.TxPvtReadWriteSet', {
  dataModel: int32(1),
  namespaces: repeatedNested(2, () => NsPvtReadWriteSet),
})

const HASH_OF_EMPTY = sha256(new Uint8Array())
const BAD_SET = 'fabric-protocol/bad-read-write-set'

/**
 * A transaction's results: `rwset.TxReadWriteSet`, in whatever order it has. The data model is not looked at, as in Fabric.
 * @returns `fabric-protocol/bad-read-write-set`: code 22 BAD_RWSET.
 * @see Fabric `core/ledger/kvledger/txmgmt/rwsetutil/rwset_proto_util.go` FromProtoBytes
 */
export function readReadWriteSet(source: Uint8Array): ReadWriteSet | Fault {
  const raw = TxReadWriteSet.decode(source)
  if (isFault(raw)) return atLevel(BAD_SET, raw)
  const namespaces: NamespaceReadWriteSet[] = []
  for (const { namespace, rwset, collections } of raw.namespaces) {
    const keyValue = KVRWSet.decode(rwset)
    if (isFault(keyValue)) return atLevel(BAD_SET, keyValue)
    const read = readCollections(collections)
    if (isFault(read)) return atLevel(BAD_SET, read)
    namespaces.push({ namespace, keyValue, collections: read })
  }
  return { namespaces }
}

/** Writes a read-write set in the order that it has; {@link buildReadWriteSets} puts it in Fabric's. */
export function writeReadWriteSet(set: ReadWriteSet): Uint8Array {
  const namespaces = set.namespaces.map(({ namespace, keyValue, collections }) => ({
    namespace,
    rwset: KVRWSet.encode(keyValue),
    collections: collections.map(({ collection, hashed, privateHash }) => ({
      name: collection,
      rwset: HashedRWSet.encode(hashed),
      pvtRwsetHash: privateHash,
    })),
  }))
  return TxReadWriteSet.encode({ namespaces })
}

/** What a transaction wrote privately: `rwset.TxPvtReadWriteSet`. @returns `fabric-protocol/bad-read-write-set`. */
export function readPrivateReadWriteSet(source: Uint8Array): PrivateReadWriteSet | Fault {
  const raw = TxPvtReadWriteSet.decode(source)
  if (isFault(raw)) return atLevel(BAD_SET, raw)
  const namespaces: NamespacePrivateReadWriteSet[] = []
  for (const { namespace, collections } of raw.namespaces) {
    const read: CollectionPrivateReadWriteSet[] = []
    for (const { name, rwset } of collections) {
      const keyValue = KVRWSet.decode(rwset)
      if (isFault(keyValue)) return atLevel(BAD_SET, keyValue)
      read.push({ collection: name, bytes: rwset, keyValue })
    }
    namespaces.push({ namespace, collections: read })
  }
  return { namespaces }
}

/** Writes private writes, collections by their bytes. */
export function writePrivateReadWriteSet(set: PrivateReadWriteSet): Uint8Array {
  const namespaces = set.namespaces.map(({ namespace, collections }) => ({
    namespace,
    collections: collections.map(({ collection, bytes }) => ({ name: collection, rwset: bytes })),
  }))
  return TxPvtReadWriteSet.encode({ namespaces })
}

/** Does a write delete its key? An empty value does too (FAB-18386). @see Fabric `rwsetutil` IsKVWriteDelete */
export function isDeletion(write: KVWrite): boolean {
  return write.isDelete || write.value.length === 0
}

/** Does a hashed write delete its key? The hash of an empty value does too. @see Fabric `rwsetutil` IsKVWriteHashDelete */
export function isHashedDeletion(write: KVWriteHash): boolean {
  return write.isDelete || write.valueHash.length === 0 || equalBytes(write.valueHash, HASH_OF_EMPTY)
}

function readCollections(raw: readonly CollectionHashedMessage[]): readonly CollectionHashedReadWriteSet[] | Fault {
  const read: CollectionHashedReadWriteSet[] = []
  for (const { name, rwset, pvtRwsetHash } of raw) {
    const hashed = HashedRWSet.decode(rwset)
    if (isFault(hashed)) return hashed
    read.push({ collection: name, hashed, privateHash: pvtRwsetHash })
  }
  return read
}
