import { encodeUtf8, hashKey, KVRWSet, type NamespacePrivateReadWriteSet, Version } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { BlockPrivateData, MissingPrivateData, TransactionPrivateData } from './private-data.ts'
import { ascending, blob, descending, place, type RecordKey, recordKey, text } from './record-key.ts'
import type { PurgedKey } from './settle-private-data.ts'

/** A collection. */
export interface CollectionName {
  readonly namespace: string
  readonly collection: string
}

/** A collection's write set of a transaction of a block. */
export interface WriteSetPlace extends CollectionName {
  readonly blockNumber: bigint
  readonly transactionNumber: number
}

/** A private key of a collection, by its hash. */
export interface HashedKey extends CollectionName {
  readonly keyHash: Uint8Array
}

/** Write sets: a `KVRWSet`'s bytes, without the keys that were purged. */
export const WRITE_SET: RecordKey<WriteSetPlace> = recordKey('d', {
  blockNumber: ascending,
  transactionNumber: place,
  namespace: text,
  collection: text,
})

/** Where a key is written: the key, by its hash. */
export const WRITTEN: RecordKey<HashedKey & WriteSetPlace> = recordKey('k', {
  namespace: text,
  collection: text,
  keyHash: blob,
  blockNumber: ascending,
  transactionNumber: place,
})

/** What expires: a block's write sets of a collection, and what is missing of them. Nothing more. */
export const EXPIRY: RecordKey<CollectionName & { readonly expiringBlock: bigint; readonly blockNumber: bigint }> = recordKey('x', {
  expiringBlock: ascending,
  blockNumber: ascending,
  namespace: text,
  collection: text,
})

const missingKey = (prefix: string): RecordKey<WriteSetPlace> =>
  recordKey(prefix, { blockNumber: descending, namespace: text, collection: text, transactionNumber: place })

/** What this peer may have and does not, to be asked for first. */
export const PRIORITISED: RecordKey<WriteSetPlace> = missingKey('p')

/** What this peer may have and does not, and nobody had when it asked. */
export const DEPRIORITISED: RecordKey<WriteSetPlace> = missingKey('q')

/** What this peer may not have: it may come to. */
export const INELIGIBLE: RecordKey<WriteSetPlace> = recordKey('i', {
  namespace: text,
  collection: text,
  blockNumber: ascending,
  transactionNumber: place,
})

/** The last purge of a key, a {@link Version}, for ever: what arrives late of before must not come back. */
export const PURGED: RecordKey<HashedKey> = recordKey('r', { namespace: text, collection: text, keyHash: blob })

/** A purge, a {@link Version}, whose key is not yet taken out of all write sets. */
export const TO_PURGE: RecordKey<HashedKey> = recordKey('g', { namespace: text, collection: text, keyHash: blob })

/** The keys that a block's transactions purge, for a replay. */
export const PURGED_BY: RecordKey<HashedKey & { readonly blockNumber: bigint }> = recordKey('u', {
  blockNumber: ascending,
  namespace: text,
  collection: text,
  keyHash: blob,
})

/** What arrived late, for a state that lost it. By the height at which it came. */
export const LATE: RecordKey<WriteSetPlace & { readonly height: bigint }> = recordKey('l', {
  height: ascending,
  blockNumber: ascending,
  transactionNumber: place,
  namespace: text,
  collection: text,
})

/** Hashes of values that a snapshot brought, for what is missing of its blocks. */
export const FROM_SNAPSHOT: RecordKey<HashedKey & WriteSetPlace> = recordKey('s', {
  blockNumber: ascending,
  namespace: text,
  collection: text,
  transactionNumber: place,
  keyHash: blob,
})

/** A change of one record. */
export type RecordChange =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

/** A change that writes a record. */
export function put(key: Uint8Array, value: Uint8Array = new Uint8Array()): RecordChange {
  return { type: 'put', key, value }
}

/** A change that removes a record. */
export function del(key: Uint8Array): RecordChange {
  return { type: 'del', key }
}

/** A write set, and where it belongs. */
export interface PlacedWriteSet extends WriteSetPlace {
  /** A {@link KVRWSet}'s bytes. */
  readonly bytes: Uint8Array
  readonly keyValue: KVRWSet
}

/** A block's write sets, one by one. */
export function writeSetsOf(blockNumber: bigint, data: readonly TransactionPrivateData[]): PlacedWriteSet[] {
  return data.flatMap(({ transactionNumber, set }) =>
    set.namespaces.flatMap(({ namespace, collections }) =>
      collections.map((each) => ({ blockNumber, transactionNumber, namespace, ...each })),
    ),
  )
}

/** A block's write sets, put together. @param sets - By transaction, then by namespace. */
export function transactionsOf(sets: readonly PlacedWriteSet[]): TransactionPrivateData[] {
  return [...Map.groupBy(sets, ({ transactionNumber }) => transactionNumber)].map(([transactionNumber, sets]) => {
    const namespaces = [...Map.groupBy(sets, ({ namespace }) => namespace)].map(
      ([namespace, sets]): NamespacePrivateReadWriteSet => ({
        namespace,
        collections: sets.map(({ collection, bytes, keyValue }) => ({ collection, bytes, keyValue })),
      }),
    )
    return { transactionNumber, set: { namespaces } }
  })
}

/** The records of a write set: it, and where its keys are. */
export function writeSetRecords({ keyValue, bytes, ...at }: PlacedWriteSet): RecordChange[] {
  const keys = keyValue.writes.map(({ key }) => put(WRITTEN.encode({ ...at, keyHash: hashKey(key) }), encodeUtf8(key)))
  return [put(WRITE_SET.encode(at), bytes), ...keys]
}

/** The records of what is missing. */
export function missingRecords(blockNumber: bigint, missing: readonly MissingPrivateData[]): RecordChange[] {
  return missing.map(({ isEligible, ...at }) => put((isEligible ? PRIORITISED : INELIGIBLE).encode({ blockNumber, ...at })))
}

/** The records of purges. @param keys - The plain ones, in the purges' order, where known. */
export function purgeRecords(purges: readonly PurgedKey[], keys: readonly (string | undefined)[]): RecordChange[] {
  return purges.flatMap(({ version, ...hashed }, index) => {
    const value = Version.encode(version)
    const records = [put(PURGED.encode(hashed), value), put(TO_PURGE.encode(hashed), value)]
    const key = keys[index]
    if (key === undefined) return records
    return [...records, put(PURGED_BY.encode({ ...hashed, blockNumber: version.blockNumber }), encodeUtf8(key))]
  })
}

/** The collections that a block has private data of, here or missing, each once. */
export function collectionsOf(blockNumber: bigint, { data, missing }: BlockPrivateData): CollectionName[] {
  const all = [...writeSetsOf(blockNumber, data), ...missing].map(({ namespace, collection }) => ({ namespace, collection }))
  return [...new Map(all.map((each) => [JSON.stringify([each.namespace, each.collection]), each])).values()]
}

/**
 * The block with which what a block wrote expires: so many blocks to live, and one more.
 * @param blockToLive - 0 or undefined: for ever.
 * @returns Undefined for never, also where the number has more than 64 bits.
 * @see Fabric `core/ledger/pvtdatapolicy/btlpolicy.go` ComputeExpiringBlock; research § 3.5.7
 */
export function expiringBlock(blockNumber: bigint, blockToLive: bigint | undefined): bigint | undefined {
  if (blockToLive === undefined || blockToLive === 0n) return
  const expiring = blockNumber + blockToLive + 1n
  return expiring >= 0xffff_ffff_ffff_ffffn ? undefined : expiring
}

/** Which collection a namespace of the state is of. Neither names of chaincodes nor of collections have a `$`. */
export function collectionOf(full: string): (CollectionName & { readonly kind: 'hashed' | 'private' }) | undefined {
  const at = full.indexOf('$$')
  const letter = at < 0 ? undefined : full[at + 2]
  if (letter !== 'h' && letter !== 'p') return
  return { kind: letter === 'h' ? 'hashed' : 'private', namespace: full.slice(0, at), collection: full.slice(at + 3) }
}

/** The hash that is a key of a hashed namespace. */
export function hashOf(hex: string): Uint8Array {
  return Uint8Array.from(hex.match(/../g) ?? [], (byte) => Number.parseInt(byte, 16))
}

/** A write set without a key. */
export function withoutKey(bytes: Uint8Array, key: string): Uint8Array | Fault {
  const set = KVRWSet.decode(bytes)
  if (isFault(set)) return set
  return KVRWSet.encode({ ...set, writes: set.writes.filter((write) => write.key !== key) })
}
