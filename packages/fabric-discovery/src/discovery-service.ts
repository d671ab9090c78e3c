import { type BoundMethod, type CallInfo, RpcError, RpcStatus, serve, type UnaryMethod, unary } from '@kumiko/fabric-grpc'
import {
  type ChaincodeInterest,
  type ChaincodeQuery,
  type DiscoveredPeer,
  type DiscoveryQuery,
  DiscoveryRequest,
  DiscoveryResponse,
  DiscoveryResult,
  decodeRequest,
  type EndorsementDescriptor,
  equalBytes,
  SignedDiscoveryRequest,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { Discovery } from './discovery.ts'
import type { PeerInfo } from './endorsement-plan.ts'
import { discoveredPeer } from './peer-message.ts'

/** `discovery.Discovery/Discover`. */
export const DISCOVER: UnaryMethod<SignedDiscoveryRequest, DiscoveryResponse> = unary(
  '/discovery.Discovery/Discover',
  SignedDiscoveryRequest,
  DiscoveryResponse,
)

/** Questions that one request may have, interests in all questions together counted. Fabric has no bound. */
const QUESTIONS_MAX = 100

/** How discovery is served. */
export interface DiscoveryServiceOptions {
  /** Whether clients must show the TLS certificate that their requests name: Fabric's peers ask for it wherever they have TLS. Default false. */
  readonly requiresClientCertificate?: boolean
}

/** Serves discovery: for a listener. @see Fabric `discovery/service.go` */
export function discoveryService(source: Discovery, options: DiscoveryServiceOptions = {}): BoundMethod[] {
  return [serve(DISCOVER, async (signed, call) => await discover(source, options, signed, call))]
}

async function discover(
  source: Discovery,
  options: DiscoveryServiceOptions,
  signed: SignedDiscoveryRequest,
  call: CallInfo,
): Promise<DiscoveryResponse> {
  const { authentication, queries } = readRequest(signed, options, call)
  const identity = authentication?.clientIdentity ?? new Uint8Array()
  const data = { identity, message: signed.payload, signature: signed.signature }
  const results: DiscoveryResult[] = []
  for (const query of queries) {
    call.signal.throwIfAborted()
    results.push(source.isEligible(query.channel, data) ? await answer(source, query) : failed('access denied'))
  }
  return { results }
}

/** @throws RpcError. @see Fabric `discovery/service.go` validateStructure */
function readRequest(
  signed: SignedDiscoveryRequest,
  { requiresClientCertificate = false }: DiscoveryServiceOptions,
  { clientCertificateHash }: CallInfo,
): DiscoveryRequest {
  const request = decodeRequest(() => DiscoveryRequest.decode(signed.payload))
  if (isFault(request)) throw refused(`failed parsing request: ${request.detail ?? request.fault}`)
  const { authentication, queries } = request
  if (authentication === undefined) throw refused('access denied, no authentication info in request')
  if (authentication.clientIdentity.length === 0) throw refused("access denied, client identity wasn't supplied")
  if (requiresClientCertificate) {
    if (clientCertificateHash === undefined) throw refused("client didn't send a TLS certificate")
    if (!equalBytes(clientCertificateHash, authentication.clientTlsCertHash))
      throw refused("client claimed TLS hash doesn't match computed TLS hash from gRPC stream")
  }
  const questions = queries.reduce((count, { ccQuery }) => count + Math.max(1, ccQuery?.interests.length ?? 0), 0)
  if (questions > QUESTIONS_MAX) throw refused(`a request may have ${QUESTIONS_MAX} queries, not ${questions}`)
  return request
}

/** As Fabric has it, what is of no channel is asked for without one, and nothing else is. */
async function answer(source: Discovery, query: DiscoveryQuery): Promise<DiscoveryResult> {
  if (query.channel === '') return query.localPeers === undefined ? unknownQuery() : await localMembers(source)
  if (query.ccQuery !== undefined) return await descriptors(source, query.channel, query.ccQuery)
  if (query.configQuery !== undefined) return configured(source, query.channel)
  return query.peerQuery === undefined ? unknownQuery() : await members(source, query.channel, query.peerQuery.filter)
}

function configured(source: Discovery, channel: string): DiscoveryResult {
  const config = source.config(channel)
  return isFault(config) ? failed(`failed fetching config for channel ${channel}`) : DiscoveryResult.create({ configResult: config })
}

async function members(source: Discovery, channelId: string, filter: ChaincodeInterest | undefined): Promise<DiscoveryResult> {
  const peers = await source.peers(channelId, filter)
  return isFault(peers) ? failed(peers.detail ?? peers.fault) : membersOf(peers, { channelId })
}

async function localMembers(source: Discovery): Promise<DiscoveryResult> {
  return membersOf(await source.localPeers(), {})
}

function membersOf(peers: readonly PeerInfo[], shown: Parameters<typeof discoveredPeer>[1]): DiscoveryResult {
  const byOrg = new Map<string, DiscoveredPeer[]>()
  for (const peer of peers) byOrg.set(peer.mspId, [...(byOrg.get(peer.mspId) ?? []), discoveredPeer(peer, shown)])
  const peersByOrg = new Map([...byOrg].map(([mspId, each]) => [mspId, { peers: each }]))
  return DiscoveryResult.create({ members: { peersByOrg } })
}

async function descriptors(source: Discovery, channelId: string, { interests }: ChaincodeQuery): Promise<DiscoveryResult> {
  const wrong = badQuery(interests)
  if (wrong !== undefined) return failed(wrong)
  const content: EndorsementDescriptor[] = []
  for (const interest of interests) {
    const plan = await source.endorsementPlan(channelId, interest)
    if (isFault(plan)) return failed(`failed constructing descriptor for ${textOf(interest)}`)
    const groups = [...plan.groups].map(
      ([group, peers]) => [group, { peers: peers.map((peer) => discoveredPeer(peer, { channelId })) }] as const,
    )
    const layouts = plan.layouts.map((quantitiesByGroup) => ({ quantitiesByGroup }))
    content.push({ chaincode: plan.chaincode, endorsersByGroups: new Map(groups), layouts })
  }
  return DiscoveryResult.create({ ccQueryRes: { content } })
}

/** @see Fabric `discovery/service.go` validateCCQuery */
function badQuery(interests: readonly ChaincodeInterest[]): string | undefined {
  if (interests.length === 0) return 'chaincode query must have at least one chaincode interest'
  if (interests.some(({ chaincodes }) => chaincodes.length === 0)) return 'chaincode interest must contain at least one chaincode'
  const isNameless = interests.some(({ chaincodes }) => chaincodes.some(({ name }) => name === ''))
  return isNameless ? 'chaincode name in interest cannot be empty' : undefined
}

/** As Go prints it, without policies. */
function textOf({ chaincodes }: ChaincodeInterest): string {
  const calls = chaincodes.map(({ name, collectionNames, noPrivateReads }) => {
    const collections = collectionNames.map((collection) => ` collection_names:${JSON.stringify(collection)}`)
    return `chaincodes:{name:${JSON.stringify(name)}${collections.join('')}${noPrivateReads ? ' no_private_reads:true' : ''}}`
  })
  return calls.join(' ')
}

function unknownQuery(): DiscoveryResult {
  return failed('unknown or missing request type')
}

function failed(content: string): DiscoveryResult {
  return DiscoveryResult.create({ error: { content } })
}

function refused(message: string): RpcError {
  return new RpcError(RpcStatus.unknown, message)
}
