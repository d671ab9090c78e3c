import type { Cancel, Clock, Fault, Millis } from '@kumiko/interface'
import { isFault } from '@kumiko/interface'
import type { Stream } from '@libp2p/interface'
import { LineRate } from './line-rate.ts'
import { LineReader } from './line-reader.ts'

/** A peer closes its end in this time after ours, or the stream is cut off. */
const CLOSE_MS: Millis = 3_000

/** What a peer said before it closed its end is taken for so long: what comes too fast to be said by then is left out. */
const LINGER_MS: Millis = 30_000

/** Who hears of a stream. */
export interface LineStreamEvents {
  line(text: string): void
  /** Nothing more comes, and nothing more goes. Once. */
  ended(fault?: Fault): void
}

/** A stream read and written by lines. Lines that come too fast wait with the peer. */
export class LineStream {
  readonly #stream: Stream
  readonly #clock: Clock
  readonly #reader: LineReader
  readonly #rate = new LineRate()
  readonly #events: LineStreamEvents
  readonly #encoder = new TextEncoder()
  #cancelWait: Cancel | undefined
  #cancelClose: Cancel | undefined
  #cancelLinger: Cancel | undefined
  /** The peer writes no more. */
  #isRead = false
  #isEnded = false

  /** @param sizeBytesMax - Of a line that comes; a longer one ends the stream. */
  constructor(stream: Stream, clock: Clock, sizeBytesMax: number, events: LineStreamEvents) {
    this.#stream = stream
    this.#clock = clock
    this.#reader = new LineReader(sizeBytesMax)
    this.#events = events
    stream.addEventListener('end', () => {
      this.#isRead = true
      this.#pump()
      this.#linger()
    })
    // While we pause, its end is not told, and whoever has gone would be in for as long as its lines last.
    stream.addEventListener('remoteCloseWrite', () => this.#linger())
    stream.addEventListener('close', () => {
      // What was cut off has no end of its own.
      if (stream.status !== 'closed') this.#end()
      else this.#linger()
    })
    stream.addEventListener('message', ({ data }) => {
      this.#reader.push(data instanceof Uint8Array ? data : data.subarray())
      this.#pump()
    })
    if (stream.readableEnded) queueMicrotask(() => this.#end())
  }

  /** Writes lines. Resolves when the stream takes more, or has ended. */
  async write(lines: readonly string[]): Promise<void> {
    if (this.#stream.writeStatus !== 'writable') return
    try {
      if (!this.#stream.send(this.#encoder.encode(lines.map((line) => `${line}\n`).join('')))) await this.#stream.onDrain()
    } catch {
      // It has ended; that is told otherwise.
    }
  }

  /** Closes when all is written. The peer's lines are still read until it closes, too. */
  close(): void {
    if (this.#isEnded) return
    this.#cancelClose ??= this.#clock.at(this.#clock.now() + CLOSE_MS, () => this.#stream.abort(new Error('the peer does not close')))
    this.#stream.close().catch(() => {})
  }

  /** Cuts the stream off. */
  abort(fault: Fault): void {
    this.#end(fault)
    this.#stream.abort(new Error(fault.detail === undefined ? fault.fault : `${fault.fault}: ${fault.detail}`))
  }

  /** Takes what may be taken now. */
  #pump(): void {
    if (this.#cancelWait !== undefined || this.#isEnded) return
    for (let line = this.#reader.next(); line !== undefined; line = this.#reader.next()) {
      if (isFault(line)) this.abort(line)
      else this.#take(line)
      if (this.#cancelWait !== undefined || this.#isEnded) return
    }
    if (!this.#isRead) return
    this.#stream.close().catch(() => {})
    this.#end()
  }

  #take(line: string): void {
    this.#events.line(line)
    if (this.#isEnded) return
    const wait = this.#rate.take(this.#clock.now())
    if (wait > 0) this.#pause(wait)
  }

  #pause(durationMs: Millis): void {
    if (!this.#isRead) this.#stream.pause()
    this.#cancelWait = this.#clock.at(this.#clock.now() + durationMs, () => {
      this.#cancelWait = undefined
      this.#pump()
      if (this.#cancelWait === undefined && this.#stream.readStatus === 'paused') this.#stream.resume()
    })
  }

  #linger(): void {
    if (this.#isEnded) return
    this.#cancelLinger ??= this.#clock.at(this.#clock.now() + LINGER_MS, () => {
      this.#stream.abort(new Error('too much was left to say'))
      this.#end()
    })
  }

  #end(fault?: Fault): void {
    if (this.#isEnded) return
    this.#isEnded = true
    this.#cancelWait?.()
    this.#cancelClose?.()
    this.#cancelLinger?.()
    this.#events.ended(fault)
  }
}
