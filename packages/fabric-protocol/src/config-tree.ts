import {
  Acls,
  AnchorPeers,
  BlockDataHashingStructure,
  Capabilities,
  ConsortiumMessage,
  HashingAlgorithm,
  OrdererAddresses,
  Orderers,
} from './config-values.ts'
import type { Message } from './message.ts'
import { MspConfig } from './msp-config.ts'
import { BatchSize, BatchTimeout, ChannelRestrictions, ConsensusType, KafkaBrokers } from './orderer-config.ts'
import { PolicyMessage } from './policy.ts'

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
export const CONFIG_VALUES: ReadonlyMap<string, Message<object>> = new Map<string, Message<object>>([
  ['Channel/HashingAlgorithm', HashingAlgorithm],
  ['Channel/BlockDataHashingStructure', BlockDataHashingStructure],
  ['Channel/OrdererAddresses', OrdererAddresses],
  ['Channel/Orderers', Orderers],
  ['Channel/Consortium', ConsortiumMessage],
  ['Channel/Capabilities', Capabilities],
  ['Orderer/ConsensusType', ConsensusType],
  ['Orderer/BatchSize', BatchSize],
  ['Orderer/BatchTimeout', BatchTimeout],
  ['Orderer/KafkaBrokers', KafkaBrokers],
  ['Orderer/ChannelRestrictions', ChannelRestrictions],
  ['Orderer/Orderers', Orderers],
  ['Orderer/Capabilities', Capabilities],
  ['OrdererOrg/MSP', MspConfig],
  ['OrdererOrg/Endpoints', OrdererAddresses],
  ['Application/ACLs', Acls],
  ['Application/Capabilities', Capabilities],
  ['ApplicationOrg/MSP', MspConfig],
  ['ApplicationOrg/AnchorPeers', AnchorPeers],
  ['Consortium/ChannelCreationPolicy', PolicyMessage],
  ['ConsortiumOrg/MSP', MspConfig],
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
