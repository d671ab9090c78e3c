/** Chunks up to this are copied together, where others wait before them: each costs some 400 bytes of memory, however short it is. */
const SMALL_BYTES = 2048
/** A tail costs that much; smaller chunks than this begin one, larger ones only fill it. */
const TAIL_BYTES = 4096
const TAIL_CHUNK_BYTES = 512

/**
 * Bytes in the order of their arrival. Nothing is copied until a run that spans chunks is taken, and then once; only small chunks that have
 * to wait are, so that a remote that sends a large frame byte by byte costs at most 8 times its size.
 */
export class ByteQueue {
  /** Chunks from `#first` on are not yet taken; `#offset` bytes of the first are. */
  #chunks: Uint8Array[] = []
  #first = 0
  #offset = 0
  #length = 0
  /** The last chunk is a view of its first `used` bytes; what follows is free. */
  #tail: { readonly bytes: Uint8Array; used: number } | undefined

  /** Bytes that can be taken. */
  get length(): number {
    return this.#length
  }

  /** @param chunk - Kept, not copied; only small ones are. */
  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.#length === 0 || !this.#append(chunk)) {
      this.#chunks.push(chunk)
      this.#tail = undefined
    }
    this.#length += chunk.length
  }

  /** Copies a small chunk behind the last one. What was taken is never written to. Tells whether it did. */
  #append(chunk: Uint8Array): boolean {
    if (chunk.length > SMALL_BYTES) return false
    const tail = this.#tail
    if (tail !== undefined && tail.used + chunk.length <= TAIL_BYTES) {
      tail.bytes.set(chunk, tail.used)
      tail.used += chunk.length
      this.#chunks[this.#chunks.length - 1] = tail.bytes.subarray(0, tail.used)
      return true
    }
    if (chunk.length > TAIL_CHUNK_BYTES) return false
    const bytes = new Uint8Array(TAIL_BYTES)
    bytes.set(chunk)
    this.#tail = { bytes, used: chunk.length }
    this.#chunks.push(bytes.subarray(0, chunk.length))
    return true
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
      this.#tail = undefined
      this.#first = 0
      this.#offset = 0
    } else if (this.#first > 64) {
      this.#chunks = this.#chunks.slice(this.#first)
      this.#first = 0
    }
  }
}
