import { bool, bytes, int32, type Message, message, nested, oneOf, repeatedNested, string, uint64 } from '@kumiko/fabric-protocol'
import { type MemberRule, signaturePolicyOf } from './member-policy.ts'

/** Who may have a collection's data. `protos.CollectionPolicyConfig`. */
export interface CollectionPolicyConfig {
  /** A `common.SignaturePolicyEnvelope`'s bytes; undefined where there is none. */
  readonly signaturePolicy: Uint8Array | undefined
}

/** `protos.CollectionPolicyConfig`. */
export const CollectionPolicyConfig: Message<CollectionPolicyConfig> = message<CollectionPolicyConfig>('CollectionPolicyConfig', {
  signaturePolicy: oneOf('payload', bytes(1)),
})

/** A collection as its chaincode's definition has it. `protos.StaticCollectionConfig`. */
export interface StaticCollection {
  readonly name: string
  readonly memberOrgsPolicy: CollectionPolicyConfig | undefined
  /** To how many peers data must be sent before it is endorsed. */
  readonly requiredPeerCount: number
  readonly maximumPeerCount: number
  /** After how many blocks data is gone; 0 for never. */
  readonly blockToLive: bigint
  /** Only members' clients may read. */
  readonly memberOnlyRead: boolean
  /** Only members' clients may write. */
  readonly memberOnlyWrite: boolean
  /** A `common.ApplicationPolicy`'s bytes: who must endorse writes; undefined where the chaincode's own policy counts. */
  readonly endorsementPolicy: Uint8Array | undefined
}

/** `protos.StaticCollectionConfig`. */
export const StaticCollection: Message<StaticCollection> = message<StaticCollection>('StaticCollectionConfig', {
  name: string(1),
  memberOrgsPolicy: nested(2, () => CollectionPolicyConfig),
  requiredPeerCount: int32(3),
  maximumPeerCount: int32(4),
  blockToLive: uint64(5),
  memberOnlyRead: bool(6),
  memberOnlyWrite: bool(7),
  endorsementPolicy: oneOf('endorsement_policy', bytes(8)),
})

/** `protos.CollectionConfig`: of a kind that is unknown where there is no static one. */
export interface CollectionConfig {
  readonly staticCollection: StaticCollection | undefined
}

const CollectionConfig: Message<CollectionConfig> = message<CollectionConfig>('CollectionConfig', {
  staticCollection: oneOf(
    'payload',
    nested(1, () => StaticCollection),
  ),
})

/** A chaincode's collections. `protos.CollectionConfigPackage`. */
export interface CollectionConfigPackage {
  readonly config: readonly CollectionConfig[]
}

/** `protos.CollectionConfigPackage`. */
export const CollectionConfigPackage: Message<CollectionConfigPackage> = message<CollectionConfigPackage>('CollectionConfigPackage', {
  config: repeatedNested(1, () => CollectionConfig),
})

const IMPLICIT_PREFIX = '_implicit_org_'

/** The collection that an organisation has in every chaincode, undefined or not. @see Fabric `core/chaincode/implicitcollection/name.go` */
export function implicitCollectionName(mspId: string): string {
  return IMPLICIT_PREFIX + mspId
}

/** Whose implicit collection it is. @returns Undefined where it is none. */
export function implicitCollectionOwner(collection: string): string | undefined {
  return collection.startsWith(IMPLICIT_PREFIX) ? collection.slice(IMPLICIT_PREFIX.length) : undefined
}

/**
 * An organisation's implicit collection as others are defined: for its members, for ever.
 * @see Fabric `core/chaincode/lifecycle/deployedcc_infoprovider.go` GenerateImplicitCollectionForOrg
 */
export function implicitCollection(mspId: string): StaticCollection {
  const members: MemberRule = { needed: 1, mspIds: [mspId] }
  return StaticCollection.create({
    name: implicitCollectionName(mspId),
    memberOrgsPolicy: { signaturePolicy: signaturePolicyOf(members) },
  })
}

/** The first collection of the name among those that are defined. */
export function definedCollection({ config }: CollectionConfigPackage, name: string): StaticCollection | undefined {
  for (const { staticCollection } of config) if (staticCollection?.name === name) return staticCollection
  return
}
