import {
  BatchSize,
  BatchTimeout,
  ChannelRestrictions,
  type ConfigGroup,
  ConsensusType,
  type Consenter,
  OrdererAddresses,
  Orderers,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { Msp } from '../contract.ts'
import { badConfig, capabilityNames, configValueOf, valuesFault } from './config-values.ts'
import { parseDuration } from './duration.ts'
import { type MspDefinitions, type Organization, readOrganizations } from './organization.ts'

/** An organisation that runs orderers. */
export interface OrdererOrganization<M extends Msp> extends Organization<M> {
  /** `host:port` of its orderers. */
  readonly endpoints: readonly string[]
}

/** How a channel is ordered (`channelconfig/orderer.go`). */
export interface OrdererSection<M extends Msp> {
  readonly capabilities: ReadonlySet<string>
  readonly consensus: ConsensusType
  readonly batchSize: BatchSize
  /** Milliseconds, above 0. */
  readonly batchTimeoutMs: number
  /** 0 is no limit. */
  readonly channelsMax: bigint
  /** The orderers of a BFT channel. */
  readonly consenters: readonly Consenter[]
  readonly organizations: ReadonlyMap<string, OrdererOrganization<M>>
}

/** Reads the group `/Channel/Orderer`. @returns A fault where Fabric refuses it. */
export function readOrdererSection<M extends Msp>(group: ConfigGroup, definitions: MspDefinitions<M>): OrdererSection<M> | Fault {
  const fault = valuesFault('Orderer', group)
  if (fault !== undefined) return fault
  const capabilities = capabilityNames(group)
  if (isFault(capabilities)) return capabilities
  const batch = readBatch(group)
  if (isFault(batch)) return batch
  const consensus = configValueOf(group, 'ConsensusType', ConsensusType)
  const restrictions = configValueOf(group, 'ChannelRestrictions', ChannelRestrictions)
  const consenters = configValueOf(group, 'Orderers', Orderers)
  if (isFault(consensus)) return consensus
  if (isFault(restrictions)) return restrictions
  if (isFault(consenters)) return consenters
  const organizations = readOrganizations(group.groups, (name, below) => readOrdererOrganization(name, below, definitions))
  if (isFault(organizations)) return organizations
  const { maxCount: channelsMax } = restrictions
  return { capabilities, consensus, ...batch, channelsMax, consenters: consenters.consenterMapping, organizations }
}

function readBatch(group: ConfigGroup): Pick<OrdererSection<Msp>, 'batchSize' | 'batchTimeoutMs'> | Fault {
  const size = configValueOf(group, 'BatchSize', BatchSize)
  const timeout = configValueOf(group, 'BatchTimeout', BatchTimeout)
  if (isFault(size)) return size
  if (isFault(timeout)) return timeout
  if (size.maxMessageCount === 0 || size.absoluteMaxBytes === 0 || size.preferredMaxBytes === 0) return badConfig('a batch size is 0')
  if (size.preferredMaxBytes > size.absoluteMaxBytes) {
    return badConfig(`the batch's preferred_max_bytes ${size.preferredMaxBytes} exceed its absolute_max_bytes ${size.absoluteMaxBytes}`)
  }
  const batchTimeoutMs = parseDuration(timeout.timeout)
  if (batchTimeoutMs === undefined || batchTimeoutMs <= 0) return badConfig(`the batch timeout '${timeout.timeout}' is no duration above 0`)
  return { batchSize: size, batchTimeoutMs }
}

function readOrdererOrganization<M extends Msp>(
  name: string,
  group: ConfigGroup,
  definitions: MspDefinitions<M>,
): OrdererOrganization<M> | Fault {
  const organization = definitions.readOrganization('OrdererOrg', name, group)
  if (isFault(organization)) return organization
  const endpoints = configValueOf(group, 'Endpoints', OrdererAddresses)
  return isFault(endpoints) ? endpoints : { ...organization, endpoints: endpoints.addresses }
}
