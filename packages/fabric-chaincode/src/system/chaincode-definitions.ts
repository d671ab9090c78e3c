import { storedSequence } from '@kumiko/fabric-lifecycle'
import { KumikoError } from '@kumiko/interface'
import type { ChaincodeDefinitions, ChaincodeEndorsementInfo } from '../contract.ts'
import type { ChannelChaincode, ChannelChaincodes, LifecycleChannel } from './channel-chaincodes.ts'
import { sequenceReader } from './lifecycle-states.ts'

/** Where Fabric 1 kept definitions: read, as Fabric does, and never followed. */
const LEGACY_NAMESPACE = 'lscc'

/**
 * Which chaincode a name stands for, by what channels define and what the peer runs.
 * @param channel - Undefined where the peer is not on it.
 * @see Fabric `core/chaincode/lifecycle/endorsement_info.go`
 */
export function chaincodeDefinitions({
  chaincodes,
  channel,
}: {
  readonly chaincodes: Pick<ChannelChaincodes, 'chaincode'>
  readonly channel: (channelId: string) => Pick<LifecycleChannel, 'bundle'> | undefined
}): ChaincodeDefinitions {
  return {
    endorsementInfo: async (channelId, name, simulator) => {
      assertLifecycle(channelId, channel(channelId))
      const sequence = await storedSequence(sequenceReader(simulator), name)
      if (sequence === 0n) {
        await simulator.getState(LEGACY_NAMESPACE, name)
        throw undefinedHere(`chaincode ${name} not found`)
      }
      return endorsementInfo(channelId, name, sequence, await chaincodes.chaincode(channelId, name))
    },
  }
}

function assertLifecycle(channelId: string, channel: Pick<LifecycleChannel, 'bundle'> | undefined): void {
  if (channel === undefined) throw undefinedHere(`could not get channel config for channel '${channelId}'`)
  const { application } = channel.bundle
  if (application === undefined) throw undefinedHere(`could not get application config for channel '${channelId}'`)
  if (!hasLifecycle(application.capabilities)) {
    throw undefinedHere(`channel '${channelId}' has no application capability V2_0: chaincode that lscc defines is not supported`)
  }
}

/** Whether a channel has the lifecycle of Fabric 2. @param capabilities - Of its application. */
export function hasLifecycle(capabilities: ReadonlySet<string>): boolean {
  return capabilities.has('V2_0') || capabilities.has('V2_5')
}

function endorsementInfo(channelId: string, name: string, sequence: bigint, found: ChannelChaincode | undefined): ChaincodeEndorsementInfo {
  if (found === undefined) {
    throw undefinedHere(`could not get approved chaincode info from cache: unknown chaincode '${name}' for channel '${channelId}'`)
  }
  const { definition, isApproved, packageId } = found
  if (definition.sequence !== sequence) {
    throw undefinedHere(
      `chaincode cache at sequence ${definition.sequence} but current sequence is ${sequence}, chaincode definition for '${name}' changed during invoke`,
    )
  }
  if (!isApproved) {
    throw undefinedHere(
      `chaincode definition for '${name}' at sequence ${sequence} on channel '${channelId}' has not yet been approved by this org`,
    )
  }
  if (packageId === undefined) {
    throw undefinedHere(`chaincode definition for '${name}' exists, but chaincode is not installed`)
  }
  const { version, initRequired, endorsementPlugin } = definition.endorsementInfo
  return { version, enforceInit: initRequired, packageId, endorsementPlugin }
}

function undefinedHere(message: string): KumikoError {
  return new KumikoError('fabric-chaincode/not-defined', message)
}
