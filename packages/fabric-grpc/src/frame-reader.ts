import { RpcError, RpcStatus } from './rpc-error.ts'

/** Before each message: whether it is compressed, and its length in four bytes. gRPC PROTOCOL-HTTP2.md § Length-Prefixed-Message. */
export const FRAME_HEADER_BYTES = 5

/** What is gathered of a message grows from this by doubling: what is announced is not taken at its word. */
const GATHERED_BYTES_MIN = 1024

/** The bytes before a message of this length. */
export function frameHeader(lengthBytes: number): Buffer {
  const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
  header[0] = 0
  header.writeUInt32BE(lengthBytes, 1)
  return header
}

/**
 * Cuts a stream of bytes into messages. A message that lies in one chunk is a view of it. Holds at most one message in part, of which it takes no
 * more than twice what has come, and the chunks that were not read yet.
 */
export class FrameReader {
  readonly #messageBytesMax: number
  /** Not read yet: as many as {@link push} was given before {@link next} found nothing more. */
  readonly #chunks: Uint8Array[] = []
  readonly #header = new Uint8Array(FRAME_HEADER_BYTES)
  #headerBytes = 0
  /** Of the message after the header; undefined before that is whole. */
  #length: number | undefined
  #body: Uint8Array = EMPTY
  #bodyBytes = 0

  constructor(messageBytesMax: number) {
    this.#messageBytesMax = messageBytesMax
  }

  /** @param chunk - Kept, and parts of it given out. */
  push(chunk: Uint8Array): void {
    if (chunk.length > 0) this.#chunks.push(chunk)
  }

  /** Whether a message has come in part. */
  get isMidway(): boolean {
    return this.#headerBytes > 0
  }

  /** The next message; undefined until more is pushed. An error, of what cannot be read, is the last. */
  next(): Uint8Array | RpcError | undefined {
    while (this.#length === undefined) {
      const chunk = this.#chunks[0]
      if (chunk === undefined) return
      this.#readHeader(chunk)
      if (this.#headerBytes < FRAME_HEADER_BYTES) continue
      const length = this.#readLength()
      if (length instanceof RpcError) return length
      this.#length = length
    }
    return this.#readBody(this.#length)
  }

  #readHeader(chunk: Uint8Array): void {
    const taken = Math.min(chunk.length, FRAME_HEADER_BYTES - this.#headerBytes)
    this.#header.set(chunk.subarray(0, taken), this.#headerBytes)
    this.#headerBytes += taken
    this.#consume(chunk, taken)
  }

  #readLength(): number | RpcError {
    const [format = 0] = this.#header
    const length = new DataView(this.#header.buffer).getUint32(1)
    if (length > this.#messageBytesMax)
      return new RpcError(RpcStatus.resourceExhausted, `grpc: received message larger than max (${length} vs. ${this.#messageBytesMax})`)
    if (format === 0) return length
    // Calls that name an encoding are not served at all.
    if (format === 1) return new RpcError(RpcStatus.internal, 'grpc: compressed flag set with identity or empty encoding')
    return new RpcError(RpcStatus.internal, `grpc: received unexpected payload format ${format}`)
  }

  #readBody(length: number): Uint8Array | undefined {
    if (length === 0) return this.#finish(EMPTY)
    for (let chunk = this.#chunks[0]; chunk !== undefined; chunk = this.#chunks[0]) {
      if (this.#bodyBytes === 0 && chunk.length >= length) {
        const whole = chunk.subarray(0, length)
        this.#consume(chunk, length)
        return this.#finish(whole)
      }
      const part = chunk.subarray(0, length - this.#bodyBytes)
      this.#gather(part, length)
      this.#consume(chunk, part.length)
      if (this.#bodyBytes === length) return this.#finish(this.#body.subarray(0, length))
    }
    return
  }

  #gather(part: Uint8Array, length: number): void {
    const needed = this.#bodyBytes + part.length
    if (needed > this.#body.length) {
      const grown = new Uint8Array(Math.min(length, Math.max(GATHERED_BYTES_MIN, 2 * needed)))
      grown.set(this.#body.subarray(0, this.#bodyBytes))
      this.#body = grown
    }
    this.#body.set(part, this.#bodyBytes)
    this.#bodyBytes = needed
  }

  #consume(chunk: Uint8Array, count: number): void {
    if (count === chunk.length) this.#chunks.shift()
    else this.#chunks[0] = chunk.subarray(count)
  }

  #finish(message: Uint8Array): Uint8Array {
    this.#headerBytes = 0
    this.#length = undefined
    this.#body = EMPTY
    this.#bodyBytes = 0
    return message
  }
}

const EMPTY = new Uint8Array()
