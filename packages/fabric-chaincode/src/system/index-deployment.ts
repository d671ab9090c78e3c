import { type Ledger, privateNamespace, type QueryIndex } from '@kumiko/fabric-ledger'
import { definedCollection } from '@kumiko/fabric-lifecycle'
import { Turns } from '@kumiko/interface'
import type { StateIndex } from '../packages/state-indexes.ts'
import type { ChannelChaincode, ChannelChaincodes } from './channel-chaincodes.ts'

/** What bringing indexes to channels needs. */
export interface IndexDeploymentOptions {
  readonly chaincodes: Pick<ChannelChaincodes, 'all'>
  /** The indexes that a package brings, or its builder released. */
  readonly indexes: (packageId: string) => Promise<readonly StateIndex[]>
  /** Undefined where the peer is not on it. */
  readonly channel: (channelId: string) => { readonly ledger: { readonly state: Pick<Ledger['state'], 'addIndexes'> } } | undefined
}

/**
 * Brings the indexes of packages to the databases of the channels that use them, where these have rich queries.
 * @see Fabric `core/ledger/cceventmgmt`, `statecouchdb.go` ProcessIndexesForChaincodeDeploy
 */
export class IndexDeployment {
  readonly #options: IndexDeploymentOptions
  /** By channel, chaincode and what it has: done in this process. Bounded by definitions that were committed meanwhile. */
  readonly #done = new Set<string>()
  /** One after the other. */
  readonly #turns = new Turns()

  constructor(options: IndexDeploymentOptions) {
    this.#options = options
  }

  /**
   * Makes the indexes that a channel lacks. To be called when the peer starts, when a package was installed, and after each block that changes
   * `_lifecycle`; again does nothing.
   * @throws What reading the state or the packages throws, and the database for an index that it refuses: try again, or go on without.
   */
  async refresh(channelId: string): Promise<void> {
    await this.#turns.take(() => this.#refresh(channelId))
  }

  async #refresh(channelId: string): Promise<void> {
    const channel = this.#options.channel(channelId)
    if (channel?.ledger.state.addIndexes === undefined) return
    for (const chaincode of await this.#options.chaincodes.all(channelId)) {
      const { name, definition, packageId } = chaincode
      const done = JSON.stringify([channelId, name, String(definition.sequence), packageId])
      if (packageId === undefined || this.#done.has(done)) continue
      for (const [namespace, indexes] of byNamespace(chaincode, await this.#options.indexes(packageId))) {
        await channel.ledger.state.addIndexes(namespace, indexes)
      }
      this.#done.add(done)
    }
  }
}

/** Indexes for collections that the chaincode does not have are left out, as Fabric does. */
function byNamespace({ name, definition }: ChannelChaincode, indexes: readonly StateIndex[]): ReadonlyMap<string, readonly QueryIndex[]> {
  const found = new Map<string, QueryIndex[]>()
  for (const { collection, name: file, definition: json } of indexes) {
    if (collection !== undefined && definedCollection(definition.collections, collection) === undefined) continue
    const namespace = collection === undefined ? name : privateNamespace(name, collection)
    found.set(namespace, [...(found.get(namespace) ?? []), { name: file, definition: json }])
  }
  return found
}
