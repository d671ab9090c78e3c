import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders, type ServerHttp2Stream } from 'node:http2'
import type { Cancel, Clock } from '@kumiko/interface'
import { FRAME_HEADER_BYTES, FrameReader, frameHeader } from './frame-reader.ts'
import { percentEncode, readTimeout } from './header-value.ts'
import { RpcError, RpcStatus } from './rpc-error.ts'
import { DETAILS_HEADER, encodeDetails } from './rpc-status-message.ts'
import type { RawCall } from './serve.ts'

/** What a call needs of its connection. */
export interface CallConnection {
  readonly remote: string
  readonly clientCertificateHash: Uint8Array | undefined
  readonly clock: Clock
  /** For one message either way. */
  readonly messageBytesMax: number
  /** Told of each write. */
  sent(): void
}

const HEADERS: OutgoingHttpHeaders = { ':status': 200, 'content-type': 'application/grpc' }
/** So that they fit into the 64 KiB of headers that clients take. In characters, of which one may become nine. */
const MESSAGE_MAX = 3000
const DETAILS_MAX = 32_768
/** Up to this, a message is copied behind its header: cheaper than a second write. */
const COPIED_BYTES_MAX = 8192

/** A call on a stream of HTTP/2. Reads a message only when asked, and lets no more than the stream's own buffer wait to be written. */
export class ServerCall implements RawCall {
  readonly #stream: ServerHttp2Stream
  readonly #connection: CallConnection
  readonly #frames: FrameReader
  #hasEnded = false
  #isFinished = false
  /** Why the call ended before its time. */
  #gone: RpcError | undefined
  #abort: AbortController | undefined
  #trailers: OutgoingHttpHeaders | undefined
  #reading: PromiseWithResolvers<Uint8Array | undefined> | undefined
  #draining: PromiseWithResolvers<void> | undefined
  #cancelDeadline: Cancel | undefined

  constructor(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, connection: CallConnection) {
    this.#stream = stream
    this.#connection = connection
    this.#frames = new FrameReader(connection.messageBytesMax)
    stream.on('data', (chunk: Buffer) => this.#receive(chunk))
    stream.pause()
    stream.once('end', () => this.#end())
    stream.on('drain', () => this.#drain())
    stream.once('close', () => this.#close())
    this.#setDeadline(headers['grpc-timeout'])
  }

  get remote(): string {
    return this.#connection.remote
  }

  get clientCertificateHash(): Uint8Array | undefined {
    return this.#connection.clientCertificateHash
  }

  get signal(): AbortSignal {
    this.#abort ??= new AbortController()
    if (this.#gone !== undefined) this.#abort.abort(this.#gone)
    return this.#abort.signal
  }

  get isOver(): boolean {
    return this.#isFinished || this.#gone !== undefined
  }

  async read(): Promise<Uint8Array | undefined> {
    const next = this.#frames.next()
    if (next instanceof RpcError) throw next
    if (next !== undefined) return next
    if (this.#gone !== undefined) throw this.#gone
    if (this.#hasEnded) return this.#atEnd()
    this.#reading = Promise.withResolvers()
    this.#stream.resume()
    return await this.#reading.promise
  }

  write(message: Uint8Array): boolean {
    if (!this.#isOpen || !this.#fits(message)) return false
    this.#start()
    this.#connection.sent()
    return this.#stream.write(message.length <= COPIED_BYTES_MAX ? frameOf(message) : this.#begun(message))
  }

  async drained(): Promise<void> {
    if (this.isOver || !this.#stream.writableNeedDrain) return
    this.#draining ??= Promise.withResolvers()
    await this.#draining.promise
  }

  answer(message: Uint8Array): void {
    if (!this.#isOpen || !this.#fits(message)) return
    this.#isFinished = true
    this.#cancelDeadline?.()
    this.#start()
    this.#stream.resume()
    this.#connection.sent()
    this.#stream.end(message.length <= COPIED_BYTES_MAX ? frameOf(message) : this.#begun(message))
  }

  finish(error: RpcError | undefined): void {
    if (this.#isFinished) return
    this.#isFinished = true
    this.#cancelDeadline?.()
    this.#drain()
    const stream = this.#stream
    if (stream.destroyed || stream.closed) return
    // What a client still sends is not waited for, nor kept.
    stream.resume()
    this.#connection.sent()
    if (stream.headersSent) {
      this.#trailers = trailersOf(error)
      stream.end()
    } else {
      stream.respond({ ...HEADERS, ...trailersOf(error) }, { endStream: true })
      this.#release()
    }
  }

  /** Ends the call before its time: who serves it hears of it by the signal, or by what it waits for. */
  abort(reason: RpcError): void {
    if (this.isOver) return
    this.#gone = reason
    this.#cancelDeadline?.()
    this.#reading?.reject(reason)
    this.#reading = undefined
    this.#drain()
    this.#abort?.abort(reason)
  }

  #receive(chunk: Buffer): void {
    if (this.isOver) return
    this.#frames.push(new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.length))
    const reading = this.#reading
    if (reading === undefined) return
    const next = this.#frames.next()
    if (next === undefined) return
    this.#reading = undefined
    this.#stream.pause()
    if (next instanceof RpcError) reading.reject(next)
    else reading.resolve(next)
  }

  #end(): void {
    this.#hasEnded = true
    const reading = this.#reading
    this.#reading = undefined
    if (reading === undefined) return
    if (this.#frames.isMidway) reading.reject(cutShort())
    else reading.resolve(undefined)
  }

  /** A client that goes after its call was finished is missed by nobody; who still reads from it must not wait for ever. */
  #close(): void {
    if (this.isOver) this.#end()
    else this.abort(new RpcError(RpcStatus.cancelled, 'context canceled'))
  }

  #atEnd(): undefined {
    if (this.#frames.isMidway) throw cutShort()
  }

  get #isOpen(): boolean {
    return !(this.isOver || this.#stream.destroyed || this.#stream.closed)
  }

  #fits({ length }: Uint8Array): boolean {
    const { messageBytesMax } = this.#connection
    if (length <= messageBytesMax) return true
    this.finish(new RpcError(RpcStatus.resourceExhausted, `trying to send message larger than max (${length} vs. ${messageBytesMax})`))
    return false
  }

  #start(): void {
    if (this.#stream.headersSent) return
    this.#stream.once('wantTrailers', () => {
      if (this.#stream.destroyed || this.#stream.closed) return
      this.#stream.sendTrailers(this.#trailers ?? trailersOf(undefined))
      this.#release()
    })
    this.#stream.respond(HEADERS, { waitForTrailers: true })
  }

  /** Writes a message's header. @returns What follows: the message, not copied. */
  #begun(message: Uint8Array): Buffer {
    this.#stream.write(frameHeader(message.length))
    return bufferOf(message)
  }

  /** Our end is out: a client that has not ended its side need not go on. RFC 9113 § 8.1 */
  #release(): void {
    setImmediate(() => {
      if (!this.#hasEnded && !this.#stream.destroyed) this.#stream.close(constants.NGHTTP2_NO_ERROR)
    })
  }

  #drain(): void {
    this.#draining?.resolve()
    this.#draining = undefined
  }

  #setDeadline(timeout: string | string[] | undefined): void {
    if (typeof timeout !== 'string') return
    const timeoutMs = readTimeout(timeout)
    if (timeoutMs === undefined) {
      this.finish(new RpcError(RpcStatus.internal, `malformed grpc-timeout: ${timeout.slice(0, 20)}`))
      return
    }
    const { clock } = this.#connection
    this.#cancelDeadline = clock.at(clock.now() + timeoutMs, () => {
      const reason = new RpcError(RpcStatus.deadlineExceeded, 'context deadline exceeded')
      this.abort(reason)
      this.finish(reason)
    })
  }
}

function frameOf(message: Uint8Array): Buffer {
  return Buffer.concat([frameHeader(message.length), message], FRAME_HEADER_BYTES + message.length)
}

function bufferOf({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

function trailersOf(error: RpcError | undefined): OutgoingHttpHeaders {
  if (error === undefined) return { 'grpc-status': '0' }
  const { status, details } = error
  const message = error.message.slice(0, MESSAGE_MAX)
  const trailers = { 'grpc-status': String(status), 'grpc-message': percentEncode(message) }
  if (details.length === 0) return trailers
  const encoded = Buffer.from(encodeDetails(status, message, details)).toString('base64')
  return encoded.length > DETAILS_MAX ? trailers : { ...trailers, [DETAILS_HEADER]: encoded }
}

function cutShort(): RpcError {
  return new RpcError(RpcStatus.internal, 'unexpected EOF')
}
