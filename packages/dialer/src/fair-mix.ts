import type { Cancel, Clock, Millis, NodeRecord, NodeSource } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'

/** What a mix is made of. */
export interface FairMixOptions {
  readonly clock: Clock
  /** How long the others wait for a source whose turn it is. Halved each time it keeps them waiting, whole again when it delivers. Default 5000. */
  readonly timeoutMs?: Millis
  /** Told each time a source throws. Must not throw. */
  readonly onError?: (source: NodeSource, error: unknown) => void
}

/** A source that threw is asked again after this, doubled with each time in a row. */
const RETRY_MS = 1000
const RETRY_MS_MAX = 60_000

/** A source that does not let go when told to is waited for no longer. */
const CLOSE_TIMEOUT_MS = 1000

/** Sources at most. */
const SOURCES_MAX = 1024

/**
 * Nodes from many sources, by turns: one that finds thousands does not drown one that finds few, and one that finds nothing holds up nobody for
 * long. A source is asked only when its turn comes, and at most one of its nodes is kept waiting.
 *
 * A source that ends leaves; one that throws is asked again, later and later.
 */
export class FairMix {
  readonly #clock: Clock
  readonly #timeoutMs: Millis
  readonly #onError: (source: NodeSource, error: unknown) => void
  /** The next whose turn it is first. */
  #entries: Entry[] = []
  #isClosed = false
  /** Called whenever something changed that `next` waits for. Set while it waits. */
  #wake: (() => void) | undefined
  #isTaking = false

  constructor({ clock, timeoutMs = 5000, onError = () => {} }: FairMixOptions) {
    this.#clock = clock
    this.#timeoutMs = timeoutMs
    this.#onError = onError
  }

  get size(): number {
    return this.#entries.length
  }

  /** Adds a source. After {@link close} nothing happens. @throws KumikoError `dialer/too-many-sources`. */
  add(source: NodeSource): Cancel {
    if (this.#isClosed) return () => {}
    if (this.#entries.length >= SOURCES_MAX) {
      throw new KumikoError('dialer/too-many-sources', `there are ${SOURCES_MAX} node sources already; remove some first`)
    }
    const entry = new Entry(source, this.#timeoutMs)
    this.#entries.push(entry)
    this.#wake?.()
    return () => {
      this.#remove(entry)
      void entry.close()
    }
  }

  /**
   * The next node. Waits while there is none.
   *
   * @returns Undefined when the mix was closed or the signal aborted. A node found meanwhile is kept for the next call.
   * @throws KumikoError `dialer/concurrent-next` where another call is waiting.
   */
  async next(signal?: AbortSignal): Promise<NodeRecord | undefined> {
    if (this.#isTaking) throw new KumikoError('dialer/concurrent-next', 'the mix is waiting for a node already: await that call first')
    this.#isTaking = true
    const abort = (): void => this.#wake?.()
    signal?.addEventListener('abort', abort)
    try {
      while (!this.#isClosed && signal?.aborted !== true) {
        const node = await this.#turn(signal)
        if (node !== undefined) return node
      }
      return undefined
    } finally {
      signal?.removeEventListener('abort', abort)
      this.#isTaking = false
    }
  }

  /** Ends everything and waits for the sources, each for at most a second. Idempotent. */
  async close(): Promise<void> {
    this.#isClosed = true
    const entries = this.#entries
    this.#entries = []
    this.#wake?.()
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.at(this.#clock.now() + CLOSE_TIMEOUT_MS, resolve)
    await Promise.race([Promise.all(entries.map((entry) => entry.close())), late])
    cancel()
  }

  /** One source's turn. Undefined: something changed, look again. */
  async #turn(signal: AbortSignal | undefined): Promise<NodeRecord | undefined> {
    const entry = this.#entries.find(({ retryAt }) => retryAt <= this.#clock.now())
    if (entry === undefined) {
      await this.#changed(Math.min(Number.POSITIVE_INFINITY, ...this.#entries.map(({ retryAt }) => retryAt)))
      return undefined
    }
    this.#entries = [...this.#entries.filter((other) => other !== entry), entry]
    const until = this.#clock.now() + entry.timeoutMs
    this.#pull(entry)
    while (entry.state === 'asked' && this.#clock.now() < until) {
      if (this.#isClosed || signal?.aborted || !this.#entries.includes(entry)) return undefined
      await this.#changed(until)
    }
    if (entry.held !== undefined) entry.timeoutMs = this.#timeoutMs
    if (entry.held !== undefined || entry.state !== 'asked') return entry.take()
    entry.timeoutMs /= 2
    return await this.#fromAny(signal)
  }

  /** Whoever delivers first. */
  async #fromAny(signal: AbortSignal | undefined): Promise<NodeRecord | undefined> {
    while (!this.#isClosed && signal?.aborted !== true && this.#entries.length > 0) {
      const now = this.#clock.now()
      for (const entry of this.#entries) if (entry.retryAt <= now) this.#pull(entry)
      const ready = this.#entries.find(({ held }) => held !== undefined)
      if (ready !== undefined) return ready.take()
      await this.#changed(Math.min(...this.#entries.map(({ retryAt }) => (retryAt > now ? retryAt : Number.POSITIVE_INFINITY))))
    }
    return undefined
  }

  /** Asks a source for a node, unless it was asked already or one is waiting. */
  #pull(entry: Entry): void {
    if (entry.state === 'idle' && entry.held === undefined) void this.#ask(entry)
  }

  async #ask(entry: Entry): Promise<void> {
    try {
      if (!(await entry.ask())) this.#remove(entry)
    } catch (error) {
      if (!this.#entries.includes(entry)) return
      entry.failed(this.#clock.now())
      this.#onError(entry.source, error)
    }
    this.#wake?.()
  }

  #remove(entry: Entry): void {
    this.#entries = this.#entries.filter((other) => other !== entry)
    this.#wake?.()
  }

  /** Waits for `#wake` or the deadline. */
  async #changed(deadline: Millis): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const cancel = this.#clock.at(deadline, resolve)
    this.#wake = resolve
    await promise
    this.#wake = undefined
    cancel()
  }
}

/** One source, its iterator, and at most one node that waits to be taken. */
class Entry {
  readonly source: NodeSource
  timeoutMs: Millis
  state: 'idle' | 'asked' | 'closed' = 'idle'
  held: NodeRecord | undefined
  /** Not asked before this. */
  retryAt: Millis = Number.NEGATIVE_INFINITY
  #failures = 0
  #iterator: AsyncIterator<NodeRecord> | undefined
  readonly #controller = new AbortController()

  constructor(source: NodeSource, timeoutMs: Millis) {
    this.source = source
    this.timeoutMs = timeoutMs
  }

  /** Asks the source for a node, to be held. False when it has ended. @throws whatever the source throws. */
  async ask(): Promise<boolean> {
    this.state = 'asked'
    this.#iterator ??= this.source.nodes({ signal: this.#controller.signal })[Symbol.asyncIterator]()
    const { done, value } = await this.#iterator.next()
    if (this.state === 'asked') this.state = 'idle'
    if (done === true) return false
    this.#failures = 0
    this.held = value
    return true
  }

  take(): NodeRecord | undefined {
    const node = this.held
    this.held = undefined
    return node
  }

  failed(now: Millis): void {
    this.#iterator = undefined
    this.state = 'idle'
    this.retryAt = now + Math.min(RETRY_MS * 2 ** Math.min(this.#failures, 30), RETRY_MS_MAX)
    this.#failures += 1
  }

  /** Tells the source to let go, and waits for it. Never throws. */
  async close(): Promise<void> {
    this.state = 'closed'
    this.held = undefined
    this.#controller.abort(new KumikoError('dialer/closed', 'the dialer takes no more nodes'))
    try {
      await this.#iterator?.return?.()
    } catch {
      // It has been told; what it says to that is of no use to anyone.
    }
  }
}
