import { type CallInfo, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import {
  type ChaincodeEvent,
  ChaincodeEventsRequest,
  type ChaincodeEventsResponse,
  decodeRequest,
  type SeekPosition,
  type SignedChaincodeEventsRequest,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { BlockEvents } from './block-events.ts'
import type { BlockFeed } from './block-feed.ts'
import type { BlockFeeds } from './block-feeds.ts'
import type { GatewayOptions } from './contract.ts'
import { assertAccess } from './signed-request.ts'

/** `gateway.Gateway/ChaincodeEvents`: a response for each block that has events of the chaincode. @see Fabric `internal/pkg/gateway/chaincodeevents.go` */
export async function* chaincodeEvents(
  options: GatewayOptions,
  feeds: BlockFeeds,
  signed: SignedChaincodeEventsRequest,
  { signal }: Pick<CallInfo, 'signal'>,
): AsyncGenerator<ChaincodeEventsResponse, void, undefined> {
  const request = readRequest(signed)
  const { channelId, identity } = request
  assertAccess(options, 'gateway/ChaincodeEvents', channelId, { identity, message: signed.request, signature: signed.signature })
  const feed = feeds.of(channelId)
  if (feed === undefined) throw new RpcError(RpcStatus.notFound, `channel does not exist: ${channelId}`)
  const start = startPosition(request)
  try {
    yield* eventsOf(feed, request, start, signal)
  } catch (error) {
    if (signal.aborted) throw new RpcError(RpcStatus.cancelled, 'context canceled')
    throw new RpcError(RpcStatus.aborted, error instanceof Error ? error.message : String(error), [], error)
  }
}

async function* eventsOf(
  feed: BlockFeed,
  { chaincodeId, afterTransactionId }: ChaincodeEventsRequest,
  start: bigint | undefined,
  signal: AbortSignal,
): AsyncGenerator<ChaincodeEventsResponse, void, undefined> {
  const select = selection(chaincodeId, afterTransactionId)
  const known = afterTransactionId === '' ? undefined : await feed.blockOf(afterTransactionId)
  for await (const block of feed.from(known ?? start, signal)) {
    const events = select(block)
    if (events.length > 0) yield { events, blockNumber: block.number }
  }
}

/** Nothing up to a transaction, all after it. */
function selection(chaincode: string, afterTransactionId: string): (block: BlockEvents) => readonly ChaincodeEvent[] {
  let isPassed = afterTransactionId === ''
  return (block) => {
    if (isPassed) return block.of(chaincode)
    const rest = block.after(afterTransactionId, chaincode)
    isPassed = rest !== undefined
    return rest ?? []
  }
}

function readRequest({ request: bytes }: SignedChaincodeEventsRequest): ChaincodeEventsRequest {
  if (bytes.length === 0) throw invalid('a chaincode events request is required')
  const request = decodeRequest(() => ChaincodeEventsRequest.decode(bytes))
  if (isFault(request)) throw invalid(`invalid chaincode events request: ${request.detail ?? request.fault}`)
  return request
}

/** @returns Undefined: the next block to be committed. */
function startPosition({ startPosition: position }: ChaincodeEventsRequest): bigint | undefined {
  if (position?.oldest !== undefined) throw badStart('Oldest')
  if (position?.newest !== undefined) throw badStart('Newest')
  return position?.specified?.number
}

function badStart(type: Capitalize<Extract<keyof SeekPosition, 'oldest' | 'newest'>>): RpcError {
  return invalid(`invalid start position type: *orderer.SeekPosition_${type}`)
}

function invalid(message: string): RpcError {
  return new RpcError(RpcStatus.invalidArgument, message)
}
