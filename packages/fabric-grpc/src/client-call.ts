import { type ChannelInterface, Metadata, type StatusObject } from '@grpc/grpc-js'
import { RpcError, RpcStatus } from './rpc-error.ts'
import { DETAILS_HEADER, decodeDetails } from './rpc-status-message.ts'

type Call = ReturnType<ChannelInterface['createCall']>

/** So much may wait to be sent before {@link ClientCall.write} says that the server is behind. */
const WAITING_BYTES_MAX = 65_536

/** What a call is made with. */
export interface ClientCallOptions {
  /** In ms since the Unix epoch. */
  readonly deadline: number
  /** For one message. */
  readonly messageBytesMax: number
  readonly signal: AbortSignal | undefined
  /** The call is over. */
  readonly closed: (call: ClientCall) => void
}

/** A call on a channel of gRPC: bytes of messages. Reads one message ahead at most. */
export class ClientCall {
  readonly #call: Call
  readonly #options: ClientCallOptions
  /** Came, and was not read yet. */
  #message: Uint8Array | undefined
  #isAsking = false
  /** How it ended; null where well. */
  #end: RpcError | null | undefined
  #reading: PromiseWithResolvers<Uint8Array | undefined> | undefined
  #draining: PromiseWithResolvers<void> | undefined
  /** gRPC takes one message at a time. Those that write heed what {@link write} says. */
  readonly #waiting: Buffer[] = []
  #waitingBytes = 0
  #isSending = false
  #hasEnded = false
  readonly #abort = (): void => this.cancel(this.#options.signal?.reason)
  #cancelReason: unknown

  constructor(channel: ChannelInterface, path: string, options: ClientCallOptions) {
    this.#options = options
    this.#call = channel.createCall(path, options.deadline, null, null, null)
    options.signal?.addEventListener('abort', this.#abort, { once: true })
    this.#call.start(new Metadata(), {
      onReceiveMetadata: () => {},
      onReceiveMessage: (message: Buffer) => this.#receive(message),
      onReceiveStatus: (status) => this.#finish(status),
    })
    if (options.signal?.aborted) this.#abort()
  }

  /** The next message; undefined at the end. @throws RpcError where the call failed. One at a time. */
  async read(): Promise<Uint8Array | undefined> {
    const message = this.#message
    if (message !== undefined) {
      this.#message = undefined
      return message
    }
    if (this.#end !== undefined) return this.#atEnd(this.#end)
    this.#reading = Promise.withResolvers()
    this.#ask()
    return await this.#reading.promise
  }

  /** @returns False where the server is behind, or the call is over. */
  write(message: Uint8Array): boolean {
    const { messageBytesMax } = this.#options
    if (this.#end !== undefined || this.#hasEnded) return false
    if (message.length > messageBytesMax) {
      const text = `trying to send message larger than max (${message.length} vs. ${messageBytesMax})`
      this.#call.cancelWithStatus(RpcStatus.resourceExhausted, text)
      return false
    }
    this.#waiting.push(Buffer.from(message.buffer, message.byteOffset, message.length))
    this.#waitingBytes += message.length
    this.#send()
    return this.#waitingBytes <= WAITING_BYTES_MAX
  }

  async drained(): Promise<void> {
    if (this.#end !== undefined || this.#waitingBytes <= WAITING_BYTES_MAX) return
    this.#draining ??= Promise.withResolvers()
    await this.#draining.promise
  }

  /** Ends our side, when all is sent. */
  halfClose(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#send()
  }

  cancel(reason?: unknown): void {
    if (this.#end !== undefined) return
    this.#cancelReason ??= reason
    this.#call.cancelWithStatus(RpcStatus.cancelled, 'Cancelled on client')
  }

  #send(): void {
    if (this.#isSending || this.#end !== undefined) return
    const message = this.#waiting.shift()
    if (message === undefined) {
      if (this.#hasEnded) this.#call.halfClose()
      return
    }
    this.#isSending = true
    this.#call.sendMessageWithContext({ callback: () => this.#sent(message.length) }, message)
  }

  #sent(lengthBytes: number): void {
    this.#isSending = false
    this.#waitingBytes -= lengthBytes
    if (this.#waitingBytes <= WAITING_BYTES_MAX) this.#drain()
    this.#send()
  }

  #ask(): void {
    if (this.#isAsking) return
    this.#isAsking = true
    this.#call.startRead()
  }

  #receive(message: Buffer): void {
    this.#isAsking = false
    const bytes = new Uint8Array(message.buffer, message.byteOffset, message.length)
    if (this.#reading === undefined) this.#message = bytes
    else {
      this.#reading.resolve(bytes)
      this.#reading = undefined
    }
  }

  #finish(status: StatusObject): void {
    if (this.#end !== undefined) return
    this.#end = status.code === RpcStatus.ok ? null : errorOf(status, this.#cancelReason)
    this.#options.signal?.removeEventListener('abort', this.#abort)
    this.#waiting.length = 0
    this.#drain()
    if (this.#end === null) this.#reading?.resolve(undefined)
    else this.#reading?.reject(this.#end)
    this.#reading = undefined
    this.#options.closed(this)
  }

  #atEnd(end: RpcError | null): undefined {
    if (end !== null) throw end
  }

  #drain(): void {
    this.#draining?.resolve()
    this.#draining = undefined
  }
}

const STATUSES: ReadonlySet<number> = new Set(Object.values(RpcStatus))

function errorOf({ code, details, metadata }: StatusObject, cause: unknown): RpcError {
  const [told] = metadata.get(DETAILS_HEADER)
  const explained = told instanceof Uint8Array ? decodeDetails(new Uint8Array(told)) : []
  return new RpcError(statusOf(code), details, explained, cause)
}

function statusOf(code: number): RpcStatus {
  // One of its values.
  return STATUSES.has(code) ? (code as RpcStatus) : RpcStatus.unknown
}
