import { ipBytes } from '@kumiko/identity'
import { BoundedMap, type Millis } from '@kumiko/interface'

/** Keys remembered at most; the least recently seen is forgotten, and then begins anew. */
const KEYS_MAX = 4096

/** So much of a second's worth may come at once. */
const BURST_MS: Millis = 2000

/** Lets so many events a second pass for each key, and two seconds' worth at once after a rest. */
export class RateLimit {
  readonly #costMs: Millis
  /** By key, when all that passed so far will have been worked off; in the order of use. */
  readonly #busyUntil = new BoundedMap<string, Millis>(KEYS_MAX)

  /** @param perSecond - `Infinity`: no limit, and nothing is remembered. */
  constructor(perSecond: number) {
    this.#costMs = 1000 / perSecond
  }

  /** Keys remembered. */
  get size(): number {
    return this.#busyUntil.size
  }

  /** Tells whether one more would be too many. Counts nothing. */
  isSpent(key: string, now: Millis): boolean {
    return this.#after(key, now) - now > Math.max(BURST_MS, this.#costMs)
  }

  /** Counts an event. @returns False where it is one too many; it is not counted then. */
  take(key: string, now: Millis): boolean {
    if (this.#costMs === 0) return true
    if (this.isSpent(key, now)) return false
    this.#busyUntil.set(key, this.#after(key, now))
    return true
  }

  /** When all would be worked off with one more. */
  #after(key: string, now: Millis): Millis {
    return Math.max(now, this.#busyUntil.get(key) ?? now) + this.#costMs
  }
}

/** What counts as one address: IPv4 as it is, of IPv6 the /64, of which every customer has one at least. */
export function networkOf(ip: string): string {
  return ip.includes(':') ? (ipBytes(ip)?.subarray(0, 8).join('.') ?? ip) : ip
}
