import type { Millis } from '@kumiko/interface'

/** How often something may happen. */
export interface Rate {
  /** In the long run. `Infinity`: no limit. */
  readonly perSecond: number
  /** At once. */
  readonly burst: number
}

/** What is left of a rate: a bucket of tokens that fills up with time. */
export class Allowance {
  readonly #rate: Rate
  #tokens: number
  #at: Millis

  constructor(rate: Rate, now: Millis) {
    this.#rate = rate
    this.#tokens = rate.burst
    this.#at = now
  }

  /** @returns False where there is nothing left. */
  take(now: Millis): boolean {
    const { perSecond, burst } = this.#rate
    if (perSecond === Number.POSITIVE_INFINITY) return true
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) * perSecond) / 1000)
    this.#at = now
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}

/** Keys remembered; who came first is forgotten first, and begins anew. */
const RATE_KEYS_MAX = 4096

/** One {@link Allowance} a key. */
export class RateLimit {
  readonly #rate: Rate
  readonly #allowances = new Map<string, Allowance>()

  constructor(rate: Rate) {
    this.#rate = rate
  }

  get size(): number {
    return this.#allowances.size
  }

  /** @returns False where the key has come too often. */
  take(key: string, now: Millis): boolean {
    let allowance = this.#allowances.get(key)
    if (allowance === undefined) {
      allowance = new Allowance(this.#rate, now)
      this.#allowances.set(key, allowance)
      const [oldest] = this.#allowances.keys()
      if (this.#allowances.size > RATE_KEYS_MAX && oldest !== undefined) this.#allowances.delete(oldest)
    }
    return allowance.take(now)
  }
}
