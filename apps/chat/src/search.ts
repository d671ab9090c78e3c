import type { Millis } from '@kumiko/interface'

/** A record of the DHT lives a day or two; those who hold it may leave sooner. */
const ADVERTISE_MS: Millis = 600_000

/** So soon after the last time, neighbours that came since are told of us. */
const NEWS_MS: Millis = 60_000

/** After an advertisement that failed. */
const RETRY_MS: Millis = 15_000

/** Neighbours come in crowds; each lookup asks many of them. */
const SETTLE_MS: Millis = 1_000

const LOOK_MIN_MS: Millis = 4_000
const LOOK_MAX_MS: Millis = 60_000

/** Whoever has found somebody is in no hurry: each lookup costs all neighbours something, and whoever comes finds us. */
const COMPANY_MS: Millis = 16_000

/** What to do in the DHT. */
export type SearchTask = 'advertise' | 'look'

/**
 * When to advertise the rendezvous, and when to look who else has: as soon as there is a neighbour in the DHT, then less and less often. We look
 * when we have advertised, so that of two who come at once the later one finds the other. One of each at a time.
 */
export class Search {
  #advertiseAt: Millis = Number.POSITIVE_INFINITY
  #lastAdvertised: Millis = Number.POSITIVE_INFINITY
  #lookAt: Millis = Number.POSITIVE_INFINITY
  #lookDelay: Millis = LOOK_MIN_MS
  #isAlone = true
  #isAdvertising = false
  #isLooking = false
  /** There are neighbours that were not told of us. */
  #isStale = false

  /** When `expire` is due; Infinity if never. */
  get deadline(): Millis {
    const advertise = this.#isAdvertising ? Number.POSITIVE_INFINITY : this.#advertiseAt
    const look = this.#isLooking ? Number.POSITIVE_INFINITY : this.#lookAt
    return Math.min(advertise, look)
  }

  /** There is one neighbour more in the DHT. Whoever comes looks for us: only the first makes us look. */
  neighbour(now: Millis): void {
    this.#isStale = true
    this.#advertiseAt = Math.min(this.#advertiseAt, this.#isAlone ? now + SETTLE_MS : this.#lastAdvertised + NEWS_MS)
    this.#isAlone = false
  }

  /** Somebody was lost: others may know where it is, or who else is there. */
  hurry(now: Millis): void {
    this.#lookDelay = LOOK_MIN_MS
    this.#lookAt = Math.min(this.#lookAt, now + LOOK_MIN_MS)
  }

  advertised(isDone: boolean, now: Millis): void {
    this.#isAdvertising = false
    if (this.#lastAdvertised === Number.POSITIVE_INFINITY) this.#lookAt = now
    this.#lastAdvertised = now
    if (isDone) this.#advertiseAt = now + (this.#isStale ? NEWS_MS : ADVERTISE_MS)
    else this.#advertiseAt = now + RETRY_MS
  }

  looked(isAlone: boolean, now: Millis): void {
    this.#isLooking = false
    this.#lookAt = now + (isAlone ? this.#lookDelay : Math.max(this.#lookDelay, COMPANY_MS))
    this.#lookDelay = Math.min(4 * this.#lookDelay, LOOK_MAX_MS)
  }

  expire(now: Millis): SearchTask[] {
    const tasks: SearchTask[] = []
    if (!this.#isAdvertising && this.#advertiseAt <= now) {
      this.#isAdvertising = true
      this.#isStale = false
      tasks.push('advertise')
    }
    if (!this.#isLooking && this.#lookAt <= now) {
      this.#isLooking = true
      tasks.push('look')
    }
    return tasks
  }
}
