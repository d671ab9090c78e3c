import { type CallInfo, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { CommitStatusRequest, type CommitStatusResponse, decodeRequest, type SignedCommitStatusRequest } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { BlockFeeds } from './block-feeds.ts'
import type { GatewayOptions } from './contract.ts'
import { assertAccess } from './signed-request.ts'

/** `gateway.Gateway/CommitStatus`. @see Fabric `internal/pkg/gateway/commitstatus.go` */
export async function commitStatus(
  options: GatewayOptions,
  feeds: BlockFeeds,
  signed: SignedCommitStatusRequest,
  { signal }: Pick<CallInfo, 'signal'>,
): Promise<CommitStatusResponse> {
  const { channelId, transactionId, identity } = readRequest(signed)
  assertAccess(options, 'gateway/CommitStatus', channelId, { identity, message: signed.request, signature: signed.signature })
  const feed = feeds.of(channelId)
  if (feed === undefined) throw new RpcError(RpcStatus.aborted, `channel does not exist: ${channelId}`)
  try {
    const { code: result, blockNumber } = await feed.statusOf(transactionId, signal)
    return { result, blockNumber }
  } catch (error) {
    if (signal.aborted) throw new RpcError(RpcStatus.deadlineExceeded, 'context deadline exceeded')
    throw new RpcError(RpcStatus.aborted, error instanceof Error ? error.message : String(error), [], error)
  }
}

function readRequest({ request: bytes }: SignedCommitStatusRequest): CommitStatusRequest {
  if (bytes.length === 0) throw invalid('a commit status request is required')
  const request = decodeRequest(() => CommitStatusRequest.decode(bytes))
  if (isFault(request)) throw invalid(`invalid status request: ${request.detail ?? request.fault}`)
  if (request.identity.length === 0) throw invalid('no identity provided')
  if (request.channelId === '') throw invalid('no channel ID provided')
  if (request.transactionId === '') throw invalid('transaction ID should not be empty')
  return request
}

function invalid(message: string): RpcError {
  return new RpcError(RpcStatus.invalidArgument, message)
}
