import { Envelope } from './envelope.ts'
import { bool, bytes, int32, type Message, message, nested, repeatedNested, string, uint64 } from './message.ts'

/** `common.BootstrappingSnapshotInfo`. */
export interface BootstrappingSnapshotInfo {
  readonly lastBlockInSnapshot: bigint
}

/** `common.BootstrappingSnapshotInfo`. */
export const BootstrappingSnapshotInfo: Message<BootstrappingSnapshotInfo> = message<BootstrappingSnapshotInfo>(
  'common.BootstrappingSnapshotInfo',
  { lastBlockInSnapshot: uint64(1) },
)

/** What `qscc` says of a ledger. `common.BlockchainInfo`. */
export interface BlockchainInfo {
  readonly height: bigint
  readonly currentBlockHash: Uint8Array
  readonly previousBlockHash: Uint8Array
  /** Undefined for a ledger that began with block 0. */
  readonly bootstrappingSnapshotInfo: BootstrappingSnapshotInfo | undefined
}

/** `common.BlockchainInfo`. */
export const BlockchainInfo: Message<BlockchainInfo> = message<BlockchainInfo>('common.BlockchainInfo', {
  height: uint64(1),
  currentBlockHash: bytes(2),
  previousBlockHash: bytes(3),
  bootstrappingSnapshotInfo: nested(4, () => BootstrappingSnapshotInfo),
})

/** A transaction with what became of it. `protos.ProcessedTransaction`. */
export interface ProcessedTransactionMessage {
  readonly transactionEnvelope: Envelope | undefined
  readonly validationCode: number
}

/** `protos.ProcessedTransaction`. */
export const ProcessedTransactionMessage: Message<ProcessedTransactionMessage> = message<ProcessedTransactionMessage>(
  'protos.ProcessedTransaction',
  { transactionEnvelope: nested(1, () => Envelope), validationCode: int32(2) },
)

/** `protos.ChannelInfo`. */
export interface ChannelInfoMessage {
  readonly channelId: string
}

/** `protos.ChannelInfo`. */
export const ChannelInfoMessage: Message<ChannelInfoMessage> = message<ChannelInfoMessage>('protos.ChannelInfo', { channelId: string(1) })

/** The channels of a peer, as `cscc` lists them. `protos.ChannelQueryResponse`. */
export interface ChannelQueryResponse {
  readonly channels: readonly ChannelInfoMessage[]
}

/** `protos.ChannelQueryResponse`. */
export const ChannelQueryResponse: Message<ChannelQueryResponse> = message<ChannelQueryResponse>('protos.ChannelQueryResponse', {
  channels: repeatedNested(1, () => ChannelInfoMessage),
})

/** Whether a peer is joining a channel by a snapshot. `protos.JoinBySnapshotStatus`. */
export interface JoinBySnapshotStatus {
  readonly inProgress: boolean
  readonly bootstrappingSnapshotDir: string
}

/** `protos.JoinBySnapshotStatus`. */
export const JoinBySnapshotStatus: Message<JoinBySnapshotStatus> = message<JoinBySnapshotStatus>('protos.JoinBySnapshotStatus', {
  inProgress: bool(1),
  bootstrappingSnapshotDir: string(2),
})
