import { collectionPolicies, readGenesis } from '@kumiko/fabric-committer'
import {
  type FileSystem,
  type Ledger,
  Ledgers,
  type OpenStateDatabase,
  Snapshot,
  SnapshotRequests,
  TransientStore,
} from '@kumiko/fabric-ledger'
import type { Block } from '@kumiko/fabric-protocol'
import { firstChannelHeader } from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError, Turns } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'
import type { ChannelMetrics } from './channel-metrics.ts'
import { channelSnapshots } from './channel-snapshots.ts'
import { PeerChannel, type PeerChannelOptions } from './peer-channel.ts'
import type { PeerFolders } from './peer-folders.ts'

/** What a peer's channels are made of. */
export interface PeerChannelsOptions extends Pick<PeerChannelOptions, 'source' | 'workers' | 'transientRetentionBlocks' | 'onCommit'> {
  readonly folders: PeerFolders
  /** Of block files. */
  readonly fileSystem: FileSystem
  /** Where the world state of a channel is. */
  readonly openState: (channelId: string) => OpenStateDatabase
  /** Whether to keep a history of keys. */
  readonly history: boolean
  /** The peer's own `SerializedIdentity`: decides which private data is ours. */
  readonly self: Uint8Array
  readonly clock: Clock
  readonly logger: ComponentLogger | undefined
  readonly metrics: (channelId: string) => ChannelMetrics
}

/** The channels that a peer is on, each with its ledger. Bounded by what the peer's administrator joins. */
export class PeerChannels {
  readonly #options: PeerChannelsOptions
  readonly #ledgers: Ledgers
  readonly #channels = new Map<string, PeerChannel>()
  /** Joins come one after the other. */
  readonly #turns = new Turns()
  #isStarted = false
  #joiningSnapshot: string | undefined
  #definitionsChanged: (channelId: string) => void = () => {}
  #configured: () => void = () => {}

  private constructor(options: PeerChannelsOptions, ledgers: Ledgers) {
    this.#options = options
    this.#ledgers = ledgers
  }

  /**
   * Opens all channels that there are. They take no blocks before {@link start}.
   * @throws KumikoError as `Ledgers.open`, `Ledgers.get` and `PeerChannel.open`: nothing is open then.
   */
  static async open(options: PeerChannelsOptions): Promise<PeerChannels> {
    const { folders, fileSystem, openState, history, self } = options
    const ledgers = await Ledgers.open({
      folder: folders.ledgers,
      fileSystem,
      ledger: (channelId) => ({ openState: openState(channelId), history, policies: collectionPolicies({ channelId, self }) }),
    })
    const channels = new PeerChannels(options, ledgers)
    try {
      for (const { channelId, status } of await ledgers.list()) if (status === 'active') await channels.#add(await ledgers.get(channelId))
      return channels
    } catch (error) {
      await channels.close()
      throw error
    }
  }

  /** The names, sorted. */
  get names(): readonly string[] {
    return [...this.#channels.keys()].sort()
  }

  /** A channel; undefined where the peer is not on it. */
  get(channelId: string): PeerChannel | undefined {
    return this.#channels.get(channelId)
  }

  /** Tells of each channel whose chaincode definitions may have changed: once now, when it is joined, and by its blocks. @param changed - Of one watcher. */
  watchDefinitions(changed: (channelId: string) => void): void {
    this.#definitionsChanged = changed
    for (const channelId of this.names) changed(channelId)
  }

  /** Tells when a channel is there, and when one is configured anew. @param changed - Of one watcher. */
  watchConfigurations(changed: () => void): void {
    this.#configured = changed
    if (this.#channels.size > 0) changed()
  }

  /** Takes blocks, in all channels, and in those that are joined from now on. */
  start(): void {
    this.#isStarted = true
    for (const channel of this.#channels.values()) channel.start()
  }

  /**
   * Begins a channel.
   * @param genesis - Block 0, which is trusted.
   * @throws KumikoError `fabric-peer/bad-genesis`, `fabric-peer/already-joined`.
   */
  async join(genesis: Block): Promise<PeerChannel> {
    const header = firstChannelHeader(genesis)
    const bundle = isFault(header) ? header : readGenesis(genesis, header.channelId)
    if (isFault(bundle)) throw badGenesis(bundle.detail ?? bundle.fault)
    return await this.#turns.take(() => this.#joined(bundle.channelId, () => this.#ledgers.create(genesis)))
  }

  /**
   * Begins a channel with a snapshot, whose hash the caller trusts.
   * @throws KumikoError `fabric-peer/already-joined`, and as `Ledgers.joinSnapshot`.
   */
  async joinSnapshot(folder: string): Promise<PeerChannel> {
    return await this.#turns.take(() => this.#joined(undefined, () => this.#ledgers.joinSnapshot(folder)))
  }

  /** The folder of the snapshot that a channel is being joined by; undefined where none is. */
  get joiningSnapshot(): string | undefined {
    return this.#joiningSnapshot
  }

  /**
   * Begins to join a channel by a snapshot: what goes wrong after that is told in the log.
   * @throws KumikoError `fabric-peer/joining`, `fabric-ledger/no-snapshot`, `fabric-ledger/corrupt-snapshot`.
   */
  async beginSnapshot(folder: string): Promise<void> {
    if (this.#joiningSnapshot !== undefined) throw joining(this.#joiningSnapshot)
    this.#joiningSnapshot = folder
    try {
      await assertSnapshot(folder)
    } catch (error) {
      this.#joiningSnapshot = undefined
      throw error
    }
    this.joinSnapshot(folder)
      .catch((error: unknown) => {
        this.#options.logger?.forComponent('kumiko:fabric-peer:channel').error('cannot join by the snapshot %s: %e', folder, error)
      })
      .finally(() => {
        this.#joiningSnapshot = undefined
      })
  }

  /** Ends all channels when their blocks at hand are committed, then their ledgers. */
  async close(): Promise<void> {
    await this.#turns.settled()
    this.#isStarted = false
    const channels = [...this.#channels.values()]
    this.#channels.clear()
    const closed = await Promise.allSettled(channels.map((channel) => channel.close()))
    await this.#ledgers.close()
    for (const each of closed) if (each.status === 'rejected') throw each.reason
  }

  async #joined(channelId: string | undefined, make: () => Promise<Ledger>): Promise<PeerChannel> {
    try {
      const channel = await this.#add(await make())
      if (this.#isStarted) channel.start()
      return channel
    } catch (error) {
      if (!(error instanceof KumikoError) || error.code !== 'fabric-ledger/ledger-exists') throw error
      throw alreadyJoined(channelId, error)
    }
  }

  async #add(ledger: Ledger): Promise<PeerChannel> {
    const { folders, metrics, logger, source, workers, transientRetentionBlocks, onCommit, clock } = this.#options
    const { channelId } = ledger
    const log = logger?.forComponent('kumiko:fabric-peer:channel')
    const requests = await SnapshotRequests.open(folders.snapshotRequests(channelId))
    const snapshots = channelSnapshots(requests, (number) => folders.snapshot(channelId, number), log)
    const transient = await TransientStore.open(folders.transient(channelId))
    try {
      const measured = metrics(channelId)
      const rest = { source, workers, transientRetentionBlocks, onCommit, clock, log, metrics: measured }
      const onDefinitions = (): void => this.#definitionsChanged(channelId)
      const onConfigured = (): void => this.#configured()
      const channel = await PeerChannel.open({ ledger, transient, snapshots, onDefinitions, onConfigured, ...rest })
      this.#channels.set(channelId, channel)
      onDefinitions()
      onConfigured()
      return channel
    } catch (error) {
      await transient.close()
      await ledger.close()
      throw error
    }
  }
}

async function assertSnapshot(folder: string): Promise<void> {
  if ((await Snapshot.open(folder)) !== undefined) return
  throw new KumikoError('fabric-ledger/no-snapshot', `there is no snapshot in "${folder}"`, { context: { folder } })
}

function joining(folder: string): KumikoError {
  return new KumikoError('fabric-peer/joining', `a ledger is being created from a snapshot at ${folder}`, { context: { folder } })
}

function badGenesis(why: string): KumikoError {
  return new KumikoError('fabric-peer/bad-genesis', `the block does not begin a channel (${why}): give a channel's genesis block`)
}

function alreadyJoined(channelId: string | undefined, cause: unknown): KumikoError {
  const which = channelId === undefined ? 'the channel' : `channel "${channelId}"`
  return new KumikoError('fabric-peer/already-joined', `${which} was joined already`, { context: { channelId }, cause })
}
