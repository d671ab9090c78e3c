/** A request, read whole. */
export interface OperationsRequest {
  /** `GET`. */
  readonly method: string
  /** Without the query: `/logspec`. */
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: Readonly<Record<string, string | readonly string[] | undefined>>
  /** At most {@link BODY_MAX_BYTES}, or what the route says. */
  readonly body: Uint8Array
  /** Aborted when the client has gone, or the part stops. */
  readonly signal: AbortSignal
}

/** What is answered. */
export interface OperationsResponse {
  readonly status: number
  readonly contentType?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Undefined: empty. A stream is read as fast as the client takes it. */
  readonly body?: string | Uint8Array | AsyncIterable<Uint8Array>
}

/** What is served under a path. */
export interface OperationsRoute {
  /** The whole path, or what it begins with where it ends with a slash. */
  readonly path: string
  /** Where TLS is on, a client must show a certificate. Default true: only what says nothing of value is open. */
  readonly isOpen?: boolean
  /** Default {@link BODY_MAX_BYTES}. */
  readonly bodyBytesMax?: number
  /** A throw is answered with 500, and told to nobody but the log. */
  handle(request: OperationsRequest): OperationsResponse | Promise<OperationsResponse>
}

/** A request's body is no longer where the route does not say more. */
export const BODY_MAX_BYTES = 65_536

/** Answers with JSON. */
export function json(status: number, value: unknown): OperationsResponse {
  return { status, contentType: 'application/json', body: JSON.stringify(value) }
}
