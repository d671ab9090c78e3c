import type { Clock, Millis, NodeId, NodeRecord } from '@kumiko/interface'
import { NODE_SET_MAX, type NodeSet, type NodeSetEntry } from '../node-set.ts'

/** How a crawl asks: one discovery protocol. Neither rejects, and both settle soon after `signal` aborted. */
export interface Inquiry {
  readonly name: string
  /** The node's newest record; undefined where it does not answer. */
  check(node: NodeRecord, signal: AbortSignal): Promise<NodeRecord | undefined>
  /** Nodes that it knows, from all over; undefined where it does not answer. */
  neighbours(node: NodeRecord, signal: AbortSignal): Promise<readonly NodeRecord[] | undefined>
}

/** How far a crawl is. */
export interface CrawlProgress {
  /** Nodes heard of, those of earlier crawls among them. */
  readonly heard: number
  readonly alive: number
  readonly silent: number
  /** Heard of and not yet asked. */
  readonly waiting: number
}

/** What a crawl is made of. */
export interface CrawlOptions {
  readonly inquiries: readonly Inquiry[]
  /** Never asked: ourselves. */
  readonly self: NodeId
  /** Where it begins, beside the nodes of the set. */
  readonly start: readonly NodeRecord[]
  /** Is kept up to date and saved now and then: a crawl that is interrupted goes on from there. */
  readonly set: NodeSet
  readonly clock: Clock
  readonly signal: AbortSignal
  readonly onProgress: (progress: CrawlProgress) => void
  /** Told of each node that answered. */
  readonly onAlive?: (node: NodeRecord, protocols: readonly string[]) => void
}

/** Nodes asked at the same time. */
const PARALLEL = 16

const SAVE_MS: Millis = 5_000

/** What an interrupted crawl asked so recently is not asked again. */
const FRESH_MS: Millis = 10 * 60_000

/** Points that a node loses by silence are not remembered beyond this. */
const SCORE_MAX = 1_000

/**
 * Asks every node that can be reached for those it knows, until nobody is left to ask or `signal` aborts. The set then has all that answered,
 * and those of earlier crawls that still have points: an answer is one more, silence costs half. Until then it also has those that are yet to be
 * asked, which have never been checked.
 */
export async function crawl(options: CrawlOptions): Promise<CrawlProgress> {
  const crawling = new Crawl(options)
  return await crawling.run()
}

class Crawl {
  readonly #options: CrawlOptions
  /** Every node heard of and ourselves, each once: at most {@link NODE_SET_MAX}. */
  readonly #heard = new Set<NodeId>()
  readonly #queue: NodeRecord[] = []
  #alive = 0
  #silent = 0
  #savedAt: Millis

  constructor(options: CrawlOptions) {
    this.#options = options
    this.#savedAt = options.clock.now()
    this.#heard.add(options.self)
    this.#resume([...options.set.entries()])
    for (const node of options.start) this.#hear(node)
  }

  get progress(): CrawlProgress {
    return { heard: this.#heard.size - 1, alive: this.#alive, silent: this.#silent, waiting: this.#queue.length }
  }

  async run(): Promise<CrawlProgress> {
    const { set, signal } = this.#options
    const asking = new Set<Promise<void>>()
    while (!signal.aborted && (this.#queue.length > 0 || asking.size > 0)) {
      const node = asking.size < PARALLEL ? this.#queue.shift() : undefined
      if (node === undefined) await Promise.race(asking)
      else {
        const asked = this.#ask(node).finally(() => asking.delete(asked))
        asking.add(asked)
      }
      await this.#saveNowAndThen()
    }
    await Promise.all(asking)
    await set.save()
    return this.progress
  }

  /** A set with nodes that were never asked is of a crawl that was interrupted: what it has done a moment ago is not done again. */
  #resume(entries: readonly NodeSetEntry[]): void {
    const isInterrupted = entries.some(({ lastCheck }) => lastCheck === undefined)
    const freshAt = this.#options.clock.now() - FRESH_MS
    for (const { node, lastCheck = Number.NEGATIVE_INFINITY } of entries) {
      this.#heard.add(node.nodeId)
      if (isInterrupted && lastCheck > freshAt) this.#alive++
      else this.#queue.push(node)
    }
  }

  async #ask(node: NodeRecord): Promise<void> {
    const { inquiries, set, clock, signal, onProgress, onAlive } = this.#options
    const before = set.get(node.nodeId)
    const answers = await Promise.all(inquiries.map((inquiry) => inquire(inquiry, node, signal)))
    if (signal.aborted && answers.every((answer) => answer === undefined)) return
    const answering = answers.filter((answer) => answer !== undefined)
    const now = clock.now()
    if (answering.length === 0) {
      this.#silent++
      if (before !== undefined) this.#fail(before, now)
    } else {
      this.#alive++
      const newest = answering
        .map((answer) => answer.node)
        .reduce((best, each) => (each.seq > best.seq ? each : best), before?.node ?? node)
      const score = Math.min(SCORE_MAX, (before?.score ?? 0) + 1)
      set.put({ node: newest, firstSeen: before?.firstSeen ?? now, lastSeen: now, lastCheck: now, score })
      onAlive?.(
        newest,
        answering.map(({ name }) => name),
      )
      for (const { found } of answering) for (const each of found) this.#hear(each)
    }
    onProgress(this.progress)
  }

  #fail(entry: NodeSetEntry, now: Millis): void {
    const score = Math.floor(entry.score / 2)
    if (score > 0) this.#options.set.put({ ...entry, lastCheck: now, score })
    else this.#options.set.delete(entry.node.nodeId)
  }

  #hear(node: NodeRecord): void {
    if (this.#heard.size >= NODE_SET_MAX || this.#heard.has(node.nodeId)) return
    this.#heard.add(node.nodeId)
    this.#queue.push(node)
    const { set, clock } = this.#options
    set.put({ node, firstSeen: clock.now(), score: 0 })
  }

  async #saveNowAndThen(): Promise<void> {
    const { set, clock } = this.#options
    if (clock.now() - this.#savedAt < SAVE_MS) return
    this.#savedAt = clock.now()
    await set.save()
  }
}

interface Answer {
  readonly name: string
  readonly node: NodeRecord
  readonly found: readonly NodeRecord[]
}

async function inquire(inquiry: Inquiry, node: NodeRecord, signal: AbortSignal): Promise<Answer | undefined> {
  const newest = await inquiry.check(node, signal)
  if (newest === undefined) return undefined
  return { name: inquiry.name, node: newest, found: (await inquiry.neighbours(newest, signal)) ?? [] }
}
