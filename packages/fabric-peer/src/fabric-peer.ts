import type { RestChaincode } from '@kumiko/fabric-deliver'
import type { PeerInfo } from '@kumiko/fabric-discovery'
import type { Endorser } from '@kumiko/fabric-endorser'
import { GrpcListener } from '@kumiko/fabric-grpc'
import { type FileSystem, levelStateDatabase, memoryStateDatabase, nodeFileSystem } from '@kumiko/fabric-ledger'
import { accessControl } from '@kumiko/fabric-msp'
import type { Block, Signer } from '@kumiko/fabric-protocol'
import { type Clock, KumikoError, systemClock, Turns } from '@kumiko/interface'
import { type ChaincodeParts, chaincodeParts } from './chaincode-parts.ts'
import { channelMetrics } from './channel-metrics.ts'
import { Closers } from './closers.ts'
import { gatewayClient } from './gateway-client.ts'
import type { FabricPeerOptions, PeerListenOptions } from './options.ts'
import { OrdererConnections } from './orderer-connections.ts'
import type { PeerChannel } from './peer-channel.ts'
import { PeerChannels } from './peer-channels.ts'
import { ownFolder, PEER, type PeerFolders, peerFolders, temporaryFolder, unsyncedFileSystem } from './peer-folders.ts'
import { type Services, services } from './services.ts'

/** What is there of a peer that runs. */
interface Running {
  readonly channels: PeerChannels
  readonly chaincode: ChaincodeParts
  readonly services: Services
  readonly listener: GrpcListener
  readonly closers: Closers
}

/**
 * A Fabric peer: it keeps the ledgers of its channels, endorses proposals, and serves clients.
 *
 * It starts in the order of Fabric's, and stops in reverse: calls end, chaincode stops, the blocks at hand are committed, the databases are
 * closed. What is up of a start that fails is ended again.
 * @see Fabric `internal/peer/node/start.go`; research § 3.9
 */
export class FabricPeer {
  readonly #options: FabricPeerOptions
  readonly #clock: Clock
  #running: Running | undefined
  /** Starts and stops, one after the other. */
  readonly #turns = new Turns()

  /** Opens nothing. */
  constructor(options: FabricPeerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
  }

  /** The id of the peer's organisation. */
  get mspId(): string {
    return this.#options.msp.msp.mspId
  }

  /** Whether it was started, and not stopped. */
  get isRunning(): boolean {
    return this.#running !== undefined
  }

  /** `host:port` where clients come, with the port that it has. @throws KumikoError `fabric-peer/not-started`. */
  get address(): string {
    return this.#up.listener.address
  }

  /** `host:port` where chaincode dials the peer; undefined where it does not. @throws KumikoError `fabric-peer/not-started`. */
  get chaincodeAddress(): string | undefined {
    return this.#up.chaincode.listener?.address
  }

  /** Answers proposals, without a network between. @throws KumikoError `fabric-peer/not-started`. */
  get endorser(): Endorser {
    return this.#up.services.endorser
  }

  /** Calls chaincode as somebody else, without a network between. @param signer - A client of the channels. @throws KumikoError `fabric-peer/not-started`. */
  clientOf(signer: Signer): RestChaincode {
    return gatewayClient(this.#up.services.gateway, signer, this.#clock)
  }

  /** The peers of a channel that are known, this one first. None where it is not on the channel, or does not run. */
  async peers(channelId: string): Promise<readonly PeerInfo[]> {
    return (await this.#running?.services.peers(channelId)) ?? []
  }

  /** The names of the channels that the peer is on, sorted. None where it does not run. */
  channels(): readonly string[] {
    return this.#running?.channels.names ?? []
  }

  /** A channel; undefined where the peer is not on it, or does not run. */
  channel(channelId: string): PeerChannel | undefined {
    return this.#running?.channels.get(channelId)
  }

  /** Sees that all channels take blocks. @throws KumikoError `fabric-peer/not-started`; `fabric-committer/halted` of one that does not. */
  checkHealth(): void {
    const { channels } = this.#up
    for (const channelId of channels.names) {
      const failure = channels.get(channelId)?.failure
      if (failure !== undefined) throw failure
    }
  }

  /** The peer itself, as discovery tells of it: for the membership of other peers. Undefined where it is not on the channel, or does not run. */
  async self(channelId: string): Promise<PeerInfo | undefined> {
    return await this.#running?.services.self(channelId)
  }

  /**
   * Begins a channel, and takes its blocks.
   * @param genesis - Block 0, which is trusted.
   * @throws KumikoError `fabric-peer/not-started`, `fabric-peer/bad-genesis`, `fabric-peer/already-joined`.
   */
  async join(genesis: Block): Promise<PeerChannel> {
    return await this.#up.channels.join(genesis)
  }

  /**
   * Begins a channel with a snapshot, whose hash the caller trusts.
   * @throws KumikoError `fabric-peer/not-started`, `fabric-peer/already-joined`, and as `Ledgers.joinSnapshot` of fabric-ledger.
   */
  async joinSnapshot(folder: string): Promise<PeerChannel> {
    return await this.#up.channels.joinSnapshot(folder)
  }

  /**
   * Opens the ledgers, and serves. Does nothing where it runs.
   * @throws What the part that fails throws: nothing is up then.
   */
  async start(): Promise<void> {
    await this.#turns.take(async () => {
      this.#running ??= await this.#begin()
    })
  }

  /** Ends all. Does nothing where it does not run. */
  async stop(): Promise<void> {
    await this.#turns.take(async () => {
      const running = this.#running
      this.#running = undefined
      await running?.closers.close()
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  get #fileSystem(): FileSystem {
    return this.#options.fileSystem ?? (this.#options.folder === undefined ? unsyncedFileSystem : nodeFileSystem)
  }

  get #up(): Running {
    if (this.#running !== undefined) return this.#running
    throw new KumikoError('fabric-peer/not-started', 'the peer does not run: start it first')
  }

  async #begin(): Promise<Running> {
    const closers = new Closers()
    try {
      return await this.#open(closers)
    } catch (error) {
      await closers.close().catch(() => {})
      throw error
    }
  }

  async #open(closers: Closers): Promise<Running> {
    const { msp, logger, ordererConnections = {} } = this.#options
    const clock = this.#clock
    const clientTls = this.#options.clientTls ?? this.#options.listener?.tls
    const log = logger?.forComponent('kumiko:fabric-peer')
    const connections = new OrdererConnections({ ...ordererConnections, signer: msp, clientTls, clock, log })
    closers.add(() => connections.close())
    const folders = await this.#folders(closers)
    const channels = await this.#openChannels(folders, connections, closers)
    const access = accessControl({ localMsp: msp.msp, channel: (channelId) => channels.get(channelId)?.bundle })
    const chaincode = await chaincodeParts({
      options: this.#options,
      channels,
      access,
      folders,
      fileSystem: this.#fileSystem,
      listen: (options) => this.#listener(options),
      clock,
      closers,
    })
    const listener = this.#listener(this.#options.listener)
    await listener.start()
    // Where the peer is others are told, and its port is known now: services are added to a listener that listens.
    const endpoint = this.#options.endpoint ?? listener.address
    const serving = services({
      ...chaincode,
      options: this.#options,
      channels,
      access,
      connections,
      endpoint,
      clientTls,
      clock,
    })
    closers.add(() => serving.gateway.close())
    closers.add(() => listener.stop())
    listener.add(...serving.bound)
    this.#trustClients(listener, channels)
    channels.start()
    return { channels, chaincode, services: serving, listener, closers }
  }

  /** Where clients must show certificates, those of the channels' organisations will do. @see Fabric `core/peer/peer.go` updateTrustedRoots */
  #trustClients(listener: GrpcListener, channels: PeerChannels): void {
    const { tls } = this.#options.listener ?? {}
    if (tls?.requiresClientCertificate !== true) return
    channels.watchConfigurations(() => listener.trust(clientRoots(tls.clientRootCas ?? [], channels)))
  }

  async #openChannels(folders: PeerFolders, connections: OrdererConnections, closers: Closers): Promise<PeerChannels> {
    const { msp, folder, openState, source, logger, metrics } = this.#options
    const channels = await PeerChannels.open({
      folders,
      fileSystem: this.#fileSystem,
      openState: openState ?? (() => (folder === undefined ? memoryStateDatabase() : levelStateDatabase())),
      history: this.#options.history ?? true,
      self: msp.creator,
      source: source === null ? undefined : (source ?? ((channel) => connections.source(channel))),
      workers: this.#options.workers ?? 0,
      transientRetentionBlocks: this.#options.transientRetentionBlocks ?? 1000n,
      onCommit: this.#options.onCommit,
      clock: this.#clock,
      logger,
      metrics: channelMetrics(metrics),
    })
    closers.add(() => channels.close())
    return channels
  }

  async #folders(closers: Closers): Promise<PeerFolders> {
    const { folder, snapshotsFolder } = this.#options
    if (folder !== undefined) {
      await ownFolder(folder, PEER, this.#fileSystem)
      return peerFolders(folder, snapshotsFolder)
    }
    const temporary = await temporaryFolder()
    closers.add(() => temporary.remove())
    return peerFolders(temporary.path, snapshotsFolder)
  }

  #listener(options: PeerListenOptions = { listen: '127.0.0.1:0' }): GrpcListener {
    const { logger } = this.#options
    return new GrpcListener({ ...options, clock: this.#clock, ...(logger && { logger }) })
  }
}

/** Each once. */
function clientRoots(own: readonly Uint8Array[], channels: PeerChannels): readonly Uint8Array[] {
  const roots = new Map(own.map((root) => [Buffer.from(root).toString('latin1'), root]))
  for (const channelId of channels.names) {
    const { application, orderer } = channels.get(channelId)?.bundle ?? {}
    for (const { msp } of [...(application?.organizations.values() ?? []), ...(orderer?.organizations.values() ?? [])])
      for (const root of [...msp.tlsRootCerts, ...msp.tlsIntermediateCerts]) roots.set(Buffer.from(root).toString('latin1'), root)
  }
  return [...roots.values()]
}
