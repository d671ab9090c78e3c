import type { ByteStream, ByteStreamHandler, Cancel, Clock, Millis } from '@kumiko/interface'
import type { Seeded } from './random.ts'

/** One end of a virtual connection. */
export interface VirtualStream extends ByteStream {
  /** Breaks the connection as a cable is cut: what is under way is lost and both ends hear of it at once, as `ECONNRESET`. */
  cut(): void
}

/** Two connected ends. */
export interface VirtualConnection {
  readonly near: End
  readonly far: End
}

/** What a virtual connection needs of its network. */
export interface Link {
  readonly clock: Clock
  readonly seeded: Seeded
  /** Bytes that may be under way in one direction until `write` tells that the other end is behind. */
  readonly highWaterMarkBytes: number
  /** How long what is sent now takes. */
  delayMs(): Millis
  /** True while nothing gets from one host to the other. Streams wait; {@link End.wake} is to be called when it is over. */
  isBlocked(from: string, to: string): boolean
}

interface Endpoint {
  readonly host: string
  readonly port: number
}

/** @param onClose - Both ends are closed. */
export function virtualConnection(link: Link, a: Endpoint, b: Endpoint, onClose: () => void): VirtualConnection {
  const there = new Pipe(link)
  const back = new Pipe(link)
  let open = 2
  const closed = (): void => {
    open--
    if (open === 0) onClose()
  }
  const near = new End(link, { local: a, remote: b, incoming: back, outgoing: there, closed })
  const far = new End(link, { local: b, remote: a, incoming: there, outgoing: back, closed })
  near.peer = far
  far.peer = near
  there.onInput = () => far.wake()
  back.onInput = () => near.wake()
  there.onDrain = () => near.drained()
  back.onDrain = () => far.drained()
  return { near, far }
}

interface Wiring {
  readonly local: Endpoint
  readonly remote: Endpoint
  readonly incoming: Pipe
  readonly outgoing: Pipe
  closed(): void
}

/** One end: tells its handler what comes in. */
class End implements VirtualStream {
  readonly remote: Endpoint
  /** Set right after both ends are made. */
  peer: End | undefined
  readonly #link: Link
  readonly #wiring: Wiring
  #handler: ByteStreamHandler | undefined
  #isPaused = false
  #closing: { readonly error: Error | undefined; isTold: boolean } | undefined
  #cancelWake: Cancel = () => {}

  constructor(link: Link, wiring: Wiring) {
    this.#link = link
    this.#wiring = wiring
    this.remote = wiring.remote
  }

  get handler(): ByteStreamHandler | undefined {
    return this.#handler
  }

  set handler(handler: ByteStreamHandler | undefined) {
    this.#handler = handler
    if (this.#closing === undefined) this.wake()
    else queueMicrotask(() => this.#tellClosed())
  }

  get queuedBytes(): number {
    return this.#wiring.outgoing.sizeBytes
  }

  write(...pieces: readonly Uint8Array[]): boolean {
    return pieces.reduce((_, piece) => this.#wiring.outgoing.push(piece), true)
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.wake()
  }

  end(): void {
    this.#wiring.outgoing.end()
  }

  destroy(): void {
    this.#wiring.outgoing.abandon()
    this.#close(undefined)
  }

  cut(): void {
    const error = Object.assign(new Error(`read ECONNRESET ${this.remote.host}:${this.remote.port}`), { code: 'ECONNRESET' })
    for (const end of [this, this.peer]) end?.breakOff(error)
  }

  /** Closes without a word to the other end. */
  breakOff(error: Error): void {
    this.#wiring.outgoing.clear()
    this.#close(error)
  }

  /** Looks for what has arrived, soon. */
  wake(): void {
    this.#cancelWake()
    if (this.#isListening()) this.#cancelWake = this.#link.clock.at(this.#wiring.incoming.dueMs(), () => this.#pump())
  }

  /** What was written has got through. */
  drained(): void {
    if (this.#closing === undefined) this.#handler?.onDrain()
  }

  #isListening(): boolean {
    const { remote, local } = this.#wiring
    const isOpen = this.#handler !== undefined && !this.#isPaused && this.#closing === undefined
    return isOpen && !this.#link.isBlocked(remote.host, local.host)
  }

  #pump(): void {
    const { clock, seeded } = this.#link
    const { incoming } = this.#wiring
    while (this.#isListening()) {
      const arrivedBytes = incoming.arrivedBytes(clock.now())
      if (arrivedBytes === 0) break
      this.#handler?.onData(incoming.take(chunkSize(seeded, arrivedBytes)))
      if (seeded.below(8) === 0) {
        this.#pumpLater()
        return
      }
    }
    if (!this.#isListening()) return
    if (incoming.isOver(clock.now())) this.#finish()
    else this.wake()
  }

  /** What is left is then delivered together with what comes in meanwhile. */
  #pumpLater(): void {
    this.#cancelWake()
    this.#cancelWake = this.#link.clock.at(this.#link.clock.now() + 1, () => this.#pump())
  }

  /** The other end has closed: so does this one, behind what it has written. */
  #finish(): void {
    this.end()
    this.#close(undefined)
  }

  #close(error: Error | undefined): void {
    if (this.#closing !== undefined) return
    this.#closing = { error, isTold: false }
    this.#cancelWake()
    this.#wiring.incoming.clear()
    this.#wiring.closed()
    queueMicrotask(() => this.#tellClosed())
  }

  #tellClosed(): void {
    if (this.#closing === undefined || this.#closing.isTold || this.#handler === undefined) return
    this.#closing.isTold = true
    this.#handler.onClose(this.#closing.error)
  }
}

/** Bytes under way from one end to the other, then its end. Not bounded: `push` asks the writer to wait. */
class Pipe {
  readonly #link: Link
  /** The writer's own memory, as a socket would hold it, so that writing to it too early shows. */
  #segments: { readonly bytes: Uint8Array; readonly arrivalMs: Millis }[] = []
  /** Of the first segment. */
  #takenBytes = 0
  #sizeBytes = 0
  #lastArrivalMs = 0
  #state: 'open' | 'ended' | 'closed' = 'open'
  #owesDrain = false
  onInput: () => void = () => {}
  onDrain: () => void = () => {}

  constructor(link: Link) {
    this.#link = link
  }

  /** What was written and not yet taken. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** @returns False when the reader is behind. */
  push(bytes: Uint8Array): boolean {
    if (this.#state !== 'open') return true
    if (bytes.length > 0) {
      this.#segments.push({ bytes, arrivalMs: this.#arrival() })
      this.#sizeBytes += bytes.length
      if (this.#segments.length === 1) this.onInput()
    }
    const isBehind = this.#sizeBytes >= this.#link.highWaterMarkBytes
    this.#owesDrain ||= isBehind
    return !isBehind
  }

  /** Nothing follows. */
  end(): void {
    if (this.#state !== 'open') return
    this.#state = 'ended'
    this.#arrival()
    this.onInput()
  }

  /** The writer is gone: what it had queued beyond the high-water mark is not sent. */
  abandon(): void {
    let overBytes = this.#sizeBytes - this.#link.highWaterMarkBytes
    for (let last = this.#segments.at(-1); last !== undefined && overBytes > 0; last = this.#segments.at(-1)) {
      const dropped = Math.min(overBytes, last.bytes.length)
      this.#segments.pop()
      if (dropped < last.bytes.length) this.#segments.push({ ...last, bytes: last.bytes.subarray(0, -dropped) })
      this.#sizeBytes -= dropped
      overBytes -= dropped
    }
    this.end()
  }

  /** What is under way is lost; what comes is ignored. */
  clear(): void {
    this.#state = 'closed'
    this.#segments = []
    this.#sizeBytes = 0
  }

  /** When something is to be done. */
  dueMs(): Millis {
    const [first] = this.#segments
    if (first !== undefined) return first.arrivalMs
    return this.#state === 'ended' ? this.#lastArrivalMs : Number.POSITIVE_INFINITY
  }

  isOver(now: Millis): boolean {
    return this.#state === 'ended' && this.#segments.length === 0 && this.#lastArrivalMs <= now
  }

  arrivedBytes(now: Millis): number {
    let sizeBytes = -this.#takenBytes
    for (const { bytes, arrivalMs } of this.#segments) {
      if (arrivalMs > now) break
      sizeBytes += bytes.length
    }
    return Math.max(0, sizeBytes)
  }

  /** A copy of the next bytes, which are there. */
  take(sizeBytes: number): Uint8Array {
    const chunk = new Uint8Array(sizeBytes)
    let filled = 0
    for (let [first] = this.#segments; first !== undefined && filled < sizeBytes; [first] = this.#segments) {
      const part = first.bytes.subarray(this.#takenBytes, this.#takenBytes + sizeBytes - filled)
      chunk.set(part, filled)
      filled += part.length
      this.#takenBytes += part.length
      if (this.#takenBytes < first.bytes.length) break
      this.#segments.shift()
      this.#takenBytes = 0
    }
    this.#sizeBytes -= filled
    this.#settleDrain()
    return chunk
  }

  #settleDrain(): void {
    if (!this.#owesDrain || this.#sizeBytes > this.#link.highWaterMarkBytes / 2) return
    this.#owesDrain = false
    this.#link.clock.at(this.#link.clock.now(), () => {
      if (this.#state === 'open') this.onDrain()
    })
  }

  /** A stream keeps its order: nothing arrives before what was sent before it. */
  #arrival(): Millis {
    this.#lastArrivalMs = Math.max(this.#lastArrivalMs, this.#link.clock.now() + this.#link.delayMs())
    return this.#lastArrivalMs
  }
}

/** From one byte to all that is there, small and large alike, so that every border falls everywhere. */
function chunkSize({ below, pick }: Seeded, arrivedBytes: number): number {
  const size = pick([1, 1 + below(40), 1 + below(1460), arrivedBytes, arrivedBytes])
  return Math.min(size, arrivedBytes)
}
