import { bool, bytes, int32, type Message, message, nested, oneOf, repeatedNested, string, uint64 } from './message.ts'

/** What only the own organisation's peers are shown. `gossip.SecretEnvelope`. */
export interface SecretEnvelope {
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

/** `gossip.SecretEnvelope`. */
export const SecretEnvelope: Message<SecretEnvelope> = message<SecretEnvelope>('gossip.SecretEnvelope', {
  payload: bytes(1),
  signature: bytes(2),
})

/** A signed message of a peer's. `gossip.Envelope`. */
export interface GossipEnvelope {
  /** A {@link GossipMessage}'s bytes: what is signed. */
  readonly payload: Uint8Array
  readonly signature: Uint8Array
  readonly secretEnvelope: SecretEnvelope | undefined
}

/** `gossip.Envelope`. */
export const GossipEnvelope: Message<GossipEnvelope> = message<GossipEnvelope>('gossip.Envelope', {
  payload: bytes(1),
  signature: bytes(2),
  secretEnvelope: nested(3, () => SecretEnvelope),
})

/** When a peer said something. `gossip.PeerTime`. */
export interface PeerTime {
  /** When it started: nanoseconds since 1970. */
  readonly incNum: bigint
  /** Goes up with each message. */
  readonly seqNum: bigint
}

/** `gossip.PeerTime`. */
export const PeerTime: Message<PeerTime> = message<PeerTime>('gossip.PeerTime', { incNum: uint64(1), seqNum: uint64(2) })

/** Who a peer is. `gossip.Member`. */
export interface GossipMember {
  /** `host:port` for others; empty for a peer that does not want to be known outside its organisation. */
  readonly endpoint: string
  readonly metadata: Uint8Array
  /** SHA-256 over its MSP's id and its certificate as PEM. */
  readonly pkiId: Uint8Array
}

/** `gossip.Member`. */
export const GossipMember: Message<GossipMember> = message<GossipMember>('gossip.Member', {
  endpoint: string(1),
  metadata: bytes(2),
  pkiId: bytes(3),
})

/** A peer says that it is there. `gossip.AliveMessage`. */
export interface AliveMessage {
  readonly membership: GossipMember | undefined
  readonly timestamp: PeerTime | undefined
  /** A `SerializedIdentity`'s bytes, or none where it is known. */
  readonly identity: Uint8Array
}

/** `gossip.AliveMessage`. */
export const AliveMessage: Message<AliveMessage> = message<AliveMessage>('gossip.AliveMessage', {
  membership: nested(1, () => GossipMember),
  timestamp: nested(2, () => PeerTime),
  identity: bytes(4),
})

/** A chaincode that a peer runs. `gossip.Chaincode`. */
export interface GossipChaincode {
  readonly name: string
  /** The sequence of its definition, as decimal digits. */
  readonly version: string
  readonly metadata: Uint8Array
}

/** `gossip.Chaincode`. */
export const GossipChaincode: Message<GossipChaincode> = message<GossipChaincode>('gossip.Chaincode', {
  name: string(1),
  version: string(2),
  metadata: bytes(3),
})

/** How far a peer is on a channel, and what it runs. `gossip.Properties`. */
export interface PeerProperties {
  readonly ledgerHeight: bigint
  readonly leftChannel: boolean
  readonly chaincodes: readonly GossipChaincode[]
}

/** `gossip.Properties`. */
export const PeerProperties: Message<PeerProperties> = message<PeerProperties>('gossip.Properties', {
  ledgerHeight: uint64(1),
  leftChannel: bool(2),
  chaincodes: repeatedNested(3, () => GossipChaincode),
})

/** A peer tells of its channel. `gossip.StateInfo`. */
export interface StateInfo {
  readonly timestamp: PeerTime | undefined
  readonly pkiId: Uint8Array
  /** SHA-256 over the peer's PKI-ID and the channel's name: outsiders cannot tell which channel it is. */
  readonly channelMac: Uint8Array
  readonly properties: PeerProperties | undefined
}

/** `gossip.StateInfo`. */
export const StateInfo: Message<StateInfo> = message<StateInfo>('gossip.StateInfo', {
  timestamp: nested(2, () => PeerTime),
  pkiId: bytes(3),
  channelMac: bytes(4),
  properties: nested(5, () => PeerProperties),
})

/** For whom a message is. `gossip.GossipMessage.Tag`. */
export const GossipTag = { undefined: 0, empty: 1, orgOnly: 2, channelOnly: 3, channelAndOrg: 4, channelOrOrg: 5 } as const

/** What peers tell each other: those of its kinds that discovery hands on. `gossip.GossipMessage`. */
export interface GossipMessage {
  readonly nonce: bigint
  readonly channel: Uint8Array
  /** One of {@link GossipTag}. */
  readonly tag: number
  readonly aliveMsg: AliveMessage | undefined
  readonly stateInfo: StateInfo | undefined
}

/** `gossip.GossipMessage`. */
export const GossipMessage: Message<GossipMessage> = message<GossipMessage>('gossip.GossipMessage', {
  nonce: uint64(1),
  channel: bytes(2),
  tag: int32(3),
  aliveMsg: oneOf(
    'content',
    nested(5, () => AliveMessage),
  ),
  stateInfo: oneOf(
    'content',
    nested(15, () => StateInfo),
  ),
})
