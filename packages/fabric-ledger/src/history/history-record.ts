import { concatBytes, decodeOrderPreservingVarint, encodeUtf8 } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { KeyWriter } from '../key-writer.ts'

/** A transaction that wrote a key. */
export interface HistoryEntry {
  readonly blockNumber: bigint
  /** Its place in the block, from 0. */
  readonly transactionNumber: number
}

const SEPARATOR = '\0'

/**
 * What stands before all entries of a key, and of no other: `d`, namespace, 0, the key's length, key, 0.
 * @param namespace - Without U+0000.
 * @see Fabric `core/ledger/kvledger/history/db.go`, `encoding.go`; research § 3.7
 */
export function historyPrefix(namespace: string, key: string): Uint8Array {
  return putPrefix(new KeyWriter(), namespace, key).key()
}

/** What comes after all entries with a prefix. */
export function historyEnd(prefix: Uint8Array): Uint8Array {
  return concatBytes([prefix, Uint8Array.of(0xff)])
}

/** An entry's key: the prefix, block and transaction. They order as the transactions do. @returns The writer's, until its next. */
export function historyKey(
  writer: KeyWriter,
  namespace: string,
  key: string,
  { blockNumber, transactionNumber }: HistoryEntry,
): Uint8Array {
  return putPrefix(writer, namespace, key).number(blockNumber).number(BigInt(transactionNumber)).key()
}

function putPrefix(writer: KeyWriter, namespace: string, key: string): KeyWriter {
  const bytes = encodeUtf8(key)
  return writer.text('d').text(namespace).text(SEPARATOR).number(BigInt(bytes.length)).bytes(bytes).text(SEPARATOR)
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
