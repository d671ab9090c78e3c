import type { Millis } from '@kumiko/interface'

/** So many pings too early are forgiven, as Go's servers do. */
const STRIKES_MAX = 2

/** Counts the pings of one connection that come too soon after another. @see Fabric `peer.keepalive.minInterval` */
export class PingPolice {
  readonly #intervalMinMs: Millis
  #last: Millis = Number.NEGATIVE_INFINITY
  #strikes = 0

  constructor(intervalMinMs: Millis) {
    this.#intervalMinMs = intervalMinMs
  }

  /** We sent something: who gets data may ping to measure how fast it comes. */
  sent(): void {
    this.#last = Number.NEGATIVE_INFINITY
    this.#strikes = 0
  }

  /** A ping came. @returns False where it was one too many: the connection is to be ended. */
  allows(now: Millis): boolean {
    if (now - this.#last < this.#intervalMinMs) this.#strikes++
    this.#last = now
    return this.#strikes <= STRIKES_MAX
  }
}
