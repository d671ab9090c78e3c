import { type BlockToCommit, readClaimedSet, type TransactionPrivateData, type TransientStore } from '@kumiko/fabric-ledger'
import { openEnvelope, type PrivateReadWriteSet, type ReadWriteSet, readHeader } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** What a peer has kept of a block's private data since it endorsed the transactions. */
export interface KeptPrivateData {
  /** Of its transactions, valid or not; may be false: the ledger compares hashes. */
  readonly data: readonly TransactionPrivateData[]
  /**
   * The transactions that write privately, valid or not: once the block is committed, nothing of them need be kept. Not those that were refused
   * before their set was looked at: they may bear the id of another, which is still to come.
   */
  readonly txIds: readonly string[]
}

/**
 * Finds a block's private data in the transient store. A block without any costs no look-up.
 * @param transactions - The block's, as the checks before the ledger's left them.
 * @throws What the store throws.
 * @see Fabric `gossip/privdata/pvtdataprovider.go` populateFromTransientStore
 */
export async function keptPrivateData(
  { block, transactions = [] }: Pick<BlockToCommit, 'block' | 'transactions'>,
  transient: Pick<TransientStore, 'get'>,
): Promise<KeptPrivateData> {
  const data: TransactionPrivateData[] = []
  const txIds: string[] = []
  const found = new Map<string, readonly PrivateReadWriteSet[]>()
  for (const [transactionNumber, item] of block.data.entries()) {
    const checked = transactions[transactionNumber]?.set
    const set = checked ?? readClaimedSet(item)
    const txId = set !== undefined && writesPrivately(set) ? txIdOf(item) : undefined
    if (txId === undefined) continue
    if (checked !== undefined) txIds.push(txId)
    // Read once: what is refused may bear the id of another, as often as a block has transactions.
    const kept = found.get(txId) ?? (await setsOf(txId, transient))
    found.set(txId, kept)
    data.push(...kept.map((set) => ({ transactionNumber, set })))
  }
  return { data, txIds }
}

async function setsOf(txId: string, transient: Pick<TransientStore, 'get'>): Promise<readonly PrivateReadWriteSet[]> {
  const sets: PrivateReadWriteSet[] = []
  for await (const { set } of transient.get(txId)) sets.push(set)
  return sets
}

function writesPrivately({ namespaces }: ReadWriteSet): boolean {
  return namespaces.some(({ collections }) =>
    collections.some(({ hashed }) => hashed.hashedWrites.length > 0 || hashed.metadataWrites.length > 0),
  )
}

function txIdOf(item: Uint8Array): string | undefined {
  const payload = openEnvelope(item)
  const header = isFault(payload) ? payload : readHeader(payload)
  return isFault(header) ? undefined : header.channel.txId
}
