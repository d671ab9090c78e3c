import type { DuplexMethod, ServerStreamMethod, UnaryMethod } from './method.ts'

/** What a service knows of a call. */
export interface CallInfo {
  /** Aborted when the client has gone, its deadline has passed, or the listener stops. */
  readonly signal: AbortSignal
  /** `host:port` that it came from. */
  readonly remote: string
  /** SHA-256 of the client's TLS certificate in DER; undefined where it showed none. */
  readonly clientCertificateHash: Uint8Array | undefined
}

/** A stream both ways, seen from one of its ends. */
export interface DuplexStream<Incoming extends object, Outgoing extends object> {
  /** What the other side sends, read only as fast as it is taken: one loop. Ends when the other side has ended; throws RpcError where the stream fails. */
  readonly messages: AsyncIterable<Incoming>
  /** Sends a message. @returns False where the other side is behind: wait for {@link drained} before the next. */
  send(message: Outgoing): boolean
  /** Resolves when there is room, or the stream has ended. */
  drained(): Promise<void>
  /** Ends our side; of a server, the whole stream with status OK. */
  end(): void
  /** Ends the stream at once: a server's with this error's status, a client's by cancelling. */
  fail(error: Error): void
}

/** A method with what serves it. Made by {@link serve}. */
export interface BoundMethod {
  readonly method: UnaryMethod<object, object> | ServerStreamMethod<object, object> | DuplexMethod<object, object>
  readonly handler: unknown
}

/** Serves a method of one message each way. Throws RpcError; any other error is told as UNKNOWN with its message. */
export type UnaryHandler<Request extends object, Response extends object> = (request: Request, call: CallInfo) => Promise<Response>

/** Serves a stream: it is asked for the next message when the client has room. */
export type ServerStreamHandler<Request extends object, Response extends object> = (
  request: Request,
  call: CallInfo,
) => AsyncIterable<Response>

/** Serves a stream both ways: when it returns, the stream ends with OK; when it throws, with that error. */
export type DuplexHandler<Request extends object, Response extends object> = (
  stream: DuplexStream<Request, Response>,
  call: CallInfo,
) => Promise<void>
