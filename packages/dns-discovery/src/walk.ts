import { type Fault, isFault, type Millis, type NodeRecord, type Random } from '@kumiko/interface'
import type { Entry } from './entry.ts'
import type { Root } from './root.ts'
import type { TreeUrl } from './tree-url.ts'
import { type Question, TreeWalk, type TreeWalkOptions } from './tree-walk.ts'

/** Trees on a walk at most, linked ones among them. Further links are not followed. */
const TREES_MAX = 64

/** What a walk is made of. */
export interface WalkOptions extends TreeWalkOptions {
  /** Where it begins. */
  readonly trees: readonly TreeUrl[]
  readonly random: Random
}

/** Nothing to ask for before `until`. */
export interface Rest {
  readonly ask: 'nothing'
  readonly until: Millis
}

/**
 * A random walk through trees and those that they link to. Asks for one thing at a time: `next`, then `takeRoot` or `takeEntry`. Trees take
 * turns at random; trees that nobody links to any more are forgotten.
 */
export class Walk {
  readonly #options: WalkOptions
  readonly #trees = new Map<string, TreeWalk>()

  constructor(options: WalkOptions) {
    this.#options = options
    this.#follow()
  }

  /** The trees on the walk, by URL. */
  get trees(): ReadonlyMap<string, TreeWalk> {
    return this.#trees
  }

  /** What it wants to know now. */
  next(now: Millis): Question | Rest {
    const waiting = [...this.#trees.values()]
    while (waiting.length > 0) {
      const [tree] = waiting.splice(Math.floor(this.#options.random() * waiting.length), 1)
      const question = tree?.next(now, this.#options.random)
      if (question !== undefined) return question
    }
    return { ask: 'nothing', until: Math.min(Number.POSITIVE_INFINITY, ...Array.from(this.#trees.values(), (tree) => tree.deadline)) }
  }

  /** Takes a root, signature verified, or why there is none. @returns What is wrong with it. */
  takeRoot({ url }: Question, root: Root | Fault, now: Millis): Fault | undefined {
    return this.#trees.get(url.text)?.takeRoot(root, now)
  }

  /** Takes an entry, hash verified, or why there is none. @returns A node that is wanted, what is wrong with the entry, or undefined. */
  takeEntry(question: Question, entry: Entry | Fault, now: Millis): NodeRecord | Fault | undefined {
    const tree = this.#trees.get(question.url.text)
    if (question.ask !== 'entry' || tree === undefined) return undefined
    const found = tree.takeEntry(question, entry, now)
    if (question.half !== 'link') return found
    const left = this.#follow()
    if (left === undefined || isFault(found)) return found
    return { fault: 'dns-discovery/too-many-trees', detail: `${left.domain}: there are ${TREES_MAX} already` }
  }

  /** Finds the trees that can be reached, each once. @returns One that was left out because there are too many. */
  #follow(): TreeUrl | undefined {
    const reached = new Set<string>()
    let left: TreeUrl | undefined
    const pending: TreeUrl[] = [...this.#options.trees]
    for (let url = pending.shift(); url !== undefined; url = pending.shift()) {
      if (reached.has(url.text)) continue
      if (reached.size >= TREES_MAX) {
        left = url
        continue
      }
      reached.add(url.text)
      const tree = this.#trees.get(url.text) ?? new TreeWalk(url, this.#options)
      this.#trees.set(url.text, tree)
      pending.push(...tree.links)
    }
    for (const text of this.#trees.keys()) if (!reached.has(text)) this.#trees.delete(text)
    return left
  }
}
