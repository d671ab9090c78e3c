import { isDeletion, openEnvelope, readHeader, type Timestamp } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import type { BlockStore } from '../blocks/block-store.ts'
import { readTransactionSet } from '../ledger/block-transactions.ts'
import type { History } from './history.ts'
import type { HistoryEntry } from './history-record.ts'

/** What a transaction made of a key. `queryresult.KeyModification`. */
export interface KeyModification {
  readonly txId: string
  /** Empty where the key was deleted. */
  readonly value: Uint8Array
  /** What the transaction's creator says; undefined where it says nothing. */
  readonly timestamp: Timestamp | undefined
  readonly isDelete: boolean
}

/**
 * What became of a key, newest first. Reads the transaction of each modification as the loop comes to it.
 * @throws KumikoError `fabric-ledger/corrupt-history` where a transaction does not write what the history says.
 * @see Fabric `core/ledger/kvledger/history/query_executer.go`
 */
export async function* keyModifications(
  history: Pick<History, 'entries'>,
  blocks: Pick<BlockStore, 'envelopeAt'>,
  namespace: string,
  key: string,
): AsyncGenerator<KeyModification> {
  for await (const entry of history.entries(namespace, key)) {
    const envelope = await blocks.envelopeAt(entry.blockNumber, entry.transactionNumber)
    const modification = envelope && modificationIn(envelope, namespace, key)
    if (modification === undefined) throw notThere(entry, namespace, key)
    yield modification
  }
}

function modificationIn(item: Uint8Array, namespace: string, key: string): KeyModification | undefined {
  const [channel, set] = [channelHeaderOf(item), readTransactionSet(item)]
  if (channel === undefined || set === undefined || isFault(set)) return
  const found = set.namespaces.find((each) => each.namespace === namespace)
  const write = found?.keyValue.writes.find((each) => each.key === key)
  return write && { txId: channel.txId, value: write.value, timestamp: channel.timestamp, isDelete: isDeletion(write) }
}

function channelHeaderOf(item: Uint8Array): { readonly txId: string; readonly timestamp: Timestamp | undefined } | undefined {
  const payload = openEnvelope(item)
  const header = isFault(payload) ? payload : readHeader(payload)
  return isFault(header) ? undefined : header.channel
}

function notThere({ blockNumber, transactionNumber }: HistoryEntry, namespace: string, key: string): KumikoError {
  const message = `transaction ${transactionNumber} of block ${blockNumber} does not write what the history says: remove the history, and it is made anew of the blocks`
  const context = { blockNumber, transactionNumber, namespace, key }
  return new KumikoError('fabric-ledger/corrupt-history', message, { context })
}
