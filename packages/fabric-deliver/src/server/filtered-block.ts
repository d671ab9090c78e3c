import {
  type Block,
  ChaincodeAction,
  ChaincodeActionPayload,
  ChaincodeEvent,
  HeaderType,
  ProposalResponsePayload,
  readChannelHeader,
  readEnvelope,
  readPayload,
  readTransactionsFilter,
  Transaction,
  type TransactionAction,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { FilteredBlock, FilteredChaincodeAction, FilteredTransaction } from '../response.ts'

/**
 * What became of a block's transactions, without what is in them, but that chaincode told something.
 * @returns A fault where a transaction cannot be read: Fabric gives no filtered block then.
 * @see Fabric `core/peer/deliverevents.go` toFilteredBlock
 */
export function filterBlock(block: Block): FilteredBlock | Fault {
  const codes = readTransactionsFilter(block)
  const transactions: FilteredTransaction[] = []
  let channelId = ''
  for (const [index, source] of block.data.entries()) {
    const filtered = filterTransaction(source, codes?.[index] ?? ValidationCode.notValidated)
    if (filtered === undefined) continue
    if (isFault(filtered)) return filtered
    channelId = filtered.channelId
    transactions.push(filtered.transaction)
  }
  return { channelId, number: block.header.number, transactions }
}

/** @returns Undefined where it is skipped. */
function filterTransaction(
  source: Uint8Array,
  validationCode: number,
): { readonly channelId: string; readonly transaction: FilteredTransaction } | Fault | undefined {
  const envelope = readEnvelope(source)
  if (source.length === 0 || isFault(envelope)) return
  const payload = readPayload(envelope.payload)
  if (isFault(payload)) return payload
  if (payload.header === undefined) return
  const header = readChannelHeader(payload)
  if (isFault(header)) return header
  const actions = header.type === HeaderType.endorserTransaction ? filterActions(payload.data) : undefined
  if (isFault(actions)) return actions
  const transactionActions = actions && { chaincodeActions: actions }
  return { channelId: header.channelId, transaction: { txId: header.txId, type: header.type, validationCode, transactionActions } }
}

function filterActions(source: Uint8Array): readonly FilteredChaincodeAction[] | Fault {
  const transaction = Transaction.decode(source)
  if (isFault(transaction)) return transaction
  const actions: FilteredChaincodeAction[] = []
  for (const action of transaction.actions) {
    const event = chaincodeEventOf(action)
    if (isFault(event)) return event
    if (event !== undefined && event.chaincodeId !== '') actions.push({ chaincodeEvent: { ...event, payload: new Uint8Array() } })
  }
  return actions
}

/** What an action's chaincode told. @returns Undefined where nothing was endorsed; an event without a chaincode where it told nothing. */
export function chaincodeEventOf({ payload }: TransactionAction): ChaincodeEvent | Fault | undefined {
  const action = ChaincodeActionPayload.decode(payload)
  if (isFault(action) || action.action === undefined) return isFault(action) ? action : undefined
  const response = ProposalResponsePayload.decode(action.action.proposalResponsePayload)
  if (isFault(response)) return response
  const result = ChaincodeAction.decode(response.extension)
  return isFault(result) ? result : ChaincodeEvent.decode(result.events)
}
