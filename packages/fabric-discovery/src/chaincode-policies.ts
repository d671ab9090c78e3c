import {
  applicationPolicyOf,
  type ChaincodeDefinition,
  definedCollection,
  implicitCollection,
  implicitCollectionOwner,
  LIFECYCLE_NAMESPACE,
  type StaticCollection,
} from '@kumiko/fabric-lifecycle'
import { type ChannelBundle, decodeSignaturePolicy } from '@kumiko/fabric-msp'
import {
  ApplicationPolicyMessage,
  type ChaincodeCall,
  type ConfigGroup,
  type MspPrincipalMessage,
  type SignaturePolicyEnvelope,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { policyEnvelope } from './policy-envelope.ts'

/** `_lifecycle` as each channel has it, for whoever asks about it. @see Fabric `core/chaincode/lifecycle/cache.go` getLifecycleSCCChaincodeInfo */
export function lifecycleDefinition({ policies, application }: Pick<ChannelBundle, 'policies' | 'application'>): ChaincodeDefinition {
  const reference = '/Channel/Application/LifecycleEndorsement'
  const mspIds = [...(application?.organizations.values() ?? [])].map(({ mspId }) => mspId)
  const validationParameter =
    policies.policy(reference) === undefined
      ? applicationPolicyOf({ needed: Math.floor(mspIds.length / 2) + 1, mspIds })
      : ApplicationPolicyMessage.encode({ channelConfigPolicyReference: reference })
  return {
    sequence: 1n,
    endorsementInfo: { version: '1', initRequired: false, endorsementPlugin: 'escc' },
    validationInfo: { validationPlugin: 'vscc', validationParameter },
    collections: { config: [] },
  }
}

/** Is it `_lifecycle`, which nobody defines? */
export function isLifecycle(chaincode: string): boolean {
  return chaincode === LIFECYCLE_NAMESPACE
}

/**
 * The policies that a call comes under: each must be satisfied. A call that disregards the chaincode's policy still comes under those of its
 * collections (Fabric's peers drop the first of these then).
 * @returns `fabric-discovery/no-plan`, in Fabric's words.
 * @see Fabric `discovery/endorsement/endorsement.go` computePrincipalSets, `discovery/support/chaincode/support.go` PoliciesByChaincode
 */
export function callPolicies(
  { name, collectionNames, disregardNamespacePolicy, keyPolicies }: ChaincodeCall,
  definition: ChaincodeDefinition,
  { channelId, config }: Pick<ChannelBundle, 'channelId' | 'config'>,
): readonly SignaturePolicyEnvelope[] | Fault {
  const { channelGroup } = config
  if (channelGroup === undefined) return noMetadata(name, channelId)
  const own = policyEnvelope(definition.validationInfo.validationParameter, channelGroup)
  if (isFault(own)) return noMetadata(name, channelId)
  if (!isUsable(own)) return noPlan('policy not found')
  const ofCollections: SignaturePolicyEnvelope[] = []
  for (const collection of collectionNames) {
    const policy = collectionPolicy(definition, collection, channelGroup)
    if (policy === undefined) continue
    if (isFault(policy)) return noMetadata(name, channelId)
    if (!isUsable(policy)) return noPlan('policy not found')
    ofCollections.push(policy)
  }
  const needsOwn = !disregardNamespacePolicy && (collectionNames.length === 0 || ofCollections.length < collectionNames.length)
  const policies = [...(needsOwn ? [own] : []), ...ofCollections, ...keyPolicies]
  return policies.length === 0 ? noPlan(nothingLeft(name)) : policies
}

/**
 * Whose members may endorse a call: of each of these an endorser must satisfy one. None where it reads no private data.
 * @returns `fabric-discovery/no-plan`, in Fabric's words.
 * @see Fabric `discovery/endorsement/collection.go`
 */
export function callMembers(
  { name, collectionNames, noPrivateReads }: ChaincodeCall,
  { collections }: ChaincodeDefinition,
): readonly (readonly MspPrincipalMessage[])[] | Fault {
  const members: (readonly MspPrincipalMessage[])[] = []
  for (const collection of noPrivateReads ? [] : collectionNames) {
    const found = collectionOf(collections, collection)
    if (found === undefined) return noPlan(`collection ${collection} doesn't exist in collection config for chaincode ${name}`)
    const bytes = found.memberOrgsPolicy?.signaturePolicy
    const policy = bytes === undefined ? noPlan(`policy of ${collection} is nil`) : decodeSignaturePolicy(bytes)
    if (isFault(policy)) return noPlan(policy.detail ?? policy.fault)
    members.push(policy.identities)
  }
  return members
}

/** Why there is no plan. @param detail - In Fabric's words. */
export function noPlan(detail: string): Fault {
  return { fault: 'fabric-discovery/no-plan', detail }
}

/** Nobody defined the chaincode, or nobody can read how. */
export function noMetadata(chaincode: string, channelId: string): Fault {
  return noPlan(`No metadata was found for chaincode ${chaincode} in channel ${channelId}`)
}

function isUsable({ identities, rule }: SignaturePolicyEnvelope): boolean {
  return identities.length > 0 && rule !== undefined
}

/** @returns Undefined where the chaincode's own counts. */
function collectionPolicy(
  { collections }: ChaincodeDefinition,
  name: string,
  channel: ConfigGroup,
): SignaturePolicyEnvelope | Fault | undefined {
  const owner = implicitCollectionOwner(name)
  if (owner !== undefined) return policyEnvelope(applicationPolicyOf({ needed: 1, mspIds: [owner] }), channel)
  const policy = definedCollection(collections, name)?.endorsementPolicy
  return policy === undefined ? undefined : policyEnvelope(policy, channel)
}

function collectionOf(collections: ChaincodeDefinition['collections'], name: string): StaticCollection | undefined {
  const owner = implicitCollectionOwner(name)
  return owner === undefined ? definedCollection(collections, name) : implicitCollection(owner)
}

function nothingLeft(chaincode: string): string {
  const missing = `requested to disregard chaincode ${chaincode}'s policy but key and collection policies are missing`
  return `${missing}, either disable DisregardNamespacePolicy or specify at least one key policy or at least one collection policy`
}
