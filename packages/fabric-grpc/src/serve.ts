import { decodeRequest } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { BoundMethod, CallInfo, DuplexHandler, DuplexStream, ServerStreamHandler, UnaryHandler } from './contract.ts'
import type { DuplexMethod, ServerStreamMethod, UnaryMethod } from './method.ts'
import { RpcError, RpcStatus } from './rpc-error.ts'

/** Binds a method to what serves it, for {@link GrpcListener.add}. */
export function serve<Request extends object, Response extends object>(
  method: UnaryMethod<Request, Response>,
  handler: UnaryHandler<Request, Response>,
): BoundMethod
export function serve<Request extends object, Response extends object>(
  method: ServerStreamMethod<Request, Response>,
  handler: ServerStreamHandler<Request, Response>,
): BoundMethod
export function serve<Request extends object, Response extends object>(
  method: DuplexMethod<Request, Response>,
  handler: DuplexHandler<Request, Response>,
): BoundMethod
export function serve(method: BoundMethod['method'], handler: unknown): BoundMethod {
  return { method, handler }
}

/** A call as the listener has it: bytes of messages. */
export interface RawCall extends CallInfo {
  /** Whether its end was sent, or its client has gone: what is written then is dropped. */
  readonly isOver: boolean
  /** The next message; undefined where the client has ended its side. @throws RpcError where the stream fails. One at a time. */
  read(): Promise<Uint8Array | undefined>
  /** @returns False where the client is behind. */
  write(message: Uint8Array): boolean
  /** Resolves when there is room, or the call is over. */
  drained(): Promise<void>
  /** The only message of an answer, and status OK. */
  answer(message: Uint8Array): void
  /** Ends the call. Calling it again does nothing. @param error - Undefined: with status OK. */
  finish(error: RpcError | undefined): void
}

/** Runs a handler for a call, to its end. Never rejects. */
export async function run({ method, handler }: BoundMethod, call: RawCall): Promise<void> {
  try {
    // `serve` has the handler's type follow the method's kind.
    if (method.kind === 'unary') await runUnary(method, handler as UnaryHandler<object, object>, call)
    else if (method.kind === 'server-stream') await runServerStream(method, handler as ServerStreamHandler<object, object>, call)
    else await runDuplex(method, handler as DuplexHandler<object, object>, call)
  } catch (error) {
    call.finish(errorOf(error))
  }
}

async function runUnary(method: UnaryMethod<object, object>, handler: UnaryHandler<object, object>, call: RawCall): Promise<void> {
  const request = await readOnly(method, call)
  call.answer(method.response.encode(await handler(request, call)))
}

async function runServerStream(
  method: ServerStreamMethod<object, object>,
  handler: ServerStreamHandler<object, object>,
  call: RawCall,
): Promise<void> {
  const request = await readOnly(method, call)
  for await (const response of handler(request, call)) {
    if (!call.write(method.response.encode(response))) await call.drained()
    if (call.isOver) return
  }
  call.finish(undefined)
}

async function runDuplex(method: DuplexMethod<object, object>, handler: DuplexHandler<object, object>, call: RawCall): Promise<void> {
  const stream: DuplexStream<object, object> = {
    messages: messagesOf(method, call),
    send: (message) => call.write(method.response.encode(message)),
    drained: () => call.drained(),
    end: () => call.finish(undefined),
    fail: (error) => call.finish(errorOf(error)),
  }
  await handler(stream, call)
  call.finish(undefined)
}

function messagesOf({ request }: DuplexMethod<object, object>, call: RawCall): AsyncIterableIterator<object, void, undefined> {
  const read = async (): Promise<IteratorResult<object, void>> => {
    const bytes = await call.read()
    if (bytes === undefined) return { done: true, value: undefined }
    const message = decodeRequest(() => request.decode(bytes))
    if (!isFault(message)) return { done: false, value: message }
    throw new RpcError(RpcStatus.internal, `grpc: failed to unmarshal the received message: ${message.detail ?? message.fault}`)
  }
  return {
    next: () => {
      const next = read()
      // A handler may have gone on without it.
      next.catch(() => {})
      return next
    },
    [Symbol.asyncIterator]() {
      return this
    },
  }
}

async function readOnly({ request }: BoundMethod['method'], call: RawCall): Promise<object> {
  const bytes = await call.read()
  if (bytes === undefined) throw new RpcError(RpcStatus.internal, 'unexpected EOF')
  const message = decodeRequest(() => request.decode(bytes))
  if (!isFault(message)) return message
  throw new RpcError(RpcStatus.internal, `grpc: error unmarshalling request: ${message.detail ?? message.fault}`)
}

function errorOf(error: unknown): RpcError {
  if (error instanceof RpcError) return error
  return new RpcError(RpcStatus.unknown, error instanceof Error ? error.message : String(error), [], error)
}
