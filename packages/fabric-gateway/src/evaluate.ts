import { type CallInfo, type RpcDetail, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import {
  ChaincodeAction,
  type EvaluateRequest,
  type EvaluateResponse,
  type ProposalResponse,
  ProposalResponsePayload,
  type Response,
  type SignedProposal,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { GatewayOptions } from './contract.ts'
import type { Endorsers, Reached } from './endorsers.ts'
import { errorDetail } from './outcome.ts'
import { evaluators } from './peers.ts'
import { type Asking, readEvaluation } from './proposal.ts'

/** `gateway.Gateway/Evaluate`. @see Fabric `internal/pkg/gateway/evaluate.go` */
export async function evaluate(
  options: GatewayOptions,
  endorsers: Endorsers,
  { proposedTransaction, targetOrganizations }: EvaluateRequest,
  { signal }: Pick<CallInfo, 'signal'>,
): Promise<EvaluateResponse> {
  const asking = readEvaluation(proposedTransaction)
  if (options.channel(asking.channelId) === undefined) throw noConfig(asking.channelId)
  const candidates = await evaluatorsOf(options, endorsers, asking, targetOrganizations)
  try {
    return { result: resultOf(await firstAnswer(endorsers, candidates, asking.signed, signal)) }
  } catch (error) {
    if (!signal.aborted) throw error
    throw new RpcError(RpcStatus.deadlineExceeded, 'evaluate timeout expired')
  }
}

/** What Fabric says where the peer is not on a channel. */
function noConfig(channelId: string): RpcError {
  return new RpcError(
    RpcStatus.unavailable,
    `failed to get config for channel [${channelId}]: could not get last config for channel ${channelId}`,
  )
}

async function evaluatorsOf(
  { mspId }: GatewayOptions,
  endorsers: Endorsers,
  { channelId, chaincode, hasTransientData }: Asking,
  targets: readonly string[],
): Promise<readonly Reached[]> {
  // Transient data go to no other organisation unless the client says so.
  const isProtected = hasTransientData && targets.length === 0
  const found = evaluators(await endorsers.ofChaincode(channelId, chaincode), mspId, isProtected ? [mspId] : targets)
  if (found.length > 0) return found
  const lack = `no peers available to evaluate chaincode ${chaincode} in channel ${channelId}`
  const advice = "no endorsers found in the gateway's organization; retry specifying target organization(s) to protect transient data"
  throw new RpcError(RpcStatus.failedPrecondition, isProtected ? `${advice}: ${lack}` : lack)
}

async function firstAnswer(
  endorsers: Endorsers,
  candidates: readonly Reached[],
  signed: SignedProposal,
  signal: AbortSignal,
): Promise<ProposalResponse> {
  const details: RpcDetail[] = []
  let status: RpcStatus = RpcStatus.unavailable
  for (const candidate of candidates) {
    const { response, failure } = await endorsers.ask(candidate, signed, signal)
    if (failure === undefined) return response
    status = failure.status
    details.push(errorDetail(candidate, failure.message))
    if (!failure.isRetried) throw new RpcError(status, `evaluate call to endorser returned error: ${failure.message}`, details)
  }
  throw new RpcError(status, 'failed to evaluate transaction, see attached details for more info', details)
}

/** The response with the transaction's result, which a peer need not repeat beside what it endorsed. */
function resultOf({ response, payload }: ProposalResponse): Response | undefined {
  const endorsed = ProposalResponsePayload.decode(payload)
  const action = isFault(endorsed) ? endorsed : ChaincodeAction.decode(endorsed.extension)
  return response && (isFault(action) ? response : { ...response, payload: action.response?.payload ?? new Uint8Array() })
}
