/** Status codes of gRPC. @see https://grpc.io/docs/guides/status-codes */
export const RpcStatus = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  invalidArgument: 3,
  deadlineExceeded: 4,
  notFound: 5,
  alreadyExists: 6,
  permissionDenied: 7,
  resourceExhausted: 8,
  failedPrecondition: 9,
  aborted: 10,
  outOfRange: 11,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  dataLoss: 15,
  unauthenticated: 16,
} as const

/** One of {@link RpcStatus}. */
export type RpcStatus = (typeof RpcStatus)[keyof typeof RpcStatus]

/** A message of any type that explains an error. `google.protobuf.Any`. */
export interface RpcDetail {
  /** `type.googleapis.com/gateway.ErrorDetail`. */
  readonly typeUrl: string
  readonly value: Uint8Array
}

/** How a call failed: thrown by who serves it, so that the client is told, and by our client where a server told it so. */
export class RpcError extends Error {
  override readonly name = 'RpcError'
  readonly status: RpcStatus
  /** In `grpc-status-details-bin`, as a `google.rpc.Status`. */
  readonly details: readonly RpcDetail[]

  /** @param message - What the client reads. */
  constructor(status: RpcStatus, message: string, details: readonly RpcDetail[] = [], cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause })
    this.status = status
    this.details = details
  }
}
