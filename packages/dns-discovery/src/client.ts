import {
  BoundedMap,
  type Clock,
  type Fault,
  isFault,
  KumikoError,
  type Millis,
  type NodeRecord,
  type Random,
  raceAbort,
  sleep,
  systemClock,
} from '@kumiko/interface'
import type { AbortOptions } from '@libp2p/interface'
import { type Entry, matchesHash, parseEntry } from './entry.ts'
import { RateLimit } from './rate-limit.ts'
import { dnsResolver, type ResolveTxt } from './resolver.ts'
import { ROOT_PREFIX, type Root } from './root.ts'
import { entryIn, readTreeUrl, rootIn, toZone, type VerifiedTree, verifyZone } from './tree.ts'
import type { TreeUrl } from './tree-url.ts'
import type { Question } from './tree-walk.ts'
import { Walk, type WalkOptions } from './walk.ts'

/** Options of a {@link DnsClient}. */
export interface DnsClientOptions {
  /** Looks names up. Default: Node's `dns` with the system's servers. */
  readonly resolve?: ResolveTxt
  /** Lookups a second, with 10 at once after a rest. Default 3, as in go-ethereum. */
  readonly requestsPerSecond?: number
  /** A lookup is given up after this. Default 5000. */
  readonly timeoutMs?: Millis
  /** How old a root may be before it is asked for again. Default 30 minutes. */
  readonly recheckMs?: Millis
  /** Entries kept, of all trees together. Default 1000. */
  readonly cacheMax?: number
  /** Nodes that are wanted. Must not throw. Default: all. */
  readonly filter?: (node: NodeRecord) => boolean
  /** Told of each fault. Must not throw. */
  readonly onFault?: (fault: Fault) => void
  readonly clock?: Clock
  readonly random?: Random
}

/** Options of one walk. */
export interface WalkNodesOptions extends AbortOptions {
  /** False: nodes come again only after the root was asked for again. Default true. */
  readonly repeats?: boolean
}

/** Options of {@link DnsClient.sync}. */
export interface SyncOptions extends AbortOptions {
  /** Texts of entries by hash, as they were read before: verified as those from DNS are, which they save asking for. */
  readonly known?: ReadonlyMap<string, string>
  /** Told of each entry, known ones too. Must not throw. */
  readonly onEntry?: (entry: SyncedEntry) => void
}

/** An entry of a tree that is being read. */
export interface SyncedEntry {
  readonly hash: string
  readonly text: string
  readonly entry: Entry
  /** Entries heard of and not read yet; those named twice count twice. */
  readonly pending: number
}

const BURST = 10

interface FoundEntry {
  readonly text: string
  readonly entry: Entry
}

/** What a walk, or a sync, does before it lets others run. */
const STEPS_IN_A_TURN = 256

/** Entries of a tree that is read as a whole, at most. */
const SYNC_ENTRIES_MAX = 65_536

/** Reads trees. Holds nothing open between lookups. */
export class DnsClient {
  readonly #options: Required<DnsClientOptions>
  readonly #limit: RateLimit
  /** The text of entries by hash, verified, the least recently used first. */
  readonly #cache: BoundedMap<string, FoundEntry>
  #lookups = 0

  /** @throws KumikoError `dns-discovery/bad-option`. */
  constructor(options: DnsClientOptions = {}) {
    this.#options = {
      resolve: options.resolve ?? dnsResolver(),
      requestsPerSecond: options.requestsPerSecond ?? 3,
      timeoutMs: options.timeoutMs ?? 5000,
      recheckMs: options.recheckMs ?? 30 * 60_000,
      cacheMax: options.cacheMax ?? 1000,
      filter: options.filter ?? (() => true),
      onFault: options.onFault ?? (() => {}),
      clock: options.clock ?? systemClock,
      random: options.random ?? Math.random,
    }
    for (const name of ['requestsPerSecond', 'timeoutMs', 'recheckMs'] as const) {
      if (!(this.#options[name] > 0)) throw badOption(name, this.#options[name])
    }
    if (!(this.#options.cacheMax >= 0)) throw badOption('cacheMax', this.#options.cacheMax)
    this.#cache = new BoundedMap(this.#options.cacheMax)
    this.#limit = new RateLimit(this.#options.requestsPerSecond, BURST)
  }

  /** Lookups so far. */
  get lookups(): number {
    return this.#lookups
  }

  /** Entries kept now. */
  get cached(): number {
    return this.#cache.size
  }

  /**
   * Walks through trees and those that they link to, at random, only as fast as nodes are taken. Ends with the signal.
   *
   * @throws KumikoError `dns-discovery/bad-url`.
   */
  async *walk(trees: readonly string[], { signal, repeats = true }: WalkNodesOptions = {}): AsyncGenerator<NodeRecord> {
    const { clock, random, recheckMs, filter } = this.#options
    const options: WalkOptions = { trees: trees.map(readTreeUrl), random, recheckMs, repeats, filter }
    const walk = new Walk(options)
    for (let step = 1; signal?.aborted !== true; step++) {
      // Kept entries answer at once: without a rest a walk over them would let nobody else run, not even who aborts it.
      if (step % STEPS_IN_A_TURN === 0) await new Promise(setImmediate)
      const question = walk.next(clock.now())
      if (question.ask === 'nothing') {
        await sleep(clock, question.until - clock.now(), signal).catch(() => {})
        continue
      }
      const found = await this.#ask(walk, question, signal)
      if (signal?.aborted) return
      if (isFault(found)) this.#options.onFault(found)
      else if (found !== undefined) yield found
    }
  }

  /**
   * Reads a whole tree, without those that it links to. Takes a third of a second an entry.
   *
   * @returns The tree, or its first fault.
   * @throws KumikoError `dns-discovery/bad-url`; the signal's reason.
   */
  async sync(tree: string, options: SyncOptions = {}): Promise<VerifiedTree | Fault> {
    const { signal } = options
    const url = readTreeUrl(tree)
    const root = await this.root(url, signal)
    signal?.throwIfAborted()
    if (isFault(root)) return root
    const entries = await this.#readAll(url, [root.links, root.nodes], options)
    if (isFault(entries)) return entries
    const { seq, nodes, links } = root
    return verifyZone(toZone({ root, seq, nodes, links, entries, publicKey: url.publicKey }, url.domain), url)
  }

  /** Looks a root up and verifies it. @returns The root, or the fault `no-root`, `bad-root`, `bad-signature` or `lookup-failed`. */
  async root(url: TreeUrl, signal?: AbortSignal): Promise<Root | Fault> {
    const texts = await this.#lookup(url.domain, signal)
    return isFault(texts)
      ? texts
      : rootIn(
          texts.find((text) => text.startsWith(ROOT_PREFIX)),
          url,
        )
  }

  /** Looks an entry up, unless it is kept, and verifies it. @returns The entry, or its fault. */
  async entry(url: TreeUrl, hash: string, signal?: AbortSignal): Promise<Entry | Fault> {
    const found = await this.#find(url, hash, signal)
    return isFault(found) ? found : found.entry
  }

  /** Each hash is read once, so it ends. */
  async #readAll(url: TreeUrl, pending: string[], { signal, known, onEntry }: SyncOptions): Promise<Map<string, string> | Fault> {
    const entries = new Map<string, string>()
    for (let hash = pending.pop(); hash !== undefined; hash = pending.pop()) {
      if (entries.has(hash)) continue
      if (entries.size >= SYNC_ENTRIES_MAX) return { fault: 'dns-discovery/too-large', detail: url.domain }
      if (entries.size % STEPS_IN_A_TURN === STEPS_IN_A_TURN - 1) await new Promise(setImmediate)
      const found = knownEntry(known?.get(hash), hash, url) ?? (await this.#find(url, hash, signal))
      signal?.throwIfAborted()
      if (isFault(found)) return found
      entries.set(hash, found.text)
      if (found.entry.kind === 'branch') pending.push(...found.entry.children)
      onEntry?.({ hash, ...found, pending: pending.length })
    }
    return entries
  }

  async #ask(walk: Walk, question: Question, signal: AbortSignal | undefined): Promise<NodeRecord | Fault | undefined> {
    const { clock } = this.#options
    if (question.ask === 'root') return walk.takeRoot(question, await this.root(question.url, signal), clock.now())
    return walk.takeEntry(question, await this.entry(question.url, question.item.hash, signal), clock.now())
  }

  async #find(url: TreeUrl, hash: string, signal: AbortSignal | undefined): Promise<FoundEntry | Fault> {
    const cached = this.#cache.get(hash)
    if (cached !== undefined) {
      this.#cache.set(hash, cached)
      return cached
    }
    const texts = await this.#lookup(`${hash}.${url.domain}`, signal)
    if (isFault(texts)) return texts
    // A name may hold other records, too.
    const text = texts.find((candidate) => matchesHash(candidate, hash)) ?? texts.find(isEntryLike)
    const entry = entryIn(text, hash, url.domain)
    if (isFault(entry) || text === undefined) return isFault(entry) ? entry : { fault: 'dns-discovery/no-entry', detail: hash }
    this.#cache.set(hash, { text, entry })
    return { text, entry }
  }

  /** The texts at a name, as soon as the limit allows. */
  async #lookup(name: string, signal: AbortSignal | undefined): Promise<string[] | Fault> {
    const { clock, resolve, timeoutMs } = this.#options
    const startMs = clock.now()
    const controller = new AbortController()
    const abort = (): void => controller.abort(signal?.reason)
    signal?.addEventListener('abort', abort, { once: true })
    let cancel = (): void => {}
    try {
      signal?.throwIfAborted()
      const waitMs = this.#limit.reserve(startMs) - startMs
      if (waitMs > 0) await sleep(clock, waitMs, signal)
      this.#lookups += 1
      cancel = clock.at(clock.now() + timeoutMs, () => controller.abort(new Error(`no answer within ${timeoutMs} ms`)))
      const records = await raceAbort(resolve(name, { signal: controller.signal }), controller.signal)
      return records.map((strings) => strings.join(''))
    } catch (error) {
      return { fault: 'dns-discovery/lookup-failed', detail: `${name}: ${error instanceof Error ? error.message : error}`.slice(0, 200) }
    } finally {
      cancel()
      signal?.removeEventListener('abort', abort)
    }
  }
}

function knownEntry(text: string | undefined, hash: string, { domain }: TreeUrl): FoundEntry | undefined {
  const entry = entryIn(text, hash, domain)
  return isFault(entry) || text === undefined ? undefined : { text, entry }
}

function isEntryLike(text: string): boolean {
  const entry = parseEntry(text)
  return !isFault(entry) || entry.fault !== 'dns-discovery/unknown-entry'
}

function badOption(option: string, value: unknown): KumikoError {
  return new KumikoError('dns-discovery/bad-option', `${option}: want a number above 0, not ${value}`, { context: { option } })
}
