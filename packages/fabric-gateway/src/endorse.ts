import { type CallInfo, type RpcDetail, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import {
  assembleTransaction,
  ChaincodeCall,
  type ChaincodeInterest,
  type EndorseRequest,
  type EndorseResponse,
  type ProposalResponse,
} from '@kumiko/fabric-protocol'
import { isFault, raceAbort } from '@kumiko/interface'
import type { GatewayOptions } from './contract.ts'
import { type Asked, EndorsementRounds, type EndorserGroups } from './endorsement-rounds.ts'
import type { Endorsers, Reached } from './endorsers.ts'
import { errorDetail } from './outcome.ts'
import { payloadDifferences } from './payload-differences.ts'
import { groupsOfPlan, oneOfEach } from './peers.ts'
import { type Asking, readEndorsement } from './proposal.ts'

/** One transaction's endorsement. */
interface Endorsing extends Asking {
  readonly options: GatewayOptions
  readonly endorsers: Endorsers
  readonly signal: AbortSignal
}

type Groups = EndorserGroups<Reached>

/** `gateway.Gateway/Endorse`. @see Fabric `internal/pkg/gateway/endorse.go` */
export async function endorse(
  options: GatewayOptions,
  endorsers: Endorsers,
  { proposedTransaction, endorsingOrganizations }: EndorseRequest,
  { signal }: Pick<CallInfo, 'signal'>,
): Promise<EndorseResponse> {
  const endorsing: Endorsing = { ...readEndorsement(proposedTransaction), options, endorsers, signal }
  const rounds =
    endorsingOrganizations.length > 0
      ? new EndorsementRounds(await ofOrganizations(endorsing, endorsingOrganizations))
      : await inTime(endorsing, 'first endorsement', startWithFirst(endorsing))
  const { payload, endorsements } = await inTime(endorsing, 'endorsements', collect(endorsing, rounds))
  const transaction = assembleTransaction(endorsing.proposal.proposal, payload, endorsements)
  if (!isFault(transaction)) return { preparedTransaction: { payload: transaction, signature: new Uint8Array() } }
  throw new RpcError(RpcStatus.aborted, `failed to assemble transaction: ${transaction.detail ?? transaction.fault}`)
}

/** The client chose, and sees to it that the policies are satisfied. */
async function ofOrganizations({ endorsers, channelId, chaincode }: Endorsing, mspIds: readonly string[]): Promise<Groups> {
  const groups = oneOfEach(await endorsers.ofChaincode(channelId, chaincode), mspIds)
  if (!('missing' in groups)) return groups
  throw new RpcError(RpcStatus.unavailable, `failed to find any endorsing peers for org(s): ${groups.missing.join(', ')}`)
}

/** Has one peer simulate the transaction, of the own organisation if possible: who must endorse it follows from what it did. */
async function startWithFirst(endorsing: Endorsing): Promise<EndorsementRounds<Reached>> {
  const { endorser, response } = await firstResponse(endorsing, new EndorsementRounds(await firstCandidates(endorsing)))
  const { chaincode, hasTransientData } = endorsing
  const chaincodes = response.interest?.chaincodes ?? []
  const interest = chaincodes.length > 0 ? { chaincodes } : interestIn(chaincode)
  const rounds = new EndorsementRounds(
    await groupsOf(endorsing, hasTransientData ? protectedInterest(interest) : interest, interest, endorser),
  )
  rounds.accept(endorser, response)
  return rounds
}

async function firstCandidates(endorsing: Endorsing): Promise<Groups> {
  const { options, endorsers, channelId, chaincode, hasTransientData } = endorsing
  const own = oneOfEach(await endorsers.ofChaincode(channelId, chaincode), [options.mspId])
  if (!('missing' in own)) return own
  if (!hasTransientData) return await groupsOf(endorsing, interestIn(chaincode), interestIn(chaincode), undefined)
  const lack = "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to protect transient data"
  throw new RpcError(RpcStatus.failedPrecondition, lack)
}

async function firstResponse(
  { endorsers, signed, signal }: Endorsing,
  rounds: EndorsementRounds<Reached>,
): Promise<{ readonly endorser: Reached; readonly response: ProposalResponse }> {
  const details: RpcDetail[] = []
  for (let asked = rounds.take()?.[0]; asked !== undefined; asked = rounds.next(asked.group)) {
    const { response, failure } = await endorsers.ask(asked.endorser, signed, signal)
    if (failure === undefined) return { endorser: asked.endorser, response }
    details.push(errorDetail(asked.endorser, failure.message))
  }
  throw new RpcError(RpcStatus.aborted, 'failed to endorse transaction, see attached details for more info', details)
}

/** Asks layout after layout until one is fulfilled. */
async function collect(
  endorsing: Endorsing,
  rounds: EndorsementRounds<Reached>,
): Promise<{ readonly payload: Uint8Array; readonly endorsements: NonNullable<EndorsementRounds<Reached>['collected']> }> {
  const details: RpcDetail[] = []
  while (rounds.collected === undefined) {
    const asked = rounds.take()
    if (asked === undefined) break
    const exhausted = await Promise.all(asked.map((one) => askUntilEndorsed(endorsing, rounds, one, details)))
    rounds.giveUp(exhausted.filter((group) => group !== undefined))
  }
  const { collected: endorsements, responsePayload: payload } = rounds
  if (endorsements !== undefined && payload !== undefined) return { payload, endorsements }
  const message = 'failed to collect enough transaction endorsements, see attached details for more info'
  throw new RpcError(RpcStatus.aborted, message, details)
}

/** @returns The group, where none of it that was left endorsed. */
async function askUntilEndorsed(
  { options, endorsers, signed, signal }: Endorsing,
  rounds: EndorsementRounds<Reached>,
  first: Asked<Reached>,
  details: RpcDetail[],
): Promise<string | undefined> {
  for (let asked: Asked<Reached> | undefined = first; asked !== undefined; asked = rounds.next(first.group)) {
    const { response, failure } = await endorsers.ask(asked.endorser, signed, signal)
    if (failure === undefined && rounds.accept(asked.endorser, response)) return
    if (failure === undefined) tellDifferences(options, asked.endorser, rounds, response)
    details.push(errorDetail(asked.endorser, failure?.message ?? 'ProposalResponsePayloads do not match'))
  }
  return first.group
}

function tellDifferences(
  { logger }: GatewayOptions,
  { address, mspId }: Reached,
  { responsePayload = new Uint8Array() }: EndorsementRounds<Reached>,
  { payload }: ProposalResponse,
): void {
  const log = logger?.forComponent('kumiko:fabric-gateway')
  if (log === undefined) return
  log('%s of %s answered a proposal differently from the first endorser', address, mspId)
  for (const line of payloadDifferences(responsePayload, payload)) log('%s', line)
}

/** @param unprotected - What would do if no transient data had to be protected: tells the client what stands in the way. */
async function groupsOf(
  endorsing: Endorsing,
  interest: ChaincodeInterest,
  unprotected: ChaincodeInterest,
  preferred: Reached | undefined,
): Promise<Groups> {
  const groups = await plannedGroups(endorsing, interest, preferred)
  if (typeof groups !== 'string') return groups
  const collections = unprotected.chaincodes
    .filter(({ noPrivateReads }) => noPrivateReads)
    .flatMap(({ collectionNames }) => collectionNames)
  const isProtected = interest !== unprotected && collections.length > 0
  if (isProtected && typeof (await plannedGroups(endorsing, unprotected, preferred)) !== 'string')
    throw new RpcError(
      RpcStatus.failedPrecondition,
      `requires endorsement from organisation(s) that are not in the distribution policy of the private data collection(s): [${collections.join(' ')}]; retry specifying trusted endorsing organizations to protect transient data`,
    )
  throw new RpcError(RpcStatus.failedPrecondition, groups)
}

/** @returns Why there are none, in Fabric's words. */
async function plannedGroups(
  { options, endorsers, channelId }: Endorsing,
  interest: ChaincodeInterest,
  preferred: Reached | undefined,
): Promise<Groups | string> {
  const plan = await options.plan(channelId, interest)
  if (isFault(plan)) return `no combination of peers can be derived which satisfy the endorsement policy: ${plan.detail ?? plan.fault}`
  const { endpoint: ownAddress, random = Math.random } = options
  const groups = groupsOfPlan(plan, { candidate: (peer) => endorsers.reach(channelId, peer), preferred, ownAddress, random })
  if (!('unavailable' in groups)) return groups
  const lack = 'failed to select a set of endorsers that satisfy the endorsement policy due to unavailability of peers'
  return `${lack}: [${groups.unavailable.join(' ')}]`
}

function interestIn(chaincode: string): ChaincodeInterest {
  return { chaincodes: [ChaincodeCall.create({ name: chaincode })] }
}

/** Has all endorsers be members of the collections, even where nothing was read: they are sent the transient data. */
function protectedInterest({ chaincodes }: ChaincodeInterest): ChaincodeInterest {
  return { chaincodes: chaincodes.map((call) => ({ ...call, noPrivateReads: false })) }
}

async function inTime<T>({ signal }: Endorsing, what: string, work: Promise<T>): Promise<T> {
  try {
    return await raceAbort(work, signal)
  } catch (error) {
    if (!signal.aborted) throw error
    throw new RpcError(RpcStatus.deadlineExceeded, `endorsement timeout expired while collecting ${what}`)
  }
}
