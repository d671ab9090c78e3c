import {
  type Block,
  ChaincodeActionPayload,
  HeaderType,
  KVRWSet,
  openEnvelope,
  type Payload,
  ProposalResponsePayload,
  type ReadWriteSet,
  readChaincodeAction,
  readChannelHeader,
  readEndorserTransaction,
  readHeader,
  readReadWriteSet,
  Transaction,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { TransactionToValidate } from '../validation/mvcc.ts'

/** The key of namespace `''` that holds the channel's configuration: a `ConfigEnvelope`'s bytes. */
export const CONFIG_KEY = 'CHANNEL_CONFIG_ENV_BYTES'

/**
 * What a block's valid transactions read and write. The others are not looked into.
 * @param codes - A `ValidationCode` a transaction.
 * @returns `fabric-ledger/unreadable-transaction` where the code of one says valid, and it has no read-write set to read.
 * @see Fabric `core/ledger/kvledger/txmgmt/validation/batch_preparer.go` preprocessProtoBlock
 */
export function blockTransactions(block: Block, codes: Uint8Array): readonly TransactionToValidate[] | Fault {
  const transactions: TransactionToValidate[] = []
  for (const [index, item] of block.data.entries()) {
    const code = codes[index] ?? ValidationCode.notValidated
    const set = code === ValidationCode.valid ? readTransactionSet(item) : undefined
    if (isFault(set)) {
      const detail = `transaction ${index} of block ${block.header.number}: ${set.fault} ${set.detail ?? ''}`
      return { fault: 'fabric-ledger/unreadable-transaction', detail: detail.slice(0, 200) }
    }
    transactions.push({ code, set })
  }
  return transactions
}

/**
 * What a transaction reads and writes. A configuration writes itself; of other types than these two none writes anything.
 * @param item - An `Envelope`'s bytes.
 * @returns What the reader of the part at fault returns.
 */
export function readTransactionSet(item: Uint8Array): ReadWriteSet | Fault | undefined {
  const payload = openEnvelope(item)
  if (isFault(payload)) return payload
  const header = readHeader(payload)
  if (isFault(header)) return header
  if (header.channel.type === HeaderType.config) return configurationSet(payload.data)
  return header.channel.type === HeaderType.endorserTransaction ? readEndorsedSet(payload) : undefined
}

/**
 * What an endorser transaction claims to read and write, true or not: private data is kept of invalid ones too, which a later look at the
 * block may find valid.
 * @param item - An `Envelope`'s bytes.
 * @returns Undefined where there is nothing to read.
 * @see Fabric `gossip/privdata/coordinator.go` getTxInfoFromTransactionBytes
 */
export function readClaimedSet(item: Uint8Array): ReadWriteSet | undefined {
  const payload = openEnvelope(item)
  const channel = isFault(payload) ? payload : readChannelHeader(payload)
  if (isFault(payload) || isFault(channel) || channel.type !== HeaderType.endorserTransaction) return
  const transaction = Transaction.decode(payload.data)
  const [claimed] = isFault(transaction) ? [] : transaction.actions
  const endorsed = claimed && ChaincodeActionPayload.decode(claimed.payload)
  if (endorsed === undefined || isFault(endorsed) || endorsed.action === undefined) return
  const response = ProposalResponsePayload.decode(endorsed.action.proposalResponsePayload)
  const action = isFault(response) ? response : readChaincodeAction(response)
  const set = isFault(action) ? action : readReadWriteSet(action.results)
  return isFault(set) ? undefined : set
}

/**
 * What a CONFIG transaction writes: itself.
 * @param config - A `ConfigEnvelope`'s bytes.
 * @see Fabric `core/peer/configtx_processor.go`
 */
export function configurationSet(config: Uint8Array): ReadWriteSet {
  const writes = [{ key: CONFIG_KEY, isDelete: false, value: config }]
  return { namespaces: [{ namespace: '', keyValue: KVRWSet.create({ writes }), collections: [] }] }
}

function readEndorsedSet(payload: Payload): ReadWriteSet | Fault {
  const transaction = readEndorserTransaction(payload)
  if (isFault(transaction)) return transaction
  const action = readChaincodeAction(transaction.responsePayload)
  return isFault(action) ? action : readReadWriteSet(action.results)
}
