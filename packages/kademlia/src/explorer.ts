import { nodeFromParts } from '@kumiko/identity'
import { Alarm, type Clock, KumikoError, type Millis, type NodeId, type NodeRecord, raceAbort, sleep } from '@kumiko/interface'
import type { AbortOptions } from '@libp2p/interface'
import { Memory, type MemoryOptions } from './memory.ts'
import { Neighbourhood, type NeighbourhoodEffect, type NeighbourhoodOptions } from './neighbourhood.ts'
import { newest } from './newest.ts'
import { Search } from './search.ts'
import { BUCKET_SIZE, type Origin, type Table, type TableChange } from './table.ts'

/** What a lookup looks for. A protocol may need more than the id: discv4 asks by public key. */
export interface LookupTarget {
  readonly id: NodeId
}

/** What a discovery protocol does for its neighbourhood. Neither method rejects; both settle soon after the protocol was stopped. */
export interface NeighbourProtocol<Target extends LookupTarget> {
  /** Ourselves. */
  readonly self: Target
  randomTarget(): Target
  /** @returns The node's newest record: the same one where nothing newer came. Undefined where it did not answer. */
  ping(node: NodeRecord): Promise<NodeRecord | undefined>
  /**
   * Asks a node for those it knows near a target.
   *
   * @returns What it told and the protocol found in order: distances, relays, ports, networks. Undefined where it did not answer.
   */
  findNodes(node: NodeRecord, target: Target): Promise<readonly NodeRecord[] | undefined>
}

/** What an explorer is made of. */
export interface ExplorerOptions<Target extends LookupTarget> extends Omit<NeighbourhoodOptions, 'self'> {
  readonly protocol: NeighbourProtocol<Target>
  readonly clock: Clock
  /** Where seeds come from, and nodes are remembered. Default: nowhere. */
  readonly database?: MemoryOptions | undefined
  /** The IP addresses of a bootnode that is known by name, best first. Default: such bootnodes are passed over. */
  readonly resolve?: (host: string) => Promise<readonly string[]>
  /** Told of each change of the table. Must not throw. */
  readonly onChange?: (change: TableChange) => void
}

/** Nodes of the table are remembered so often; at first sooner, after twice as long each time: a node may be killed soon after its start. */
const REMEMBER_MS: Millis = 30_000
const FIRST_REMEMBER_MS: Millis = 1_000

/** From one random lookup to the next at least: in a small network they end at once. */
const WALK_PACE_MS: Millis = 1_000

/** Resolving a bootnode's name may take so long. */
const RESOLVE_TIMEOUT_MS: Millis = 10_000

/** What there is to find where nobody looks. */
export const NO_NODES: AsyncIterable<NodeRecord> = {
  [Symbol.asyncIterator]: () => ({ next: async () => ({ done: true, value: undefined }) }),
}

/**
 * Drives a {@link Neighbourhood}: pings, asks, reads the database, all by a protocol's means, and runs lookups. Owns one alarm and no socket.
 *
 * Nothing happens before `start`, and nothing after `stop`.
 */
export class Explorer<Target extends LookupTarget> {
  readonly #options: ExplorerOptions<Target>
  readonly #neighbourhood: Neighbourhood
  readonly #memory = new Memory()
  readonly #ended = new AbortController()
  /** Work under way: bounded by what the neighbourhood has in hand, and by our callers' lookups. */
  readonly #work = new Set<Promise<void>>()
  readonly #alarm: Alarm
  #rememberAt: Millis
  #rememberMs = FIRST_REMEMBER_MS
  #rememberedCount = 0
  #isRunning = false
  #lookups = 0

  /** @throws KumikoError `kademlia/bad-bootnode`, `kademlia/too-many-bootnodes`. */
  constructor(options: ExplorerOptions<Target>) {
    this.#options = options
    this.#alarm = new Alarm(options.clock, () => this.#expire())
    const now = options.clock.now()
    this.#neighbourhood = new Neighbourhood({ ...options, self: options.protocol.self.id }, now)
    this.#rememberAt = now + FIRST_REMEMBER_MS
  }

  get table(): Table {
    return this.#neighbourhood.table
  }

  /** The first round of lookups is over: before, nodes that come by themselves wait. */
  get isReady(): boolean {
    return this.#neighbourhood.isReady
  }

  /** Lookups begun since the start. */
  get lookups(): number {
    return this.#lookups
  }

  start(): void {
    if (this.#isRunning || this.#ended.signal.aborted) return
    this.#isRunning = true
    this.#expire()
  }

  /** Ends all lookups, and waits for what is under way. Idempotent. */
  async stop(): Promise<void> {
    if (this.#isRunning) this.#remember()
    this.#isRunning = false
    this.#alarm.cancel()
    this.#ended.abort(new KumikoError('kademlia/stopped', 'discovery was stopped'))
    await Promise.all(this.#work)
  }

  /** A node contacted us from the endpoint of its record (`inbound`), or answered us there as well (`verified`). */
  met(node: NodeRecord, origin: Exclude<Origin, 'found'>): void {
    if (!this.#isRunning) return
    const now = this.#now()
    this.#perform(this.#neighbourhood.add(node, origin, now))
    if (origin === 'verified') this.#answered(node.nodeId, now)
  }

  /**
   * Finds the nodes nearest to a target.
   *
   * @returns Nearest first, at most 16.
   * @throws The signal's reason · KumikoError `kademlia/stopped`.
   */
  async lookup(target: Target, { signal }: AbortOptions = {}): Promise<NodeRecord[]> {
    const search = this.#search(target)
    while (!search.isDone) await this.#guard(search.step(), signal)
    return search.closest
  }

  /** Nodes met by lookups of random targets, as fast as they are taken. Ends with the signal, with `return()`, and with us. */
  nodes({ signal }: AbortOptions = {}): AsyncIterable<NodeRecord> {
    return { [Symbol.asyncIterator]: () => this.#iterate(signal) }
  }

  /** `return()` takes effect also while nodes are being looked for. */
  #iterate(signal: AbortSignal | undefined): AsyncIterator<NodeRecord> {
    const controller = new AbortController()
    const signals = [controller.signal, this.#ended.signal, ...(signal === undefined ? [] : [signal])]
    const nodes = this.#walk(AbortSignal.any(signals))
    return {
      next: () => nodes.next(),
      return: () => {
        controller.abort()
        return nodes.return(undefined)
      },
    }
  }

  async *#walk(signal: AbortSignal): AsyncGenerator<NodeRecord, undefined> {
    while (!signal.aborted) {
      const nextAt = this.#now() + WALK_PACE_MS
      const search = this.#search(this.#options.protocol.randomTarget())
      for (const node of search.closest) {
        yield node
        if (signal.aborted) return
      }
      while (!search.isDone) {
        for (const node of (await settled(search.step(), signal)) ?? []) {
          yield node
          if (signal.aborted) return
        }
        if (signal.aborted) return
      }
      await sleep(this.#options.clock, nextAt - this.#now(), signal).catch(() => {})
    }
  }

  #search(target: Target): Search {
    this.#lookups++
    const ask = async (node: NodeRecord): Promise<readonly NodeRecord[] | undefined> => {
      if (!this.#isRunning) return undefined
      const told = await this.#options.protocol.findNodes(node, target)
      const found = told?.map((one) => newest(one, this.table.get(one.nodeId)))
      if (this.#isRunning) this.#queried(node.nodeId, found)
      return found
    }
    return new Search(this.#neighbourhood.lookup(target.id), ask)
  }

  #perform(effects: readonly NeighbourhoodEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'ping') this.#run(this.#check(effect.node))
      else if (effect.do === 'load') this.#run(this.#load(effect))
      else if (effect.do === 'lookup') this.#run(this.#explore(effect.target))
      else this.#note(effect)
    }
    this.#arm()
  }

  #note(change: TableChange): void {
    if (change.do === 'removed') this.#memory.forget(change.node.nodeId)
    this.#options.onChange?.(change)
  }

  #queried(id: NodeId, found: readonly NodeRecord[] | undefined): void {
    const now = this.#now()
    if (found !== undefined) this.#answered(id, now)
    else if (this.table.get(id) !== undefined) this.#memory.failed(id)
    this.#perform(this.#neighbourhood.queried(id, found, now))
  }

  #answered(id: NodeId, now: Millis): void {
    if (this.table.get(id) !== undefined) this.#memory.answered(id, now)
  }

  #run(work: Promise<void>): void {
    this.#work.add(work)
    void work.finally(() => this.#work.delete(work))
  }

  async #check(node: NodeRecord): Promise<void> {
    const { nodeId } = node
    this.#memory.pinged(nodeId, this.#now())
    const answer = await this.#options.protocol.ping(node)
    if (!this.#isRunning) return
    const now = this.#now()
    if (answer === undefined) {
      this.#perform(this.#neighbourhood.unanswered(nodeId, now))
      return
    }
    this.#answered(nodeId, now)
    this.#perform(this.#neighbourhood.answered(nodeId, answer === node ? undefined : answer, now))
  }

  async #load({ seeds, ageMaxMs, names }: Extract<NeighbourhoodEffect, { do: 'load' }>): Promise<void> {
    const { database } = this.#options
    const [remembered = [], ...named] = await Promise.all([
      database?.of.seeds(database.protocol, seeds, ageMaxMs) ?? [],
      ...names.map((node) => this.#resolve(node)),
    ])
    if (this.#isRunning) this.#perform(this.#neighbourhood.seeded([...remembered, ...named.flat()], this.#now()))
  }

  async #explore(target: 'self' | 'random'): Promise<void> {
    const { protocol } = this.#options
    await this.lookup(target === 'self' ? protocol.self : protocol.randomTarget()).catch(() => [])
    if (!this.#isRunning) return
    this.#perform(this.#neighbourhood.lookedUp(this.#now()))
  }

  /** A bootnode under the addresses that its name has now; none where the name is not known, or not in time. */
  async #resolve(node: NodeRecord): Promise<NodeRecord[]> {
    const { clock, resolve } = this.#options
    const endpoint = node.endpoints.find(({ udp }) => udp !== undefined)
    if (resolve === undefined || endpoint === undefined) return []
    const done = new AbortController()
    const late = sleep(clock, RESOLVE_TIMEOUT_MS, AbortSignal.any([done.signal, this.#ended.signal])).then(
      () => [],
      () => [],
    )
    try {
      const ips = await Promise.race([resolve(endpoint.host), late])
      return [nodeFromParts({ publicKey: node.publicKey, endpoints: ips.map((host) => ({ ...endpoint, host })) })]
    } catch {
      return []
    } finally {
      done.abort()
    }
  }

  /**
   * Those that have been here for long; while there are few, whoever answered: a node that starts twice in a row finds its way back. As long as
   * their number grows, or is 0, this is soon done again: a node may be killed while the network comes up.
   */
  #remember(): void {
    const now = this.#now()
    const established = this.table.established(now)
    const nodes = established.length < BUCKET_SIZE ? [...this.table.nodes({ verifiedOnly: true })] : established
    const isForming = nodes.length === 0 || nodes.length > this.#rememberedCount
    this.#rememberedCount = nodes.length
    this.#rememberMs = isForming ? FIRST_REMEMBER_MS : Math.min(REMEMBER_MS, 2 * this.#rememberMs)
    this.#rememberAt = now + this.#rememberMs
    const { database } = this.#options
    if (database === undefined) return
    this.#memory.write(nodes, database)
  }

  #expire(): void {
    const now = this.#now()
    if (this.#rememberAt <= now) this.#remember()
    this.#perform(this.#neighbourhood.expire(now))
  }

  #arm(): void {
    const deadline = Math.min(
      this.#neighbourhood.deadline,
      this.#options.database === undefined ? Number.POSITIVE_INFINITY : this.#rememberAt,
    )
    if (this.#isRunning) this.#alarm.set(deadline)
  }

  async #guard<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
    const ended = this.#ended.signal
    return await raceAbort(work, signal === undefined ? ended : AbortSignal.any([ended, signal]))
  }

  #now(): Millis {
    return this.#options.clock.now()
  }
}

/** What comes of it; undefined where the signal aborts first. */
async function settled<T>(work: Promise<T>, signal: AbortSignal): Promise<T | undefined> {
  return await raceAbort(work, signal).catch(() => undefined)
}
