import type { Endpoint } from '@kumiko/fabric-grpc'
import { Alarm, type Clock, type Fault } from '@kumiko/interface'
import type { Delivery, DeliveryEffect, StreamBreak } from './delivery.ts'
import type { DeliverStream, StreamHandlers } from './grpc-stream.ts'
import type { Seek } from './seek.ts'

/** How much is taken from a stream before it is asked for. */
export interface ReadAhead {
  readonly itemsMax: number
  /** As they came. What goes over it is taken whole, so that it is passed by one message at most. */
  readonly bytesMax: number
}

/** What a run needs besides its machine. */
export interface RunParts {
  readonly clock: Clock
  readonly readAhead: ReadAhead
  readonly open: (endpoint: Endpoint, seek: Seek, handlers: StreamHandlers) => DeliverStream
  readonly onBreak: ((broken: StreamBreak) => void) | undefined
}

interface Queued<T> {
  readonly item: T
  readonly sizeBytes: number
}

/** Drives a delivery: one stream at a time, one timer, and what came and was not asked for yet. */
export class Run<T> {
  readonly #delivery: Delivery<T>
  readonly #parts: RunParts
  readonly #alarm: Alarm
  #stream: DeliverStream | undefined
  /** Bounded by {@link ReadAhead}. */
  readonly #queue: Queued<T>[] = []
  #queuedBytes = 0
  #isOver = false
  /** Why it is over, where that is no end as wished for. */
  #failure: { readonly error: unknown } | undefined
  /** One for each call of {@link take} that waits. */
  readonly #waiting: (() => void)[] = []

  constructor(delivery: Delivery<T>, parts: RunParts) {
    this.#delivery = delivery
    this.#parts = parts
    this.#alarm = new Alarm(parts.clock, () => this.#react(() => delivery.expire(parts.clock.now())))
  }

  start(): void {
    this.#react(() => this.#delivery.start(this.#parts.clock.now()))
  }

  /** The next item; undefined at the end. @throws Why the run failed, when all that came before was taken. */
  async take(): Promise<T | undefined> {
    while (true) {
      const queued = this.#queue.shift()
      if (queued !== undefined) {
        this.#queuedBytes -= queued.sizeBytes
        this.#refill()
        return queued.item
      }
      if (this.#failure !== undefined) throw this.#failure.error
      if (this.#isOver) return
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.push(resolve)
      await promise
    }
  }

  /** Ends the run: stream and timer are gone, and what came is dropped. @param failure - What {@link take} throws from then on. */
  close(failure?: { readonly error: unknown }): void {
    this.#queue.length = 0
    this.#finish(failure)
  }

  #finish(failure: { readonly error: unknown } | undefined): void {
    this.#isOver = true
    this.#failure ??= failure
    this.#alarm.cancel()
    this.#stream?.close()
    this.#stream = undefined
    this.#wake()
  }

  /** What our caller gave us may throw: its signer, its verifier, its callback. Then the run fails. */
  #react(step: () => readonly DeliveryEffect<T>[], sizeBytes = 0): void {
    try {
      for (const effect of step()) if (!this.#isOver) this.#perform(effect, sizeBytes)
      if (!this.#isOver) this.#alarm.set(this.#delivery.deadline)
    } catch (error) {
      this.#finish({ error })
    }
  }

  #perform(effect: DeliveryEffect<T>, sizeBytes: number): void {
    switch (effect.do) {
      case 'open':
        this.#stream = this.#parts.open(effect.endpoint, effect.seek, this.#handlers())
        break
      case 'close':
        this.#stream?.close()
        this.#stream = undefined
        break
      case 'give':
        this.#queue.push({ item: effect.item, sizeBytes })
        this.#queuedBytes += sizeBytes
        this.#wake()
        break
      case 'tell':
        this.#parts.onBreak?.(effect.broken)
        break
      case 'end':
        this.#finish(undefined)
        break
      case 'fail':
        this.#finish({ error: effect.error })
    }
  }

  #handlers(): StreamHandlers {
    const { clock } = this.#parts
    return {
      connected: () => this.#react(() => this.#delivery.connected(clock.now())),
      message: (bytes) => this.#react(() => this.#delivery.receive(bytes, clock.now()), bytes.length),
      hasRoom: () => this.#hasRoom(),
      held: () => this.#delivery.pause(),
      closed: (fault: Fault) => this.#react(() => this.#delivery.broken(fault, clock.now())),
    }
  }

  #wake(): void {
    for (const wake of this.#waiting.splice(0)) wake()
  }

  #hasRoom(): boolean {
    const { itemsMax, bytesMax } = this.#parts.readAhead
    return this.#queue.length < itemsMax && this.#queuedBytes < bytesMax
  }

  #refill(): void {
    if (this.#stream === undefined || !this.#hasRoom()) return
    this.#delivery.resume(this.#parts.clock.now())
    this.#stream.resume()
    this.#alarm.set(this.#delivery.deadline)
  }
}

/**
 * What a run brings. It is made and started when the first item is asked for; `return()` ends it, also while an item is waited for.
 * @param signal - Ends it too; whoever waits, or asks next, gets its reason thrown.
 */
export function itemsOf<T>(make: () => Run<T>, signal: AbortSignal | undefined): AsyncIterableIterator<T, void, undefined> {
  let run: Run<T> | undefined
  let isDone = false
  const abort = (): void => run?.close({ error: signal?.reason })
  const finish = (): void => {
    isDone = true
    signal?.removeEventListener('abort', abort)
    run?.close()
  }
  const begin = (): Run<T> => {
    signal?.throwIfAborted()
    const begun = make()
    signal?.addEventListener('abort', abort, { once: true })
    begun.start()
    return begun
  }
  return {
    next: async (): Promise<IteratorResult<T, void>> => {
      if (isDone) return { done: true, value: undefined }
      try {
        run ??= begin()
        const value = await run.take()
        if (value !== undefined) return { done: false, value }
        finish()
        return { done: true, value: undefined }
      } catch (error) {
        finish()
        throw error
      }
    },
    return: async (): Promise<IteratorResult<T, void>> => {
      finish()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}
