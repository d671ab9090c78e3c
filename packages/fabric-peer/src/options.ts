import type {
  ChaincodeConnector,
  ChannelChaincodesOptions,
  PackageBuilder,
  PackageInstaller,
  SystemChaincode,
} from '@kumiko/fabric-chaincode'
import type { BlockSource } from '@kumiko/fabric-committer'
import type { AdminLogs, OrdererEndpointOptions } from '@kumiko/fabric-deliver'
import type { DiscoveryOptions } from '@kumiko/fabric-discovery'
import type { AuthFilter, Decorator, EndorsementPlugin, PrivateDataToDistribute } from '@kumiko/fabric-endorser'
import type { Orderer } from '@kumiko/fabric-gateway'
import type { ClientTls, GrpcListenerOptions } from '@kumiko/fabric-grpc'
import type { CommittedBlock, FileSystem, OpenStateDatabase } from '@kumiko/fabric-ledger'
import type { LocalMsp } from '@kumiko/fabric-msp'
import type { Clock, Millis, Random } from '@kumiko/interface'
import type { ComponentLogger, Metrics } from '@libp2p/interface'
import type { Membership } from './membership.ts'
import type { OrdererConnectionOptions } from './orderer-connections.ts'
import type { SourceChannel } from './peer-channel.ts'

/** A listener of a peer: where, with which TLS, and within which bounds. */
export type PeerListenOptions = Pick<
  GrpcListenerOptions,
  | 'listen'
  | 'tls'
  | 'messageBytesMax'
  | 'streamsMax'
  | 'connectionsMax'
  | 'connectTimeoutMs'
  | 'keepaliveIntervalMs'
  | 'keepaliveTimeoutMs'
  | 'keepaliveIntervalMinMs'
>

/** How a peer runs chaincode. */
export interface PeerChaincodeOptions {
  /** Where chaincode dials the peer. Default: nowhere. */
  readonly listener?: PeerListenOptions
  /** `host:port` by which chaincode reaches it, as Fabric's `peer.chaincodeAddress`. Default: where it listens; with TLS on this machine, by `localhost`. */
  readonly endpoint?: string
  /** Whether its TLS is of a CA of the peer's own, which has it run under no name but its own; as Fabric's has where `peer.tls.enabled`. Default false. */
  readonly hasTls?: boolean
  /** Make installed packages ready to run, in the order in which they are asked. Default: chaincode as a service alone. */
  readonly builders?: readonly PackageBuilder[]
  /** Ways to have chaincode running, asked before those for installed packages. Default: none. */
  readonly connectors?: readonly ChaincodeConnector[]
  /** Runs chaincode without a package: contracts in this process. */
  readonly ownPackageId?: ChannelChaincodesOptions['ownPackageId']
  /** What is installed, and installs. Default: packages in the peer's folder, which the builders build. */
  readonly installer?: PackageInstaller
  /** System chaincodes besides `_lifecycle`, `qscc`, `cscc` and `lscc`. */
  readonly system?: readonly SystemChaincode[]
  /** Whether users start chaincode by hand, as `name:version`: Fabric's `chaincode.mode: dev`. Default false. */
  readonly isDevMode?: boolean
  /** Default 30 s, as Fabric's `chaincode.executetimeout`. */
  readonly executeTimeoutMs?: Millis
  /** Default 5 min, as Fabric's `chaincode.startuptimeout`. */
  readonly startTimeoutMs?: Millis
  /** Between signs of life. Default 0: none, as Fabric's `chaincode.keepalive`. */
  readonly keepaliveMs?: Millis
  /** Results of one query at most. Default 100,000, as Fabric's `ledger.state.totalQueryLimit`. */
  readonly queryResultsMax?: number
}

/** How many calls a peer serves at once, as Fabric's `peer.limits.concurrency`. */
export interface PeerLimits {
  /** Default 2500. */
  readonly endorserMax?: number
  /** Default 2500. */
  readonly deliverMax?: number
  /** Default 500. */
  readonly gatewayMax?: number
}

/** What a peer is made of. */
export interface FabricPeerOptions {
  /** Who the peer is: it endorses, and asks orderers. */
  readonly msp: LocalMsp
  /** For the peer alone, as Fabric's `peer.fileSystemPath`. Default: a temporary one, which goes when the peer stops. */
  readonly folder?: string
  /** Of its files. Default: the system's; where there is no folder, one that does not wait for the disk. */
  readonly fileSystem?: FileSystem
  /** As Fabric's `ledger.snapshots.rootDir`. Default: in the folder. */
  readonly snapshotsFolder?: string
  /** Where clients and other peers come. Default `127.0.0.1:0`: any free port, without TLS. */
  readonly listener?: PeerListenOptions
  /** `host:port` by which others reach the peer, as Fabric's `peer.gossip.externalEndpoint`. Default: where it listens. */
  readonly endpoint?: string
  readonly chaincode?: PeerChaincodeOptions
  /** Where blocks of a channel come from. Default: the orderers that its configuration names. Null: from nowhere, they are given. */
  readonly source?: ((channel: SourceChannel) => BlockSource) | null
  /** Where the gateway sends a channel's transactions. Default: the orderers that its configuration names. */
  readonly orderers?: (channel: SourceChannel) => readonly Orderer[]
  /** How orderers that a configuration names are reached. */
  readonly ordererConnections?: OrdererEndpointOptions & Pick<OrdererConnectionOptions, 'deliver'>
  /** Our certificate, where orderers and other peers ask for one. Default: the listener's. */
  readonly clientTls?: ClientTls
  /** The other peers. Default: nobody: there is no gossip. */
  readonly membership?: Membership
  /** Whom discovery tells what, as Fabric's `peer.discovery`. */
  readonly discovery?: Pick<DiscoveryOptions, 'areMembersAllowed' | 'authCacheMax' | 'authCacheRetentionRatio'>
  /** Where the world state of a channel is. Default: LevelDB; in memory where there is no folder. */
  readonly openState?: (channelId: string) => OpenStateDatabase
  /** Whether to keep a history of keys. Default true. */
  readonly history?: boolean
  /** Threads that check signatures of blocks. Default 0: none. */
  readonly workers?: number
  /** Blocks for which private data of a transaction that is in none is kept. Default 1000, as Fabric's `transientstoreMaxBlockRetention` was. */
  readonly transientRetentionBlocks?: bigint
  /** Whether the gateway is served. Default true, as Fabric's `peer.gateway.enabled`. */
  readonly hasGateway?: boolean
  readonly endorsementTimeoutMs?: Millis
  readonly broadcastTimeoutMs?: Millis
  /** How far a request's time may be from ours. Default 15 min, as Fabric's `peer.authentication.timewindow`. */
  readonly timeWindowMs?: Millis
  readonly limits?: PeerLimits
  /** Services that peers of old had. Default: none of them. */
  readonly legacy?: {
    /** Serves `protos.Admin` of Fabric 1.4, which changes these. */
    readonly adminLogs?: AdminLogs
    /** Whether to serve `protos.Events` of Fabric 1.0 to 1.3. */
    readonly hasEventHub?: boolean
  }
  readonly authFilters?: readonly AuthFilter[]
  readonly decorators?: readonly Decorator[]
  readonly endorsementPlugins?: ReadonlyMap<string, EndorsementPlugin>
  /** Sends private data to other peers before it is endorsed. Default: to nobody. */
  readonly distributePrivateData?: (data: PrivateDataToDistribute) => Promise<void>
  /** Waited for when a block is committed, before it is told of to anyone and before the next one. Must not throw. */
  readonly onCommit?: (channelId: string, block: CommittedBlock) => Promise<void>
  /** Default: the system's. */
  readonly clock?: Clock
  /** Default `Math.random`. */
  readonly random?: Random
  readonly metrics?: Metrics
  readonly logger?: ComponentLogger
}
