import { CONFIG_KEY, type CollectionPolicies, type StateReader } from '@kumiko/fabric-ledger'
import {
  type ChaincodeDefinition,
  CollectionConfigPackage,
  chaincodeDefinition,
  definedCollection,
  implicitCollection,
  implicitCollectionOwner,
  LIFECYCLE_NAMESPACE,
  type StaticCollection,
} from '@kumiko/fabric-lifecycle'
import { channelBundle, channelMsp, decodeSignaturePolicy, principalFrom } from '@kumiko/fabric-msp'
import { ConfigEnvelope, type MspPrincipalMessage, SerializedIdentity } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { CommitterBundle } from './block-intake.ts'
import { cannotValidate } from './halted.ts'

/** Whose ledger it is. */
export interface CollectionPoliciesOptions {
  readonly channelId: string
  /** A `SerializedIdentity`'s bytes: the peer's own, of which the organisation counts. Default: nobody's, who may have no collection's data. */
  readonly self?: Uint8Array
}

/**
 * Answers what a ledger asks about collections, as the state it is asked at defines them: for `LedgerOptions.policies`.
 * @returns What throws KumikoError `fabric-committer/cannot-validate` where a definition cannot be read, and what the state throws.
 * @see Fabric `core/ledger/confighistory`, `core/common/privdata/membershipinfo.go`; research § 3.5.7
 */
export function collectionPolicies(options: CollectionPoliciesOptions): (state: StateReader) => CollectionPolicies {
  return (state) => {
    const definitions = new Definitions(state)
    const membership = new Membership(state, options)
    return {
      blockToLive: async (namespace, collection) => (await definitions.collection(namespace, collection))?.blockToLive,
      isEligible: async (namespace, collection) => {
        const found = await definitions.collection(namespace, collection)
        return found !== undefined && (await membership.isMember(found))
      },
      wasEligible: async (config, collection) => {
        const collections = CollectionConfigPackage.decode(config)
        const found = isFault(collections) ? undefined : definedCollection(collections, collection)
        return found && (await membership.isMember(found))
      },
    }
  }
}

/** Chaincodes' definitions, kept while the state stays at its height. Bounded by what a block names. */
class Definitions {
  readonly #state: StateReader
  readonly #known = new Map<string, Promise<ChaincodeDefinition | undefined>>()
  #height = -1n

  constructor(state: StateReader) {
    this.#state = state
  }

  /** @see Fabric `core/chaincode/lifecycle/deployedcc_infoprovider.go` CollectionInfo */
  async collection(namespace: string, name: string): Promise<StaticCollection | undefined> {
    const owner = implicitCollectionOwner(name)
    if (namespace === LIFECYCLE_NAMESPACE) return owner === undefined ? undefined : implicitCollection(owner)
    const definition = await this.#definition(namespace)
    if (definition === undefined) return
    return owner === undefined ? definedCollection(definition.collections, name) : implicitCollection(owner)
  }

  #definition(namespace: string): Promise<ChaincodeDefinition | undefined> {
    if (this.#state.height !== this.#height) {
      this.#known.clear()
      this.#height = this.#state.height
    }
    const found = this.#known.get(namespace) ?? this.#read(namespace)
    this.#known.set(namespace, found)
    return found
  }

  async #read(namespace: string): Promise<ChaincodeDefinition | undefined> {
    const read = async (keys: readonly string[]) => {
      const entries = await this.#state.getMany(keys.map((key) => ({ namespace: LIFECYCLE_NAMESPACE, key })))
      return entries.map((entry) => entry?.value)
    }
    const definition = await chaincodeDefinition(read, namespace)
    if (isFault(definition)) throw cannotValidate(`the definition of chaincode "${namespace}" cannot be read`, definition, { namespace })
    return definition
  }
}

/** Which collections a peer is a member of, by the channel's configuration in the state. */
class Membership {
  readonly #state: StateReader
  readonly #options: CollectionPoliciesOptions
  #height = -1n
  #bundle: CommitterBundle | undefined
  #configuredAt = -1n

  constructor(state: StateReader, options: CollectionPoliciesOptions) {
    this.#state = state
    this.#options = options
  }

  /** A policy that names any of the organisation's roles, units or identities is for all of its peers. */
  async isMember({ memberOrgsPolicy }: StaticCollection): Promise<boolean> {
    const { self } = this.#options
    if (self === undefined || memberOrgsPolicy?.signaturePolicy === undefined) return false
    const own = SerializedIdentity.decode(self)
    const policy = decodeSignaturePolicy(memberOrgsPolicy.signaturePolicy)
    if (isFault(own) || isFault(policy)) return false
    const msps = (await this.#channel())?.msps
    return policy.identities.some((principal) => organizationOf(principal, msps) === own.mspId)
  }

  async #channel(): Promise<CommitterBundle | undefined> {
    if (this.#state.height === this.#height) return this.#bundle
    this.#height = this.#state.height
    const [entry] = await this.#state.getMany([{ namespace: '', key: CONFIG_KEY }])
    if (entry === undefined || entry.version.blockNumber === this.#configuredAt) return this.#bundle
    const envelope = ConfigEnvelope.decode(entry.value)
    const config = isFault(envelope) ? undefined : envelope.config
    const bundle = config && channelBundle(this.#options.channelId, config, channelMsp)
    this.#bundle = isFault(bundle) ? undefined : bundle
    this.#configuredAt = entry.version.blockNumber
    return this.#bundle
  }
}

/** @see Fabric `core/common/privdata/util.go` getMemberOrgs */
function organizationOf(message: MspPrincipalMessage, msps: CommitterBundle['msps'] | undefined): string | undefined {
  const principal = principalFrom(message)
  if (isFault(principal)) return
  if (principal.kind === 'role' || principal.kind === 'organization-unit') return principal.mspId
  const identity = principal.kind === 'identity' ? msps?.deserialize(principal.serialized) : undefined
  return identity === undefined || isFault(identity) ? undefined : identity.mspId
}
