import type { ChannelBundle } from '@kumiko/fabric-msp'
import { ApplicationPolicyMessage, type DefinitionArgs, type Message, SignaturePolicyEnvelope } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { ChaincodeDefinition } from './chaincode-definition.ts'
import { CollectionConfigPackage, type StaticCollection } from './collection.ts'
import { refused } from './lifecycle-state.ts'

/** The policy of a channel that counts where a definition names none. */
const DEFAULT_POLICY = '/Channel/Application/Endorsement'

/**
 * The definition that a client proposes, with Fabric's defaults for what it left out. Messages within are written anew, as Go does: so all
 * peers write the same bytes.
 * @throws KumikoError `fabric-lifecycle/refused` where collections do not read, or the channel has no policy to take.
 * @see Fabric `core/chaincode/lifecycle/lifecycle.go` SetChaincodeDefinitionDefaults
 */
export function proposedDefinition(args: DefinitionArgs, channel: Pick<ChannelBundle, 'channelId' | 'policies'>): ChaincodeDefinition {
  const { sequence, version, initRequired } = args
  const validationParameter = args.validationParameter.length > 0 ? args.validationParameter : defaultPolicy(channel)
  return {
    sequence,
    endorsementInfo: { version, initRequired, endorsementPlugin: args.endorsementPlugin || 'escc' },
    validationInfo: { validationPlugin: args.validationPlugin || 'vscc', validationParameter },
    collections: proposedCollections(args.collections ?? new Uint8Array()),
  }
}

function defaultPolicy({ channelId, policies }: Pick<ChannelBundle, 'channelId' | 'policies'>): Uint8Array {
  if (policies.policy(DEFAULT_POLICY) !== undefined) {
    return ApplicationPolicyMessage.encode({ channelConfigPolicyReference: DEFAULT_POLICY })
  }
  throw refused(
    `could not set defaults for chaincode definition in channel ${channelId}: policy '${DEFAULT_POLICY}' must be defined for channel '${channelId}' before chaincode operations can be attempted`,
  )
}

function proposedCollections(source: Uint8Array): CollectionConfigPackage {
  const collections = readable(CollectionConfigPackage.decode(source))
  return {
    ...collections,
    config: collections.config.map((config) =>
      config.staticCollection === undefined ? config : { ...config, staticCollection: asGoWrites(config.staticCollection) },
    ),
  }
}

function asGoWrites(collection: StaticCollection): StaticCollection {
  const { memberOrgsPolicy, endorsementPolicy } = collection
  const signaturePolicy = again(SignaturePolicyEnvelope, memberOrgsPolicy?.signaturePolicy)
  return {
    ...collection,
    memberOrgsPolicy: memberOrgsPolicy && { ...memberOrgsPolicy, signaturePolicy },
    endorsementPolicy: again(ApplicationPolicyMessage, endorsementPolicy),
  }
}

function again<T extends object>(type: Message<T>, source: Uint8Array | undefined): Uint8Array | undefined {
  return source && type.encode(readable(type.decode(source)))
}

function readable<T>(value: T | Fault): T {
  if (isFault(value)) throw refused(`could not decode input arg: ${value.detail ?? value.fault}`)
  return value
}
