import type { EndorsementPlan, PeerInfo } from '@kumiko/fabric-discovery'
import type { Endpoint } from '@kumiko/fabric-grpc'
import type { Ledger } from '@kumiko/fabric-ledger'
import type { AccessControl, ChannelBundle, X509Msp } from '@kumiko/fabric-msp'
import type { Block, ChaincodeInterest, ProposalResponse, SignedProposal } from '@kumiko/fabric-protocol'
import type { Clock, Fault, Random } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'

/** What answers proposals. */
export interface Endorser {
  /**
   * @param options.signal - Ends it: the client has gone, or time is up.
   * @throws Where there is no response: of the peer itself, because the proposal was refused before it was run; of another peer, whatever the
   * network told.
   */
  processProposal(signed: SignedProposal, options: { readonly signal: AbortSignal }): Promise<ProposalResponse>
}

/** An endorser on another peer. It connects when it is asked. */
export interface RemoteEndorser extends Endorser {
  /** Ends its connection: the peer cannot be reached, or another one takes its place. */
  close(): void
}

/** An orderer of a channel. */
export interface Orderer {
  readonly endpoint: Endpoint
  readonly mspId: string
  /** Sends a transaction. @param envelope - An `Envelope`'s bytes. @throws Where no answer came. */
  broadcast(envelope: Uint8Array, options: { readonly signal: AbortSignal }): Promise<BroadcastAnswer>
}

/** What an orderer made of a transaction. `orderer.BroadcastResponse`. */
export interface BroadcastAnswer {
  /** A `common.Status`: 200 SUCCESS. */
  readonly status: number
  readonly info: string
}

/** What a gateway asks of a channel that the peer is on. */
export interface GatewayChannel {
  readonly bundle: Pick<ChannelBundle, 'orderer' | 'application'> & {
    readonly msps: { msp(mspId: string): Pick<X509Msp, 'tlsRootCerts' | 'tlsIntermediateCerts'> | undefined }
  }
  /** The number of blocks that the state has taken in: what clients are told of must be there for their next query. The ledger may have one more. */
  readonly height: bigint
  readonly ledger: {
    readonly blocks: Pick<Ledger['blocks'], 'block' | 'transaction'>
  }
  /** Blocks below the height, from a number on, and then each as it is committed. Ends when the channel is closed, throws when it halts. */
  commits(from: bigint, options: { readonly signal: AbortSignal }): AsyncIterable<{ readonly block: Block }>
}

/** What a gateway is made of. */
export interface GatewayOptions {
  /** The peer's own organisation. */
  readonly mspId: string
  /** The peer's own address, `host:port`, as discovery tells it. */
  readonly endpoint: string
  readonly localEndorser: Endorser
  /** Reaches another peer. Called once a peer, until it fails. */
  readonly remote: (endpoint: Endpoint) => RemoteEndorser
  /** Whether other peers are reached by TLS, known by the TLS CAs of their MSP. Default true (`peer.tls.enabled`). */
  readonly tls?: boolean
  /** The peers of a channel that are alive, this one too. */
  readonly peers: (channelId: string) => readonly PeerInfo[] | Promise<readonly PeerInfo[]>
  /** Who must endorse a transaction; a fault, with Fabric's words in its detail, where nobody can. */
  readonly plan: (channelId: string, interest: ChaincodeInterest) => Promise<EndorsementPlan | Fault>
  /** Whether this peer can run a chaincode that discovery does not tell of: one that was started in dev mode, without installation. */
  readonly isRunning?: (channelId: string, chaincode: string) => boolean
  /** Whether a chaincode is one that every peer brings along. Default: `_lifecycle`, `cscc`, `lscc`, `qscc`. */
  readonly isSystem?: (chaincode: string) => boolean
  /** A channel's orderers as it is configured now. */
  readonly orderers: (channelId: string) => readonly Orderer[]
  /** Undefined where the peer is not on it. */
  readonly channel: (channelId: string) => GatewayChannel | undefined
  readonly access: AccessControl
  readonly clock: Clock
  /** Shuffles layouts and orderers. Default `Math.random`. */
  readonly random?: Random
  /** For one endorser's answer, milliseconds. Default 30,000 (`peer.gateway.endorsementTimeout`). */
  readonly endorsementTimeoutMs?: number
  /** For one orderer's answer, milliseconds. Default 30,000 (`peer.gateway.broadcastTimeout`). */
  readonly broadcastTimeoutMs?: number
  readonly logger?: ComponentLogger
}
