import {
  bytes,
  concatBytes,
  decodeOrderPreservingVarint,
  decodeUtf8,
  encodeOrderPreservingVarint,
  encodeUtf8,
  type Message,
  map,
  message,
  type PrivateReadWriteSet,
  readPrivateReadWriteSet,
  uint64,
  writePrivateReadWriteSet,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { type KeyPart, type KeyRange, type RecordKey, recordKey } from './record-key.ts'

/** What a transaction writes privately, before it is in a block. */
export interface TransientPrivateData {
  /** The height at which it was endorsed. */
  readonly endorsedAt: bigint
  readonly set: PrivateReadWriteSet
  /** A `CollectionConfigPackage`'s bytes, by namespace. */
  readonly collectionConfigs: ReadonlyMap<string, Uint8Array>
}

/** Which of the sets that came for a transaction. */
export interface TransientPlace {
  readonly txId: string
  /** Another one for another content. */
  readonly uuid: string
  /** The height when it came. */
  readonly height: bigint
}

/** Between all parts of a key, and so in none of them. */
const SEPARATOR = '\0'

const separatedText: KeyPart<string> = {
  write: (value) => encodeUtf8(SEPARATOR + value),
  read(bytes, offset) {
    if (bytes[offset] !== 0) return { fault: 'fabric-ledger/bad-key', detail: `no separator at byte ${offset}` }
    const end = bytes.indexOf(0, offset + 1)
    const next = end < 0 ? bytes.length : end
    const value = decodeUtf8(bytes.subarray(offset + 1, next))
    return value === undefined ? { fault: 'fabric-ledger/bad-key', detail: 'text is not UTF-8' } : { value, next }
  },
}

const separatedNumber: KeyPart<bigint> = {
  write: (value) => concatBytes([encodeUtf8(SEPARATOR), encodeOrderPreservingVarint(value)]),
  read(bytes, offset) {
    if (bytes[offset] !== 0) return { fault: 'fabric-ledger/bad-key', detail: `no separator at byte ${offset}` }
    return decodeOrderPreservingVarint(bytes, offset + 1)
  },
}

/** Write sets: {@link readTransient}. @see Fabric `core/transientstore/store_helper.go`, whose keys these are */
export const BY_CONTENT: RecordKey<TransientPlace> = recordKey('P', { txId: separatedText, uuid: separatedText, height: separatedNumber })

/** Where write sets are, by height. */
export const BY_HEIGHT: RecordKey<TransientPlace> = recordKey('H', { height: separatedNumber, txId: separatedText, uuid: separatedText })

/** Where write sets are, by transaction. */
export const BY_TRANSACTION: RecordKey<TransientPlace> = recordKey('T', {
  txId: separatedText,
  uuid: separatedText,
  height: separatedNumber,
})

/** All keys of a transaction. */
export function rangeOf(kind: RecordKey<TransientPlace>, txId: string): KeyRange {
  const { gte } = kind.range({ txId })
  return { gte: concatBytes([gte, Uint8Array.of(0)]), lt: concatBytes([gte, Uint8Array.of(1)]) }
}

/** All keys of {@link BY_HEIGHT} below a height. */
export function rangeBelow(height: bigint): KeyRange {
  return { gte: BY_HEIGHT.range({}).gte, lt: BY_HEIGHT.range({ height }).gte }
}

/** Can it stand in a key? In earnest it is 64 hex digits. */
export function isTransactionId(txId: string): boolean {
  return txId !== '' && txId.isWellFormed() && !txId.includes(SEPARATOR)
}

interface StoredTransient {
  readonly endorsedAt: bigint
  readonly pvtRwset: Uint8Array
  readonly collectionConfigs: ReadonlyMap<string, Uint8Array>
}
const StoredTransient: Message<StoredTransient> = message<StoredTransient>('TxPvtReadWriteSetWithConfigInfo', {
  endorsedAt: uint64(1),
  pvtRwset: bytes(2),
  collectionConfigs: map(3, bytes),
})

/** A zero byte, and a `transientstore.TxPvtReadWriteSetWithConfigInfo`. */
export function writeTransient({ set, ...rest }: TransientPrivateData): Uint8Array {
  return concatBytes([Uint8Array.of(0), StoredTransient.encode({ ...rest, pvtRwset: writePrivateReadWriteSet(set) })])
}

/** @returns `fabric-ledger/bad-transient-data`, or what its parts' readers return. Never throws. */
export function readTransient(source: Uint8Array): TransientPrivateData | Fault {
  if (source[0] !== 0) return { fault: 'fabric-ledger/bad-transient-data', detail: `begins with ${source[0]}, not 0` }
  const stored = StoredTransient.decode(source.subarray(1))
  if (isFault(stored)) return stored
  const set = readPrivateReadWriteSet(stored.pvtRwset)
  return isFault(set) ? set : { endorsedAt: stored.endorsedAt, set, collectionConfigs: stored.collectionConfigs }
}
