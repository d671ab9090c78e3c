import type { Fault } from '@kumiko/interface'

const LINE_FEED = 0x0a
const CARRIAGE_RETURN = 0x0d

/**
 * Splits a stream of bytes into lines of UTF-8: what ends in LF or CR LF. Bytes that are no UTF-8 become U+FFFD. Holds what was pushed and not
 * taken, so whoever pushes more than is taken bounds it.
 */
export class LineReader {
  readonly #sizeBytesMax: number
  readonly #decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  readonly #chunks: Uint8Array[] = []
  /** The first chunks that hold no line feed. */
  #scanned = 0
  /** Bytes in them: of a line that has not ended. */
  #size = 0

  /** @param sizeBytesMax - Of a line, without its end. */
  constructor(sizeBytesMax: number) {
    this.#sizeBytesMax = sizeBytesMax
  }

  /** @param chunk - Kept until it is taken, never written to. */
  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#chunks.push(chunk)
  }

  /**
   * Takes the next line that is complete.
   *
   * @returns Its text without the end; undefined where more is needed; `chat/line-too-long`, from then on each time.
   */
  next(): string | Fault | undefined {
    for (let chunk = this.#chunks[this.#scanned]; chunk !== undefined; chunk = this.#chunks[this.#scanned]) {
      const end = chunk.indexOf(LINE_FEED)
      // One more: it may be the CR of a line that is just right.
      if (this.#size + (end < 0 ? chunk.length : end) > this.#sizeBytesMax + 1) return this.#tooLong()
      if (end >= 0) return this.#take(chunk, end)
      this.#size += chunk.length
      this.#scanned++
    }
    return undefined
  }

  #take(last: Uint8Array, end: number): string | Fault {
    const bytes = concat([...this.#chunks.slice(0, this.#scanned), last.subarray(0, end)])
    const line = bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes
    if (line.length > this.#sizeBytesMax) return this.#tooLong()
    const rest = last.subarray(end + 1)
    this.#chunks.splice(0, this.#scanned + 1, ...(rest.length > 0 ? [rest] : []))
    this.#scanned = 0
    this.#size = 0
    return this.#decoder.decode(line)
  }

  #tooLong(): Fault {
    return { fault: 'chat/line-too-long', detail: `a line of more than ${this.#sizeBytesMax} bytes` }
  }
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.length
  }
  return whole
}
