import { type CallInfo, type RpcDetail, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { Envelope, type SubmitRequest, type SubmitResponse } from '@kumiko/fabric-protocol'
import { deadline, raceAbort } from '@kumiko/interface'
import type { BroadcastAnswer, GatewayOptions, Orderer } from './contract.ts'
import { errorDetail, goErrorText, TIMED_OUT } from './outcome.ts'
import { shuffled } from './peers.ts'

const TIMEOUT_MS = 30_000

/** `common.Status` by number. */
const STATUS_NAMES: ReadonlyMap<number, string> = new Map([
  [0, 'UNKNOWN'],
  [200, 'SUCCESS'],
  [400, 'BAD_REQUEST'],
  [403, 'FORBIDDEN'],
  [404, 'NOT_FOUND'],
  [413, 'REQUEST_ENTITY_TOO_LARGE'],
  [500, 'INTERNAL_SERVER_ERROR'],
  [501, 'NOT_IMPLEMENTED'],
  [503, 'SERVICE_UNAVAILABLE'],
])

/** What a BFT orderer says of a transaction that it has already. */
const ALREADY_THERE = 'failed to submit request: request already exists'

/** `gateway.Gateway/Submit`. @param closing - Ends what goes on without the client. @see Fabric `internal/pkg/gateway/submit.go` */
export async function submit(
  options: GatewayOptions,
  { channelId, preparedTransaction }: SubmitRequest,
  { signal }: Pick<CallInfo, 'signal'>,
  closing: AbortSignal,
): Promise<SubmitResponse> {
  if (preparedTransaction === undefined) throw new RpcError(RpcStatus.invalidArgument, 'a prepared transaction is required')
  if (preparedTransaction.signature.length === 0) throw new RpcError(RpcStatus.invalidArgument, 'prepared transaction must be signed')
  const { orderers, isBft } = orderersOf(options, channelId)
  const envelope = Envelope.encode(preparedTransaction)
  try {
    const work = isBft ? submitToAll(options, orderers, envelope, closing) : submitToOne(options, orderers, envelope, signal)
    await raceAbort(work, signal)
    return {}
  } catch (error) {
    if (!signal.aborted) throw error
    throw new RpcError(RpcStatus.deadlineExceeded, 'submit timeout expired while broadcasting to ordering service')
  }
}

/**
 * How many of so many BFT orderers must have a transaction, for one of them at least to be honest and the others to hear of it.
 * @see Fabric `internal/pkg/gateway/submit.go` computeBFTQuorum
 */
export function bftQuorum(count: number): number {
  const faulty = Math.floor((count - 1) / 3)
  return Math.ceil((count + faulty + 1) / 2)
}

function orderersOf(
  { channel, orderers }: GatewayOptions,
  channelId: string,
): { readonly orderers: readonly Orderer[]; readonly isBft: boolean } {
  const found = channel(channelId)
  if (found === undefined) {
    const lack = `failed to get config for channel [${channelId}]: could not get last config for channel ${channelId}`
    throw new RpcError(RpcStatus.failedPrecondition, lack)
  }
  const known = orderers(channelId)
  if (known.length === 0) throw new RpcError(RpcStatus.unavailable, 'no orderer nodes available')
  const { orderer } = found.bundle
  if (orderer === undefined)
    throw new RpcError(RpcStatus.notFound, `failed to create block deliverer for channel \`${channelId}\`, missing OrdererConfig`)
  return { orderers: known, isBft: orderer.consensus.type === 'BFT' }
}

/** In random order, until one takes it. */
async function submitToOne(
  options: GatewayOptions,
  orderers: readonly Orderer[],
  envelope: Uint8Array,
  signal: AbortSignal,
): Promise<void> {
  const details: RpcDetail[] = []
  for (const orderer of shuffled(orderers, options.random ?? Math.random)) {
    const answer = await broadcast(options, orderer, envelope, signal)
    signal.throwIfAborted()
    if (typeof answer === 'string') details.push(detailOf(orderer, answer))
    else if (answer.status === 200) return
    // It is the transaction that is refused: no other orderer would take it.
    else if (answer.status >= 400 && answer.status < 500) throw new RpcError(RpcStatus.aborted, refusal(answer))
    else details.push(detailOf(orderer, refusal(answer)))
  }
  throw new RpcError(RpcStatus.unavailable, 'no orderers could successfully process transaction', details)
}

/** To all at once, until enough took it; the others go on, even when the client has gone. */
async function submitToAll(
  options: GatewayOptions,
  orderers: readonly Orderer[],
  envelope: Uint8Array,
  closing: AbortSignal,
): Promise<void> {
  const quorum = bftQuorum(orderers.length)
  const details: RpcDetail[] = []
  let successes = 0
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  for (const orderer of orderers) {
    void broadcast(options, orderer, envelope, closing).then((answer) => {
      const failure = bftFailure(answer)
      if (failure !== undefined) details.push(detailOf(orderer, failure))
      else if (++successes >= quorum) resolve()
      if (details.length > orderers.length - quorum)
        reject(
          new RpcError(
            RpcStatus.unavailable,
            'insufficient number of orderers could successfully process transaction to satisfy quorum requirement',
            [...details],
          ),
        )
    })
  }
  await promise
}

function bftFailure(answer: BroadcastAnswer | string): string | undefined {
  if (typeof answer === 'string') return answer
  const { status, info } = answer
  return status === 200 || (status === 503 && info === ALREADY_THERE) ? undefined : refusal(answer)
}

/** @returns What went wrong, where no answer came. Never rejects. */
async function broadcast(
  { clock, broadcastTimeoutMs = TIMEOUT_MS }: GatewayOptions,
  orderer: Orderer,
  envelope: Uint8Array,
  signal: AbortSignal,
): Promise<BroadcastAnswer | string> {
  const limit = deadline(clock, broadcastTimeoutMs, signal)
  try {
    return await raceAbort(orderer.broadcast(envelope, { signal: limit }), limit)
  } catch (error) {
    return limit.aborted ? goErrorText(TIMED_OUT) : goErrorText(error)
  } finally {
    limit.clear()
  }
}

function refusal({ status, info }: BroadcastAnswer): string {
  return `received unsuccessful response from orderer: status=${STATUS_NAMES.get(status) ?? ''}, info=${info}`
}

function detailOf({ endpoint: { address }, mspId }: Orderer, message: string): RpcDetail {
  return errorDetail({ address, mspId }, message)
}
