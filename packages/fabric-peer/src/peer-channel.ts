import { type BlockSource, Channel, type Commit, type CommitterBundle, type CommitterLedger } from '@kumiko/fabric-committer'
import type { BlockToCommit, CommittedBlock, Ledger, TransientStore } from '@kumiko/fabric-ledger'
import { LIFECYCLE_NAMESPACE } from '@kumiko/fabric-lifecycle'
import { isConfigBlock } from '@kumiko/fabric-protocol'
import { type Clock, isFault, type KumikoError, type Millis, sleep } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import type { ChannelMetrics } from './channel-metrics.ts'
import type { ChannelSnapshots } from './channel-snapshots.ts'
import { RecentBlocks } from './recent-blocks.ts'
import { keptPrivateData } from './transient-private-data.ts'

/** What a peer's channel is made of. All of it is the channel's from then on, and closed with it, but for the ledger. */
export interface PeerChannelOptions {
  /** Has block 0, or a snapshot. Nobody else commits to it. */
  readonly ledger: Ledger
  /** Private data of transactions that were endorsed here. */
  readonly transient: TransientStore
  readonly snapshots: ChannelSnapshots
  /** Makes what blocks come from: asked when the channel is started. Undefined: blocks are only given, to {@link PeerChannel.committer}. */
  readonly source: ((channel: SourceChannel) => BlockSource) | undefined
  /** As of `fabric-committer`. */
  readonly workers: number
  /** Private data of a transaction that is in no block is kept for so many blocks. */
  readonly transientRetentionBlocks: bigint
  /** Told of each block that changes what chaincodes are defined, when it is committed. */
  readonly onDefinitions: () => void
  /** Told soon after each block that configures the channel. */
  readonly onConfigured: () => void
  /** Waited for when a block is committed, before it is told of. */
  readonly onCommit: ((channelId: string, block: CommittedBlock) => Promise<void>) | undefined
  readonly clock: Clock
  readonly log: Logger | undefined
  readonly metrics: ChannelMetrics
}

/** What a block source may know of the channel that it is for. */
export interface SourceChannel {
  readonly channelId: string
  /** As it is configured now. */
  readonly bundle: CommitterBundle
}

/** Blocks come no more, as the source ended, failed, or brought one that is refused: it is asked again so soon. */
const RETRY_FIRST_MS = 200
const RETRY_MAX_MS = 10_000

/**
 * A channel that a peer is on: its ledger, what takes blocks in, and what the peer's services ask of it.
 * @see Fabric `core/peer/peer.go` Channel, `gossip/privdata/coordinator.go`
 */
export class PeerChannel {
  readonly channelId: string
  readonly ledger: Ledger
  readonly transient: TransientStore
  readonly snapshots: ChannelSnapshots
  readonly #options: PeerChannelOptions
  readonly #committer: Channel
  readonly #stopping = new AbortController()
  #following: Promise<void> | undefined
  /** Removes what the block before needed. One at a time. */
  #tidying: Promise<void> = Promise.resolve()

  private constructor(options: PeerChannelOptions, committer: Channel) {
    this.channelId = options.ledger.channelId
    this.ledger = options.ledger
    this.transient = options.transient
    this.snapshots = options.snapshots
    this.#options = options
    this.#committer = committer
  }

  /** Goes on where the ledger ends. Takes no blocks before {@link start}. @throws KumikoError as `Channel.open` of fabric-committer. */
  static async open(options: PeerChannelOptions): Promise<PeerChannel> {
    let store: CommitterLedger['commit'] = (block) => options.ledger.commit(block)
    const ledger = committerLedger(options.ledger, (block) => store(block))
    const channel = new PeerChannel(options, await Channel.open({ ledger, workers: options.workers }))
    store = (block) => channel.#store(block)
    options.metrics.height(options.ledger.info.height)
    // One that was asked for when the process ended.
    void options.snapshots.fulfil(options.ledger)
    return channel
  }

  /** The channel as its configuration has it now. */
  get bundle(): CommitterBundle {
    return this.#committer.bundle
  }

  /** The number of blocks. */
  get height(): bigint {
    return this.#committer.height
  }

  /** The number of the first block that is there: above 0 where the channel was joined by a snapshot. */
  get firstBlock(): bigint {
    return this.ledger.blocks.first
  }

  /** Why the channel takes no more blocks, if it halted. */
  get failure(): KumikoError | undefined {
    return this.#committer.failure
  }

  /** Whether the ledger has all blocks that it had before it was reset or rolled back: a peer endorses nothing before. */
  get isCaughtUp(): boolean {
    return this.height >= this.ledger.heightBefore
  }

  /** Takes blocks that somebody brings, where there is no source. */
  get committer(): Pick<Channel, 'store'> {
    return this.#committer
  }

  /**
   * Blocks from a number on, those committed already and then each as it is committed.
   * @param from - May be above the height: it waits.
   * @param options.signal - Ends the loop.
   * @returns A loop that ends when the channel is closed, and throws KumikoError `fabric-committer/halted` where it halts.
   */
  commits(from: bigint, options: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Commit, void, undefined> {
    return this.#committer.commits(from, options)
  }

  /** Takes blocks from its source, from now on until it is closed. */
  start(): void {
    const { source } = this.#options
    if (source !== undefined && !this.#stopping.signal.aborted) this.#following ??= this.#follow(source)
  }

  /** Ends when the block at hand is committed. The ledger stays open. */
  async close(): Promise<void> {
    this.#stopping.abort()
    await this.#following
    await this.#committer.close()
    await this.#tidying
    await this.snapshots.settled()
    await this.transient.close()
  }

  /** Commits a block that was judged. Called by the committer, one after the other. */
  async #store(judged: BlockToCommit): Promise<CommittedBlock> {
    const { clock, metrics } = this.#options
    const begunAt = clock.now()
    const { data, txIds } = await this.#privateData(judged)
    const committed = await this.ledger.commit({ ...judged, privateData: [...data, ...(judged.privateData ?? [])] })
    // The ledger takes a snapshot before the next block: nothing may be waited for before it is asked to.
    void this.snapshots.fulfil(this.ledger)
    metrics.committed(committed, clock.now() - begunAt)
    if (committed.updates.some(({ namespace }) => namespace === LIFECYCLE_NAMESPACE)) this.#options.onDefinitions()
    // The committer follows the configuration when this has returned.
    if (isConfigBlock(judged.block)) setImmediate(this.#options.onConfigured)
    await this.#tidying
    this.#tidying = this.#tidy(committed.number, txIds)
    await this.#options.onCommit?.(this.channelId, committed)
    return committed
  }

  async #privateData(judged: BlockToCommit): Promise<Awaited<ReturnType<typeof keptPrivateData>>> {
    try {
      return await keptPrivateData(judged, this.transient)
    } catch (error) {
      // What cannot be read is missing: it stops no block.
      this.#options.log?.error('private data of block %d cannot be read: %e', judged.block.header.number, asError(error))
      return { data: [], txIds: [] }
    }
  }

  async #tidy(number: bigint, txIds: readonly string[]): Promise<void> {
    const { transientRetentionBlocks: kept, log } = this.#options
    try {
      if (txIds.length > 0) await this.transient.purge(txIds)
      if (number > kept && number % kept === 0n) await this.transient.purgeBelow(number - kept)
    } catch (error) {
      log?.error('private data that is no longer needed cannot be removed: %e', asError(error))
    }
  }

  async #follow(sourceOf: (channel: SourceChannel) => BlockSource): Promise<void> {
    const { clock } = this.#options
    const { signal } = this.#stopping
    let retryMs: Millis = RETRY_FIRST_MS
    while (!signal.aborted && this.failure === undefined) {
      const { height } = this
      await this.#takeFrom(sourceOf, signal)
      retryMs = this.height > height ? RETRY_FIRST_MS : Math.min(retryMs * 2, RETRY_MAX_MS)
      if (this.failure === undefined) await sleep(clock, retryMs, signal).catch(() => {})
    }
  }

  async #takeFrom(sourceOf: (channel: SourceChannel) => BlockSource, signal: AbortSignal): Promise<void> {
    const { log } = this.#options
    try {
      const fault = await this.#committer.run(sourceOf({ channelId: this.channelId, bundle: this.bundle }), { signal })
      if (isFault(fault))
        log?.error('block %d of channel %s is refused: %s %s', this.height, this.channelId, fault.fault, fault.detail ?? '')
    } catch (error) {
      if (!signal.aborted) log?.error('channel %s gets no blocks: %e', this.channelId, asError(error))
    }
  }
}

/** A ledger whose last blocks are read once for all who follow them. */
function committerLedger(ledger: Ledger, commit: CommitterLedger['commit']): CommitterLedger {
  const recent = new RecentBlocks(ledger.blocks)
  return {
    channelId: ledger.channelId,
    get info() {
      return ledger.info
    },
    state: ledger.state,
    blocks: { block: (number) => recent.block(number), hasTransactions: (txIds) => ledger.blocks.hasTransactions(txIds) },
    commit,
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}
