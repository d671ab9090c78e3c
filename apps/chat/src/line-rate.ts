import type { Millis } from '@kumiko/interface'

/** Lines that a peer may say at once: as many as it may have said while we were away, and some. */
const BURST = 300

/** Lines a second after that. */
const PER_SECOND = 20

/** How fast one peer's lines are taken: what comes faster waits with the peer. */
export class LineRate {
  #left = BURST
  #since: Millis | undefined

  /** Takes a line. @returns How long to wait before the next one, in milliseconds; 0 if not at all. */
  take(now: Millis): Millis {
    const gained = this.#since === undefined ? 0 : ((now - this.#since) * PER_SECOND) / 1000
    this.#left = Math.min(BURST, this.#left + gained) - 1
    this.#since = now
    return this.#left >= 1 ? 0 : Math.ceil(((1 - this.#left) * 1000) / PER_SECOND)
  }
}
