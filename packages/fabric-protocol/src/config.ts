import { Envelope } from './envelope.ts'
import { bytes, type Message, map, mapNested, message, nested, repeatedNested, string, uint64 } from './message.ts'
import { PolicyMessage } from './policy.ts'

/** `common.ConfigValue`. */
export interface ConfigValue {
  readonly version: bigint
  readonly value: Uint8Array
  readonly modPolicy: string
}

/** {@link ConfigValue} on the wire. */
export const ConfigValue: Message<ConfigValue> = message<ConfigValue>('common.ConfigValue', {
  version: uint64(1),
  value: bytes(2),
  modPolicy: string(3),
})

/** `common.ConfigPolicy`. */
export interface ConfigPolicy {
  readonly version: bigint
  readonly policy: PolicyMessage | undefined
  readonly modPolicy: string
}

/** {@link ConfigPolicy} on the wire. */
export const ConfigPolicy: Message<ConfigPolicy> = message<ConfigPolicy>('common.ConfigPolicy', {
  version: uint64(1),
  policy: nested(2, () => PolicyMessage),
  modPolicy: string(3),
})

/** `common.ConfigGroup`: a node of the configuration's tree. */
export interface ConfigGroup {
  readonly version: bigint
  readonly groups: ReadonlyMap<string, ConfigGroup>
  readonly values: ReadonlyMap<string, ConfigValue>
  readonly policies: ReadonlyMap<string, ConfigPolicy>
  readonly modPolicy: string
}

/** {@link ConfigGroup} on the wire. */
export const ConfigGroup: Message<ConfigGroup> = message<ConfigGroup>('common.ConfigGroup', {
  version: uint64(1),
  groups: mapNested(2, () => ConfigGroup),
  values: mapNested(3, () => ConfigValue),
  policies: mapNested(4, () => ConfigPolicy),
  modPolicy: string(5),
})

/** `common.Config`. */
export interface Config {
  readonly sequence: bigint
  readonly channelGroup: ConfigGroup | undefined
}

/** {@link Config} on the wire. */
export const Config: Message<Config> = message<Config>('common.Config', {
  sequence: uint64(1),
  channelGroup: nested(2, () => ConfigGroup),
})

/** `common.ConfigEnvelope`: what a CONFIG transaction carries. */
export interface ConfigEnvelope {
  readonly config: Config | undefined
  /** The CONFIG_UPDATE envelope that made this configuration; absent in a genesis block. */
  readonly lastUpdate: Envelope | undefined
}

/** {@link ConfigEnvelope} on the wire. */
export const ConfigEnvelope: Message<ConfigEnvelope> = message<ConfigEnvelope>('common.ConfigEnvelope', {
  config: nested(1, () => Config),
  lastUpdate: nested(2, () => Envelope),
})

/** `common.ConfigSignature`. */
export interface ConfigSignature {
  readonly signatureHeader: Uint8Array
  /** Over `signatureHeader ‖ configUpdate`. */
  readonly signature: Uint8Array
}

/** {@link ConfigSignature} on the wire. */
export const ConfigSignature: Message<ConfigSignature> = message<ConfigSignature>('common.ConfigSignature', {
  signatureHeader: bytes(1),
  signature: bytes(2),
})

/** `common.ConfigUpdate`. */
export interface ConfigUpdate {
  readonly channelId: string
  readonly readSet: ConfigGroup | undefined
  readonly writeSet: ConfigGroup | undefined
  readonly isolatedData: ReadonlyMap<string, Uint8Array>
}

/** {@link ConfigUpdate} on the wire. */
export const ConfigUpdate: Message<ConfigUpdate> = message<ConfigUpdate>('common.ConfigUpdate', {
  channelId: string(1),
  readSet: nested(2, () => ConfigGroup),
  writeSet: nested(3, () => ConfigGroup),
  isolatedData: map(5, bytes),
})

/** `common.ConfigUpdateEnvelope`: what a CONFIG_UPDATE transaction carries. */
export interface ConfigUpdateEnvelope {
  /** {@link ConfigUpdate}, as it was signed. */
  readonly configUpdate: Uint8Array
  readonly signatures: readonly ConfigSignature[]
}

/** {@link ConfigUpdateEnvelope} on the wire. */
export const ConfigUpdateEnvelope: Message<ConfigUpdateEnvelope> = message<ConfigUpdateEnvelope>('common.ConfigUpdateEnvelope', {
  configUpdate: bytes(1),
  signatures: repeatedNested(2, () => ConfigSignature),
})
