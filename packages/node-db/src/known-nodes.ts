import { fromHex } from '@kumiko/identity'
import type {
  Cancel,
  Clock,
  DiscoveryProtocol,
  Millis,
  NodeDatabase,
  NodeFacts,
  NodeId,
  NodeRecord,
  Random,
  RememberedNode,
} from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import type { Database, Entry, KeyRange, Write } from './database.ts'
import {
  applyChange,
  decodeNodeEntry,
  encodeNodeEntry,
  factsOf,
  joinChanges,
  type NodeChange,
  type NodeEntry,
  nodeOf,
} from './node-entry.ts'

/** What is noted is written after so long, */
export const FLUSH_MS: Millis = 1000

/** or when so many nodes wait. */
export const FLUSH_NODES = 256

/** Nodes that wait at most while the disk takes nothing; what is noted of others is lost. */
export const PENDING_MAX = 4096

/** A write that failed is tried again after so long. */
const RETRY_MS: Millis = 10_000

/** A node is forgotten when it was not heard of for so long. */
export const EXPIRY_MS: Millis = 24 * 3_600_000

/** How often nodes are looked through for those. */
export const PASS_MS: Millis = 3_600_000

/** Nodes that a pass leaves of each protocol; which ones go is left to chance, so that no flood of new ones drives out the old. */
const NODES_MAX = 65_536

/** Nodes removed with one write. */
const REMOVED_TOGETHER = 1000

/** @see go-ethereum p2p/enode, QuerySeeds: as many places are looked at for each seed that is wanted. */
const SEEKS_PER_SEED = 5

/** Nodes that are looked at one after another where those places gave too few seeds. */
const WALK_NODES = 1024

/** Seeds that are given at most. */
const SEEDS_MAX = 1024

const PREFIX: Readonly<Record<DiscoveryProtocol, number>> = { discv4: 0x34, discv5: 0x35 }

/** What the nodes' memory needs of its node. */
export interface KnownNodesOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

interface Pending {
  readonly key: Uint8Array
  readonly change: NodeChange
}

type PendingNodes = Map<string, Pending>

/**
 * Nodes met, in a {@link Database}. What is noted waits in memory, is shown at once, and is written with others. Nodes expire from an hour
 * after the first pong of this run on: a node that was off for days has seeds to come back with.
 */
export class KnownNodes implements NodeDatabase {
  readonly #options: KnownNodesOptions
  readonly #database: Database
  readonly #nodesMax: number
  #pending: PendingNodes = new Map()
  #writing: PendingNodes = new Map()
  #flushing: Promise<void> | undefined
  #expiring: Promise<void> | undefined
  #cancelFlush: Cancel | undefined
  #cancelPass: Cancel | undefined
  #isFailing = false
  #isStopped = false

  /** @param nodesMax - What a pass leaves of each protocol. Default 65,536. */
  constructor(database: Database, options: KnownNodesOptions, nodesMax: number = NODES_MAX) {
    this.#database = database
    this.#nodesMax = nodesMax
    this.#options = options
  }

  note(protocol: DiscoveryProtocol, node: NodeRecord, facts: NodeFacts): void {
    const key = keyOf(protocol, node.nodeId)
    if (key === undefined || this.#isStopped) return
    const { clock } = this.#options
    this.#add(protocol + node.nodeId, { key, change: { node, facts, at: clock.now() } })
    if (facts.lastPong !== undefined) this.#cancelPass ??= clock.at(clock.now() + PASS_MS, () => this.#pass())
    if (this.#pending.size >= FLUSH_NODES && !this.#isFailing) void this.flush()
    else this.#arm(FLUSH_MS)
  }

  async get(protocol: DiscoveryProtocol, id: NodeId): Promise<RememberedNode | undefined> {
    const key = keyOf(protocol, id)
    if (key === undefined) return undefined
    const waiting = [this.#writing.get(protocol + id), this.#pending.get(protocol + id)]
    let entry = entryOf(await this.#database.get(key))
    for (const pending of waiting) if (pending !== undefined) entry = applyChange(entry, pending.change)
    const node = entry === undefined ? undefined : nodeOf(entry)
    return entry === undefined || node === undefined ? undefined : { ...factsOf(entry), node }
  }

  async seeds(protocol: DiscoveryProtocol, count: number, ageMaxMs: Millis): Promise<NodeRecord[]> {
    try {
      await this.#flushing
      await this.flush()
      const oldest = this.#options.clock.now() - ageMaxMs
      const entries = await this.#pick(protocol, Math.min(count, SEEDS_MAX), oldest)
      return entries.map(nodeOf).filter((node) => node !== undefined)
    } catch (error) {
      this.#options.log.error('cannot read nodes to begin with - %e', error)
      return []
    }
  }

  /** Writes what waits, in one batch. Never rejects; what could not be written waits on. */
  flush(): Promise<void> {
    this.#flushing ??= this.#write().finally(() => {
      this.#flushing = undefined
      // What came meanwhile, or could not be written.
      if (this.#pending.size > 0 && !this.#isStopped) this.#arm(this.#isFailing ? RETRY_MS : FLUSH_MS)
    })
    return this.#flushing
  }

  /** Writes what waits, and takes no more. Idempotent. */
  async stop(): Promise<void> {
    this.#isStopped = true
    this.#cancelPass?.()
    await this.#expiring
    await this.#flushing
    await this.flush()
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
  }

  #add(name: string, { key, change }: Pending): void {
    const before = this.#pending.get(name)
    if (before === undefined && this.#pending.size >= PENDING_MAX) return
    this.#pending.set(name, { key, change: joinChanges(before?.change, change) })
  }

  #arm(delayMs: Millis): void {
    const { clock } = this.#options
    this.#cancelFlush ??= clock.at(clock.now() + delayMs, () => {
      this.#cancelFlush = undefined
      void this.flush()
    })
  }

  async #write(): Promise<void> {
    if (this.#pending.size === 0) return
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
    this.#writing = this.#pending
    this.#pending = new Map()
    try {
      await this.#merge([...this.#writing.values()])
      this.#isFailing = false
    } catch (error) {
      this.#putBack(error)
    } finally {
      this.#writing = new Map()
    }
  }

  async #merge(pending: readonly Pending[]): Promise<void> {
    const before = await this.#database.getMany(pending.map(({ key }) => key))
    const writes = pending.map(({ key, change }, index): Write => {
      return { type: 'put', key, value: encodeNodeEntry(applyChange(entryOf(before[index]), change)) }
    })
    await this.#database.write(writes)
  }

  /** Told once, until writing goes well again. */
  #putBack(error: unknown): void {
    if (!this.#isFailing) {
      const nodes = this.#writing.size
      this.#options.log.error('cannot write what is known of %d nodes: make room on the disk; will try again - %e', nodes, error)
    }
    this.#isFailing = true
    const newer = this.#pending
    this.#pending = this.#writing
    for (const [name, pending] of newer) this.#add(name, pending)
    this.#cancelFlush?.()
    this.#cancelFlush = undefined
  }

  async #pick(protocol: DiscoveryProtocol, count: number, oldest: Millis): Promise<NodeEntry[]> {
    const range = rangeOf(protocol)
    const found = new Map<string, NodeEntry>()
    const consider = ({ key, value }: Entry): void => {
      const entry = entryOf(value)
      if (entry?.lastPong !== undefined && entry.lastPong >= oldest) found.set(key.toString(), entry)
    }
    await this.#database.seeking(range, async (seek) => {
      for (let seeks = 0; found.size < count && seeks < count * SEEKS_PER_SEED; seeks++) {
        const entry = (await seek(this.#randomKey(protocol))) ?? (await seek(range.gte))
        if (entry === undefined) return
        consider(entry)
      }
    })
    await this.#walk(range, protocol, (entry) => {
      if (found.size < count) consider(entry)
      return found.size < count
    })
    return [...found.values()]
  }

  /** Visits nodes from a random one on, round the end, until `visit` has enough. */
  async #walk(range: KeyRange, protocol: DiscoveryProtocol, visit: (entry: Entry) => boolean): Promise<void> {
    const start = this.#randomKey(protocol)
    let left = WALK_NODES
    for (const part of [
      { gte: start, lt: range.lt },
      { gte: range.gte, lt: start },
    ]) {
      for await (const [key, value] of this.#database.entries(part)) if (!visit({ key, value }) || --left === 0) return
    }
  }

  /** Eight random bytes tell any two nodes apart. */
  #randomKey(protocol: DiscoveryProtocol): Uint8Array {
    return Uint8Array.from({ length: 9 }, (_, index) => (index === 0 ? PREFIX[protocol] : Math.floor(this.#options.random() * 256)))
  }

  #pass(): void {
    const { clock, log } = this.#options
    this.#expiring = this.#expire()
      .catch((error: unknown) => log.error('cannot remove nodes that are gone - %e', error))
      .finally(() => {
        this.#expiring = undefined
        this.#cancelPass = this.#isStopped ? undefined : clock.at(clock.now() + PASS_MS, () => this.#pass())
      })
  }

  async #expire(): Promise<void> {
    for (const protocol of ['discv4', 'discv5'] as const) {
      const surplus = await this.#surplus(protocol)
      const gone: Write[] = []
      for await (const [key, value] of this.#database.entries(rangeOf(protocol))) {
        if (this.#isStopped) break
        if (this.#isStale(entryOf(value)) || this.#options.random() < surplus) gone.push({ type: 'del', key })
        if (gone.length >= REMOVED_TOGETHER) await this.#database.write(gone.splice(0))
      }
      if (gone.length > 0) await this.#database.write(gone)
    }
  }

  /** The share of the nodes that are too many, 0 to 1. */
  async #surplus(protocol: DiscoveryProtocol): Promise<number> {
    let count = 0
    for await (const [, value] of this.#database.entries(rangeOf(protocol))) if (!this.#isStale(entryOf(value))) count++
    return Math.max(0, 1 - this.#nodesMax / count)
  }

  /** Heard of last when it answered, or when we learned of it. A time to come is of a clock that was wrong. */
  #isStale(entry: NodeEntry | undefined): boolean {
    if (entry === undefined) return true
    const ageMs = this.#options.clock.now() - Math.max(entry.lastPong ?? 0, entry.since)
    return ageMs > EXPIRY_MS || ageMs < -EXPIRY_MS
  }
}

function keyOf(protocol: DiscoveryProtocol, id: NodeId): Uint8Array | undefined {
  const bytes = fromHex(id)
  return bytes?.length === 32 ? Uint8Array.of(PREFIX[protocol], ...bytes) : undefined
}

function rangeOf(protocol: DiscoveryProtocol): KeyRange {
  return { gte: Uint8Array.of(PREFIX[protocol]), lt: Uint8Array.of(PREFIX[protocol] + 1) }
}

function entryOf(value: Uint8Array | undefined): NodeEntry | undefined {
  return value === undefined ? undefined : decodeNodeEntry(value)
}
