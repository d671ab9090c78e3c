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
  /** One address gets so long. */
  readonly addressTimeoutMs: Millis
  /** All of them together. */
  readonly timeoutMs: Millis
  /** Attempts under way at most. */
  readonly parallelMax: number
}

/** Addresses of one peer that are tried at most; those behind are passed over. */
export const RACE_ADDRESSES_MAX = 16

/** Those that join are tried so long after the last that waits. */
const JOIN_GAP_MS: Millis = 250

/**
 * A race between the addresses of one peer: they are tried in order, each as long after the one before as its delay says, or as soon as any
 * fails, and the first to connect wins. Holds no socket and no timer.
 *
 * @see RFC 8305 § 5
 */
export class DialRace {
  readonly #options: RaceOptions
  readonly #endsAt: Millis
  /** When each attempt that is under way is given up. At most {@link RACE_ADDRESSES_MAX}. */
  readonly #attempts = new Map<number, Millis>()
  readonly #startedAt: Millis
  /** At most {@link RACE_ADDRESSES_MAX}. */
  readonly #delays: Millis[]
  #next = 0
  #nextAt: Millis
  /** Others may yet {@link join}: it is not lost before. */
  #isOpen: boolean
  #isOver = false

  /**
   * @param delays - When each address is to be tried, best first, counted from now: none less than the one before.
   * @param isOpen - Whether others are to join, once.
   */
  constructor(delays: readonly Millis[], options: RaceOptions, now: Millis, isOpen = false) {
    this.#options = options
    this.#isOpen = isOpen
    this.#startedAt = now
    this.#delays = delays.slice(0, RACE_ADDRESSES_MAX)
    this.#endsAt = now + options.timeoutMs
    this.#nextAt = now
  }

  /**
   * Addresses that were not known at the start: they are tried behind those that wait, or from now on.
   *
   * @param delays - As at the start, counted from the first of them. None: no others will come.
   */
  join(delays: readonly Millis[], now: Millis): RaceEffect[] {
    if (this.#isOver) return []
    this.#isOpen = false
    const isWaiting = this.#next < this.#delays.length
    const offsetMs = isWaiting ? (this.#delays.at(-1) ?? 0) + JOIN_GAP_MS : now - this.#startedAt
    if (!isWaiting) this.#nextAt = now
    this.#delays.push(...delays.slice(0, RACE_ADDRESSES_MAX - this.#delays.length).map((delayMs) => delayMs + offsetMs))
    return this.expire(now)
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
    while (this.#hasNext && this.#nextAt <= now) effects.push(this.#begin(now))
    if (this.#attempts.size === 0 && !this.#isOpen) effects.push(...this.#end('stopped'), { do: 'lose', why: 'all-failed' })
    return effects
  }

  /** When {@link expire} is due; `Infinity` when the race is over. */
  get deadline(): Millis {
    if (this.#isOver) return Number.POSITIVE_INFINITY
    const nextAt = this.#hasNext ? this.#nextAt : Number.POSITIVE_INFINITY
    return Math.min(this.#endsAt, nextAt, ...this.#attempts.values())
  }

  /** Whether another address may be tried, be it later. */
  get #hasNext(): boolean {
    return this.#next < this.#delays.length && this.#attempts.size < this.#options.parallelMax
  }

  #begin(now: Millis): RaceEffect {
    const index = this.#next++
    const [delayMs = 0, nextDelayMs = 0] = this.#delays.slice(index)
    this.#attempts.set(index, now + this.#options.addressTimeoutMs)
    this.#nextAt = now + Math.max(0, nextDelayMs - delayMs)
    return { do: 'connect', index }
  }

  #end(why: AbortCause): RaceEffect[] {
    this.#isOver = true
    const effects: RaceEffect[] = [...this.#attempts.keys()].map((index) => ({ do: 'abort', index, why }))
    this.#attempts.clear()
    return effects
  }
}
