import type { BoundMethod, CallInfo, DuplexHandler, DuplexStream, ServerStreamHandler, UnaryHandler } from './contract.ts'
import { RpcError, RpcStatus } from './rpc-error.ts'

/**
 * The methods of a service, of which no more than `max` calls are served at once, all methods together: more are refused as Fabric refuses them.
 * @see Fabric `internal/peer/node/grpc_limiters.go`
 */
export function limited(bound: readonly BoundMethod[], max: number): BoundMethod[] {
  const gate = new Gate(max)
  return bound.map(({ method, handler }) => ({ method, handler: limit(method, handler, gate) }))
}

class Gate {
  readonly #max: number
  #entered = 0

  constructor(max: number) {
    this.#max = max
  }

  /** @throws RpcError where it is full. */
  enter(path: string): void {
    const service = path.slice(0, path.lastIndexOf('/'))
    if (this.#entered >= this.#max) {
      throw new RpcError(RpcStatus.unknown, `too many requests for ${service}, exceeding concurrency limit (${this.#max})`)
    }
    this.#entered++
  }

  leave(): void {
    this.#entered--
  }
}

function limit({ kind, path }: BoundMethod['method'], handler: unknown, gate: Gate): unknown {
  // `serve` has the handler's type follow the method's kind.
  if (kind === 'unary') return limitedUnary(path, handler as UnaryHandler<object, object>, gate)
  if (kind === 'server-stream') return limitedStream(path, handler as ServerStreamHandler<object, object>, gate)
  return limitedDuplex(path, handler as DuplexHandler<object, object>, gate)
}

function limitedUnary(path: string, handler: UnaryHandler<object, object>, gate: Gate): UnaryHandler<object, object> {
  return async (request, call) => {
    gate.enter(path)
    try {
      return await handler(request, call)
    } finally {
      gate.leave()
    }
  }
}

function limitedStream(path: string, handler: ServerStreamHandler<object, object>, gate: Gate): ServerStreamHandler<object, object> {
  return async function* (request: object, call: CallInfo) {
    gate.enter(path)
    try {
      yield* handler(request, call)
    } finally {
      gate.leave()
    }
  }
}

function limitedDuplex(path: string, handler: DuplexHandler<object, object>, gate: Gate): DuplexHandler<object, object> {
  return async (stream: DuplexStream<object, object>, call) => {
    gate.enter(path)
    try {
      await handler(stream, call)
    } finally {
      gate.leave()
    }
  }
}
