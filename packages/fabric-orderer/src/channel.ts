import { join } from 'node:path'
import type { FileSystem } from '@kumiko/fabric-ledger'
import { type Block, type BroadcastResponse, Envelope, readEnvelope, type Signer, sha256, toHex } from '@kumiko/fabric-protocol'
import { type Cancel, type Clock, isFault, KumikoError, type Millis, type RandomBytes, raceAbort } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { type ChainTip, nextBlock, tipAfter } from './block-writer.ts'
import { ChainStore } from './chain-store.ts'
import { configTransaction, readConfig } from './config-update.ts'
import { LogConsumer, type LogEffect } from './log-consumer.ts'
import { LogRecord, RecordClass } from './log-record.ts'
import { normalRejection, type OrderedBundle } from './message-filters.ts'
import type { Consenter, LogEntry, OrderedLog } from './ordered-log.ts'
import type { OrdererMetrics } from './orderer-metrics.ts'
import { ACCEPTED, type Rejection, unavailable } from './outcome.ts'

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

/** Envelopes on their way into the log: more are told to come again. */
const APPENDS_MAX = 10_000
const APPENDS_BYTES_MAX = 268_435_456

/** How often a configuration is put in the log again where that fails. */
const RESUBMIT_MS = 1000

/** A channel that an orderer orders: from the envelopes of clients to the log, and from the log to blocks. */
export class OrdererChannel {
  readonly channelId: string
  readonly #options: ChannelOptions
  readonly #store: ChainStore
  readonly #log: OrderedLog
  readonly #consumer: LogConsumer
  readonly #stop = new AbortController()
  #tip: ChainTip
  #done: Promise<void> = Promise.resolve()
  #appends = 0
  #appendsBytes = 0
  /** When the first envelope of the block to be was read. */
  #pendingSince: Millis = 0
  #news = Promise.withResolvers<void>()
  #failure: unknown
  readonly #errored = new AbortController()
  /** Of the block that waits for its time. */
  #timer: { readonly block: bigint; readonly cancel: Cancel } | undefined
  /** Bounded by the consumer's `awaited`. */
  readonly #resubmissions = new Set<Promise<void>>()

  private constructor(options: ChannelOptions, store: ChainStore, log: OrderedLog, consumer: LogConsumer, tip: ChainTip) {
    this.channelId = options.channelId
    this.#options = options
    this.#store = store
    this.#log = log
    this.#consumer = consumer
    this.#tip = tip
  }

  /**
   * Begins a channel's blocks with block 0, and nothing else.
   * @throws KumikoError as `BlockStore.append`.
   */
  static async create({ channelId, folder, fileSystem }: ChannelOptions, genesis: Block): Promise<void> {
    const store = await ChainStore.open(channelId, folder, fileSystem)
    try {
      if (store.height === 0n) await store.append(genesis)
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
    const { bundle, tip, genesisHash, metadata } = await store.state()
    const log = await options.consenter.open({
      channelId: options.channelId,
      genesisHash,
      folder: join(options.folder, 'log'),
      lastSequence: metadata.lastSequence,
      entryBytesMax: bundle.orderer.batchSize.absoluteMaxBytes + RECORD_OVERHEAD,
    })
    const consumer = new LogConsumer({ bundle, nextBlock: tip.number + 1n, metadata })
    const channel = new OrdererChannel(options, store, log, consumer, tip)
    options.metrics.status(options.channelId, 'active')
    channel.#done = channel.#run()
    return channel
  }

  /** The channel's configuration, as of the last block. */
  get bundle(): OrderedBundle {
    return this.#consumer.bundle
  }

  /** The number of blocks. */
  get height(): bigint {
    return this.#store.height
  }

  /** Why it takes no more envelopes and makes no more blocks; undefined while it does. */
  get failure(): unknown {
    return this.#failure
  }

  /** Aborted when {@link failure} is there. */
  get errored(): AbortSignal {
    return this.#errored.signal
  }

  /** @returns Undefined where there is none yet. */
  async block(number: bigint): Promise<Block | undefined> {
    return await this.#store.block(number)
  }

  /**
   * Blocks from a number on, those that are there and then each as it is written. Holds none.
   * @param from - May be above the height: it waits.
   * @param options.signal - Ends the loop.
   * @returns A loop that ends when the channel is closed, and throws KumikoError `fabric-orderer/halted` where it cannot go on.
   */
  async *blocks(from: bigint, { signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Block, void, undefined> {
    for (let number = from; signal?.aborted !== true && !this.#stop.signal.aborted; ) {
      const news = this.#news.promise
      const block = number < this.height ? await this.block(number) : undefined
      if (block !== undefined) {
        number++
        yield block
      } else if (this.#failure !== undefined) throw halted(this.channelId, this.#failure)
      else await raceAbort(news, signal).catch(() => undefined)
    }
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
    const payload = Envelope.encode(envelope)
    return await this.#append(payload, bundle, RecordClass.normal, toHex(sha256(payload)))
  }

  /** Takes a CONFIG_UPDATE. @returns As {@link order}. */
  async configure(update: Envelope): Promise<BroadcastResponse> {
    const { bundle } = this
    const began = this.#options.clock.now()
    const config = this.#configTransaction(update, bundle, began)
    this.#validated(began)
    if ('status' in config) return config
    // Two orderers wrap the same update differently: it is known by itself.
    const id = toHex(sha256(Envelope.encode(update)))
    return await this.#append(Envelope.encode(config), bundle, RecordClass.config, id)
  }

  /** Ends loops, and closes blocks and log. What waits for a block stays in the log. */
  async close(): Promise<void> {
    this.#stop.abort(new Error('the channel is closed'))
    this.#options.metrics.status(this.channelId, 'inactive')
    this.#timer?.cancel()
    this.#tell()
    await this.#done
    await Promise.all(this.#resubmissions)
    await this.#log.close()
    await this.#store.close()
  }

  #validated(began: Millis): void {
    const { metrics, clock } = this.#options
    metrics.processed(this.channelId)
    metrics.validated(this.channelId, clock.now() - began)
  }

  async #append(payload: Uint8Array, { config }: OrderedBundle, recordClass: number, id: string): Promise<BroadcastResponse> {
    if (this.#failure !== undefined || this.#stop.signal.aborted) return unavailable(`channel ${this.channelId} is not serviced`)
    if (this.#appends >= APPENDS_MAX || this.#appendsBytes + payload.length > APPENDS_BYTES_MAX)
      return unavailable('too many messages are being ordered')
    const regular = { payload, configSequence: config.sequence, class: recordClass, originalSequence: 0n }
    const { clock, metrics } = this.#options
    const began = clock.now()
    this.#appends++
    this.#appendsBytes += payload.length
    try {
      // Where it was dropped for an older configuration, it may come again under a newer one.
      await this.#log.append(LogRecord.encode({ regular }), `${id}-${config.sequence}`)
      metrics.enqueued(this.channelId, clock.now() - began)
      return ACCEPTED
    } catch (error) {
      this.#options.log?.error('an envelope of channel %s cannot be put in the log: %e', this.channelId, error)
      return unavailable(`cannot enqueue: ${messageOf(error)}`)
    } finally {
      this.#appends--
      this.#appendsBytes -= payload.length
    }
  }

  async #run(): Promise<void> {
    const { signal } = this.#stop
    try {
      await this.#resume()
      for await (const entry of this.#log.read(this.#consumer.nextSequence, { signal })) {
        const waitedFor = this.#consumer.pendingBlock
        for (const effect of this.#consumer.receive(entry, await this.#isInChain(entry))) await this.#perform(effect)
        this.#setTimer(waitedFor)
      }
    } catch (error) {
      if (signal.aborted) return
      this.#failure = error
      this.#errored.abort(error)
      this.#options.metrics.status(this.channelId, 'failed')
      this.#options.log?.error('channel %s halts: %e', this.channelId, error)
      this.#timer?.cancel()
      this.#tell()
    }
  }

  /** Configurations that were to come again may not have: whoever starts puts them in the log. */
  async #resume(): Promise<void> {
    for (const sequence of this.#consumer.awaited) {
      const payload = regularOf(await entryAt(this.#log, sequence, this.#stop.signal))?.payload
      if (payload !== undefined) this.#resubmit(sequence, payload)
    }
  }

  async #isInChain({ bytes }: LogEntry): Promise<boolean> {
    const regular = regularOf(bytes)
    return regular?.class === RecordClass.normal && (await this.#store.has(regular.payload))
  }

  async #perform(effect: LogEffect): Promise<void> {
    switch (effect.do) {
      case 'write':
        return await this.#write(effect)
      case 'resubmit':
        return this.#resubmit(effect.sequence, effect.payload)
      case 'drop':
        this.#options.log?.('entry %d of channel %s is in no block: %s', effect.sequence, this.channelId, effect.why)
    }
  }

  async #write(effect: LogEffect & { readonly do: 'write' }): Promise<void> {
    const block = nextBlock(this.#tip, effect, this.#options)
    await this.#store.append(block)
    this.#tip = tipAfter(block, effect.isConfig ? block.header.number : this.#tip.lastConfig)
    this.#log.release(effect.releasable)
    this.#tell()
  }

  #resubmit(sequence: bigint, payload: Uint8Array): void {
    const work = this.#resubmitUntilDone(sequence, payload).finally(() => this.#resubmissions.delete(work))
    this.#resubmissions.add(work)
  }

  async #resubmitUntilDone(sequence: bigint, payload: Uint8Array): Promise<void> {
    const { signal } = this.#stop
    // Ends when this entry, or that of another orderer, was read.
    for (let isFirst = true; !signal.aborted && (isFirst || this.#consumer.awaited.has(sequence)); isFirst = false) {
      try {
        await this.#log.append(this.#recordAgain(sequence, payload), `${this.channelId}-again-${sequence}`)
        return
      } catch (error) {
        this.#options.log?.error('a configuration of channel %s cannot be put in the log again: %e', this.channelId, error)
        const due = Promise.withResolvers<void>()
        const cancel = this.#options.clock.at(this.#options.clock.now() + RESUBMIT_MS, due.resolve)
        await raceAbort(due.promise, signal).catch(() => undefined)
        cancel()
      }
    }
  }

  /** A configuration made anew from its update; as it was where that is refused: all drop it then. */
  #recordAgain(originalSequence: bigint, payload: Uint8Array): Uint8Array {
    const { bundle } = this
    const old = readEnvelope(payload)
    const read = isFault(old) ? old : readConfig(old)
    const made = isFault(read) ? undefined : this.#configTransaction(read.update, bundle)
    const next = made === undefined || 'status' in made ? payload : Envelope.encode(made)
    const regular = { payload: next, configSequence: bundle.config.sequence, class: RecordClass.config, originalSequence }
    return LogRecord.encode({ regular })
  }

  #configTransaction(update: Envelope, bundle: OrderedBundle, checkedAt?: number): Envelope | Rejection {
    const { signer, clock, randomBytes } = this.#options
    return configTransaction(update, bundle, { signer, now: clock.now(), randomBytes }, checkedAt)
  }

  /** One timer, for the block that something waits for. @param before - The block that something waited for. */
  #setTimer(before: bigint | undefined): void {
    const block = this.#consumer.pendingBlock
    const { clock, metrics } = this.#options
    if (before !== undefined && before !== block) metrics.filled(this.channelId, clock.now() - this.#pendingSince)
    if (block !== undefined && before !== block) this.#pendingSince = clock.now()
    if (this.#timer?.block === block) return
    this.#timer?.cancel()
    this.#timer = block === undefined ? undefined : { block, cancel: this.#cutAt(block) }
  }

  #cutAt(blockNumber: bigint): Cancel {
    const { clock } = this.#options
    return clock.at(clock.now() + this.bundle.orderer.batchTimeoutMs, () => {
      const record = LogRecord.encode({ timeToCut: { blockNumber } })
      this.#log.append(record, `${this.channelId}-cut-${blockNumber}`).catch((error: unknown) => {
        this.#options.log?.error('block %d of channel %s cannot be cut in time: %e', blockNumber, this.channelId, error)
        if (this.#timer?.block !== blockNumber || this.#stop.signal.aborted || this.#failure !== undefined) return
        this.#timer = { block: blockNumber, cancel: this.#cutAt(blockNumber) }
      })
    })
  }

  #tell(): void {
    const news = this.#news
    this.#news = Promise.withResolvers()
    news.resolve()
  }
}

/** Reads one entry. */
async function entryAt(log: OrderedLog, sequence: bigint, signal: AbortSignal): Promise<Uint8Array> {
  const stop = new AbortController()
  try {
    for await (const { bytes } of log.read(sequence, { signal: AbortSignal.any([signal, stop.signal]) })) return bytes
  } finally {
    stop.abort()
  }
  throw new KumikoError('fabric-orderer/log-lost', `the log has no entry ${sequence}`)
}

function regularOf(bytes: Uint8Array): NonNullable<LogRecord['regular']> | undefined {
  const record = LogRecord.decode(bytes)
  return isFault(record) ? undefined : record.regular
}

function halted(channelId: string, cause: unknown): KumikoError {
  const message = `channel ${channelId} makes no more blocks (${messageOf(cause)}): mend what failed, and start the orderer anew`
  return new KumikoError('fabric-orderer/halted', message, { cause, context: { channelId } })
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
