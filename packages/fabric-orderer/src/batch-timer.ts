import type { Cancel, Clock, Millis } from '@kumiko/interface'

/** What a timer is made of. */
export interface BatchTimerOptions {
  readonly clock: Clock
  /** Asks for the block that waits: it is called again after the same time where it rejects. */
  readonly cut: (blockNumber: bigint) => Promise<unknown>
  /** A block has been cut, so long after its first envelope was read. */
  readonly filled: (tookMs: Millis) => void
}

/** One timer, for the block that something waits for. */
export class BatchTimer {
  readonly #options: BatchTimerOptions
  #waiting: { readonly block: bigint; readonly since: Millis } | undefined
  #cancel: Cancel | undefined

  constructor(options: BatchTimerOptions) {
    this.#options = options
  }

  /** @param block - That something waits for now; undefined where nothing does. @param timeoutMs - The channel's. */
  follow(block: bigint | undefined, timeoutMs: Millis): void {
    const before = this.#waiting
    if (before?.block === block) return
    const now = this.#options.clock.now()
    if (before !== undefined) this.#options.filled(now - before.since)
    this.stop()
    if (block === undefined) return
    this.#waiting = { block, since: now }
    this.#arm(block, timeoutMs)
  }

  stop(): void {
    this.#cancel?.()
    this.#waiting = undefined
  }

  #arm(block: bigint, timeoutMs: Millis): void {
    const { clock, cut } = this.#options
    this.#cancel = clock.at(clock.now() + timeoutMs, () => {
      cut(block).catch(() => {
        if (this.#waiting?.block === block) this.#arm(block, timeoutMs)
      })
    })
  }
}
