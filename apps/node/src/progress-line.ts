import { type Clock, type Millis, systemClock } from '@kumiko/interface'

/** A line drawn over itself now and then on a terminal. */
const DRAW_MS = 100

/** In a pipe, lines stay: they come seldom. */
const LINE_MS = 5000

/** What of a stream it uses. */
type Stream = Pick<NodeJS.WriteStream, 'write' | 'isTTY' | 'columns'>

/** Shows on stderr how far a command is: one line that changes on a terminal, a line every 5 s in a pipe. Costs nothing to be told often. */
export class ProgressLine implements Disposable {
  readonly #stream: Stream
  readonly #clock: Clock
  #nextAt: Millis
  #isDrawn = false

  constructor(stream: Stream = process.stderr, clock: Clock = systemClock) {
    this.#stream = stream
    this.#clock = clock
    this.#nextAt = clock.now() + (this.#isLive ? 0 : LINE_MS)
  }

  get #isLive(): boolean {
    return this.#stream.isTTY === true
  }

  /** @param text - One line, only made where it is shown. */
  show(text: () => string): void {
    const now = this.#clock.now()
    if (now < this.#nextAt) return
    this.#nextAt = now + (this.#isLive ? DRAW_MS : LINE_MS)
    this.#isDrawn = this.#isLive
    this.#stream.write(this.#isLive ? `\r\x1b[K${text().slice(0, (this.#stream.columns || 120) - 1)}` : `${text()}\n`)
  }

  /** Makes room for what is to stay. */
  [Symbol.dispose](): void {
    if (this.#isDrawn) this.#stream.write('\r\x1b[K')
    this.#isDrawn = false
  }
}
