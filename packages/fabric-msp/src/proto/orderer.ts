import {
  bool,
  bytes,
  choice,
  type Message,
  type MessageType,
  messageType,
  nested,
  nestedList,
  text,
  texts,
  uint32,
  uint64,
} from './message.ts'

/** `orderer.ConsensusType`. */
export interface ConsensusType extends Message {
  readonly type: string
  /** What it holds, the type says: {@link RaftMetadata} for `etcdraft`. */
  readonly metadata: Uint8Array
  /** 0 normal, 1 maintenance. */
  readonly state: number
}

/** `orderer.BatchSize`. */
export interface BatchSize extends Message {
  readonly maxMessageCount: number
  readonly absoluteMaxBytes: number
  readonly preferredMaxBytes: number
}

/** `orderer.BatchTimeout`: a duration as Go writes it, `500ms`. */
export interface BatchTimeout extends Message {
  readonly timeout: string
}

/** `orderer.ChannelRestrictions`. */
export interface ChannelRestrictions extends Message {
  readonly maxCount: bigint
}

/** `etcdraft.Consenter`. */
export interface RaftConsenter extends Message {
  readonly host: string
  readonly port: number
  /** PEM. */
  readonly clientTlsCert: Uint8Array
  readonly serverTlsCert: Uint8Array
}

/** `etcdraft.Options`. */
export interface RaftOptions extends Message {
  /** A duration as Go writes it. */
  readonly tickInterval: string
  readonly electionTick: number
  readonly heartbeatTick: number
  readonly maxInflightBlocks: number
  readonly snapshotIntervalSize: number
}

/** `etcdraft.ConfigMetadata`. */
export interface RaftMetadata extends Message {
  readonly consenters: readonly RaftConsenter[]
  readonly options: RaftOptions | undefined
}

const raftConsenter: MessageType<RaftConsenter> = messageType('etcdraft.Consenter', {
  host: text(1),
  port: uint32(2),
  clientTlsCert: bytes(3),
  serverTlsCert: bytes(4),
})

const raftOptions: MessageType<RaftOptions> = messageType('etcdraft.Options', {
  tickInterval: text(1),
  electionTick: uint32(2),
  heartbeatTick: uint32(3),
  maxInflightBlocks: uint32(4),
  snapshotIntervalSize: uint32(5),
})

/** {@link RaftMetadata} on the wire. */
export const raftMetadata: MessageType<RaftMetadata> = messageType('etcdraft.ConfigMetadata', {
  consenters: nestedList(1, () => raftConsenter),
  options: nested(2, () => raftOptions),
})

interface BftOptions extends Message {
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

const bftOptions: MessageType<BftOptions> = messageType('smartbft.Options', {
  requestBatchMaxCount: uint64(1),
  requestBatchMaxBytes: uint64(2),
  requestBatchMaxInterval: text(3),
  incomingMessageBufferSize: uint64(4),
  requestPoolSize: uint64(5),
  requestForwardTimeout: text(6),
  requestComplainTimeout: text(7),
  requestAutoRemoveTimeout: text(8),
  requestMaxBytes: uint64(9),
  viewChangeResendInterval: text(10),
  viewChangeTimeout: text(11),
  leaderHeartbeatTimeout: text(12),
  leaderHeartbeatCount: uint64(13),
  collectTimeout: text(14),
  syncOnStart: bool(15),
  speedUpViewChange: bool(16),
  leaderRotation: choice(17, ['ROTATION_UNSPECIFIED', 'ROTATION_OFF', 'ROTATION_ON']),
  decisionsPerLeader: uint64(18),
})

const empty: MessageType<Message> = messageType<Message>('google.protobuf.Empty', {})

/** {@link ConsensusType} on the wire. */
export const consensusType: MessageType<ConsensusType> = messageType('orderer.ConsensusType', {
  type: text(1),
  metadata: bytes(2, ({ type }) => (type === 'etcdraft' ? raftMetadata : type === 'BFT' ? bftOptions : empty)),
  state: choice(3, ['STATE_NORMAL', 'STATE_MAINTENANCE']),
})

/** {@link BatchSize} on the wire. */
export const batchSize: MessageType<BatchSize> = messageType('orderer.BatchSize', {
  maxMessageCount: uint32(1),
  absoluteMaxBytes: uint32(2),
  preferredMaxBytes: uint32(3),
})

/** {@link BatchTimeout} on the wire. */
export const batchTimeout: MessageType<BatchTimeout> = messageType('orderer.BatchTimeout', { timeout: text(1) })

/** {@link ChannelRestrictions} on the wire. */
export const channelRestrictions: MessageType<ChannelRestrictions> = messageType('orderer.ChannelRestrictions', { maxCount: uint64(1) })

interface KafkaBrokers extends Message {
  readonly brokers: readonly string[]
}

/** `orderer.KafkaBrokers` of old channels. */
export const kafkaBrokers: MessageType<KafkaBrokers> = messageType('orderer.KafkaBrokers', { brokers: texts(1) })
