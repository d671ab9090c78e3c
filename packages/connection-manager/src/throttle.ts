import type { Millis } from '@kumiko/interface'

/** How many addresses are remembered at most; beyond, the oldest is forgotten. */
const ENTRIES_MAX = 16_384

/** Lets each key pass once in a while. Holds no timer; what has run out is forgotten as new keys come. */
export class Throttle {
  readonly #pauseMs: Millis
  readonly #entriesMax: number
  /** Key → when it may pass again. All pauses are equal, so the order of insertion is the order of ending. */
  readonly #until = new Map<string, Millis>()

  /**
   * @param pauseMs - How long a key must wait after it has passed. 0: never.
   * @param entriesMax - Keys remembered at most.
   */
  constructor(pauseMs: Millis, entriesMax: number = ENTRIES_MAX) {
    this.#pauseMs = pauseMs
    this.#entriesMax = entriesMax
  }

  /** Keys remembered. */
  get size(): number {
    return this.#until.size
  }

  /** Lets a key pass and starts its pause, or tells that it must wait; being refused does not lengthen the pause. */
  pass(key: string, now: Millis): boolean {
    if (this.#pauseMs <= 0) return true
    this.#expire(now)
    if (this.#until.has(key)) return false
    this.#until.set(key, now + this.#pauseMs)
    return true
  }

  #expire(now: Millis): void {
    for (const [key, until] of this.#until) {
      if (until > now && this.#until.size < this.#entriesMax) return
      this.#until.delete(key)
    }
  }
}
