import { type BatchSize, type Envelope, readEnvelope, sha256, toHex } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { BlockCutter, envelopeSize } from './block-cutter.ts'
import { applyConfig, readConfig } from './config-update.ts'
import { LogMetadata, LogRecord, RecordClass, type RegularRecord } from './log-record.ts'
import { messageRejection, normalRejection, type OrderedBundle } from './message-filters.ts'
import type { LogEntry } from './ordered-log.ts'

/** What is to be done with an entry of the log, in this order. */
export type LogEffect =
  /** Write the next block: nothing after it before it is written. */
  | {
      readonly do: 'write'
      readonly data: readonly Uint8Array[]
      readonly isConfig: boolean
      readonly consenterMetadata: Uint8Array
      /** The last entry that nobody asks for again once the block is written. */
      readonly releasable: bigint
    }
  /** Put a configuration in the log again: it was checked against an older one. */
  | { readonly do: 'resubmit'; readonly sequence: bigint; readonly payload: Uint8Array }
  /** Nothing: the entry is in no block. */
  | { readonly do: 'drop'; readonly sequence: bigint; readonly why: string }

/** Where a channel's blocks stand. */
export interface ConsumerStart {
  /** As of the last block. */
  readonly bundle: OrderedBundle
  /** Of the next block. */
  readonly nextBlock: bigint
  /** That of the last block. */
  readonly metadata: LogMetadata
}

/** More stale configurations than ever wait: others are dropped. */
const AWAITED_MAX = 16

interface Pending {
  readonly bytes: Uint8Array
  readonly id: string
}

/**
 * Makes blocks of a log. They are a function of the log and of nothing else: no clock, no random, no certificate's end. So all who read a
 * log from the start, or from what a block says on, make the same blocks. Holds what waits for the next block.
 * @see Fabric 2.5 `orderer/consensus/kafka/chain.go`: the same construction
 */
export class LogConsumer {
  #bundle: OrderedBundle
  #nextBlock: bigint
  #awaited: Set<bigint>
  /** The last entry that all blocks so far, and what waits, account for. */
  #lastSequence: bigint
  readonly #cutter = new BlockCutter<Pending>()
  readonly #pendingIds = new Set<string>()

  constructor({ bundle, nextBlock, metadata }: ConsumerStart) {
    this.#bundle = bundle
    this.#nextBlock = nextBlock
    this.#awaited = new Set(metadata.awaited.map(({ sequence }) => sequence))
    this.#lastSequence = metadata.lastSequence
  }

  /** The channel, as of the last block. */
  get bundle(): OrderedBundle {
    return this.#bundle
  }

  /** The number of the block that something waits for; undefined where nothing waits. */
  get pendingBlock(): bigint | undefined {
    return this.#cutter.pendingCount === 0 ? undefined : this.#nextBlock
  }

  /** The next entry to read. */
  get nextSequence(): bigint {
    return this.#lastSequence + 1n
  }

  /** Entries whose configurations are to come again. Bounded. */
  get awaited(): ReadonlySet<bigint> {
    return this.#awaited
  }

  /**
   * Takes the next entry.
   * @param isInChain - Is the very same envelope in a block already? Then a client, or an orderer, had sent it twice.
   */
  receive({ sequence, bytes }: LogEntry, isInChain: boolean): readonly LogEffect[] {
    const record = LogRecord.decode(bytes)
    const effects = isFault(record) ? [drop(sequence, record.detail ?? '')] : this.#take(sequence, record, isInChain)
    this.#lastSequence = sequence
    return effects
  }

  #take(sequence: bigint, { regular, timeToCut }: LogRecord, isInChain: boolean): readonly LogEffect[] {
    if (timeToCut !== undefined) return this.#cutAt(timeToCut.blockNumber, sequence)
    if (regular === undefined) return [drop(sequence, 'it is neither an envelope nor a time to cut')]
    const envelope = readEnvelope(regular.payload)
    if (isFault(envelope)) return [drop(sequence, envelope.detail ?? '')]
    if (regular.class !== RecordClass.config) return this.#takeNormal(sequence, regular, envelope, isInChain)
    const { originalSequence } = regular
    if (originalSequence !== 0n && !this.#awaited.has(originalSequence)) return [drop(sequence, 'it came again before')]
    return this.#takeConfig(sequence, regular, envelope)
  }

  #takeNormal(sequence: bigint, record: RegularRecord, envelope: Envelope, isInChain: boolean): readonly LogEffect[] {
    const id = toHex(sha256(record.payload))
    if (isInChain || this.#pendingIds.has(id)) return [drop(sequence, 'it is in the chain already')]
    const isStale = record.configSequence !== this.#bundle.config.sequence
    const rejection = isStale ? normalRejection(envelope, this.#bundle) : undefined
    if (rejection !== undefined) return [drop(sequence, rejection.info)]
    const { batches, isPending } = this.#cutter.order({ bytes: record.payload, id }, envelopeSize(envelope), this.#batchSize)
    const effects = batches.map((batch, at) => {
      // What waits after this block, or is in the one after, comes again when the log is read from this block on.
      const isLast = at === batches.length - 1 && !isPending
      return this.#write(batch, isLast ? sequence : sequence - 1n, false)
    })
    if (batches.length > 0) this.#pendingIds.clear()
    if (isPending) this.#pendingIds.add(id)
    return effects
  }

  #takeConfig(sequence: bigint, record: RegularRecord, envelope: Envelope): readonly LogEffect[] {
    const next = this.#nextOf(record, envelope)
    // Before this entry is accounted for: where the next block is not written any more, the entry comes again with the same state.
    const before = next === undefined || isFault(next) ? [] : this.#cutAll(sequence - 1n)
    this.#awaited.delete(record.originalSequence)
    if (next === undefined) return this.#await(sequence, record)
    if (isFault(next)) return [drop(sequence, next.detail ?? next.fault)]
    this.#bundle = next
    return [...before, this.#write([{ bytes: record.payload, id: '' }], sequence, true)]
  }

  /** The channel after a configuration; undefined where that was checked against one that is no longer the channel's. */
  #nextOf(record: RegularRecord, envelope: Envelope): OrderedBundle | Fault | undefined {
    const read = readConfig(envelope)
    if (isFault(read)) return read
    if (record.configSequence < this.#bundle.config.sequence) return
    const rejection = messageRejection(envelope, this.#bundle)
    return rejection === undefined ? applyConfig(this.#bundle, read.config) : { fault: 'fabric-orderer/rejected', detail: rejection.info }
  }

  /** Whether it is still valid, who puts it in the log again finds out: here it is only told that it is to come. */
  #await(sequence: bigint, { payload }: RegularRecord): readonly LogEffect[] {
    if (this.#awaited.size >= AWAITED_MAX) return [drop(sequence, 'too many configurations are stale')]
    this.#awaited.add(sequence)
    return [{ do: 'resubmit', sequence, payload }]
  }

  #cutAt(blockNumber: bigint, sequence: bigint): readonly LogEffect[] {
    return blockNumber === this.#nextBlock ? this.#cutAll(sequence) : []
  }

  #cutAll(lastSequence: bigint): readonly LogEffect[] {
    this.#pendingIds.clear()
    const batch = this.#cutter.cut()
    return batch.length === 0 ? [] : [this.#write(batch, lastSequence, false)]
  }

  #write(batch: readonly Pending[], lastSequence: bigint, isConfig: boolean): LogEffect {
    this.#nextBlock++
    const awaited = [...this.#awaited].map((sequence) => ({ sequence }))
    const consenterMetadata = LogMetadata.encode({ lastSequence, awaited })
    const releasable = awaited.reduce((least, { sequence }) => (sequence <= least ? sequence - 1n : least), lastSequence)
    return { do: 'write', data: batch.map(({ bytes }) => bytes), isConfig, consenterMetadata, releasable }
  }

  get #batchSize(): BatchSize {
    return this.#bundle.orderer.batchSize
  }
}

function drop(sequence: bigint, why: string): LogEffect {
  return { do: 'drop', sequence, why: why.slice(0, 200) }
}
