import { CollectionConfigPackage, StaticCollection } from '@kumiko/fabric-lifecycle'
import { parsePolicy } from '@kumiko/fabric-msp'
import { ApplicationPolicyMessage, DefinitionArgs, SignaturePolicyEnvelope } from '@kumiko/fabric-protocol'

/** A collection of private data, as `collections_config.json` has it. */
export interface CollectionDefinition {
  readonly name: string
  /** Whose peers have the data: `OR('Org1MSP.member', 'Org2MSP.member')`. */
  readonly policy: string
  /** How many other peers must have data before it is endorsed. Default 0. */
  readonly requiredPeerCount?: number
  /** To how many other peers it is sent. Default: to all who may have it. */
  readonly maxPeerCount?: number
  /** After how many blocks data is gone. Default 0: never. */
  readonly blockToLive?: number
  /** Whether only members' clients may read. Default true. */
  readonly memberOnlyRead?: boolean
  /** Whether only members' clients may write. Default true. */
  readonly memberOnlyWrite?: boolean
  /** Who must endorse writes to it. Default: as the chaincode's own policy. */
  readonly endorsementPolicy?: { readonly signaturePolicy: string } | { readonly channelConfigPolicy: string }
}

/** What the organisations of a channel agree on about a chaincode. */
export interface ChaincodeTerms {
  /** Default `1.0`. */
  readonly version?: string
  /**
   * Who must endorse: `AND('Org1MSP.peer', 'Org2MSP.peer')`, or a policy of the channel's by its path. Default: the channel's own,
   * `/Channel/Application/Endorsement`, which a majority of organisations satisfies.
   */
  readonly policy?: string
  readonly collections?: readonly CollectionDefinition[]
  /** Whether a transaction that initialises it must come before all others. Default false. */
  readonly initRequired?: boolean
}

/**
 * Terms as the lifecycle's transactions have them.
 * @param sequence - 1, and one more with each change.
 * @throws KumikoError `fabric-msp/bad-policy-text`.
 */
export function definitionOf(name: string, terms: ChaincodeTerms, sequence: bigint): DefinitionArgs {
  const { version = '1.0', policy, collections = [], initRequired = false } = terms
  return DefinitionArgs.create({
    name,
    version,
    sequence,
    initRequired,
    ...(policy !== undefined && { validationParameter: policyBytes(policy) }),
    ...(collections.length > 0 && { collections: collectionBytes(collections) }),
  })
}

function policyBytes(policy: string): Uint8Array {
  return policy.startsWith('/') ? policyReference(policy) : ApplicationPolicyMessage.encode({ signaturePolicy: parsePolicy(policy) })
}

function policyReference(path: string): Uint8Array {
  return ApplicationPolicyMessage.encode({ channelConfigPolicyReference: path })
}

function collectionBytes(collections: readonly CollectionDefinition[]): Uint8Array {
  return CollectionConfigPackage.encode({ config: collections.map((each) => ({ staticCollection: collectionOf(each) })) })
}

/** More peers than a network for development has. */
const PEERS_MAX = 1000

function collectionOf(definition: CollectionDefinition): StaticCollection {
  const { name, policy, requiredPeerCount = 0, maxPeerCount = PEERS_MAX, blockToLive = 0, endorsementPolicy } = definition
  return StaticCollection.create({
    name,
    memberOrgsPolicy: { signaturePolicy: SignaturePolicyEnvelope.encode(parsePolicy(policy)) },
    requiredPeerCount,
    maximumPeerCount: maxPeerCount,
    blockToLive: BigInt(blockToLive),
    memberOnlyRead: definition.memberOnlyRead ?? true,
    memberOnlyWrite: definition.memberOnlyWrite ?? true,
    ...(endorsementPolicy !== undefined && {
      endorsementPolicy:
        'signaturePolicy' in endorsementPolicy
          ? policyBytes(endorsementPolicy.signaturePolicy)
          : policyReference(endorsementPolicy.channelConfigPolicy),
    }),
  })
}
