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
  SignaturePolicyEnvelope,
  toHex,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { policyEnvelope } from './policy-envelope.ts'

/** Who must endorse what an invocation does with one chaincode. */
export interface CallPolicies {
  /** Each must be satisfied; each is there once. */
  readonly policies: readonly SignaturePolicyEnvelope[]
  /** Of each of these an endorser must satisfy one: the members of collections that are read. */
  readonly members: readonly (readonly MspPrincipalMessage[])[]
}

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
 * The policies that a call comes under. A call that disregards the chaincode's policy still comes under those of its collections (Fabric's peers drop
 * the first of these then).
 * @param channel - The channel's group `/Channel`.
 * @returns `fabric-discovery/no-plan`, in Fabric's words.
 * @see Fabric `discovery/endorsement/endorsement.go` computePrincipalSets, `discovery/support/chaincode/support.go` PoliciesByChaincode
 */
export function callPolicies(call: ChaincodeCall, definition: ChaincodeDefinition, channel: ConfigGroup): CallPolicies | Fault {
  const { name, collectionNames, noPrivateReads, disregardNamespacePolicy, keyPolicies } = call
  const own = policyEnvelope(definition.validationInfo.validationParameter, channel)
  if (isFault(own) || !isUsable(own)) return noPlan('policy not found')
  const ofCollections: SignaturePolicyEnvelope[] = []
  for (const collection of collectionNames) {
    const policy = collectionPolicy(definition, collection, channel)
    if (policy !== undefined && (isFault(policy) || !isUsable(policy))) return noPlan('policy not found')
    if (policy !== undefined) ofCollections.push(policy)
  }
  const needsOwn = !disregardNamespacePolicy && (collectionNames.length === 0 || ofCollections.length < collectionNames.length)
  const policies = [...(needsOwn ? [own] : []), ...ofCollections, ...keyPolicies]
  if (policies.length === 0) return noPlan(nothingLeft(name))
  const members = noPrivateReads ? [] : membersOf(call, definition)
  return isFault(members) ? members : { policies: distinctPolicies(policies), members }
}

/** Each once, by its bytes. */
export function distinctPolicies(policies: readonly SignaturePolicyEnvelope[]): readonly SignaturePolicyEnvelope[] {
  return [...new Map(policies.map((policy) => [toHex(SignaturePolicyEnvelope.encode(policy)), policy])).values()]
}

/** Why there is no plan. @param detail - In Fabric's words. */
export function noPlan(detail: string): Fault {
  return { fault: 'fabric-discovery/no-plan', detail }
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

function membersOf({ name, collectionNames }: ChaincodeCall, { collections }: ChaincodeDefinition): CallPolicies['members'] | Fault {
  const members: (readonly MspPrincipalMessage[])[] = []
  for (const collection of collectionNames) {
    const found = collectionOf(collections, collection)
    if (found === undefined) return noPlan(`collection ${collection} doesn't exist in collection config for chaincode ${name}`)
    const bytes = found.memberOrgsPolicy?.signaturePolicy
    const policy = bytes === undefined ? noPlan(`policy of ${collection} is nil`) : decodeSignaturePolicy(bytes)
    if (isFault(policy)) return noPlan(policy.detail ?? policy.fault)
    members.push(policy.identities)
  }
  return members
}

function collectionOf(collections: ChaincodeDefinition['collections'], name: string): StaticCollection | undefined {
  const owner = implicitCollectionOwner(name)
  return owner === undefined ? definedCollection(collections, name) : implicitCollection(owner)
}

function nothingLeft(chaincode: string): string {
  const missing = `requested to disregard chaincode ${chaincode}'s policy but key and collection policies are missing`
  return `${missing}, either disable DisregardNamespacePolicy or specify at least one key policy or at least one collection policy`
}
