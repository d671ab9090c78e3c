import { KumikoError, type Millis, type NodeRecord, type Random } from '@kumiko/interface'
import { type EndpointOf, placeOf, udpEndpoint } from './place.ts'

/** The neighbourhood is explored anew after half of this to all of it. */
export const REFRESH_MS: Millis = 30 * 60_000

/** The first time sooner, then after twice as long each time: of those who came with us or after us the first round found few. */
const FIRST_REFRESH_MS: Millis = 60_000

/** An empty table is filled anew after so long. */
const EMPTY_RETRY_MS: Millis = 10_000

/** Seeds that are asked of the database, and how long ago they may have answered last. */
export const SEEDS: { readonly count: number; readonly ageMaxMs: Millis } = { count: 30, ageMaxMs: 5 * 86_400_000 }

/** After the lookup of ourselves. */
const RANDOM_LOOKUPS = 3

/** Bootnodes at most. */
const BOOTNODES_MAX = 1024

/** What the driver is to do. */
export type SeedingEffect =
  /** Read seeds from the database and the addresses of bootnodes that are known by name, and tell `seeded`, also if there are none. */
  | { readonly do: 'load'; readonly seeds: number; readonly ageMaxMs: Millis; readonly names: readonly NodeRecord[] }
  /** Run a lookup, and tell `lookedUp` when it ends, however it does. */
  | { readonly do: 'lookup'; readonly target: 'self' | 'random' }

/** What seeding is made of. */
export interface SeedingOptions {
  readonly random: Random
  /** At most 1024. */
  readonly bootnodes?: readonly NodeRecord[]
  /** Default {@link udpEndpoint}. */
  readonly endpointOf?: EndpointOf
}

type Stage = { readonly at: 'resting' } | { readonly at: 'loading' } | { readonly at: 'looking'; readonly left: number }

/**
 * Fills a table at the start and keeps it fresh, as go-ethereum does: seeds and bootnodes in, then a lookup of ourselves, then three of
 * random targets, one after another; again after a minute at most, then twice as long each time until it is 15 to 30 minutes. An empty table
 * is filled sooner.
 */
export class Seeding {
  readonly #random: Random
  readonly #bootnodes: readonly NodeRecord[]
  readonly #names: readonly NodeRecord[]
  #stage: Stage = { at: 'resting' }
  #dueAt: Millis
  #intervalMs = FIRST_REFRESH_MS
  #isReady = false

  /** The first filling is due at once. @throws KumikoError `kademlia/bad-bootnode`, `kademlia/too-many-bootnodes`. */
  constructor({ random, bootnodes = [], endpointOf = udpEndpoint }: SeedingOptions, now: Millis) {
    const bad = bootnodes.find((node) => !node.endpoints.some((endpoint) => endpoint.udp !== undefined))
    if (bad !== undefined) {
      const context = { nodeId: bad.nodeId }
      throw new KumikoError('kademlia/bad-bootnode', `bootnode ${bad.nodeId} has no UDP endpoint: give its host and port`, { context })
    }
    if (bootnodes.length > BOOTNODES_MAX) {
      throw new KumikoError('kademlia/too-many-bootnodes', `want at most ${BOOTNODES_MAX} bootnodes, not ${bootnodes.length}`)
    }
    this.#random = random
    const isNumbered = (node: NodeRecord): boolean => {
      const endpoint = endpointOf(node)
      return endpoint !== undefined && placeOf(endpoint) !== undefined
    }
    this.#bootnodes = bootnodes.filter(isNumbered)
    this.#names = bootnodes.filter((node) => !isNumbered(node))
    this.#dueAt = now
  }

  /** When {@link expire} is due; `Infinity` while lookups are under way. */
  get deadline(): Millis {
    return this.#stage.at === 'resting' ? this.#dueAt : Number.POSITIVE_INFINITY
  }

  /** The table has been filled once. Before, inbound nodes wait: they could have it for themselves. */
  get isReady(): boolean {
    return this.#isReady
  }

  /** Begins a round if one is due. */
  expire(now: Millis): SeedingEffect[] {
    if (this.deadline > now) return []
    this.#stage = { at: 'loading' }
    return [{ do: 'load', seeds: SEEDS.count, ageMaxMs: SEEDS.ageMaxMs, names: this.#names }]
  }

  /** The table is empty: the next round comes soon. */
  ranEmpty(now: Millis): void {
    this.#intervalMs = FIRST_REFRESH_MS
    if (this.#stage.at === 'resting') this.#dueAt = Math.min(this.#dueAt, now + EMPTY_RETRY_MS)
  }

  /**
   * Seeds and resolved bootnodes are there.
   *
   * @returns What to offer to the table, and the first lookup.
   */
  seeded(seeds: readonly NodeRecord[]): { readonly nodes: readonly NodeRecord[]; readonly effects: readonly SeedingEffect[] } {
    if (this.#stage.at !== 'loading') return { nodes: [], effects: [] }
    this.#stage = { at: 'looking', left: RANDOM_LOOKUPS }
    const loaded = seeds.slice(0, SEEDS.count + this.#names.length)
    return { nodes: [...loaded, ...this.#bootnodes], effects: [{ do: 'lookup', target: 'self' }] }
  }

  /** A lookup of this round has ended. */
  lookedUp(now: Millis): SeedingEffect[] {
    if (this.#stage.at !== 'looking') return []
    if (this.#stage.left > 0) {
      this.#stage = { at: 'looking', left: this.#stage.left - 1 }
      return [{ do: 'lookup', target: 'random' }]
    }
    this.#stage = { at: 'resting' }
    this.#isReady = true
    this.#dueAt = now + (this.#intervalMs / 2) * (1 + this.#random())
    this.#intervalMs = Math.min(REFRESH_MS, 2 * this.#intervalMs)
    return []
  }
}
