import {
  bytes,
  ChaincodeEvent,
  decodeRequest,
  int32,
  type Message,
  message,
  nested,
  oneOf,
  repeatedNested,
  string,
  uint64,
} from '@kumiko/fabric-protocol'
import type { Fault } from '@kumiko/interface'

/** A transaction as {@link FilteredBlock} tells it. `protos.FilteredTransaction`. */
export interface FilteredTransaction {
  readonly txId: string
  /** A `HeaderType`. */
  readonly type: number
  /** A `ValidationCode`. */
  readonly validationCode: number
  /** What chaincode told, without its payload; one for each action that told anything. */
  readonly transactionActions: FilteredTransactionActions | undefined
}

/** `protos.FilteredTransactionActions`. */
export interface FilteredTransactionActions {
  readonly chaincodeActions: readonly FilteredChaincodeAction[]
}

/** `protos.FilteredChaincodeAction`. */
export interface FilteredChaincodeAction {
  readonly chaincodeEvent: ChaincodeEvent | undefined
}

/** What a peer tells of a block to who may not see what is in it. `protos.FilteredBlock`. */
export interface FilteredBlock {
  readonly channelId: string
  readonly number: bigint
  readonly transactions: readonly FilteredTransaction[]
}

/** A block with private data as a peer sends both. `protos.BlockAndPrivateData`. */
export interface BlockAndPrivateData {
  /** A `Block`'s bytes. */
  readonly block: Uint8Array
  /** By the transaction's place in the block. */
  readonly privateDataMap: readonly PrivateDataEntry[]
}

/** An entry of {@link BlockAndPrivateData}. */
export interface PrivateDataEntry {
  readonly key: bigint
  /** A `TxPvtReadWriteSet`'s bytes. */
  readonly value: Uint8Array
}

/** What comes of a deliver service: one of these. `orderer.DeliverResponse`, and `protos.DeliverResponse`, which has more. */
export interface DeliverResponse {
  /** A `Status`: the end of what was asked for. */
  readonly status: number | undefined
  /** A `Block`'s bytes. */
  readonly block: Uint8Array | undefined
  readonly filteredBlock: FilteredBlock | undefined
  readonly blockAndPrivateData: BlockAndPrivateData | undefined
}

const FilteredChaincodeAction: Message<FilteredChaincodeAction> = message<FilteredChaincodeAction>('protos.FilteredChaincodeAction', {
  chaincodeEvent: nested(1, () => ChaincodeEvent),
})
const FilteredTransactionActions: Message<FilteredTransactionActions> = message<FilteredTransactionActions>(
  'protos.FilteredTransactionActions',
  {
    chaincodeActions: repeatedNested(1, () => FilteredChaincodeAction),
  },
)
const FilteredTransaction: Message<FilteredTransaction> = message<FilteredTransaction>('protos.FilteredTransaction', {
  txId: string(1),
  type: int32(2),
  validationCode: int32(3),
  transactionActions: nested(4, () => FilteredTransactionActions),
})
/** `protos.FilteredBlock`. */
export const FilteredBlock: Message<FilteredBlock> = message<FilteredBlock>('protos.FilteredBlock', {
  channelId: string(1),
  number: uint64(2),
  transactions: repeatedNested(4, () => FilteredTransaction),
})
const PrivateDataEntry: Message<PrivateDataEntry> = message<PrivateDataEntry>('protos.BlockAndPrivateData.PrivateDataMapEntry', {
  key: uint64(1),
  value: bytes(2),
})
const BlockAndPrivateData: Message<BlockAndPrivateData> = message<BlockAndPrivateData>('protos.BlockAndPrivateData', {
  block: bytes(1),
  privateDataMap: repeatedNested(2, () => PrivateDataEntry),
})

/** `orderer.DeliverResponse` and `protos.DeliverResponse`. */
export const DeliverResponse: Message<DeliverResponse> = message<DeliverResponse>('protos.DeliverResponse', {
  status: oneOf('Type', int32(1)),
  block: oneOf('Type', bytes(2)),
  filteredBlock: oneOf(
    'Type',
    nested(3, () => FilteredBlock),
  ),
  blockAndPrivateData: oneOf(
    'Type',
    nested(4, () => BlockAndPrivateData),
  ),
})

/** A message of a server that may lie: with a million fields or more it is at fault, which no real one has, for each costs a hundred bytes. */
export function readResponse(bytes: Uint8Array): DeliverResponse | Fault {
  return decodeRequest(() => DeliverResponse.decode(bytes))
}
