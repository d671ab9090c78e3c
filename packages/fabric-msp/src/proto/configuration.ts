import { bytes, int32, type Message, type MessageType, messageType, nestedList, nestedMap, text, texts, uint32 } from './message.ts'
import { mspConfig } from './msp.ts'
import { batchSize, batchTimeout, channelRestrictions, consensusType, kafkaBrokers } from './orderer.ts'
import { policyMessage } from './policies.ts'

/** A message that holds one name: `common.HashingAlgorithm`, `common.Consortium`. */
export interface NameMessage extends Message {
  readonly name: string
}

/** `common.HashingAlgorithm` on the wire. */
export const hashingAlgorithm: MessageType<NameMessage> = messageType('common.HashingAlgorithm', { name: text(1) })

/** `common.Consortium` on the wire. */
export const consortium: MessageType<NameMessage> = messageType('common.Consortium', { name: text(1) })

/** `common.BlockDataHashingStructure`. */
export interface BlockDataHashingStructure extends Message {
  readonly width: number
}

/** {@link BlockDataHashingStructure} on the wire. */
export const blockDataHashingStructure: MessageType<BlockDataHashingStructure> = messageType('common.BlockDataHashingStructure', {
  width: uint32(1),
})

/** `common.OrdererAddresses`, as `host:port`. */
export interface OrdererAddresses extends Message {
  readonly addresses: readonly string[]
}

/** {@link OrdererAddresses} on the wire. */
export const ordererAddresses: MessageType<OrdererAddresses> = messageType('common.OrdererAddresses', { addresses: texts(1) })

/** `common.Consenter`: an orderer of a BFT channel. */
export interface Consenter extends Message {
  readonly id: number
  readonly host: string
  readonly port: number
  readonly mspId: string
  /** Certificates in PEM. */
  readonly identity: Uint8Array
  readonly clientTlsCert: Uint8Array
  readonly serverTlsCert: Uint8Array
}

/** `common.Orderers`. */
export interface Orderers extends Message {
  readonly consenterMapping: readonly Consenter[]
}

const consenter: MessageType<Consenter> = messageType('common.Consenter', {
  id: uint32(1),
  host: text(2),
  port: uint32(3),
  mspId: text(4),
  identity: bytes(5),
  clientTlsCert: bytes(6),
  serverTlsCert: bytes(7),
})

/** {@link Orderers} on the wire. */
export const orderers: MessageType<Orderers> = messageType('common.Orderers', { consenterMapping: nestedList(1, () => consenter) })

/** `common.Capabilities`: their names are what counts. */
export interface Capabilities extends Message {
  readonly capabilities: ReadonlyMap<string, Message>
}

const capability: MessageType<Message> = messageType<Message>('common.Capability', {})

/** {@link Capabilities} on the wire. */
export const capabilities: MessageType<Capabilities> = messageType('common.Capabilities', { capabilities: nestedMap(1, () => capability) })

/** `protos.AnchorPeer`. */
export interface AnchorPeer extends Message {
  readonly host: string
  readonly port: number
}

/** `protos.AnchorPeers`. */
export interface AnchorPeers extends Message {
  readonly anchorPeers: readonly AnchorPeer[]
}

const anchorPeer: MessageType<AnchorPeer> = messageType('protos.AnchorPeer', { host: text(1), port: int32(2) })

/** {@link AnchorPeers} on the wire. */
export const anchorPeers: MessageType<AnchorPeers> = messageType('protos.AnchorPeers', { anchorPeers: nestedList(1, () => anchorPeer) })

/** `protos.APIResource`. */
export interface ApiResource extends Message {
  readonly policyRef: string
}

/** `protos.ACLs`: policies by the resource they guard. */
export interface Acls extends Message {
  readonly acls: ReadonlyMap<string, ApiResource>
}

const apiResource: MessageType<ApiResource> = messageType('protos.APIResource', { policyRef: text(1) })

/** {@link Acls} on the wire. */
export const acls: MessageType<Acls> = messageType('protos.ACLs', { acls: nestedMap(1, () => apiResource) })

/** Where in the tree a configuration group is (`common/channelconfig`). */
export type ConfigScope =
  | 'Channel'
  | 'Orderer'
  | 'OrdererOrg'
  | 'Application'
  | 'ApplicationOrg'
  | 'Consortiums'
  | 'Consortium'
  | 'ConsortiumOrg'

/** The values that a group may have, by scope and key, as Fabric names them; it refuses any other. */
export const CONFIG_VALUES: ReadonlyMap<string, MessageType<Message>> = new Map<string, MessageType<Message>>([
  ['Channel/HashingAlgorithm', hashingAlgorithm],
  ['Channel/BlockDataHashingStructure', blockDataHashingStructure],
  ['Channel/OrdererAddresses', ordererAddresses],
  ['Channel/Orderers', orderers],
  ['Channel/Consortium', consortium],
  ['Channel/Capabilities', capabilities],
  ['Orderer/ConsensusType', consensusType],
  ['Orderer/BatchSize', batchSize],
  ['Orderer/BatchTimeout', batchTimeout],
  ['Orderer/KafkaBrokers', kafkaBrokers],
  ['Orderer/ChannelRestrictions', channelRestrictions],
  ['Orderer/Orderers', orderers],
  ['Orderer/Capabilities', capabilities],
  ['OrdererOrg/MSP', mspConfig],
  ['OrdererOrg/Endpoints', ordererAddresses],
  ['Application/ACLs', acls],
  ['Application/Capabilities', capabilities],
  ['ApplicationOrg/MSP', mspConfig],
  ['ApplicationOrg/AnchorPeers', anchorPeers],
  ['Consortium/ChannelCreationPolicy', policyMessage],
  ['ConsortiumOrg/MSP', mspConfig],
])

/** @returns Where a group's subgroup is; empty for a group that may not be there. */
export function scopeOfGroup(scope: string, key: string): ConfigScope | '' {
  switch (scope) {
    case 'Channel':
      return key === 'Orderer' || key === 'Application' || key === 'Consortiums' ? key : ''
    case 'Orderer':
      return 'OrdererOrg'
    case 'Application':
      return 'ApplicationOrg'
    case 'Consortiums':
      return 'Consortium'
    case 'Consortium':
      return 'ConsortiumOrg'
    default:
      return ''
  }
}
