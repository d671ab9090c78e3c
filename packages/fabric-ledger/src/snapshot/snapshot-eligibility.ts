import type { ConfigHistory } from '../config-history/config-history.ts'
import type { CollectionPolicies } from '../private-data/private-data.ts'

/** What eligibility follows from. */
export interface EligibilitySources {
  readonly policies: Pick<CollectionPolicies, 'isEligible' | 'wasEligible'>
  /** The collections that chaincodes had, as the snapshot brought them. */
  readonly configs: Pick<ConfigHistory, 'mostRecentBelow'>
}

/** From a block on. */
interface Definition {
  readonly since: bigint
  readonly isEligible: boolean
}

const NEWEST = 0xffff_ffff_ffff_ffffn

/**
 * Whether this peer may have private data of blocks before a snapshot: it may if a collection's definition at the data's block let it, or any
 * that came after. Keeps the definitions of one collection: a snapshot has one after the other.
 * @see Fabric `core/ledger/pvtdatastorage/snapshot_data_importer.go` eligibilityAndBTLCache
 */
export class SnapshotEligibility {
  readonly #sources: EligibilitySources
  #id = ''
  /** Newest first. */
  #definitions: readonly Definition[] = []

  constructor(sources: EligibilitySources) {
    this.#sources = sources
  }

  /** @param blockNumber - The data's. Of collections without a history, as implicit ones are, the state tells. */
  async isEligible(namespace: string, collection: string, blockNumber: bigint): Promise<boolean> {
    const id = JSON.stringify([namespace, collection])
    if (id !== this.#id) this.#definitions = await this.#read(namespace, collection)
    this.#id = id
    if (this.#definitions.length === 0) return await this.#sources.policies.isEligible(namespace, collection)
    const then = this.#definitions.findIndex(({ since }) => since < blockNumber)
    return this.#definitions.some(({ isEligible }, index) => isEligible && (then < 0 || index <= then))
  }

  async #read(namespace: string, collection: string): Promise<readonly Definition[]> {
    const { policies, configs } = this.#sources
    const definitions: Definition[] = []
    for (let below = NEWEST; ; ) {
      const found = await configs.mostRecentBelow(namespace, below)
      if (found === undefined) return definitions
      const isEligible = await policies.wasEligible?.(found.config, collection)
      if (isEligible !== undefined) definitions.push({ since: found.blockNumber, isEligible })
      below = found.blockNumber
    }
  }
}
