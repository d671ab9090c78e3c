import type { Cancel, Clock, Millis } from './clock.ts'

/**
 * One timer for a deadline that mostly moves away. It may wake too early: then it is set again. So nothing is re-armed on each message.
 */
export class Alarm {
  readonly #clock: Clock
  readonly #wake: () => void
  #cancel: Cancel | undefined
  #at: Millis = Number.POSITIVE_INFINITY

  /** @param wake - Must look at its deadline anew, and set the alarm again. */
  constructor(clock: Clock, wake: () => void) {
    this.#clock = clock
    this.#wake = wake
  }

  /** Wakes at `deadline`, or before it if it was to wake before. */
  set(deadline: Millis): void {
    if (this.#at <= deadline) return
    this.cancel()
    this.#at = deadline
    this.#cancel = this.#clock.at(deadline, () => {
      this.#at = Number.POSITIVE_INFINITY
      this.#wake()
    })
  }

  cancel(): void {
    this.#cancel?.()
    this.#at = Number.POSITIVE_INFINITY
  }
}
