/** How many events wait for a reader before the oldest are dropped. */
const WAITING_MAX = 10_000

interface Waiter<E> {
  readonly matches: (event: E) => boolean
  readonly take: (event: E | undefined) => void
}

/**
 * Events of a child process, kept until someone takes them. Each is taken once: {@link waitFor} takes the first that matches and leaves the
 * others, iteration takes them in order.
 */
export class EventLog<E> implements AsyncIterable<E> {
  readonly #waiting: E[] = []
  readonly #waiters = new Set<Waiter<E>>()
  #ended = false

  /** Adds one. */
  push(event: E): void {
    for (const waiter of this.#waiters) {
      if (!waiter.matches(event)) continue
      this.#waiters.delete(waiter)
      waiter.take(event)
      return
    }
    this.#waiting.push(event)
    if (this.#waiting.length > WAITING_MAX) this.#waiting.shift()
  }

  /** No more will come: those who wait are told. */
  end(): void {
    this.#ended = true
    for (const waiter of this.#waiters) waiter.take(undefined)
    this.#waiters.clear()
  }

  /**
   * Takes the first event that matches, past or future.
   *
   * @param timeoutMs - Default 30,000.
   * @throws Error naming `what` and the events that came instead, on timeout or when the process has ended.
   */
  async waitFor<M extends E>(matches: (event: E) => event is M, timeoutMs?: number, what?: string): Promise<M>
  async waitFor(matches: (event: E) => boolean, timeoutMs?: number, what?: string): Promise<E>
  async waitFor(matches: (event: E) => boolean, timeoutMs = 30_000, what = 'the event'): Promise<E> {
    const event = await this.#take(matches, timeoutMs)
    if (event !== undefined) return event
    const instead = this.#waiting.slice(-5).map((other) => JSON.stringify(other).slice(0, 300))
    throw new Error(
      `${what} did not come${this.#ended ? ' before the peer ended' : ` in ${timeoutMs} ms`}; waiting: [${instead.join(', ')}]`,
    )
  }

  /** Takes what waits now. */
  drain(): E[] {
    return this.#waiting.splice(0)
  }

  /** Ends with the process. */
  async *[Symbol.asyncIterator](): AsyncIterator<E> {
    for (;;) {
      const event = await this.#take(() => true, Number.POSITIVE_INFINITY)
      if (event === undefined) return
      yield event
    }
  }

  #take(matches: (event: E) => boolean, timeoutMs: number): Promise<E | undefined> {
    const at = this.#waiting.findIndex(matches)
    if (at >= 0) return Promise.resolve(this.#waiting.splice(at, 1)[0])
    if (this.#ended) return Promise.resolve(undefined)
    return new Promise((resolve) => {
      let timer: NodeJS.Timeout | undefined
      const waiter: Waiter<E> = {
        matches,
        take: (event) => {
          clearTimeout(timer)
          resolve(event)
        },
      }
      this.#waiters.add(waiter)
      if (timeoutMs === Number.POSITIVE_INFINITY) return
      timer = setTimeout(() => {
        this.#waiters.delete(waiter)
        resolve(undefined)
      }, timeoutMs)
    })
  }
}
