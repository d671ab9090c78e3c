import { ChaincodeInterest } from './chaincode-interest.ts'
import { GossipEnvelope } from './gossip-messages.ts'
import { bytes, type Message, map, mapNested, message, nested, oneOf, repeatedNested, string, uint32 } from './message.ts'
import { FabricMspConfig } from './msp-config.ts'

/** What a client asks of discovery, signed. `discovery.SignedRequest`. */
export interface SignedDiscoveryRequest {
  /** A {@link DiscoveryRequest}'s bytes: what is signed. */
  readonly payload: Uint8Array
  readonly signature: Uint8Array
}

/** `discovery.SignedRequest`. */
export const SignedDiscoveryRequest: Message<SignedDiscoveryRequest> = message<SignedDiscoveryRequest>('discovery.SignedRequest', {
  payload: bytes(1),
  signature: bytes(2),
})

/** Who asks. `discovery.AuthInfo`. */
export interface DiscoveryAuthentication {
  /** A `SerializedIdentity`'s bytes. */
  readonly clientIdentity: Uint8Array
  /** SHA-256 of the certificate that the client shows by TLS. */
  readonly clientTlsCertHash: Uint8Array
}

/** `discovery.AuthInfo`. */
export const DiscoveryAuthentication: Message<DiscoveryAuthentication> = message<DiscoveryAuthentication>('discovery.AuthInfo', {
  clientIdentity: bytes(1),
  clientTlsCertHash: bytes(2),
})

/** Asks for a channel's MSPs and orderers, or for the peers that are known: it has no content. */
export type EmptyQuery = Readonly<Record<never, never>>

/** `discovery.ConfigQuery`. */
export const ConfigQuery: Message<EmptyQuery> = message<EmptyQuery>('discovery.ConfigQuery', {})

/** `discovery.LocalPeerQuery`. */
export const LocalPeerQuery: Message<EmptyQuery> = message<EmptyQuery>('discovery.LocalPeerQuery', {})

/** Asks for a channel's peers. `discovery.PeerMembershipQuery`. */
export interface PeerMembershipQuery {
  /** Only those that can endorse this. */
  readonly filter: ChaincodeInterest | undefined
}

/** `discovery.PeerMembershipQuery`. */
export const PeerMembershipQuery: Message<PeerMembershipQuery> = message<PeerMembershipQuery>('discovery.PeerMembershipQuery', {
  filter: nested(1, () => ChaincodeInterest),
})

/** Asks who must endorse. `discovery.ChaincodeQuery`. */
export interface ChaincodeQuery {
  readonly interests: readonly ChaincodeInterest[]
}

/** `discovery.ChaincodeQuery`. */
export const ChaincodeQuery: Message<ChaincodeQuery> = message<ChaincodeQuery>('discovery.ChaincodeQuery', {
  interests: repeatedNested(1, () => ChaincodeInterest),
})

/** One question: at most one of its kinds is there. `discovery.Query`. */
export interface DiscoveryQuery {
  /** Empty for what is not of a channel. */
  readonly channel: string
  readonly configQuery: EmptyQuery | undefined
  readonly peerQuery: PeerMembershipQuery | undefined
  readonly ccQuery: ChaincodeQuery | undefined
  readonly localPeers: EmptyQuery | undefined
}

/** `discovery.Query`. */
export const DiscoveryQuery: Message<DiscoveryQuery> = message<DiscoveryQuery>('discovery.Query', {
  channel: string(1),
  configQuery: oneOf(
    'query',
    nested(2, () => ConfigQuery),
  ),
  peerQuery: oneOf(
    'query',
    nested(3, () => PeerMembershipQuery),
  ),
  ccQuery: oneOf(
    'query',
    nested(4, () => ChaincodeQuery),
  ),
  localPeers: oneOf(
    'query',
    nested(5, () => LocalPeerQuery),
  ),
})

/** What a client asks of discovery. `discovery.Request`. */
export interface DiscoveryRequest {
  readonly authentication: DiscoveryAuthentication | undefined
  readonly queries: readonly DiscoveryQuery[]
}

/** `discovery.Request`. */
export const DiscoveryRequest: Message<DiscoveryRequest> = message<DiscoveryRequest>('discovery.Request', {
  authentication: nested(1, () => DiscoveryAuthentication),
  queries: repeatedNested(2, () => DiscoveryQuery),
})

/** Why there is no answer. `discovery.Error`. */
export interface DiscoveryError {
  readonly content: string
}

/** `discovery.Error`. */
export const DiscoveryError: Message<DiscoveryError> = message<DiscoveryError>('discovery.Error', { content: string(1) })

/** Where something listens. `discovery.Endpoint`. */
export interface DiscoveredEndpoint {
  readonly host: string
  readonly port: number
}

/** `discovery.Endpoint`. */
export const DiscoveredEndpoint: Message<DiscoveredEndpoint> = message<DiscoveredEndpoint>('discovery.Endpoint', {
  host: string(1),
  port: uint32(2),
})

/** `discovery.Endpoints`. */
export interface DiscoveredEndpoints {
  readonly endpoint: readonly DiscoveredEndpoint[]
}

/** `discovery.Endpoints`. */
export const DiscoveredEndpoints: Message<DiscoveredEndpoints> = message<DiscoveredEndpoints>('discovery.Endpoints', {
  endpoint: repeatedNested(1, () => DiscoveredEndpoint),
})

/** What a client must know of a channel. `discovery.ConfigResult`. */
export interface ConfigResult {
  /** By MSP id. */
  readonly msps: ReadonlyMap<string, FabricMspConfig>
  /** By MSP id. */
  readonly orderers: ReadonlyMap<string, DiscoveredEndpoints>
}

/** `discovery.ConfigResult`. */
export const ConfigResult: Message<ConfigResult> = message<ConfigResult>('discovery.ConfigResult', {
  msps: mapNested(1, () => FabricMspConfig),
  orderers: mapNested(2, () => DiscoveredEndpoints),
})

/** A peer, by what it said of itself. `discovery.Peer`. */
export interface DiscoveredPeer {
  /** A `GossipMessage` with `stateInfo`. */
  readonly stateInfo: GossipEnvelope | undefined
  /** A `GossipMessage` with `aliveMsg`. */
  readonly membershipInfo: GossipEnvelope | undefined
  /** A `SerializedIdentity`'s bytes. */
  readonly identity: Uint8Array
}

/** `discovery.Peer`. */
export const DiscoveredPeer: Message<DiscoveredPeer> = message<DiscoveredPeer>('discovery.Peer', {
  stateInfo: nested(1, () => GossipEnvelope),
  membershipInfo: nested(2, () => GossipEnvelope),
  identity: bytes(3),
})

/** `discovery.Peers`. */
export interface DiscoveredPeers {
  readonly peers: readonly DiscoveredPeer[]
}

/** `discovery.Peers`. */
export const DiscoveredPeers: Message<DiscoveredPeers> = message<DiscoveredPeers>('discovery.Peers', {
  peers: repeatedNested(1, () => DiscoveredPeer),
})

/** `discovery.PeerMembershipResult`. */
export interface PeerMembershipResult {
  /** By MSP id. */
  readonly peersByOrg: ReadonlyMap<string, DiscoveredPeers>
}

/** `discovery.PeerMembershipResult`. */
export const PeerMembershipResult: Message<PeerMembershipResult> = message<PeerMembershipResult>('discovery.PeerMembershipResult', {
  peersByOrg: mapNested(1, () => DiscoveredPeers),
})

/** One way to get enough endorsements: so many of each group. `discovery.Layout`. */
export interface LayoutMessage {
  readonly quantitiesByGroup: ReadonlyMap<string, number>
}

/** `discovery.Layout`. */
export const LayoutMessage: Message<LayoutMessage> = message<LayoutMessage>('discovery.Layout', {
  quantitiesByGroup: map(1, uint32),
})

/** Who must endorse. `discovery.EndorsementDescriptor`. */
export interface EndorsementDescriptor {
  readonly chaincode: string
  readonly endorsersByGroups: ReadonlyMap<string, DiscoveredPeers>
  /** Any of them is enough. */
  readonly layouts: readonly LayoutMessage[]
}

/** `discovery.EndorsementDescriptor`. */
export const EndorsementDescriptor: Message<EndorsementDescriptor> = message<EndorsementDescriptor>('discovery.EndorsementDescriptor', {
  chaincode: string(1),
  endorsersByGroups: mapNested(2, () => DiscoveredPeers),
  layouts: repeatedNested(3, () => LayoutMessage),
})

/** `discovery.ChaincodeQueryResult`. */
export interface ChaincodeQueryResult {
  /** For each interest, in their order. */
  readonly content: readonly EndorsementDescriptor[]
}

/** `discovery.ChaincodeQueryResult`. */
export const ChaincodeQueryResult: Message<ChaincodeQueryResult> = message<ChaincodeQueryResult>('discovery.ChaincodeQueryResult', {
  content: repeatedNested(1, () => EndorsementDescriptor),
})

/** The answer to one question. `discovery.QueryResult`. */
export interface DiscoveryResult {
  readonly error: DiscoveryError | undefined
  readonly configResult: ConfigResult | undefined
  readonly ccQueryRes: ChaincodeQueryResult | undefined
  readonly members: PeerMembershipResult | undefined
}

/** `discovery.QueryResult`. */
export const DiscoveryResult: Message<DiscoveryResult> = message<DiscoveryResult>('discovery.QueryResult', {
  error: oneOf(
    'result',
    nested(1, () => DiscoveryError),
  ),
  configResult: oneOf(
    'result',
    nested(2, () => ConfigResult),
  ),
  ccQueryRes: oneOf(
    'result',
    nested(3, () => ChaincodeQueryResult),
  ),
  members: oneOf(
    'result',
    nested(4, () => PeerMembershipResult),
  ),
})

/** What discovery answers. `discovery.Response`. */
export interface DiscoveryResponse {
  /** For each query, in their order. */
  readonly results: readonly DiscoveryResult[]
}

/** `discovery.Response`. */
export const DiscoveryResponse: Message<DiscoveryResponse> = message<DiscoveryResponse>('discovery.Response', {
  results: repeatedNested(1, () => DiscoveryResult),
})
