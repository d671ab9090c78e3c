import { bool, bytes, int32, type Message, message, nested, repeatedNested, repeatedString, string, uint32, uint64 } from './message.ts'

/** `orderer.ConsensusType`. */
export interface ConsensusType {
  readonly type: string
  /** What it holds, the type says: {@link RaftMetadata} for `etcdraft`. */
  readonly metadata: Uint8Array
  /** 0 normal, 1 maintenance. */
  readonly state: number
}

/** `orderer.BatchSize`. */
export interface BatchSize {
  readonly maxMessageCount: number
  readonly absoluteMaxBytes: number
  readonly preferredMaxBytes: number
}

/** `orderer.BatchTimeout`: a duration as Go writes it, `500ms`. */
export interface BatchTimeout {
  readonly timeout: string
}

/** `orderer.ChannelRestrictions`. */
export interface ChannelRestrictions {
  readonly maxCount: bigint
}

/** `etcdraft.Consenter`. */
export interface RaftConsenter {
  readonly host: string
  readonly port: number
  /** PEM. */
  readonly clientTlsCert: Uint8Array
  readonly serverTlsCert: Uint8Array
}

/** `etcdraft.Options`. */
export interface RaftOptions {
  /** A duration as Go writes it. */
  readonly tickInterval: string
  readonly electionTick: number
  readonly heartbeatTick: number
  readonly maxInflightBlocks: number
  readonly snapshotIntervalSize: number
}

/** `etcdraft.ConfigMetadata`. */
export interface RaftMetadata {
  readonly consenters: readonly RaftConsenter[]
  readonly options: RaftOptions | undefined
}

/** {@link RaftConsenter} on the wire. */
export const RaftConsenter: Message<RaftConsenter> = message<RaftConsenter>('etcdraft.Consenter', {
  host: string(1),
  port: uint32(2),
  clientTlsCert: bytes(3),
  serverTlsCert: bytes(4),
})

/** {@link RaftOptions} on the wire. */
export const RaftOptions: Message<RaftOptions> = message<RaftOptions>('etcdraft.Options', {
  tickInterval: string(1),
  electionTick: uint32(2),
  heartbeatTick: uint32(3),
  maxInflightBlocks: uint32(4),
  snapshotIntervalSize: uint32(5),
})

/** {@link RaftMetadata} on the wire. */
export const RaftMetadata: Message<RaftMetadata> = message<RaftMetadata>('etcdraft.ConfigMetadata', {
  consenters: repeatedNested(1, () => RaftConsenter),
  options: nested(2, () => RaftOptions),
})

/** `smartbft.Options`. */
export interface BftOptions {
  readonly requestBatchMaxCount: bigint
  readonly requestBatchMaxBytes: bigint
  readonly requestBatchMaxInterval: string
  readonly incomingMessageBufferSize: bigint
  readonly requestPoolSize: bigint
  readonly requestForwardTimeout: string
  readonly requestComplainTimeout: string
  readonly requestAutoRemoveTimeout: string
  readonly requestMaxBytes: bigint
  readonly viewChangeResendInterval: string
  readonly viewChangeTimeout: string
  readonly leaderHeartbeatTimeout: string
  readonly leaderHeartbeatCount: bigint
  readonly collectTimeout: string
  readonly syncOnStart: boolean
  readonly speedUpViewChange: boolean
  readonly leaderRotation: number
  readonly decisionsPerLeader: bigint
}

/** {@link BftOptions} on the wire. */
export const BftOptions: Message<BftOptions> = message<BftOptions>('smartbft.Options', {
  requestBatchMaxCount: uint64(1),
  requestBatchMaxBytes: uint64(2),
  requestBatchMaxInterval: string(3),
  incomingMessageBufferSize: uint64(4),
  requestPoolSize: uint64(5),
  requestForwardTimeout: string(6),
  requestComplainTimeout: string(7),
  requestAutoRemoveTimeout: string(8),
  requestMaxBytes: uint64(9),
  viewChangeResendInterval: string(10),
  viewChangeTimeout: string(11),
  leaderHeartbeatTimeout: string(12),
  leaderHeartbeatCount: uint64(13),
  collectTimeout: string(14),
  syncOnStart: bool(15),
  speedUpViewChange: bool(16),
  leaderRotation: int32(17),
  decisionsPerLeader: uint64(18),
})

/** {@link ConsensusType} on the wire. */
export const ConsensusType: Message<ConsensusType> = message<ConsensusType>('orderer.ConsensusType', {
  type: string(1),
  metadata: bytes(2),
  state: int32(3),
})

/** {@link BatchSize} on the wire. */
export const BatchSize: Message<BatchSize> = message<BatchSize>('orderer.BatchSize', {
  maxMessageCount: uint32(1),
  absoluteMaxBytes: uint32(2),
  preferredMaxBytes: uint32(3),
})

/** {@link BatchTimeout} on the wire. */
export const BatchTimeout: Message<BatchTimeout> = message<BatchTimeout>('orderer.BatchTimeout', { timeout: string(1) })

/** {@link ChannelRestrictions} on the wire. */
export const ChannelRestrictions: Message<ChannelRestrictions> = message<ChannelRestrictions>('orderer.ChannelRestrictions', {
  maxCount: uint64(1),
})

/** `orderer.KafkaBrokers`. */
export interface KafkaBrokers {
  readonly brokers: readonly string[]
}

/** `orderer.KafkaBrokers` of old channels. */
export const KafkaBrokers: Message<KafkaBrokers> = message<KafkaBrokers>('orderer.KafkaBrokers', { brokers: repeatedString(1) })
