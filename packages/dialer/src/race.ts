import type { Millis } from '@kumiko/interface'

/** What the driver is to do. `index` counts the addresses from 0. */
export type RaceEffect =
  /** Try to connect to this address. */
  | { readonly do: 'connect'; readonly index: number }
  /** Give this attempt up. */
  | { readonly do: 'abort'; readonly index: number; readonly why: AbortCause }
  /** The race is over: this address won, and its connection is the result. */
  | { readonly do: 'win'; readonly index: number }
  /** The race is over: every address failed, or time is up, or the race was stopped. */
  | { readonly do: 'lose'; readonly why: 'all-failed' | 'timeout' | 'stopped' }

/** Why an attempt is given up: another won, it took too long, the whole race did, or the race was stopped. */
export type AbortCause = 'lost' | 'address-timeout' | 'timeout' | 'stopped'

/** How a race is run. */
export interface RaceOptions {
  /** The next address is tried so long after the one before, or as soon as one fails. @see RFC 8305 § 5 */
  readonly staggerMs: Millis
  /** One address gets so long. */
  readonly addressTimeoutMs: Millis
  /** All of them together. */
  readonly timeoutMs: Millis
}

/** Addresses of one peer that are tried at most; those behind are passed over. */
export const RACE_ADDRESSES_MAX = 16

/**
 * A race between the addresses of one peer: they are tried in order, each a moment after the one before, and the first to connect wins.
 * Holds no socket and no timer.
 *
 * @see RFC 8305 § 5
 */
export class DialRace {
  readonly #options: RaceOptions
  readonly #endsAt: Millis
  /** When each attempt that is under way is given up. At most {@link RACE_ADDRESSES_MAX}. */
  readonly #attempts = new Map<number, Millis>()
  readonly #count: number
  #next = 0
  #nextAt: Millis
  #isOver = false

  /** @param count - How many addresses there are, best first. */
  constructor(count: number, options: RaceOptions, now: Millis) {
    this.#options = options
    this.#count = Math.min(count, RACE_ADDRESSES_MAX)
    this.#endsAt = now + options.timeoutMs
    this.#nextAt = now
  }

  /** An attempt failed. Nothing happens if it is not under way. */
  failed(index: number, now: Millis): RaceEffect[] {
    if (this.#isOver || !this.#attempts.delete(index)) return []
    this.#nextAt = now
    return this.expire(now)
  }

  /** An attempt connected. Nothing happens if it is not under way: the driver closes what nobody waits for. */
  connected(index: number): RaceEffect[] {
    if (this.#isOver || !this.#attempts.delete(index)) return []
    return [...this.#end('lost'), { do: 'win', index }]
  }

  /** Nobody waits for the result any longer. */
  stop(): RaceEffect[] {
    return this.#isOver ? [] : [...this.#end('stopped'), { do: 'lose', why: 'stopped' }]
  }

  /** Does what is due. Also to be called once to begin. */
  expire(now: Millis): RaceEffect[] {
    if (this.#isOver) return []
    if (now >= this.#endsAt) return [...this.#end('timeout'), { do: 'lose', why: 'timeout' }]
    const effects: RaceEffect[] = []
    for (const [index, givenUpAt] of this.#attempts) {
      if (givenUpAt > now) continue
      this.#attempts.delete(index)
      this.#nextAt = now
      effects.push({ do: 'abort', index, why: 'address-timeout' })
    }
    if (this.#nextAt <= now && this.#next < this.#count) effects.push(this.#begin(now))
    if (this.#attempts.size === 0) effects.push(...this.#end('stopped'), { do: 'lose', why: 'all-failed' })
    return effects
  }

  /** When {@link expire} is due; `Infinity` when the race is over. */
  get deadline(): Millis {
    if (this.#isOver) return Number.POSITIVE_INFINITY
    const nextAt = this.#next < this.#count ? this.#nextAt : Number.POSITIVE_INFINITY
    return Math.min(this.#endsAt, nextAt, ...this.#attempts.values())
  }

  #begin(now: Millis): RaceEffect {
    const index = this.#next++
    this.#attempts.set(index, now + this.#options.addressTimeoutMs)
    this.#nextAt = now + this.#options.staggerMs
    return { do: 'connect', index }
  }

  #end(why: AbortCause): RaceEffect[] {
    this.#isOver = true
    const effects: RaceEffect[] = [...this.#attempts.keys()].map((index) => ({ do: 'abort', index, why }))
    this.#attempts.clear()
    return effects
  }
}
