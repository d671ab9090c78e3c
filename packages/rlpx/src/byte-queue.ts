/** Bytes in the order of their arrival. Nothing is copied until a run that spans chunks is taken, and then once. */
export class ByteQueue {
  /** Chunks from `#first` on are not yet taken; `#offset` bytes of the first are. */
  #chunks: Uint8Array[] = []
  #first = 0
  #offset = 0
  #length = 0

  /** Bytes that can be taken. */
  get length(): number {
    return this.#length
  }

  /** @param chunk - Kept, not copied. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    this.#chunks.push(chunk)
    this.#length += chunk.length
  }

  /**
   * The next `count` bytes, or undefined if there are fewer.
   *
   * @param scratch - Where to copy a run that spans chunks, if it fits. Default: a new buffer.
   * @returns A view or a copy; the queue no longer holds it.
   */
  take(count: number, scratch?: Uint8Array): Uint8Array | undefined {
    const taken = this.peek(count, scratch)
    if (taken !== undefined) this.#skip(count)
    return taken
  }

  /** As {@link take}, but the bytes stay. */
  peek(count: number, scratch?: Uint8Array): Uint8Array | undefined {
    if (count > this.#length) return undefined
    const chunk = this.#chunks[this.#first]
    if (chunk === undefined) return new Uint8Array()
    if (this.#offset + count <= chunk.length) return chunk.subarray(this.#offset, this.#offset + count)
    return this.#gather(count, scratch !== undefined && scratch.length >= count ? scratch.subarray(0, count) : Buffer.allocUnsafe(count))
  }

  #gather(count: number, gathered: Uint8Array): Uint8Array {
    let filled = 0
    let offset = this.#offset
    for (let i = this.#first; filled < count; i++) {
      const chunk = this.#chunks[i] as Uint8Array
      const part = chunk.subarray(offset, offset + count - filled)
      gathered.set(part, filled)
      filled += part.length
      offset = 0
    }
    return gathered
  }

  #skip(count: number): void {
    this.#length -= count
    this.#offset += count
    for (let chunk = this.#chunks[this.#first]; chunk !== undefined && this.#offset >= chunk.length; chunk = this.#chunks[this.#first]) {
      this.#offset -= chunk.length
      this.#first++
    }
    if (this.#first === this.#chunks.length) {
      this.#chunks = []
      this.#first = 0
      this.#offset = 0
    } else if (this.#first > 64) {
      this.#chunks = this.#chunks.slice(this.#first)
      this.#first = 0
    }
  }
}
