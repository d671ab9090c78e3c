import {
  concatBytes,
  decodeOrderPreservingVarint,
  encodeOrderPreservingPair,
  encodeOrderPreservingVarint,
  encodeUtf8,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/** A transaction that wrote a key. */
export interface HistoryEntry {
  readonly blockNumber: bigint
  /** Its place in the block, from 0. */
  readonly transactionNumber: number
}

const SEPARATOR = Uint8Array.of(0)

/**
 * What stands before all entries of a key, and of no other: `d`, namespace, 0, the key's length, key, 0.
 * @param namespace - Without U+0000.
 * @see Fabric `core/ledger/kvledger/history/db.go`, `encoding.go`; research § 3.7
 */
export function historyPrefix(namespace: string, key: string): Uint8Array {
  return concatBytes(prefixParts(namespace, key))
}

function prefixParts(namespace: string, key: string): Uint8Array[] {
  const bytes = encodeUtf8(key)
  return [encodeUtf8(`d${namespace}\0`), encodeOrderPreservingVarint(BigInt(bytes.length)), bytes, SEPARATOR]
}

/** What comes after all entries with a prefix. */
export function historyEnd(prefix: Uint8Array): Uint8Array {
  return concatBytes([prefix, Uint8Array.of(0xff)])
}

/** An entry's key: the prefix, block and transaction. They order as the transactions do. */
export function encodeHistoryKey(namespace: string, key: string, { blockNumber, transactionNumber }: HistoryEntry): Uint8Array {
  return concatBytes([...prefixParts(namespace, key), encodeOrderPreservingPair(blockNumber, BigInt(transactionNumber))])
}

/** The entry of a key with a prefix. @returns `fabric-ledger/bad-history-record`. */
export function decodeHistoryKey(bytes: Uint8Array, prefix: Uint8Array): HistoryEntry | Fault {
  const block = decodeOrderPreservingVarint(bytes, prefix.length)
  if (isFault(block)) return badRecord('no block')
  const transaction = decodeOrderPreservingVarint(bytes, block.next)
  if (isFault(transaction) || transaction.next !== bytes.length || transaction.value > Number.MAX_SAFE_INTEGER)
    return badRecord('no transaction')
  return { blockNumber: block.value, transactionNumber: Number(transaction.value) }
}

function badRecord(detail: string): Fault {
  return { fault: 'fabric-ledger/bad-history-record', detail }
}
