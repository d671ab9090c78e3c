import { type ByteStream, type Clock, type Millis, raceAbort, type TrafficMeter } from '@kumiko/interface'
import type { Abortable } from './abort.ts'
import type { Session } from './session.ts'

/** Sealed at once rather than at the end of the tick. */
const FLUSH_BYTES = 1 << 16

/** What writes a session's output. */
export interface EgressParts {
  readonly session: Session
  readonly stream: ByteStream
  readonly clock: Clock
  readonly traffic: TrafficMeter | undefined
  /** How long the remote may take to read what was written. */
  readonly writeMs: Millis
  /** So many bytes may wait for the remote. */
  readonly bytesMax: number
  /** Called when the remote falls behind: the deadline has changed. */
  readonly onBehind: () => void
  /** Called when more than `bytesMax` wait for it. */
  readonly onOverflow: () => void
}

/** Writes what a session has to say: all that is said in one tick in one piece, as long as that is small. */
export class Egress {
  readonly #parts: EgressParts
  #isFlushing = false
  #behindSince: Millis | undefined
  #drained: PromiseWithResolvers<void> | undefined

  constructor(parts: EgressParts) {
    this.#parts = parts
  }

  /** Tells whether the remote is slow to read: wait for {@link drain} before more is sent. */
  get isBehind(): boolean {
    return this.#behindSince !== undefined
  }

  /** When a remote that does not read is given up; `Infinity` while it reads. */
  get deadline(): Millis {
    return this.#behindSince === undefined ? Number.POSITIVE_INFINITY : this.#behindSince + this.#parts.writeMs
  }

  /** Writes at the end of the tick, or now if much has come together. */
  flushSoon(): void {
    const { pending } = this.#parts.session
    if (pending >= FLUSH_BYTES) this.flush()
    if (this.#isFlushing || pending === 0 || pending >= FLUSH_BYTES) return
    this.#isFlushing = true
    process.nextTick(() => {
      this.#isFlushing = false
      this.flush()
    })
  }

  flush(): void {
    const { session, stream, traffic } = this.#parts
    const pieces = session.take()
    if (pieces.length === 0) return
    for (const { length } of pieces) traffic?.bytes('sent', length)
    if (stream.write(...pieces)) return
    this.#fellBehind()
    if (stream.queuedBytes > this.#parts.bytesMax) this.#parts.onOverflow()
  }

  /** The stream says that the remote has read on. */
  caughtUp(): void {
    this.#behindSince = undefined
    this.#parts.session.isBehind = false
    this.#drained?.resolve()
    this.#drained = undefined
    this.flushSoon()
  }

  /** Resolves when the remote is not behind. @throws The signal's reason, or the error of {@link fail}. */
  async drain({ signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted()
    if (this.#behindSince === undefined) return
    this.#drained ??= Promise.withResolvers<void>()
    await raceAbort(this.#drained.promise, signal)
  }

  /** The connection has ended: whoever waits for it to drain is told. @param makeError - Called only if somebody waits. */
  fail(makeError: () => Error): void {
    this.#drained?.reject(makeError())
    this.#drained = undefined
  }

  #fellBehind(): void {
    if (this.#behindSince !== undefined) return
    this.#behindSince = this.#parts.clock.now()
    this.#parts.session.isBehind = true
    this.#parts.onBehind()
  }
}
