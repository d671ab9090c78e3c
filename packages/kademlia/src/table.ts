import { distance } from '@kumiko/identity'
import type { Millis, NodeId, NodeRecord, Random } from '@kumiko/interface'
import { Nearest } from './nearest.ts'
import { type EndpointOf, type Place, placeOf, SubnetCount, udpEndpoint } from './place.ts'

/** Nodes of a bucket at most: Kademlia's k. @see discv4.md § Kademlia Table */
export const BUCKET_SIZE = 16

/** Nodes that wait for a place in a bucket at most. */
export const REPLACEMENTS_MAX = 10

/** Half of all nodes are at distance 256, a quarter at 255, …: within 240 there is hardly anyone, so one bucket holds them. */
export const BUCKETS = 17

/** The largest distance of the first bucket. */
const FIRST_BUCKET_DISTANCE = 256 - BUCKETS + 1

/** Nodes of one network in a bucket and in the table, at most, waiting ones counted. */
export const SUBNET_MAX = { bucket: 2, table: 10 }

/** Queries in a row that a node may fail before it has to go. */
const FIND_FAILURES_MAX = 5

/** Only a bucket with so many nodes lets one go for failed queries: small networks would lose all. */
const FIND_FAILURES_BUCKET_MIN = BUCKET_SIZE / 4

/** A node that answers a check has one point more, one that does not a third of its points. */
const LIVENESS_DIVISOR = 3

/** How long a node must have been in the table to be worth remembering. */
const ESTABLISHED_MS = 5 * 60_000

/**
 * How we know of a node. `found`: others told us. `inbound`: it contacted us from the endpoint of its record. `verified`: moreover it
 * answered us there.
 */
export type Origin = 'found' | 'inbound' | 'verified'

/** What became of the table. */
export type TableChange =
  | { readonly do: 'added'; readonly node: NodeRecord }
  | { readonly do: 'removed'; readonly node: NodeRecord }
  /** A newer record. `isMoved`: with another endpoint, so that the node counts as unverified again. */
  | { readonly do: 'updated'; readonly node: NodeRecord; readonly isMoved: boolean }

/** What a table is made of. */
export interface TableOptions {
  /** Never in the table. */
  readonly self: NodeId
  readonly random: Random
  /** Default {@link udpEndpoint}. A node without an endpoint is not taken. */
  readonly endpointOf?: EndpointOf
}

/** Which nodes are wanted. */
export interface NodeChoice {
  /** Only nodes that answered us where their record says: the only ones to tell others of. Default false. */
  readonly verifiedOnly?: boolean
}

interface Entry {
  node: NodeRecord
  place: Place
  readonly addedAt: Millis
  livenessChecks: number
  isVerified: boolean
  findFailures: number
}

interface Bucket {
  readonly entries: Entry[]
  /** The last to come first. Empty unless the bucket is full. */
  readonly replacements: Entry[]
}

/**
 * The nodes we know, by distance, as go-ethereum keeps them: {@link BUCKETS} buckets of {@link BUCKET_SIZE} with {@link REPLACEMENTS_MAX}
 * replacements each. Old nodes stay as long as they answer; nodes of one network are limited by {@link SUBNET_MAX}. Holds at most 442 nodes.
 *
 * @see discv4.md § Kademlia Table
 */
export class Table {
  readonly self: NodeId
  readonly #random: Random
  readonly #endpointOf: EndpointOf
  readonly #buckets: readonly Bucket[]
  readonly #subnets = new SubnetCount()
  #size = 0

  constructor(options: TableOptions) {
    this.self = options.self
    this.#random = options.random
    this.#endpointOf = options.endpointOf ?? udpEndpoint
    this.#buckets = Array.from({ length: BUCKETS }, () => ({ entries: [], replacements: [] }))
  }

  /** Nodes in buckets, without replacements. */
  get size(): number {
    return this.#size
  }

  /**
   * Offers a node. One that is known has its record updated if the new one has a higher sequence number, or if neither has any and the node
   * itself came. One that finds its bucket full waits among the replacements.
   */
  add(node: NodeRecord, origin: Origin, now: Millis): TableChange[] {
    if (node.nodeId === this.self) return []
    const bucket = this.#bucketOf(node.nodeId)
    const known = find(bucket.entries, node.nodeId)
    if (known !== undefined) return this.#meet(bucket, known, node, origin)
    const waiting = find(bucket.replacements, node.nodeId)
    if (waiting !== undefined) {
      this.#meet(bucket, waiting, node, origin)
      return []
    }
    const place = this.#placeOf(node)
    if (place === undefined || !this.#hasRoom(bucket, place)) return []
    return this.#insert(bucket, newEntry(node, place, now, origin === 'verified'))
  }

  /** Takes a node out, wherever it is. A replacement picked at random moves up. */
  remove(id: NodeId): TableChange[] {
    const bucket = this.#bucketOf(id)
    const waiting = bucket.replacements.findIndex(({ node }) => node.nodeId === id)
    if (waiting >= 0) this.#release(bucket.replacements.splice(waiting, 1))
    const at = bucket.entries.findIndex(({ node }) => node.nodeId === id)
    const gone = at < 0 ? [] : bucket.entries.splice(at, 1)
    this.#release(gone)
    return gone.flatMap(({ node }): TableChange[] => {
      const next = bucket.replacements.splice(Math.floor(this.#random() * bucket.replacements.length), 1)
      bucket.entries.push(...next)
      this.#size += next.length - 1
      return [{ do: 'removed', node }, ...next.map((entry): TableChange => ({ do: 'added', node: entry.node }))]
    })
  }

  /**
   * A node answered a check where its record says. It counts as verified.
   *
   * @param record - Its record, where a newer one came with the answer.
   */
  answered(id: NodeId, record?: NodeRecord): TableChange[] {
    const bucket = this.#bucketOf(id)
    const entry = find(bucket.entries, id)
    if (entry === undefined) return []
    entry.livenessChecks++
    entry.isVerified = true
    return record === undefined || record.nodeId !== id ? [] : this.#update(bucket, entry, record, 'found')
  }

  /** A node did not answer a check. It goes if it has too few points left. */
  unanswered(id: NodeId): TableChange[] {
    const entry = find(this.#bucketOf(id).entries, id)
    if (entry === undefined) return []
    entry.livenessChecks = Math.floor(entry.livenessChecks / LIVENESS_DIVISOR)
    return entry.livenessChecks > 0 ? [] : this.remove(id)
  }

  /**
   * A node was asked for others. Any answer verifies it.
   *
   * @param named - How many it named; undefined where it did not answer. Who names none five times in a row goes, if its bucket can spare it.
   */
  queried(id: NodeId, named: number | undefined): TableChange[] {
    const { entries } = this.#bucketOf(id)
    const entry = find(entries, id)
    if (entry === undefined) return []
    if (named !== undefined) verify(entry)
    entry.findFailures = named === undefined || named === 0 ? entry.findFailures + 1 : 0
    return entry.findFailures >= FIND_FAILURES_MAX && entries.length >= FIND_FAILURES_BUCKET_MIN ? this.remove(id) : []
  }

  /** A node in a bucket. */
  get(id: NodeId): NodeRecord | undefined {
    return find(this.#bucketOf(id).entries, id)?.node
  }

  /** Tells whether a node in a bucket has answered us at its endpoint. */
  isVerified(id: NodeId): boolean {
    return find(this.#bucketOf(id).entries, id)?.isVerified ?? false
  }

  /** The nodes nearest to a target, nearest first. */
  closest(target: NodeId, count: number, choice: NodeChoice = {}): NodeRecord[] {
    const nearest = new Nearest<NodeRecord>(target, count)
    const isOpen = choice.verifiedOnly !== true
    const own = Math.max(0, bucketIndex(distance(this.self, target)))
    // The hot path of every answer: no generator.
    this.#offer(nearest, own, own + 1, isOpen)
    if (nearest.items.length < count) this.#offer(nearest, 0, own, isOpen)
    for (let next = own + 1; next < BUCKETS && nearest.items.length < count; next++) this.#offer(nearest, next, next + 1, isOpen)
    return [...nearest.items]
  }

  /** The nodes at exactly this distance from us, at most {@link BUCKET_SIZE}. @param at - 1–256; for others there are none. */
  atDistance(at: number, choice: NodeChoice = {}): NodeRecord[] {
    const bucket = this.#buckets[bucketIndex(at)]
    const chosen = bucket?.entries.filter((entry) => isChosen(entry, choice) && distance(this.self, entry.node.nodeId) === at) ?? []
    return chosen.map(({ node }) => node)
  }

  /** All nodes in buckets, nearest bucket first. Do not change the table meanwhile. */
  *nodes(choice: NodeChoice = {}): Generator<NodeRecord, void> {
    for (const { entries } of this.#buckets) for (const entry of entries) if (isChosen(entry, choice)) yield entry.node
  }

  /** Nodes that wait for a place. */
  *replacements(): Generator<NodeRecord, void> {
    for (const { replacements } of this.#buckets) for (const { node } of replacements) yield node
  }

  /** Verified nodes that have been here for five minutes: worth keeping in a database, as seeds. */
  established(now: Millis): NodeRecord[] {
    const entries = this.#buckets.flatMap((bucket) => bucket.entries)
    return entries.filter((entry) => entry.isVerified && now - entry.addedAt >= ESTABLISHED_MS).map(({ node }) => node)
  }

  /**
   * Offers the nodes of some buckets. Those in the target's own bucket are nearer to it than any other; next come all those nearer to us, which are as far
   * from it as we are; then bucket after bucket.
   */
  #offer(nearest: Nearest<NodeRecord>, from: number, to: number, isOpen: boolean): void {
    for (let index = from; index < to; index++) {
      for (const { node, isVerified } of this.#buckets[index]?.entries ?? []) if (isVerified || isOpen) nearest.push(node)
    }
  }

  /** There must be room in the networks. */
  #insert(bucket: Bucket, entry: Entry): TableChange[] {
    this.#subnets.add(entry.place)
    if (bucket.entries.length < BUCKET_SIZE) {
      bucket.entries.push(entry)
      this.#size++
      return [{ do: 'added', node: entry.node }]
    }
    const gone = bucket.replacements[REPLACEMENTS_MAX - 1]
    if (gone !== undefined) this.#release([gone])
    bucket.replacements.length = Math.min(bucket.replacements.length, REPLACEMENTS_MAX - 1)
    bucket.replacements.unshift(entry)
    return []
  }

  #meet(bucket: Bucket, entry: Entry, node: NodeRecord, origin: Origin): TableChange[] {
    const changes = this.#update(bucket, entry, node, origin)
    if (origin === 'verified' && this.#placeOf(node)?.endpoint === entry.place.endpoint) verify(entry)
    return changes
  }

  #update(bucket: Bucket, entry: Entry, node: NodeRecord, origin: Origin): TableChange[] {
    const isNewer = node.seq > entry.node.seq || (node.seq === 0n && entry.node.seq === 0n && origin !== 'found')
    const place = isNewer ? this.#placeOf(node) : undefined
    if (place === undefined) return []
    const isMoved = place.endpoint !== entry.place.endpoint
    if (isMoved && !this.#move(bucket, entry, place)) return []
    entry.node = node
    if (isMoved) Object.assign(entry, { isVerified: false, livenessChecks: 0 })
    else if (node.seq === 0n) return []
    return [{ do: 'updated', node, isMoved }]
  }

  /** @returns False, and all is as before, where the limits do not let the node in at its new place. */
  #move(bucket: Bucket, entry: Entry, place: Place): boolean {
    this.#release([entry])
    const isAllowed = this.#hasRoom(bucket, place, entry)
    if (isAllowed) entry.place = place
    this.#subnets.add(entry.place)
    return isAllowed
  }

  /**
   * Of networks with hardly any node, which are most, the bucket need not be looked at.
   *
   * @param leaving - An entry of the bucket that does not count.
   */
  #hasRoom({ entries, replacements }: Bucket, { subnet }: Place, leaving?: Entry): boolean {
    if (subnet === undefined) return true
    const inTable = this.#subnets.of(subnet)
    if (inTable < SUBNET_MAX.bucket || inTable >= SUBNET_MAX.table) return inTable < SUBNET_MAX.bucket
    const inBucket = [...entries, ...replacements].filter((entry) => entry !== leaving && entry.place.subnet === subnet)
    return inBucket.length < SUBNET_MAX.bucket
  }

  #release(entries: readonly Entry[]): void {
    for (const { place } of entries) this.#subnets.remove(place)
  }

  #placeOf(node: NodeRecord): Place | undefined {
    const endpoint = this.#endpointOf(node)
    return endpoint === undefined ? undefined : placeOf(endpoint)
  }

  #bucketOf(id: NodeId): Bucket {
    const bucket = this.#buckets[Math.max(0, bucketIndex(distance(this.self, id)))]
    if (bucket === undefined) throw new RangeError('a distance is 0 to 256')
    return bucket
  }
}

/** @returns −1 for distance 0. */
function bucketIndex(at: number): number {
  return at < 1 ? -1 : Math.max(0, at - FIRST_BUCKET_DISTANCE)
}

function find(entries: readonly Entry[], id: NodeId): Entry | undefined {
  for (const entry of entries) if (entry.node.nodeId === id) return entry
  return undefined
}

function isChosen(entry: Entry, choice: NodeChoice): boolean {
  return entry.isVerified || choice.verifiedOnly !== true
}

function newEntry(node: NodeRecord, place: Place, addedAt: Millis, isVerified: boolean): Entry {
  return { node, place, addedAt, livenessChecks: isVerified ? 1 : 0, isVerified, findFailures: 0 }
}

function verify(entry: Entry): void {
  entry.isVerified = true
  entry.livenessChecks = Math.max(1, entry.livenessChecks)
}
