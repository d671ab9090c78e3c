import type { Interceptor, ServiceError } from '@grpc/grpc-js'
import { type ChannelOptions, Client, type ClientDuplexStream, connectivityState, InterceptingCall, Metadata, status } from '@grpc/grpc-js'
import type { Endpoint } from '@kumiko/fabric-grpc'
import { type ClientTls, Connection } from '@kumiko/fabric-grpc'
import type { Fault } from '@kumiko/interface'

/** How connections are made. */
export interface TransportOptions {
  readonly clientTls: ClientTls | undefined
  /** For one message either way. */
  readonly messageBytesMax: number
  readonly keepaliveIntervalMs: number
  readonly keepaliveTimeoutMs: number
}

/** Who hears of a stream. Never called before {@link openStream} returns, nor after `close`. */
export interface StreamHandlers {
  connected(): void
  /** A message: bytes of its own. */
  message(bytes: Uint8Array): void
  /** Asked before each message. @returns False: it is held back, and with it the server, until {@link DeliverStream.resume}. */
  hasRoom(): boolean
  held(): void
  /** The stream failed, or the server ended it. At most once, and the last. */
  closed(fault: Fault): void
}

/** A stream with its connection. */
export interface DeliverStream {
  /** Lets on a message that was held back. */
  resume(): void
  /** Ends stream and connection. Calling it again does nothing. */
  close(): void
}

/**
 * Opens a connection of its own, and on it a stream to a deliver service: sends one request and hears messages, at most one of which is read ahead.
 * @param path - The method's: `/orderer.AtomicBroadcast/Deliver`.
 */
export function openStream(
  endpoint: Endpoint,
  path: string,
  request: Uint8Array,
  options: TransportOptions,
  handlers: StreamHandlers,
): DeliverStream {
  const stream = new GrpcStream(handlers)
  // So that nothing is heard before we return.
  queueMicrotask(() => stream.open(endpoint, path, request, options))
  return stream
}

class GrpcStream implements DeliverStream {
  readonly #handlers: StreamHandlers
  #connection: Connection | undefined
  #client: Client | undefined
  #call: ClientDuplexStream<Uint8Array, Uint8Array> | undefined
  #letOn: (() => void) | undefined
  #isClosed = false

  constructor(handlers: StreamHandlers) {
    this.#handlers = handlers
  }

  open(endpoint: Endpoint, path: string, request: Uint8Array, options: TransportOptions): void {
    if (this.#isClosed) return
    try {
      this.#connection = new Connection(endpoint, options.clientTls)
      const client = new Client(`dns:${endpoint.address}`, this.#connection, channelOptionsOf(endpoint, options))
      this.#client = client
      this.#watch(client)
      this.#start(client.makeBidiStreamRequest(path, toBuffer, toBytes, new Metadata(), { interceptors: [this.#gate] }), request)
    } catch (error) {
      // An address that is none, a TLS certificate that cannot be read: a configuration may hold either.
      this.#end({ fault: 'fabric-deliver/bad-endpoint', detail: cut(error) })
    }
  }

  resume(): void {
    const letOn = this.#letOn
    this.#letOn = undefined
    letOn?.()
  }

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#letOn = undefined
    this.#call?.cancel()
    const isReady = this.#client?.getChannel().getConnectivityState(false) === connectivityState.READY
    this.#client?.close()
    this.#connection?.close(isReady)
  }

  #start(call: ClientDuplexStream<Uint8Array, Uint8Array>, request: Uint8Array): void {
    this.#call = call
    // Stays when the stream is closed: an error that nobody hears ends the process.
    call.on('error', (error: ServiceError) => this.#end({ fault: faultOf(error.code), detail: cut(error) }))
    call.on('end', () => this.#end({ fault: 'fabric-deliver/ended', detail: 'the server ended the stream' }))
    call.on('data', (bytes: Uint8Array) => {
      if (!this.#isClosed) this.#handlers.message(bytes)
    })
    call.write(request)
  }

  /** A stream of gRPC buffers 16 messages of any size: so each is let on when there is room for it. */
  readonly #gate: Interceptor = (options, nextCall) =>
    new InterceptingCall(nextCall(options), {
      start: (metadata, _listener, next) =>
        next(metadata, {
          onReceiveMessage: (message, letOn) => {
            if (this.#isClosed) return
            if (this.#handlers.hasRoom()) letOn(message)
            else this.#hold(() => letOn(message))
          },
          onReceiveMetadata: (received, letOn) => letOn(received),
          onReceiveStatus: (received, letOn) => letOn(received),
        }),
    })

  #hold(letOn: () => void): void {
    this.#letOn = letOn
    this.#handlers.held()
  }

  /** A server of Go's answers with its first message, so only the channel knows whether it is connected. */
  #watch(client: Client): void {
    const state = client.getChannel().getConnectivityState(false)
    if (this.#isClosed || state === connectivityState.SHUTDOWN) return
    if (state === connectivityState.READY) this.#handlers.connected()
    else client.getChannel().watchConnectivityState(state, Number.POSITIVE_INFINITY, () => this.#watch(client))
  }

  #end(fault: Fault): void {
    if (this.#isClosed) return
    this.close()
    this.#handlers.closed(fault)
  }
}

function channelOptionsOf({ serverNameOverride }: Endpoint, options: TransportOptions): ChannelOptions {
  return {
    'grpc.max_receive_message_length': options.messageBytesMax,
    'grpc.max_send_message_length': options.messageBytesMax,
    'grpc.keepalive_time_ms': options.keepaliveIntervalMs,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs,
    // Ours is the trying again; and a connection is of one stream, so that closing the one closes the other.
    'grpc.enable_retries': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
    ...(serverNameOverride !== undefined && { 'grpc.default_authority': serverNameOverride }),
  }
}

function faultOf(code: number): string {
  switch (code) {
    case status.UNAVAILABLE:
      return 'fabric-deliver/unreachable'
    case status.RESOURCE_EXHAUSTED:
      return 'fabric-deliver/too-large'
    default:
      return 'fabric-deliver/stream-failed'
  }
}

function toBuffer(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** Not a Buffer, whose `slice` shares. */
function toBytes(buffer: Buffer): Uint8Array {
  return new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.length)
}

function cut(error: unknown): string {
  return String(error instanceof Error ? error.message : error).slice(0, 200)
}
