import { Channel, type ChannelOptions, connectivityState } from '@grpc/grpc-js'
import type { Message } from '@kumiko/fabric-protocol'
import { isFault, KumikoError, type Millis } from '@kumiko/interface'
import { ClientCall } from './client-call.ts'
import { type ClientTls, Connection } from './connection.ts'
import type { DuplexStream } from './contract.ts'
import type { Endpoint } from './endpoint.ts'
import type { DuplexMethod, ServerStreamMethod, UnaryMethod } from './method.ts'
import { RpcError, RpcStatus } from './rpc-error.ts'

/** How a client reaches its server. */
export interface GrpcClientOptions {
  /** Where the server asks for our certificate. */
  readonly clientTls?: ClientTls
  /** For one message either way. Default 100 MiB, as in Fabric. */
  readonly messageBytesMax?: number
  /** How often the server is pinged while a call is open. Default 60 s: Fabric's servers cut off who pings more often. */
  readonly keepaliveIntervalMs?: Millis
  /** How long it may take to answer. Default 20 s. */
  readonly keepaliveTimeoutMs?: Millis
  /** The longest wait between two tries to connect. Default 10 s. */
  readonly reconnectMaxMs?: Millis
}

/** How long a call may take. */
export interface CallOptions {
  /** Cancels it: it fails with status CANCELLED, and the signal's reason as the cause. */
  readonly signal?: AbortSignal
  /** Told to the server too. Default: no end. */
  readonly timeoutMs?: Millis
}

/** A client of one server, over one connection, which is made when first needed and again when it is lost. */
export class GrpcClient {
  readonly endpoint: Endpoint
  readonly #channel: Channel
  readonly #connection: Connection
  readonly #messageBytesMax: number
  /** Those that are open. */
  readonly #calls = new Set<ClientCall>()

  /** Connects nothing. @throws KumikoError `fabric-grpc/bad-endpoint` for an address that is none, or TLS that is none. */
  constructor(endpoint: Endpoint, options: GrpcClientOptions = {}) {
    this.endpoint = endpoint
    this.#messageBytesMax = options.messageBytesMax ?? 104_857_600
    try {
      this.#connection = new Connection(endpoint, options.clientTls)
      this.#channel = new Channel(`dns:${endpoint.address}`, this.#connection, channelOptionsOf(endpoint, options))
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause)
      throw new KumikoError('fabric-grpc/bad-endpoint', `${endpoint.address}: ${text}`, { cause })
    }
  }

  /** Whether it is connected now. */
  get isConnected(): boolean {
    return this.#channel.getConnectivityState(false) === connectivityState.READY
  }

  /** Connects, where it is not. @throws RpcError UNAVAILABLE where that takes longer. */
  async connect(timeoutMs: Millis): Promise<void> {
    const deadline = Date.now() + timeoutMs
    for (let state = this.#channel.getConnectivityState(true); state !== connectivityState.READY; ) {
      const { promise, resolve } = Promise.withResolvers<Error | undefined>()
      if (state === connectivityState.SHUTDOWN) throw new RpcError(RpcStatus.unavailable, 'the client was closed')
      this.#channel.watchConnectivityState(state, deadline, resolve)
      const error = await promise
      if (error) throw new RpcError(RpcStatus.unavailable, `no connection to ${this.endpoint.address} within ${timeoutMs} ms`, [], error)
      state = this.#channel.getConnectivityState(true)
    }
  }

  /** Makes a call of one message each way. @throws RpcError as the server told it, or UNAVAILABLE where there is none. */
  async call<Request extends object, Response extends object>(
    method: UnaryMethod<Request, Response>,
    request: Partial<Request>,
    options: CallOptions = {},
  ): Promise<Response> {
    const call = this.#begin(method, options)
    call.write(method.request.encode(request))
    call.halfClose()
    const bytes = await call.read()
    if (bytes !== undefined) return decode(method, bytes, call)
    throw new RpcError(RpcStatus.internal, 'the server gave no answer')
  }

  /** Asks for a stream: nothing is sent before its first message is asked for, no more is read than that. `return()` and the signal end it. @throws RpcError. */
  async *stream<Request extends object, Response extends object>(
    method: ServerStreamMethod<Request, Response>,
    request: Partial<Request>,
    options: CallOptions = {},
  ): AsyncGenerator<Response, void, undefined> {
    const call = this.#begin(method, options)
    try {
      call.write(method.request.encode(request))
      call.halfClose()
      for (let bytes = await call.read(); bytes !== undefined; bytes = await call.read()) yield decode(method, bytes, call)
    } finally {
      call.cancel()
    }
  }

  /** Opens a stream both ways. Ending the loop over its messages ends it. */
  duplex<Request extends object, Response extends object>(
    method: DuplexMethod<Request, Response>,
    options: CallOptions = {},
  ): DuplexStream<Response, Request> {
    const call = this.#begin(method, options)
    return {
      messages: messagesOf(method, call),
      send: (message) => call.write(method.request.encode(message)),
      drained: () => call.drained(),
      end: () => call.halfClose(),
      fail: (error) => call.cancel(error),
    }
  }

  /** Ends its calls, with status CANCELLED, and its connection. Calling it again does nothing. */
  close(): void {
    const { isConnected } = this
    for (const call of this.#calls) call.cancel(new Error('the client was closed'))
    this.#channel.close()
    this.#connection.close(isConnected)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #begin(method: { readonly path: string }, { signal, timeoutMs }: CallOptions): ClientCall {
    const deadline = timeoutMs === undefined ? Number.POSITIVE_INFINITY : Date.now() + timeoutMs
    const closed = (call: ClientCall): void => void this.#calls.delete(call)
    try {
      const call = new ClientCall(this.#channel, method.path, { deadline, signal, closed, messageBytesMax: this.#messageBytesMax })
      this.#calls.add(call)
      return call
    } catch (cause) {
      throw new RpcError(RpcStatus.cancelled, 'the client was closed', [], cause)
    }
  }
}

interface Answering<Response extends object> {
  readonly response: Message<Response>
}

function messagesOf<Response extends object>(
  method: Answering<Response>,
  call: ClientCall,
): AsyncIterableIterator<Response, void, undefined> {
  const read = async (): Promise<IteratorResult<Response, void>> => {
    const bytes = await call.read()
    return bytes === undefined ? { done: true, value: undefined } : { done: false, value: decode(method, bytes, call) }
  }
  return {
    next: () => {
      const next = read()
      // Who asked may have gone on without it.
      next.catch(() => {})
      return next
    },
    return: async () => {
      call.cancel()
      return { done: true, value: undefined }
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

function decode<Response extends object>({ response }: Answering<Response>, bytes: Uint8Array, call: ClientCall): Response {
  const message = response.decode(bytes)
  if (!isFault(message)) return message
  call.cancel()
  throw new RpcError(RpcStatus.internal, `grpc: failed to unmarshal the received message: ${message.detail ?? message.fault}`)
}

function channelOptionsOf({ serverNameOverride }: Endpoint, options: GrpcClientOptions): ChannelOptions {
  const messageBytesMax = options.messageBytesMax ?? 104_857_600
  return {
    'grpc.max_receive_message_length': messageBytesMax,
    'grpc.max_send_message_length': messageBytesMax,
    'grpc.keepalive_time_ms': options.keepaliveIntervalMs ?? 60_000,
    'grpc.keepalive_timeout_ms': options.keepaliveTimeoutMs ?? 20_000,
    'grpc.initial_reconnect_backoff_ms': 100,
    'grpc.max_reconnect_backoff_ms': options.reconnectMaxMs ?? 10_000,
    'grpc.enable_retries': 0,
    'grpc.enable_channelz': 0,
    'grpc.use_local_subchannel_pool': 1,
    'grpc.service_config_disable_resolution': 1,
    ...(serverNameOverride !== undefined && { 'grpc.default_authority': serverNameOverride }),
  }
}
