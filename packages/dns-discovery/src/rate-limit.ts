import type { Millis } from '@kumiko/interface'

/** So many pieces of work a second, with a burst after a rest. */
export class RateLimit {
  readonly #spacingMs: Millis
  readonly #leadMs: Millis
  /** When the next piece is due at an even pace. */
  #due: Millis = Number.NEGATIVE_INFINITY

  /** @param burst - Pieces that may come at once after a rest. */
  constructor(perSecond: number, burst: number) {
    this.#spacingMs = 1000 / perSecond
    this.#leadMs = (burst - 1) * this.#spacingMs
  }

  /** Takes a place. @returns When the work may be done: `now` or later. */
  reserve(now: Millis): Millis {
    const due = Math.max(this.#due, now)
    this.#due = due + this.#spacingMs
    return Math.max(now, due - this.#leadMs)
  }
}
