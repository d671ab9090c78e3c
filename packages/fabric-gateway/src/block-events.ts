import {
  type Block,
  BlockMetadataIndex,
  ChaincodeAction,
  ChaincodeActionPayload,
  ChaincodeEvent,
  HeaderType,
  openEnvelope,
  type Payload,
  ProposalResponsePayload,
  readChannelHeader,
  Transaction,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** A transaction of a block, of any type. */
export interface CommittedTransaction {
  /** Empty where it cannot be read, or has none. */
  readonly txId: string
  /** A `ValidationCode`. */
  readonly code: number
  /** Of a valid transaction of chaincode. */
  readonly events: readonly ChaincodeEvent[]
}

/**
 * What a block tells of its transactions. Each is read once, when it is first asked for, for all who ask; a transaction that cannot be read has no
 * id and no events, and hides nothing of the others.
 * @see Fabric `internal/pkg/gateway/event/block.go`
 */
export class BlockEvents {
  readonly number: bigint
  /** Of the block in memory. */
  readonly sizeBytes: number
  /** Until it was read. */
  #block: Block | undefined
  #transactions: readonly CommittedTransaction[] | undefined
  #byChaincode: ReadonlyMap<string, readonly ChaincodeEvent[]> | undefined

  constructor(block: Block) {
    this.number = block.header.number
    this.sizeBytes = block.data.reduce((sum, { length }) => sum + length, 0)
    this.#block = block
  }

  get transactions(): readonly CommittedTransaction[] {
    this.#transactions ??= this.#block === undefined ? [] : readTransactions(this.#block)
    this.#block = undefined
    return this.#transactions
  }

  /** The events of a chaincode, in the order of their transactions. */
  of(chaincode: string): readonly ChaincodeEvent[] {
    this.#byChaincode ??= Map.groupBy(
      this.transactions.flatMap(({ events }) => events),
      ({ chaincodeId }) => chaincodeId,
    )
    return this.#byChaincode.get(chaincode) ?? []
  }

  /** The events of a chaincode that come after a transaction; undefined where the block does not have it. */
  after(txId: string, chaincode: string): readonly ChaincodeEvent[] | undefined {
    const at = this.transactions.findIndex((transaction) => transaction.txId === txId)
    if (at === -1) return
    return this.transactions.slice(at + 1).flatMap(({ events }) => events.filter(({ chaincodeId }) => chaincodeId === chaincode))
  }
}

function readTransactions({ data, metadata }: Block): readonly CommittedTransaction[] {
  const codes = metadata[BlockMetadataIndex.transactionsFilter]
  return data.map((bytes, at) => readTransaction(bytes, codes?.[at] ?? ValidationCode.invalidOtherReason))
}

function readTransaction(bytes: Uint8Array, code: number): CommittedTransaction {
  const payload = openEnvelope(bytes)
  const header = isFault(payload) ? payload : readChannelHeader(payload)
  if (isFault(payload) || isFault(header)) return { txId: '', code, events: [] }
  const hasEvents = header.type === HeaderType.endorserTransaction && code === ValidationCode.valid
  return { txId: header.txId, code, events: hasEvents ? eventsOf(payload) : [] }
}

function eventsOf({ data }: Payload): readonly ChaincodeEvent[] {
  const transaction = Transaction.decode(data)
  return isFault(transaction) ? [] : transaction.actions.flatMap(({ payload }) => eventOf(payload) ?? [])
}

/** @see Fabric `internal/pkg/gateway/event/transaction.go` readChaincodeEvents */
function eventOf(payload: Uint8Array): ChaincodeEvent | undefined {
  const action = ChaincodeActionPayload.decode(payload)
  if (isFault(action)) return
  const response = ProposalResponsePayload.decode(action.action?.proposalResponsePayload ?? new Uint8Array())
  if (isFault(response)) return
  const done = ChaincodeAction.decode(response.extension)
  if (isFault(done)) return
  const event = ChaincodeEvent.decode(done.events)
  if (isFault(event)) return
  return event.chaincodeId !== '' && event.eventName !== '' && event.txId !== '' ? event : undefined
}
