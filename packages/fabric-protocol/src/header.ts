import { sha256 } from './hash.ts'
import { toHex } from './hex.ts'
import { bytes, int32, int64, type Message, message, nested, string, uint64 } from './message.ts'

/** What a payload is. `common.HeaderType`. */
export const HeaderType = {
  message: 0,
  config: 1,
  configUpdate: 2,
  endorserTransaction: 3,
  ordererTransaction: 4,
  deliverSeekInfo: 5,
  chaincodePackage: 6,
} as const

/** One of {@link HeaderType}; a header of the network may hold any number. */
export type HeaderType = (typeof HeaderType)[keyof typeof HeaderType]

/** A time since 1970. `google.protobuf.Timestamp`. */
export interface Timestamp {
  readonly seconds: bigint
  readonly nanos: number
}

/** `google.protobuf.Timestamp`. */
export const Timestamp: Message<Timestamp> = message<Timestamp>('google.protobuf.Timestamp', { seconds: int64(1), nanos: int32(2) })

/** A channel's name: no path, so that a file may be named after it. @see Fabric `common/configtx/validator.go` validateChannelID */
export const CHANNEL_ID: RegExp = /^[a-z][a-z0-9.-]{0,248}$/

/** `common.ChannelHeader`. */
export interface ChannelHeader {
  /** A {@link HeaderType}, or a number that is none. */
  readonly type: number
  readonly version: number
  readonly timestamp: Timestamp | undefined
  readonly channelId: string
  readonly txId: string
  readonly epoch: bigint
  /** By type: a `ChaincodeHeaderExtension` for endorser transactions. */
  readonly extension: Uint8Array
  readonly tlsCertHash: Uint8Array
}

/** `common.ChannelHeader`. */
export const ChannelHeader: Message<ChannelHeader> = message<ChannelHeader>('common.ChannelHeader', {
  type: int32(1),
  version: int32(2),
  timestamp: nested(3, () => Timestamp),
  channelId: string(4),
  txId: string(5),
  epoch: uint64(6),
  extension: bytes(7),
  tlsCertHash: bytes(8),
})

/** `common.SignatureHeader`. */
export interface SignatureHeader {
  /** A {@link SerializedIdentity}'s bytes. */
  readonly creator: Uint8Array
  readonly nonce: Uint8Array
}

/** `common.SignatureHeader`. */
export const SignatureHeader: Message<SignatureHeader> = message<SignatureHeader>('common.SignatureHeader', {
  creator: bytes(1),
  nonce: bytes(2),
})

/** `common.Header`. */
export interface Header {
  /** A {@link ChannelHeader}'s bytes: hashed as they are. */
  readonly channelHeader: Uint8Array
  /** A {@link SignatureHeader}'s bytes: hashed as they are. */
  readonly signatureHeader: Uint8Array
}

/** `common.Header`. */
export const Header: Message<Header> = message<Header>('common.Header', { channelHeader: bytes(1), signatureHeader: bytes(2) })

/** `msp.SerializedIdentity`. */
export interface SerializedIdentity {
  readonly mspId: string
  /** A certificate as PEM. */
  readonly idBytes: Uint8Array
}

/** `msp.SerializedIdentity`. */
export const SerializedIdentity: Message<SerializedIdentity> = message<SerializedIdentity>('msp.SerializedIdentity', {
  mspId: string(1),
  idBytes: bytes(2),
})

/** A transaction's id: SHA-256 over nonce and creator, in hex. @see Fabric `protoutil/proputils.go` ComputeTxID */
export function transactionId(header: SignatureHeader): string {
  return toHex(sha256(header.nonce, header.creator))
}
