import type { Millis, Random } from '@kumiko/interface'

/** Entries of half a tree at most: ten times the largest that is known. */
const ENTRIES_MAX = 65_536

/** Deeper branches are not followed: 13 children a branch make 65,536 entries at depth 5. */
const DEPTH_MAX = 16

/** An entry that could not be had is asked for again after this, doubled with each time in a row. */
const RETRY_MS = 60_000
const RETRY_MS_MAX = 30 * 60_000

/** An entry that is to be asked for. */
export interface Item {
  readonly hash: string
  readonly depth: number
  /** Times in a row that it could not be had. */
  readonly failures: number
}

/** One half of a tree on a walk through it: what is to be asked for, and what was. Each entry is visited once a pass. */
export class Subtree {
  readonly root: string
  /** To be asked for in this pass. */
  #pending: Item[] = []
  #seen = new Set<string>()
  /** Failed entries and when they are to be asked for again. All are in `#seen`. */
  readonly #failed = new Map<string, { readonly item: Item; readonly retryAt: Millis }>()
  #found = 0

  constructor(root: string) {
    this.root = root
    this.restart()
  }

  /** Every entry was asked for in this pass, but for those that failed. */
  get isDone(): boolean {
    return this.#pending.length === 0
  }

  /** Entries failed that were not had since. */
  get failed(): number {
    return this.#failed.size
  }

  /** Leaves found in this pass. */
  get found(): number {
    return this.#found
  }

  /** When the first of the failed entries is due again. */
  get retryAt(): Millis {
    return Math.min(Number.POSITIVE_INFINITY, ...Array.from(this.#failed.values(), ({ retryAt }) => retryAt))
  }

  /** Begins a new pass. Failed entries keep waiting for their time. */
  restart(): void {
    this.#seen = new Set(this.#failed.keys())
    this.#pending = []
    this.#found = 0
    this.#add(this.root, 0)
  }

  /** Any entry that is due, or undefined. It has to be reported by one of the methods below. */
  take(now: Millis, random: Random): Item | undefined {
    if (this.#pending.length === 0) this.#retry(now)
    const index = Math.floor(random() * this.#pending.length)
    const [item] = this.#pending.splice(index, 1)
    return item
  }

  /** The entry was a branch. @returns How many children were left out because there are too many, or they are too deep. */
  branched({ hash, depth }: Item, children: readonly string[]): number {
    this.#failed.delete(hash)
    let omitted = 0
    for (const child of children) if (!this.#add(child, depth + 1)) omitted += 1
    return omitted
  }

  /** The entry was a leaf that is wanted. */
  leafed({ hash }: Item): void {
    this.#failed.delete(hash)
    this.#found += 1
  }

  /** The entry was a leaf that is not wanted. */
  dropped({ hash }: Item): void {
    this.#failed.delete(hash)
  }

  /** The entry could not be had, or was not what it should be. */
  lost(item: Item, now: Millis): void {
    const retryAt = now + Math.min(RETRY_MS * 2 ** Math.min(item.failures, 30), RETRY_MS_MAX)
    this.#failed.set(item.hash, { item: { ...item, failures: item.failures + 1 }, retryAt })
  }

  #add(hash: string, depth: number): boolean {
    if (this.#seen.has(hash)) return true
    if (this.#seen.size >= ENTRIES_MAX || depth > DEPTH_MAX) return false
    this.#seen.add(hash)
    this.#pending.push({ hash, depth, failures: 0 })
    return true
  }

  #retry(now: Millis): void {
    for (const { item, retryAt } of this.#failed.values()) {
      if (retryAt > now) continue
      this.#failed.delete(item.hash)
      this.#pending.push(item)
    }
  }
}
