import { adminService, deliverService, eventHub, snapshotService } from '@kumiko/fabric-deliver'
import { type Discovery, discovery, discoveryService, type PeerChaincode, type PeerInfo } from '@kumiko/fabric-discovery'
import {
  type AuthFilter,
  type Endorser,
  type EndorserOptions,
  endorser,
  endorserService,
  expirationCheck,
  PROCESS_PROPOSAL,
} from '@kumiko/fabric-endorser'
import { type Gateway, gateway, gatewayService, type Orderer, type RemoteEndorser } from '@kumiko/fabric-gateway'
import { type BoundMethod, type ClientTls, type Endpoint, GrpcClient, Health, limited, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import type { AccessControl } from '@kumiko/fabric-msp'
import type { Clock } from '@kumiko/interface'
import type { ChaincodeParts } from './chaincode-parts.ts'
import type { Membership } from './membership.ts'
import type { FabricPeerOptions } from './options.ts'
import type { OrdererConnections } from './orderer-connections.ts'
import type { PeerChannels } from './peer-channels.ts'

/** What every peer can endorse. @see Fabric `core/chaincode/lifecycle/cache.go` */
const LIFECYCLE: PeerChaincode = { name: '_lifecycle', version: '1' }

/** What a peer's services are made of. */
export interface ServicesOptions extends ChaincodeParts {
  readonly options: FabricPeerOptions
  readonly channels: PeerChannels
  readonly access: AccessControl
  readonly connections: OrdererConnections
  /** `host:port` by which others reach the peer. */
  readonly endpoint: string
  readonly clientTls: ClientTls | undefined
  readonly clock: Clock
}

/** What a peer serves. */
export interface Services {
  readonly endorser: Endorser
  readonly gateway: Gateway
  /** The peer itself as discovery tells of it; undefined where it is not on the channel. */
  self(channelId: string): Promise<PeerInfo | undefined>
  /** The peer itself, and the others of the channel. */
  peers(channelId: string): Promise<readonly PeerInfo[]>
  /** For the peer's listener. */
  readonly bound: readonly BoundMethod[]
}

/** Puts a peer's services together. They do nothing before they are asked. */
export function services(parts: ServicesOptions): Services {
  const { options } = parts
  const { gatewayMax } = options.limits ?? {}
  const endorsing = endorserOf(parts)
  const self = (channelId: string): Promise<PeerInfo | undefined> => selfOf(parts, channelId)
  const discovering = discoveryOf(parts, self)
  const serving = gatewayOf(parts, endorsing, discovering, self)
  const bound = [
    ...endorserService(endorsing, endorserLimits(options)),
    ...limited(deliverOf(parts), options.limits?.deliverMax ?? DELIVER_MAX),
    ...snapshotService({ channel: (channelId) => parts.channels.get(channelId), access: parts.access, clock: parts.clock }),
    ...new Health().bound,
    ...legacyOf(parts),
    ...discoveryService(discovering, { requiresClientCertificate: options.listener?.tls !== undefined }),
    ...(options.hasGateway === false ? [] : gatewayService(serving, gatewayMax === undefined ? {} : { concurrencyMax: gatewayMax })),
  ]
  const peers = (channelId: string): Promise<readonly PeerInfo[]> => peersOf(options.membership, channelId, self)
  return { endorser: endorsing, gateway: serving, self, peers, bound }
}

function endorserOf({ options, channels, access, runtime, clock }: ServicesOptions): Endorser {
  const { msp, decorators, endorsementPlugins, distributePrivateData, metrics, logger } = options
  return endorser({
    signer: msp,
    localMsp: msp.msp,
    channel: (channelId) => channels.get(channelId),
    runtime,
    access,
    clock,
    limits: endorserLimits(options),
    authFilters: [...(options.authFilters ?? [expirationCheck(clock)]), whenCaughtUp(channels)],
    ...(decorators && { decorators }),
    ...(endorsementPlugins && { endorsementPlugins }),
    ...(distributePrivateData && { distributePrivateData }),
    ...(metrics && { metrics }),
    ...(logger && { logger }),
  })
}

/** Fabric's `peer.limits.concurrency.deliverService`. */
const DELIVER_MAX = 2500

function deliverOf({ options, channels, access, clock }: ServicesOptions): readonly BoundMethod[] {
  const { listener, timeWindowMs, metrics, logger } = options
  return deliverService({
    channel: (channelId) => channels.get(channelId),
    access,
    isMutualTls: listener?.tls?.requiresClientCertificate === true,
    clock,
    ...(timeWindowMs !== undefined && { timeWindowMs }),
    ...(metrics && { metrics }),
    ...(logger && { logger }),
  })
}

/** What peers of old served: off, unless it is asked for. */
function legacyOf({ options, channels, access, clock }: ServicesOptions): readonly BoundMethod[] {
  const { msp, legacy = {}, listener, timeWindowMs } = options
  const { adminLogs, hasEventHub = false } = legacy
  const hub = {
    channel: (channelId: string) => channels.get(channelId),
    channels: () => channels.names,
    access,
    isMutualTls: listener?.tls?.requiresClientCertificate === true,
    clock,
    ...(timeWindowMs !== undefined && { timeWindowMs }),
  }
  return [
    ...(adminLogs === undefined ? [] : adminService({ localMsp: msp.msp, logs: adminLogs, clock })),
    ...(hasEventHub ? eventHub(hub) : []),
  ]
}

function endorserLimits({ limits = {}, chaincode = {} }: FabricPeerOptions): NonNullable<EndorserOptions['limits']> {
  return {
    ...(limits.endorserMax !== undefined && { proposalsMax: limits.endorserMax }),
    ...(chaincode.queryResultsMax !== undefined && { queryEntriesMax: chaincode.queryResultsMax }),
  }
}

/** @see Fabric `internal/peer/node/reset_filter.go` */
function whenCaughtUp(channels: PeerChannels): AuthFilter {
  return (next) => async (signed, options) => {
    if (channels.names.every((channelId) => channels.get(channelId)?.isCaughtUp !== false)) return await next(signed, options)
    throw new RpcError(RpcStatus.unknown, 'endorse requests are blocked while ledgers are being rebuilt')
  }
}

function gatewayOf(parts: ServicesOptions, localEndorser: Endorser, discovering: Discovery, self: Services['self']): Gateway {
  const { options, channels, runtime, access, endpoint, clock } = parts
  const { msp, random, endorsementTimeoutMs, broadcastTimeoutMs, logger } = options
  const channel = (channelId: string) => channels.get(channelId)
  return gateway({
    mspId: msp.msp.mspId,
    endpoint,
    localEndorser,
    remote: (to) => remoteEndorser(to, parts.clientTls),
    tls: options.listener?.tls !== undefined,
    peers: (channelId) => peersOf(options.membership, channelId, self),
    plan: (channelId, interest) => discovering.endorsementPlan(channelId, interest),
    isRunning: () => false,
    isSystem: (chaincode) => runtime.isSystem(chaincode),
    orderers: (channelId) => orderersOf(parts, channelId),
    channel,
    access,
    clock,
    ...(random && { random }),
    ...(endorsementTimeoutMs !== undefined && { endorsementTimeoutMs }),
    ...(broadcastTimeoutMs !== undefined && { broadcastTimeoutMs }),
    ...(logger && { logger }),
  })
}

function discoveryOf({ options, channels, endpoint }: ServicesOptions, self: Services['self']): Discovery {
  const { msp, membership, random, discovery: settings = {} } = options
  return discovery({
    ...settings,
    localMsp: msp.msp,
    channel: (channelId) => channels.get(channelId),
    peers: (channelId) => peersOf(membership, channelId, self),
    localPeers: async () => [bareSelf(options, endpoint), ...((await membership?.localPeers?.()) ?? [])],
    ...(random && { random }),
  })
}

function orderersOf({ options, channels, connections }: ServicesOptions, channelId: string): readonly Orderer[] {
  const channel = channels.get(channelId)
  if (channel === undefined) return []
  return options.orderers?.(channel) ?? connections.orderers(channel.bundle)
}

async function peersOf(membership: Membership | undefined, channelId: string, self: Services['self']): Promise<readonly PeerInfo[]> {
  const own = await self(channelId)
  return own === undefined ? [] : [own, ...((await membership?.peers(channelId)) ?? [])]
}

/** The peer on no channel. */
function bareSelf({ msp }: FabricPeerOptions, endpoint: string): PeerInfo {
  return { mspId: msp.msp.mspId, endpoint, identity: msp.creator, ledgerHeight: 0n, chaincodes: [] }
}

async function selfOf({ options, channels, chaincodes, endpoint }: ServicesOptions, channelId: string): Promise<PeerInfo | undefined> {
  const channel = channels.get(channelId)
  if (channel === undefined) return
  const all = await chaincodes.all(channelId)
  const ready = all.filter(({ isApproved, packageId }) => isApproved && packageId !== undefined)
  const told = ready.map(({ name, definition }) => ({ name, version: String(definition.sequence) }))
  return { ...bareSelf(options, endpoint), ledgerHeight: channel.height, chaincodes: [LIFECYCLE, ...told] }
}

function remoteEndorser(endpoint: Endpoint, clientTls: ClientTls | undefined): RemoteEndorser {
  const client = new GrpcClient(endpoint, { ...(clientTls && endpoint.tlsRoots && { clientTls }) })
  return {
    processProposal: (signed, { signal }) => client.call(PROCESS_PROPOSAL, signed, { signal }),
    close: () => client.close(),
  }
}
