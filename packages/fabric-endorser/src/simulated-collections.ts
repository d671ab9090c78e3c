import type { QueryExecutor } from '@kumiko/fabric-ledger'
import {
  CollectionConfigPackage,
  chaincodeDefinition,
  implicitCollection,
  implicitCollectionOwner,
  LIFECYCLE_NAMESPACE,
} from '@kumiko/fabric-lifecycle'
import type { ChannelBundle } from '@kumiko/fabric-msp'
import type { PrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'

type Defined = CollectionConfigPackage['config']

/**
 * The collections that a simulation comes to, read once a chaincode as the simulation's state has them: the reads are the transaction's, as in
 * Fabric. Bounded by the chaincodes that the simulation runs.
 * @see Fabric `core/ledger/kvledger/txmgmt/txmgr/collection_val.go`, `core/chaincode/lifecycle/deployedcc_infoprovider.go` AllCollectionsConfigPkg
 */
export class SimulatedCollections {
  readonly #bundle: ChannelBundle
  readonly #defined = new Map<string, Promise<Defined | undefined>>()

  /** @param bundle - Whose organisations have implicit collections. */
  constructor(bundle: ChannelBundle) {
    this.#bundle = bundle
  }

  /** For `LedgerQueryOptions.isCollection`. @throws KumikoError `fabric-endorser/bad-definition`; what the state throws. */
  async isCollection(namespace: string, collection: string, state: Pick<QueryExecutor, 'getStates'>): Promise<boolean> {
    const known = this.#defined.get(namespace) ?? this.#read(namespace, state)
    this.#defined.set(namespace, known)
    const defined = await known
    if (defined === undefined) return false
    const owner = implicitCollectionOwner(collection)
    if (owner !== undefined && this.#isOnChannel(owner)) return true
    return defined.some(({ staticCollection }) => staticCollection?.name === collection)
  }

  /**
   * How the collections of a set are defined, by namespace: a `CollectionConfigPackage`'s bytes. The simulation must have written the set.
   * @see Fabric `core/endorser/pvtrwset_assembler.go`
   */
  async configsOf(set: PrivateReadWriteSet): Promise<ReadonlyMap<string, Uint8Array>> {
    const configs = new Map<string, Uint8Array>()
    for (const { namespace, collections } of set.namespaces) {
      const defined = (await this.#defined.get(namespace)) ?? []
      const written = new Set(collections.map(({ collection }) => collection))
      const config = [...defined, ...this.#implicit()].filter(({ staticCollection }) => written.has(staticCollection?.name ?? ''))
      configs.set(namespace, CollectionConfigPackage.encode({ config }))
    }
    return configs
  }

  async #read(namespace: string, state: Pick<QueryExecutor, 'getStates'>): Promise<Defined | undefined> {
    if (namespace === LIFECYCLE_NAMESPACE) return []
    const definition = await chaincodeDefinition((keys) => state.getStates(LIFECYCLE_NAMESPACE, keys), namespace)
    if (isFault(definition)) throw badDefinition(namespace, definition)
    return definition?.collections.config
  }

  #isOnChannel(mspId: string): boolean {
    return this.#mspIds().includes(mspId)
  }

  #implicit(): Defined {
    return this.#mspIds().map((mspId) => ({ staticCollection: implicitCollection(mspId) }))
  }

  #mspIds(): readonly string[] {
    return [...(this.#bundle.application?.organizations.values() ?? [])].map(({ mspId }) => mspId)
  }
}

function badDefinition(chaincode: string, { fault, detail = fault }: Fault): KumikoError {
  return new KumikoError('fabric-endorser/bad-definition', `could not get info about chaincode: ${detail}`, { context: { chaincode } })
}
