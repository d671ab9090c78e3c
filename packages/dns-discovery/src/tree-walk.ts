import { type Fault, isFault, type Millis, type NodeRecord, type Random } from '@kumiko/interface'
import type { Entry } from './entry.ts'
import type { Root } from './root.ts'
import { type Item, Subtree } from './subtree.ts'
import { misplaced } from './tree.ts'
import type { TreeUrl } from './tree-url.ts'

/** Wanted: a tree's root. */
export interface RootQuestion {
  readonly ask: 'root'
  readonly url: TreeUrl
}

/** Wanted: an entry of a tree. */
export interface EntryQuestion {
  readonly ask: 'entry'
  readonly url: TreeUrl
  readonly half: 'node' | 'link'
  readonly item: Item
}

/** What a walk wants to know next. */
export type Question = RootQuestion | EntryQuestion

/** What a tree's walk is told when it begins. */
export interface TreeWalkOptions {
  /** How old a root may be before it is asked for again. */
  readonly recheckMs: Millis
  /** Whether a tree that was walked through is walked again at once, or only after its root was asked for again. */
  readonly repeats: boolean
  /** Must not throw. */
  readonly filter: (node: NodeRecord) => boolean
}

/** A root that could not be had is asked for again after this, doubled with each time in a row. */
const ROOT_RETRY_MS = 1000
const ROOT_RETRY_MS_MAX = 5 * 60_000

/** After so many entries that could not be had since the root came, it is asked for early: the tree may have changed. */
const LOST_MAX = 5
/** But not sooner than this after the last time. */
const ROOT_EARLY_MS = 10_000

/** A walk through one tree. */
export class TreeWalk {
  readonly url: TreeUrl
  readonly #options: TreeWalkOptions
  #root: Root | undefined
  #rootAt: Millis = Number.NEGATIVE_INFINITY
  /** When the root is asked for. */
  #nextRootAt: Millis = Number.NEGATIVE_INFINITY
  /** When the last pass through the nodes was begun because of a root. */
  #passAt: Millis = Number.NEGATIVE_INFINITY
  #rootFailures = 0
  /** Entries lost since the root came. */
  #lost = 0
  #nodes: Subtree | undefined
  #linkTree: Subtree | undefined
  /** Links found in the pass before and in this one, by URL. */
  #links = new Map<string, TreeUrl>()
  #found = new Map<string, TreeUrl>()

  constructor(url: TreeUrl, options: TreeWalkOptions) {
    this.url = url
    this.#options = options
  }

  /** The trees that this one links to, as far as is known. */
  get links(): Iterable<TreeUrl> {
    return this.#links.values()
  }

  /** Undefined before the first root. */
  get seq(): bigint | undefined {
    return this.#root?.seq
  }

  /** What this tree wants to know now: its root, links, then nodes. Undefined where there is nothing before {@link deadline}. */
  next(now: Millis, random: Random): Question | undefined {
    const { url } = this
    if (now >= this.#nextRootAt) return { ask: 'root', url }
    const link = this.#linkTree?.take(now, random)
    if (link !== undefined) return { ask: 'entry', url, half: 'link', item: link }
    const nodes = this.#nodes
    if (nodes?.isDone && nodes.retryAt > now && nodes.found > 0 && this.#options.repeats) nodes.restart()
    const node = nodes?.take(now, random)
    return node && { ask: 'entry', url, half: 'node', item: node }
  }

  /** When there may be something to ask for. */
  get deadline(): Millis {
    return Math.min(this.#nextRootAt, this.#nodes?.retryAt ?? Number.POSITIVE_INFINITY, this.#linkTree?.retryAt ?? Number.POSITIVE_INFINITY)
  }

  /** Takes the root, signature verified. @returns What is wrong with it. */
  takeRoot(root: Root | Fault, now: Millis): Fault | undefined {
    const fault = this.#faultOf(root)
    if (fault !== undefined || isFault(root)) {
      const delayMs = Math.min(ROOT_RETRY_MS * 2 ** Math.min(this.#rootFailures, 30), ROOT_RETRY_MS_MAX)
      this.#rootFailures += 1
      this.#nextRootAt = now + Math.min(delayMs, this.#options.recheckMs)
      return fault
    }
    this.#root = root
    this.#rootAt = now
    this.#rootFailures = 0
    this.#lost = 0
    this.#nextRootAt = now + this.#options.recheckMs
    this.#renew(root, now)
    return undefined
  }

  /** Takes an entry, hash verified. @returns A node that is wanted, what is wrong with the entry, or undefined. */
  takeEntry({ half, item }: EntryQuestion, entry: Entry | Fault, now: Millis): NodeRecord | Fault | undefined {
    const subtree = half === 'node' ? this.#nodes : this.#linkTree
    const fault = isFault(entry) ? entry : misplaced(entry, half, item.hash)
    const result = fault === undefined && !isFault(entry) ? this.#place(subtree, item, entry) : fault
    if (fault !== undefined) this.#lose(subtree, item, now)
    if (half === 'link' && subtree?.isDone) this.#links = new Map(this.#found)
    return result
  }

  #faultOf(root: Root | Fault): Fault | undefined {
    if (isFault(root)) return root
    if (this.#root === undefined || root.seq >= this.#root.seq) return undefined
    return { fault: 'dns-discovery/old-root', detail: `${this.url.domain}: sequence number ${root.seq} after ${this.#root.seq}` }
  }

  /** Begins anew with what changed. */
  #renew(root: Root, now: Millis): void {
    if (this.#linkTree?.root !== root.links) {
      this.#linkTree = new Subtree(root.links)
      this.#found = new Map()
    }
    if (this.#nodes?.root === root.nodes) {
      // A check that came early because of a lost entry begins nothing anew.
      if (!this.#nodes.isDone || now < this.#passAt + this.#options.recheckMs) return
      this.#nodes.restart()
    } else this.#nodes = new Subtree(root.nodes)
    this.#passAt = now
  }

  #place(subtree: Subtree | undefined, item: Item, entry: Entry): NodeRecord | Fault | undefined {
    if (entry.kind === 'branch') {
      const omitted = subtree?.branched(item, entry.children) ?? 0
      return omitted === 0 ? undefined : { fault: 'dns-discovery/too-large', detail: `${omitted} entries below ${item.hash} left out` }
    }
    const isWanted = entry.kind === 'link' || this.#options.filter(entry.node)
    if (isWanted) subtree?.leafed(item)
    else subtree?.dropped(item)
    if (entry.kind === 'node') return isWanted ? entry.node : undefined
    this.#found.set(entry.url.text, entry.url)
    this.#links.set(entry.url.text, entry.url)
    return undefined
  }

  #lose(subtree: Subtree | undefined, item: Item, now: Millis): void {
    subtree?.lost(item, now)
    this.#lost += 1
    if (this.#lost > LOST_MAX || subtree?.isDone) this.#nextRootAt = Math.min(this.#nextRootAt, Math.max(now, this.#rootAt + ROOT_EARLY_MS))
  }
}
