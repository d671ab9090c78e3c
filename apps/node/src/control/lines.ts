/** Splits a stream of bytes into lines of text, and bounds them. */
export class Lines {
  readonly #sizeBytesMax: number
  /** What came since the last end of a line. */
  #chunks: Uint8Array[] = []
  #sizeBytes = 0

  /** @param sizeBytesMax - A line may be so long, without its end. */
  constructor(sizeBytesMax: number) {
    this.#sizeBytesMax = sizeBytesMax
  }

  /**
   * @param chunk - As read; kept until its last line is whole.
   * @returns The lines that are whole now, empty ones left out; undefined where one is too long, from then on always.
   */
  push(chunk: Uint8Array): string[] | undefined {
    const lines: string[] = []
    let rest = chunk
    for (let end = rest.indexOf(0x0a); end >= 0; end = rest.indexOf(0x0a)) {
      if (!this.#keep(rest.subarray(0, end))) return undefined
      const line = Buffer.concat(this.#chunks).toString('utf8').trim()
      this.#chunks = []
      this.#sizeBytes = 0
      if (line !== '') lines.push(line)
      rest = rest.subarray(end + 1)
    }
    return this.#keep(rest) ? lines : undefined
  }

  #keep(part: Uint8Array): boolean {
    this.#sizeBytes += part.length
    if (this.#sizeBytes > this.#sizeBytesMax) return false
    if (part.length > 0) this.#chunks.push(part)
    return true
  }
}
