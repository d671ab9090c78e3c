import type { Message } from '@kumiko/fabric-protocol'

/** How many messages go each way. */
export type MethodKind = 'unary' | 'server-stream' | 'duplex'

/** A method of a gRPC service. */
export interface Method<Kind extends MethodKind, Request extends object, Response extends object> {
  readonly kind: Kind
  /** On the wire: `/gateway.Gateway/Evaluate`. */
  readonly path: string
  readonly request: Message<Request>
  readonly response: Message<Response>
}

/** One message there, one back. */
export type UnaryMethod<Request extends object, Response extends object> = Method<'unary', Request, Response>

/** One message there, a stream back. */
export type ServerStreamMethod<Request extends object, Response extends object> = Method<'server-stream', Request, Response>

/** Streams both ways. */
export type DuplexMethod<Request extends object, Response extends object> = Method<'duplex', Request, Response>

/** Describes a method of one message each way. @param path - As in {@link Method.path}. */
export function unary<Request extends object, Response extends object>(
  path: string,
  request: Message<Request>,
  response: Message<Response>,
): UnaryMethod<Request, Response> {
  return { kind: 'unary', path, request, response }
}

/** Describes a method that answers with a stream. */
export function serverStream<Request extends object, Response extends object>(
  path: string,
  request: Message<Request>,
  response: Message<Response>,
): ServerStreamMethod<Request, Response> {
  return { kind: 'server-stream', path, request, response }
}

/** Describes a method of streams both ways. */
export function duplex<Request extends object, Response extends object>(
  path: string,
  request: Message<Request>,
  response: Message<Response>,
): DuplexMethod<Request, Response> {
  return { kind: 'duplex', path, request, response }
}
