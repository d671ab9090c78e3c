import type { Millis } from '@kumiko/interface'

/** How many keys are remembered at most; beyond, the one that was not heard of for longest is forgotten. */
const ENTRIES_MAX = 16_384

/** How often something may happen. */
export interface Rate {
  /** So often within one interval, and so often at once. 0: never; `Infinity`: no bound. */
  readonly count: number
  readonly intervalMs: Millis
}

interface Bucket {
  readonly tokens: number
  readonly at: Millis
}

/** Lets each key pass at a rate, by a bucket of tokens that fills evenly. Holds no timer; full buckets are forgotten as others are used. */
export class TokenBuckets {
  readonly #rate: Rate
  readonly #entriesMax: number
  /** The one that was used last stands last. */
  readonly #buckets = new Map<string, Bucket>()

  /** @param entriesMax - Keys remembered at most. */
  constructor(rate: Rate, entriesMax: number = ENTRIES_MAX) {
    this.#rate = rate
    this.#entriesMax = entriesMax
  }

  /** Keys remembered. */
  get size(): number {
    return this.#buckets.size
  }

  /** Tells whether a key may pass now. */
  has(key: string, now: Millis): boolean {
    return this.#tokens(key, now) >= 1
  }

  /** Lets a key pass, or tells that it must wait; being refused costs nothing. */
  take(key: string, now: Millis): boolean {
    if (this.#rate.count === Number.POSITIVE_INFINITY) return true
    const tokens = this.#tokens(key, now)
    if (tokens < 1) return false
    this.#buckets.delete(key)
    this.#expire(now)
    this.#buckets.set(key, { tokens: tokens - 1, at: now })
    return true
  }

  #tokens(key: string, now: Millis): number {
    const { count, intervalMs } = this.#rate
    const bucket = this.#buckets.get(key)
    if (bucket === undefined) return count
    return Math.min(count, bucket.tokens + ((now - bucket.at) * count) / intervalMs)
  }

  /** An interval after its last use every bucket is full. */
  #expire(now: Millis): void {
    for (const [key, { at }] of this.#buckets) {
      if (now - at < this.#rate.intervalMs && this.#buckets.size < this.#entriesMax) return
      this.#buckets.delete(key)
    }
  }
}
