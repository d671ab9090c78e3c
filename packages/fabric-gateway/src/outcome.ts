import { type RpcDetail, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { ErrorDetail, type ProposalResponse } from '@kumiko/fabric-protocol'

/** What a gateway does about an endorser that did not endorse. */
export interface Failure {
  readonly status: RpcStatus
  /** In Fabric's words. */
  readonly message: string
  /** Whether another peer may do better: where the fault is not the client's or the chaincode's. */
  readonly isRetried: boolean
}

/** @returns Undefined where the endorser endorsed. @see Fabric `internal/pkg/gateway/apiutils.go` responseStatus */
export function failureOf({ response, payload }: Pick<ProposalResponse, 'response' | 'payload'>): Failure | undefined {
  const { status = 0, message = '' } = response ?? {}
  if (status >= 200 && status < 400) return
  // The peer failed, not its chaincode.
  if (status === 500 && payload.length === 0) return { status: RpcStatus.aborted, message, isRetried: true }
  return { status: RpcStatus.unknown, message: `chaincode response ${status}, ${message}`, isRetried: false }
}

/** There is no response, as the peer that was asked cannot be reached, or refused. */
export function unreachable(error: unknown): Failure {
  return { status: RpcStatus.unavailable, message: goErrorText(error), isRetried: true }
}

/** The peer itself refused the proposal before it was run: so would others. */
export function refused(error: unknown): Failure {
  const message = error instanceof Error ? error.message : String(error)
  return { status: RpcStatus.failedPrecondition, message, isRetried: false }
}

/** What an endorser is told to have answered that took too long. */
export const TIMED_OUT: RpcError = new RpcError(RpcStatus.deadlineExceeded, 'context deadline exceeded')

/** An error as Go prints it: clients that look at details see this. */
export function goErrorText(error: unknown): string {
  if (error instanceof RpcError) return `rpc error: code = ${STATUS_NAMES[error.status] ?? error.status} desc = ${error.message}`
  return error instanceof Error ? error.message : String(error)
}

/** Who failed, and how: a detail of an error. */
export function errorDetail({ address, mspId }: { readonly address: string; readonly mspId: string }, message: string): RpcDetail {
  return { typeUrl: `type.googleapis.com/${ErrorDetail.name}`, value: ErrorDetail.encode({ address, mspId, message }) }
}

const STATUS_NAMES: readonly string[] = [
  'OK',
  'Canceled',
  'Unknown',
  'InvalidArgument',
  'DeadlineExceeded',
  'NotFound',
  'AlreadyExists',
  'PermissionDenied',
  'ResourceExhausted',
  'FailedPrecondition',
  'Aborted',
  'OutOfRange',
  'Unimplemented',
  'Internal',
  'Unavailable',
  'DataLoss',
  'Unauthenticated',
]
