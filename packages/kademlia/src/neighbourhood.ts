import { BoundedMap, type Millis, type NodeId, type NodeRecord, type Random } from '@kumiko/interface'
import { Lookup } from './lookup.ts'
import type { EndpointOf } from './place.ts'
import { type CheckEffect, Revalidation } from './revalidation.ts'
import { Seeding, type SeedingEffect } from './seeding.ts'
import { BUCKET_SIZE, type Origin, Table, type TableChange } from './table.ts'

/** What the driver is to do, or to know. */
export type NeighbourhoodEffect = TableChange | CheckEffect | SeedingEffect

/** What a neighbourhood is made of. */
export interface NeighbourhoodOptions {
  readonly self: NodeId
  readonly random: Random
  /** Default none: the node waits to be found. */
  readonly bootnodes?: readonly NodeRecord[]
  /** Default: the best endpoint that takes UDP. Give one that knows which families the socket serves. */
  readonly endpointOf?: EndpointOf
}

/**
 * Table, revalidation and seeding in one: what discv4 and discv5 have in common. Holds no socket and no timer; the driver pings, asks,
 * reads the database, and tells how it went.
 */
export class Neighbourhood {
  readonly table: Table
  readonly #options: NeighbourhoodOptions
  readonly #revalidation: Revalidation
  readonly #seeding: Seeding
  /** The last of those who came before {@link isReady}: they may not come again for long. */
  readonly #early = new BoundedMap<NodeId, NodeRecord>(BUCKET_SIZE)

  /** @throws KumikoError `kademlia/bad-bootnode`, `kademlia/too-many-bootnodes`. */
  constructor(options: NeighbourhoodOptions, now: Millis) {
    this.#options = options
    this.table = new Table(options)
    this.#revalidation = new Revalidation(this.table, options.random)
    this.#seeding = new Seeding(options, now)
  }

  /** When {@link expire} is due; `Infinity` if never. */
  get deadline(): Millis {
    return Math.min(this.#revalidation.deadline, this.#seeding.deadline)
  }

  /** The first round of lookups is over. */
  get isReady(): boolean {
    return this.#seeding.isReady
  }

  /** Begins what is due: checks, a round of lookups. */
  expire(now: Millis): NeighbourhoodEffect[] {
    return [...this.#revalidation.expire(now), ...this.#seeding.expire(now)]
  }

  /** Offers a node to the table. Who comes by itself is not taken before {@link isReady}; then the last 16 of them are. */
  add(node: NodeRecord, origin: Origin, now: Millis): NeighbourhoodEffect[] {
    if (origin !== 'found' && !this.isReady && this.table.get(node.nodeId) === undefined) {
      this.#early.set(node.nodeId, node)
      return []
    }
    return this.#note(this.table.add(node, origin, now), now)
  }

  /** Takes a node out: it is banned, say. */
  remove(id: NodeId, now: Millis): NeighbourhoodEffect[] {
    return this.#note(this.table.remove(id), now)
  }

  /** A node that was to be pinged answered. @param record - Its record, where a newer one came with the answer. */
  answered(id: NodeId, record: NodeRecord | undefined, now: Millis): NeighbourhoodEffect[] {
    return this.#watch(this.#revalidation.answered(id, record, now), now)
  }

  /** A node that was to be pinged did not answer in time. */
  unanswered(id: NodeId, now: Millis): NeighbourhoodEffect[] {
    return this.#watch(this.#revalidation.unanswered(id, now), now)
  }

  /** A node was asked for others. @param found - Those it named; undefined where it did not answer. At most 16 are read. */
  queried(id: NodeId, found: readonly NodeRecord[] | undefined, now: Millis): NeighbourhoodEffect[] {
    const named = found?.slice(0, BUCKET_SIZE)
    const changes = this.#note(this.table.queried(id, named?.length), now)
    return [...changes, ...(named ?? []).flatMap((node) => this.add(node, 'found', now))]
  }

  /** What `load` asked for is there. */
  seeded(seeds: readonly NodeRecord[], now: Millis): NeighbourhoodEffect[] {
    const { nodes, effects } = this.#seeding.seeded(seeds)
    return [...nodes.flatMap((node) => this.add(node, 'found', now)), ...effects]
  }

  /** What `lookup` asked for has ended. */
  lookedUp(now: Millis): NeighbourhoodEffect[] {
    const effects: NeighbourhoodEffect[] = this.#seeding.lookedUp(now)
    if (this.isReady) effects.push(...this.#takeEarly(now))
    if (this.table.size === 0) this.#seeding.ranEmpty(now)
    return effects
  }

  /** A lookup that begins at what the table knows. */
  lookup(target: NodeId): Lookup {
    const start = this.table.closest(target, BUCKET_SIZE)
    const { self, endpointOf } = this.#options
    return new Lookup({ target, self, start, ...(endpointOf === undefined ? {} : { endpointOf }) })
  }

  #takeEarly(now: Millis): NeighbourhoodEffect[] {
    const early = [...this.#early.values()]
    this.#early.clear()
    return early.flatMap((node) => this.add(node, 'inbound', now))
  }

  #note(changes: TableChange[], now: Millis): TableChange[] {
    this.#revalidation.observe(changes, now)
    return this.#watch(changes, now)
  }

  #watch(changes: TableChange[], now: Millis): TableChange[] {
    if (this.table.size === 0) this.#seeding.ranEmpty(now)
    return changes
  }
}
