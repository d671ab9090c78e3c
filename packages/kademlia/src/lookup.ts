import { compareDistance } from '@kumiko/identity'
import type { NodeId, NodeRecord } from '@kumiko/interface'
import { Nearest } from './nearest.ts'
import { type EndpointOf, type Place, placeOf, udpEndpoint } from './place.ts'
import { BUCKET_SIZE, SUBNET_MAX } from './table.ts'

/** Nodes asked at the same time: Kademlia's α. @see discv4.md § Recursive Lookup */
export const LOOKUP_ALPHA = 3

/** Nodes that a lookup hears of at most; what is told beyond is passed over. */
export const LOOKUP_SEEN_MAX = 4096

/** Nodes that a lookup asks at most. One that hears no lies asks 20 to 40. */
export const LOOKUP_ASKED_MAX = 256

/** Nodes kept to ask: those beyond the 16 nearest take the place of nodes that fail. */
const CANDIDATES_MAX = 4 * BUCKET_SIZE

/** What a lookup is made of. */
export interface LookupOptions {
  readonly target: NodeId
  /** Never asked, and never among the results. */
  readonly self: NodeId
  /** Where it begins: the nearest nodes of the table. */
  readonly start: readonly NodeRecord[]
  /** Default {@link udpEndpoint}. A node without an endpoint is passed over. */
  readonly endpointOf?: EndpointOf
}

interface Candidate {
  readonly nodeId: NodeId
  readonly node: NodeRecord
  readonly place: Place
  /** How many answers led to it. */
  readonly hops: number
  state: 'fresh' | 'waiting' | 'answered' | 'failed'
}

/**
 * Finds the nodes nearest to a target by asking ever nearer ones. Holds no socket and no timer: who asks also decides when an answer is late.
 *
 * Ends when the 16 nearest nodes that did not fail have all been asked. Whatever remotes tell, it asks at most {@link LOOKUP_ASKED_MAX}
 * nodes, hears of at most {@link LOOKUP_SEEN_MAX}, takes 16 from an answer, and keeps at most ten of one network.
 *
 * @see discv4.md § Recursive Lookup, discv5-theory.md § Lookup
 */
export class Lookup {
  readonly #self: NodeId
  readonly #endpointOf: EndpointOf
  readonly #nearest: Nearest<Candidate>
  readonly #seen = new Set<NodeId>()
  /** At most {@link LOOKUP_ALPHA}. */
  readonly #waiting = new Map<NodeId, Candidate>()
  #asked = 0

  constructor(options: LookupOptions) {
    this.#self = options.self
    this.#endpointOf = options.endpointOf ?? udpEndpoint
    this.#nearest = new Nearest(options.target, CANDIDATES_MAX)
    for (const node of options.start) this.#hear(node, 0)
  }

  get target(): NodeId {
    return this.#nearest.target
  }

  /** Nodes asked so far. */
  get asked(): number {
    return this.#asked
  }

  /** How many answers, one after another, led to the nearest node; 0 where the table had it. */
  get hops(): number {
    return this.#nearest.items[0]?.hops ?? 0
  }

  /** The nearest nodes heard of, nearest first, at most 16: whether they answered or not. */
  get closest(): NodeRecord[] {
    return this.#nearest.items.slice(0, BUCKET_SIZE).map(({ node }) => node)
  }

  /** The nearest nodes that answered, nearest first, at most 16. */
  get answering(): NodeRecord[] {
    const answering = this.#nearest.items.filter(({ state }) => state === 'answered')
    return answering.slice(0, BUCKET_SIZE).map(({ node }) => node)
  }

  /** Nobody is left to ask, and nobody is waited for. */
  get isDone(): boolean {
    return this.#waiting.size === 0 && this.#fresh().length === 0
  }

  /** Whom to ask now: each is then waited for until `answered` or `failed` tells of it. */
  next(): NodeRecord[] {
    const next = this.#fresh().slice(0, LOOKUP_ALPHA - this.#waiting.size)
    for (const candidate of next) {
      candidate.state = 'waiting'
      this.#waiting.set(candidate.nodeId, candidate)
    }
    this.#asked += next.length
    return next.map(({ node }) => node)
  }

  /**
   * A node answered. An answer that nobody waits for is not heard.
   *
   * @param nodes - Those it named, 16 at most are read; none at all is an answer too.
   * @returns Those that were heard of for the first time.
   */
  answered(id: NodeId, nodes: readonly NodeRecord[]): NodeRecord[] {
    const teller = this.#settle(id, 'answered')
    return teller === undefined ? [] : nodes.slice(0, BUCKET_SIZE).filter((node) => this.#hear(node, teller.hops + 1))
  }

  /** A node did not answer in time, or not as it should. */
  failed(id: NodeId): void {
    this.#settle(id, 'failed')
  }

  #settle(id: NodeId, state: 'answered' | 'failed'): Candidate | undefined {
    const candidate = this.#waiting.get(id)
    this.#waiting.delete(id)
    if (candidate !== undefined) candidate.state = state
    return candidate
  }

  /** Those of the 16 nearest that did not fail whom nobody has asked. */
  #fresh(): Candidate[] {
    const left = Math.max(0, LOOKUP_ASKED_MAX - this.#asked)
    const hopeful = this.#nearest.items.filter(({ state }) => state !== 'failed').slice(0, BUCKET_SIZE)
    return hopeful.filter(({ state }) => state === 'fresh').slice(0, left)
  }

  /** @returns False for a node that was heard of before, or cannot be asked. */
  #hear(node: NodeRecord, hops: number): boolean {
    const { nodeId } = node
    if (nodeId === this.#self || this.#seen.size >= LOOKUP_SEEN_MAX || this.#seen.has(nodeId)) return false
    const endpoint = this.#endpointOf(node)
    const place = endpoint === undefined ? undefined : placeOf(endpoint)
    if (place === undefined) return false
    this.#seen.add(nodeId)
    if (this.#makeRoom(nodeId, place)) this.#nearest.push({ nodeId, node, place, hops, state: 'fresh' })
    return true
  }

  /** Where a network has as many candidates as it may have, a nearer one takes the place of its farthest. */
  #makeRoom(id: NodeId, { subnet }: Place): boolean {
    if (subnet === undefined) return true
    const { items, target } = this.#nearest
    let count = 0
    for (const { place } of items) if (place.subnet === subnet) count++
    if (count < SUBNET_MAX.table) return true
    const at = items.findLastIndex(({ place }) => place.subnet === subnet)
    const farthest = items[at]
    if (farthest === undefined || compareDistance(target, farthest.nodeId, id) < 0) return false
    this.#nearest.removeAt(at)
    return true
  }
}
