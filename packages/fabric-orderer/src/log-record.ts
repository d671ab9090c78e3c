import { bytes, int32, type Message, message, nested, oneOf, repeatedNested, uint64 } from '@kumiko/fabric-protocol'

/** What {@link RegularRecord} holds: an envelope for a block with others, or a CONFIG transaction for one of its own. */
export const RecordClass = { normal: 1, config: 2 } as const

/** An envelope, as an orderer that had checked it put it in the log. As `orderer.KafkaMessageRegular`. */
export interface RegularRecord {
  /** An `Envelope`'s bytes. */
  readonly payload: Uint8Array
  /** Of the configuration that it was checked against. */
  readonly configSequence: bigint
  /** One of {@link RecordClass}. */
  readonly class: number
  /** Of the entry that this one stands for, which was checked against an older configuration; 0 where it is the first. */
  readonly originalSequence: bigint
}

/** An orderer's clock says that what waits is to be cut. As `orderer.KafkaMessageTimeToCut`. */
export interface TimeToCutRecord {
  /** Of the block to cut: the first such record cuts it, others say nothing. */
  readonly blockNumber: bigint
}

/** An entry of a channel's log: one of these. As `orderer.KafkaMessage`, with its numbers. */
export interface LogRecord {
  readonly regular: RegularRecord | undefined
  readonly timeToCut: TimeToCutRecord | undefined
}

const RegularRecord: Message<RegularRecord> = message<RegularRecord>('kumiko.orderer.RegularRecord', {
  payload: bytes(1),
  configSequence: uint64(2),
  class: int32(3),
  originalSequence: uint64(4),
})
const TimeToCutRecord: Message<TimeToCutRecord> = message<TimeToCutRecord>('kumiko.orderer.TimeToCutRecord', { blockNumber: uint64(1) })

/** {@link LogRecord} in bytes. */
export const LogRecord: Message<LogRecord> = message<LogRecord>('kumiko.orderer.LogRecord', {
  regular: oneOf(
    'Type',
    nested(1, () => RegularRecord),
  ),
  timeToCut: oneOf(
    'Type',
    nested(2, () => TimeToCutRecord),
  ),
})

/** An entry that is to come again. */
export interface AwaitedEntry {
  readonly sequence: bigint
}

const AwaitedEntry: Message<AwaitedEntry> = message<AwaitedEntry>('kumiko.orderer.AwaitedEntry', { sequence: uint64(1) })

/** Where in the log a block ends: its consenter's metadata, which its orderers sign. As `orderer.KafkaMetadata`. */
export interface LogMetadata {
  /** Of the last entry that this block, and those before it, account for. */
  readonly lastSequence: bigint
  /** Configurations that were stale, and that the orderers are putting in the log anew. */
  readonly awaited: readonly AwaitedEntry[]
}

/** {@link LogMetadata} in bytes. */
export const LogMetadata: Message<LogMetadata> = message<LogMetadata>('kumiko.orderer.LogMetadata', {
  lastSequence: uint64(1),
  awaited: repeatedNested(2, () => AwaitedEntry),
})
