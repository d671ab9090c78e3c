import { join } from 'node:path'
import type { FileSystem } from '@kumiko/fabric-ledger'
import { type Block, type BroadcastResponse, Envelope, readEnvelope, type Signer } from '@kumiko/fabric-protocol'
import { type Clock, isFault, KumikoError, type Millis, type RandomBytes } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { BatchTimer } from './batch-timer.ts'
import { Chain } from './chain.ts'
import { type ChainState, ChainStore } from './chain-store.ts'
import { configTransaction, readConfig } from './config-update.ts'
import { LogConsumer, type LogEffect } from './log-consumer.ts'
import { LogRecord, RecordClass } from './log-record.ts'
import { LogWriter } from './log-writer.ts'
import { normalRejection, type OrderedBundle } from './message-filters.ts'
import type { Consenter, LogEntry, OrderedLog } from './ordered-log.ts'
import type { OrdererMetrics } from './orderer-metrics.ts'
import { type Rejection, unavailable } from './outcome.ts'
import { Resubmissions } from './resubmissions.ts'

/** What a channel of an orderer is made of. */
export interface ChannelOptions {
  readonly channelId: string
  /** Of this channel alone. */
  readonly folder: string
  readonly signer: Signer
  readonly consenter: Consenter
  readonly clock: Clock
  readonly randomBytes: RandomBytes
  readonly fileSystem: FileSystem | undefined
  readonly log: Logger | undefined
  readonly metrics: OrdererMetrics
}

/** Room for what stands around an envelope in the log, and for a CONFIG transaction around its update. */
const RECORD_OVERHEAD = 65_536

/** A channel that an orderer orders: from the envelopes of clients to the log, and from the log to blocks. */
export class OrdererChannel {
  readonly #options: ChannelOptions
  readonly #chain: Chain
  readonly #log: OrderedLog
  readonly #writer: LogWriter
  readonly #consumer: LogConsumer
  readonly #timer: BatchTimer
  readonly #resubmissions: Resubmissions
  readonly #stop = new AbortController()
  readonly #done: Promise<void>

  private constructor(options: ChannelOptions, chain: Chain, log: OrderedLog, { bundle, tip, metadata }: ChainState) {
    const { channelId, clock, metrics } = options
    this.#options = options
    this.#chain = chain
    this.#log = log
    this.#writer = new LogWriter(log, options)
    this.#consumer = new LogConsumer({ bundle, nextBlock: tip.number + 1n, metadata })
    this.#timer = new BatchTimer({
      clock,
      cut: (block) => this.#cut(block),
      filled: (tookMs) => metrics.filled(channelId, tookMs),
    })
    this.#resubmissions = new Resubmissions({
      clock,
      signal: this.#stop.signal,
      isAwaited: (sequence) => this.#consumer.awaited.has(sequence),
      append: (sequence, payload) => this.#appendAgain(sequence, payload),
    })
    metrics.status(channelId, 'active')
    this.#done = this.#run()
  }

  /**
   * Begins a channel's blocks with block 0, and nothing else.
   * @throws KumikoError as `BlockStore.append`.
   */
  static async create({ channelId, folder, fileSystem }: ChannelOptions, genesis: Block): Promise<void> {
    const store = await ChainStore.open(channelId, folder, fileSystem)
    try {
      await store.append(genesis)
    } finally {
      await store.close()
    }
  }

  /**
   * Opens a channel, and goes on where its blocks end.
   * @returns Undefined where there is no block: making it was broken off.
   * @throws KumikoError `fabric-orderer/bad-chain`, and what the block store and the consenter throw.
   */
  static async open(options: ChannelOptions): Promise<OrdererChannel | undefined> {
    const store = await ChainStore.open(options.channelId, options.folder, options.fileSystem)
    try {
      if (store.height > 0n) return await OrdererChannel.#over(options, store)
    } catch (error) {
      await store.close()
      throw error
    }
    await store.close()
    return
  }

  static async #over(options: ChannelOptions, store: ChainStore): Promise<OrdererChannel> {
    const state = await store.state()
    const log = await options.consenter.open({
      channelId: options.channelId,
      genesisHash: state.genesisHash,
      folder: join(options.folder, 'log'),
      lastSequence: state.metadata.lastSequence,
      entryBytesMax: state.bundle.orderer.batchSize.absoluteMaxBytes + RECORD_OVERHEAD,
      log: options.log,
    })
    return new OrdererChannel(options, new Chain(options.channelId, store, state.tip, options), log, state)
  }

  get channelId(): string {
    return this.#options.channelId
  }

  /** The channel's configuration, as of the last block. */
  get bundle(): OrderedBundle {
    return this.#consumer.bundle
  }

  /** The number of blocks. */
  get height(): bigint {
    return this.#chain.height
  }

  /** Aborted when it takes no more envelopes and makes no more blocks: with the reason. */
  get errored(): AbortSignal {
    return this.#chain.failed
  }

  /** @returns Undefined where there is none yet. */
  async block(number: bigint): Promise<Block | undefined> {
    return await this.#chain.block(number)
  }

  /**
   * Blocks from a number on, those that are there and then each as it is written. Holds none.
   * @param from - May be above the height: it waits.
   * @param options.signal - Ends the loop.
   * @returns A loop that ends when the channel is closed, and throws KumikoError `fabric-orderer/halted` where it cannot go on.
   */
  blocks(from: bigint, { signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Block, void, undefined> {
    return this.#chain.blocks(from, signal)
  }

  /** As {@link blocks}, for a deliver service. */
  async *commits(
    from: bigint,
    options: { readonly signal?: AbortSignal } = {},
  ): AsyncGenerator<{ readonly block: Block }, void, undefined> {
    for await (const block of this.blocks(from, options)) yield { block }
  }

  /**
   * Takes an envelope that is no configuration.
   * @returns SUCCESS once it is in the log: it will be in a block, whatever fails that the log outlives, unless the channel's configuration changes
   * before and refuses it.
   */
  async order(envelope: Envelope): Promise<BroadcastResponse> {
    const { bundle } = this
    const began = this.#options.clock.now()
    const rejection = normalRejection(envelope, bundle, began)
    this.#validated(began)
    if (rejection !== undefined) return rejection
    // Fields that nobody knows do not count for its size: they go.
    const payload = Envelope.encode({ payload: envelope.payload, signature: envelope.signature })
    return await this.#append(payload, bundle, RecordClass.normal)
  }

  /** Takes a CONFIG_UPDATE. @returns As {@link order}. */
  async configure(update: Envelope): Promise<BroadcastResponse> {
    const { bundle } = this
    const began = this.#options.clock.now()
    const config = this.#configTransaction(update, bundle, began)
    this.#validated(began)
    if ('status' in config) return config
    return await this.#append(Envelope.encode(config), bundle, RecordClass.config)
  }

  /** Ends loops, and closes blocks and log. What waits for a block stays in the log. */
  async close(): Promise<void> {
    const { channelId, metrics } = this.#options
    this.#stop.abort(new Error('the channel is closed'))
    this.#timer.stop()
    this.#chain.end()
    metrics.status(channelId, 'inactive')
    await this.#done
    await this.#resubmissions.ended()
    await this.#log.close()
    await this.#chain.close()
  }

  async #append(payload: Uint8Array, { config }: OrderedBundle, recordClass: number): Promise<BroadcastResponse> {
    if (this.errored.aborted || this.#stop.signal.aborted) return unavailable(`channel ${this.channelId} is not serviced`)
    return await this.#writer.append({ payload, configSequence: config.sequence, class: recordClass, originalSequence: 0n })
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    try {
      // Configurations that were to come again may not have.
      for (const sequence of this.#consumer.awaited) {
        const payload = regularOf(await entryAt(this.#log, sequence, signal))?.payload
        if (payload !== undefined) this.#resubmissions.begin(sequence, payload)
      }
      for await (const entry of this.#log.read(this.#consumer.nextSequence, { signal })) await this.#take(entry)
    } catch (error) {
      if (!signal.aborted) this.#fail(error)
    }
  }

  async #take(entry: LogEntry): Promise<void> {
    for (const effect of this.#consumer.receive(entry, await this.#isInChain(entry))) await this.#perform(effect)
    this.#timer.follow(this.#consumer.pendingBlock, this.bundle.orderer.batchTimeoutMs)
  }

  async #isInChain({ bytes }: LogEntry): Promise<boolean> {
    const regular = regularOf(bytes)
    return regular?.class === RecordClass.normal && (await this.#chain.has(regular.payload))
  }

  async #perform(effect: LogEffect): Promise<void> {
    switch (effect.do) {
      case 'write':
        await this.#chain.write(effect)
        return this.#log.release(effect.releasable)
      case 'resubmit':
        return this.#resubmissions.begin(effect.sequence, effect.payload)
      case 'drop':
        this.#options.log?.('entry %d of channel %s is in no block: %s', effect.sequence, this.channelId, effect.why)
    }
  }

  #fail(reason: unknown): void {
    const { channelId, log, metrics } = this.#options
    log?.error('channel %s halts: %e', channelId, reason)
    metrics.status(channelId, 'failed')
    this.#timer.stop()
    this.#chain.fail(reason)
  }

  async #cut(blockNumber: bigint): Promise<void> {
    await this.#log.append(LogRecord.encode({ timeToCut: { blockNumber } }))
  }

  /** A configuration made anew from its update; as it was where that is refused: all drop it then. */
  async #appendAgain(originalSequence: bigint, payload: Uint8Array): Promise<void> {
    const { bundle } = this
    const old = readEnvelope(payload)
    const read = isFault(old) ? old : readConfig(old)
    const made = isFault(read) ? undefined : this.#configTransaction(read.update, bundle)
    const next = made === undefined || 'status' in made ? payload : Envelope.encode(made)
    const regular = { payload: next, configSequence: bundle.config.sequence, class: RecordClass.config, originalSequence }
    await this.#log.append(LogRecord.encode({ regular }))
  }

  #configTransaction(update: Envelope, bundle: OrderedBundle, checkedAt?: Millis): Envelope | Rejection {
    const { signer, clock, randomBytes } = this.#options
    return configTransaction(update, bundle, { signer, now: clock.now(), randomBytes }, checkedAt)
  }

  #validated(began: Millis): void {
    const { metrics, clock, channelId } = this.#options
    metrics.processed(channelId)
    metrics.validated(channelId, clock.now() - began)
  }
}

/** Reads one entry. */
async function entryAt(log: OrderedLog, sequence: bigint, signal: AbortSignal): Promise<Uint8Array> {
  for await (const { bytes } of log.read(sequence, { signal })) return bytes
  throw new KumikoError('fabric-orderer/log-lost', `the log has no entry ${sequence}`)
}

function regularOf(bytes: Uint8Array): LogRecord['regular'] {
  const record = LogRecord.decode(bytes)
  return isFault(record) ? undefined : record.regular
}
