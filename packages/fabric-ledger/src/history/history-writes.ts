import { ValidationCode } from '@kumiko/fabric-protocol'
import type { TransactionToValidate } from '../validation/mvcc.ts'

/** A key that a transaction writes or deletes. */
export interface HistoryWrite {
  readonly namespace: string
  readonly key: string
  /** The transaction's place in its block, from 0. */
  readonly transactionNumber: number
}

/**
 * What a block adds to the history: public keys that valid transactions write or delete. Not metadata, and not the channel's configuration.
 * @param codes - The block's final ones.
 * @see Fabric `core/ledger/kvledger/history/db.go` Commit
 */
export function historyWrites(transactions: readonly TransactionToValidate[], codes: Uint8Array): HistoryWrite[] {
  return transactions.flatMap(({ set }, transactionNumber) => {
    if (codes[transactionNumber] !== ValidationCode.valid) return []
    const chaincodes = set?.namespaces.filter(({ namespace }) => namespace !== '') ?? []
    return chaincodes.flatMap(({ namespace, keyValue }) => keyValue.writes.map(({ key }) => ({ namespace, key, transactionNumber })))
  })
}
