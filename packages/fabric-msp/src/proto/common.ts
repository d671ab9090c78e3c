import { type Fault, isFault } from '@kumiko/interface'
import { CONFIG_VALUES, scopeOfGroup } from './configuration.ts'
import {
  bytes,
  bytesList,
  bytesMap,
  decodeMessage,
  int32,
  type Message,
  type MessageType,
  messageType,
  nested,
  nestedList,
  nestedMap,
  text,
  uint64,
} from './message.ts'
import { serializedIdentity } from './msp.ts'
import { type PolicyMessage, policyMessage } from './policies.ts'
import { type Timestamp, timestamp } from './timestamp.ts'

/** `HeaderType` of the messages that this package reads. */
export const HEADER_TYPE = { config: 1, configUpdate: 2 } as const

/** `common.ChannelHeader`. */
export interface ChannelHeader extends Message {
  /** `HeaderType`. */
  readonly type: number
  readonly version: number
  readonly timestamp: Timestamp | undefined
  readonly channelId: string
  readonly txId: string
  readonly epoch: bigint
  readonly extension: Uint8Array
  readonly tlsCertHash: Uint8Array
}

/** {@link ChannelHeader} on the wire. */
export const channelHeader: MessageType<ChannelHeader> = messageType('common.ChannelHeader', {
  type: int32(1),
  version: int32(2),
  timestamp: nested(3, () => timestamp),
  channelId: text(4),
  txId: text(5),
  epoch: uint64(6),
  extension: bytes(7),
  tlsCertHash: bytes(8),
})

/** `common.SignatureHeader`. */
export interface SignatureHeader extends Message {
  /** `msp.SerializedIdentity`. */
  readonly creator: Uint8Array
  readonly nonce: Uint8Array
}

/** {@link SignatureHeader} on the wire. */
export const signatureHeader: MessageType<SignatureHeader> = messageType('common.SignatureHeader', {
  creator: bytes(1, () => serializedIdentity),
  nonce: bytes(2),
})

/** `common.Header`. */
export interface Header extends Message {
  readonly channelHeader: Uint8Array
  readonly signatureHeader: Uint8Array
}

const header: MessageType<Header> = messageType('common.Header', {
  channelHeader: bytes(1, () => channelHeader),
  signatureHeader: bytes(2, () => signatureHeader),
})

/** `common.Payload`. */
export interface Payload extends Message {
  readonly header: Header | undefined
  readonly data: Uint8Array
}

/** {@link Payload} on the wire. */
export const payload: MessageType<Payload> = messageType('common.Payload', {
  header: nested(1, () => header),
  data: bytes(2, ({ header: of }) => payloadTypeOf(of)),
})

/** `common.Envelope`. */
export interface Envelope extends Message {
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

/** {@link Envelope} on the wire. */
export const envelope: MessageType<Envelope> = messageType('common.Envelope', { payload: bytes(1, () => payload), signature: bytes(2) })

/** Reads an {@link Envelope}'s payload. */
export function decodeEnvelope(bytesOfEnvelope: Uint8Array): Payload | Fault {
  const decoded = decodeMessage(envelope, bytesOfEnvelope)
  return isFault(decoded) ? decoded : decodeMessage(payload, decoded.payload)
}

/** `common.ConfigValue`. */
export interface ConfigValue extends Message {
  readonly version: bigint
  readonly value: Uint8Array
  readonly modPolicy: string
}

/** {@link ConfigValue} on the wire. */
const configValue: MessageType<ConfigValue> = messageType('common.ConfigValue', {
  version: uint64(1),
  value: bytes(2, (_, scope) => CONFIG_VALUES.get(scope)),
  modPolicy: text(3),
})

/** `common.ConfigPolicy`. */
export interface ConfigPolicy extends Message {
  readonly version: bigint
  readonly policy: PolicyMessage | undefined
  readonly modPolicy: string
}

/** {@link ConfigPolicy} on the wire. */
const configPolicy: MessageType<ConfigPolicy> = messageType('common.ConfigPolicy', {
  version: uint64(1),
  policy: nested(2, () => policyMessage),
  modPolicy: text(3),
})

/** `common.ConfigGroup`: a node of the configuration's tree. */
export interface ConfigGroup extends Message {
  readonly version: bigint
  readonly groups: ReadonlyMap<string, ConfigGroup>
  readonly values: ReadonlyMap<string, ConfigValue>
  readonly policies: ReadonlyMap<string, ConfigPolicy>
  readonly modPolicy: string
}

/** {@link ConfigGroup} on the wire. */
export const configGroup: MessageType<ConfigGroup> = messageType('common.ConfigGroup', {
  version: uint64(1),
  groups: nestedMap(2, () => configGroup, scopeOfGroup),
  values: nestedMap(
    3,
    () => configValue,
    (scope, key) => `${scope}/${key}`,
  ),
  policies: nestedMap(4, () => configPolicy),
  modPolicy: text(5),
})

/** `common.Config`. */
export interface Config extends Message {
  readonly sequence: bigint
  readonly channelGroup: ConfigGroup | undefined
}

/** {@link Config} on the wire. */
export const config: MessageType<Config> = messageType('common.Config', {
  sequence: uint64(1),
  channelGroup: nested(2, () => configGroup, channelScope),
})

/** `common.ConfigEnvelope`: what a CONFIG transaction carries. */
export interface ConfigEnvelope extends Message {
  readonly config: Config | undefined
  /** The CONFIG_UPDATE envelope that made this configuration; absent in a genesis block. */
  readonly lastUpdate: Envelope | undefined
}

/** {@link ConfigEnvelope} on the wire. */
export const configEnvelope: MessageType<ConfigEnvelope> = messageType('common.ConfigEnvelope', {
  config: nested(1, () => config),
  lastUpdate: nested(2, () => envelope),
})

/** `common.ConfigSignature`. */
export interface ConfigSignature extends Message {
  readonly signatureHeader: Uint8Array
  /** Over `signatureHeader ‖ configUpdate`. */
  readonly signature: Uint8Array
}

const configSignature: MessageType<ConfigSignature> = messageType('common.ConfigSignature', {
  signatureHeader: bytes(1, () => signatureHeader),
  signature: bytes(2),
})

/** `common.ConfigUpdate`. */
export interface ConfigUpdate extends Message {
  readonly channelId: string
  readonly readSet: ConfigGroup | undefined
  readonly writeSet: ConfigGroup | undefined
  readonly isolatedData: ReadonlyMap<string, Uint8Array>
}

/** {@link ConfigUpdate} on the wire. */
export const configUpdate: MessageType<ConfigUpdate> = messageType('common.ConfigUpdate', {
  channelId: text(1),
  readSet: nested(2, () => configGroup, channelScope),
  writeSet: nested(3, () => configGroup, channelScope),
  isolatedData: bytesMap(5),
})

/** `common.ConfigUpdateEnvelope`: what a CONFIG_UPDATE transaction carries. */
export interface ConfigUpdateEnvelope extends Message {
  /** {@link ConfigUpdate}, as it was signed. */
  readonly configUpdate: Uint8Array
  readonly signatures: readonly ConfigSignature[]
}

/** {@link ConfigUpdateEnvelope} on the wire. */
export const configUpdateEnvelope: MessageType<ConfigUpdateEnvelope> = messageType('common.ConfigUpdateEnvelope', {
  configUpdate: bytes(1, () => configUpdate),
  signatures: nestedList(2, () => configSignature),
})

/** `common.BlockHeader`. */
export interface BlockHeader extends Message {
  readonly number: bigint
  readonly previousHash: Uint8Array
  readonly dataHash: Uint8Array
}

const blockHeader: MessageType<BlockHeader> = messageType('common.BlockHeader', {
  number: uint64(1),
  previousHash: bytes(2),
  dataHash: bytes(3),
})

/** `common.BlockData`: envelopes. */
export interface BlockData extends Message {
  readonly data: readonly Uint8Array[]
}

const blockData: MessageType<BlockData> = messageType('common.BlockData', { data: bytesList(1, () => envelope) })

/** `common.BlockMetadata`. */
export interface BlockMetadata extends Message {
  /** By `BlockMetadataIndex`. */
  readonly metadata: readonly Uint8Array[]
}

const blockMetadata: MessageType<BlockMetadata> = messageType('common.BlockMetadata', { metadata: bytesList(1) })

/** `common.Block`. */
export interface Block extends Message {
  readonly header: BlockHeader | undefined
  readonly data: BlockData | undefined
  readonly metadata: BlockMetadata | undefined
}

/** {@link Block} on the wire. */
export const block: MessageType<Block> = messageType('common.Block', {
  header: nested(1, () => blockHeader),
  data: nested(2, () => blockData),
  metadata: nested(3, () => blockMetadata),
})

function channelScope(): string {
  return 'Channel'
}

/** What a payload carries, by its channel header. */
function payloadTypeOf(of: unknown): MessageType<Message> | undefined {
  const bytesOfHeader = typeof of === 'object' && of !== null && 'channelHeader' in of ? of.channelHeader : undefined
  if (!(bytesOfHeader instanceof Uint8Array)) return undefined
  const decoded = decodeMessage(channelHeader, bytesOfHeader)
  if (isFault(decoded)) return undefined
  if (decoded.type === HEADER_TYPE.config) return configEnvelope
  return decoded.type === HEADER_TYPE.configUpdate ? configUpdateEnvelope : undefined
}
