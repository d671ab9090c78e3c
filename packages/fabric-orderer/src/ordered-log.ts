import type { Logger } from '@libp2p/interface'

/** One entry of a log. */
export interface LogEntry {
  /** From 1 on, without gaps. */
  readonly sequence: bigint
  readonly bytes: Uint8Array
}

/** Which entries a log has. */
export interface LogBounds {
  /** The first that is still there; one above {@link last} where none is. */
  readonly first: bigint
  /** The last that was ever appended; 0 where none was. */
  readonly last: bigint
}

/**
 * One order of entries for all who read it: all that orderers need to agree on blocks. An entry is there for good once {@link append} has
 * resolved; which failures it outlives, the log says.
 */
export interface OrderedLog {
  /**
   * Adds an entry at the end, even one that is there already, and at times twice: whoever reads the log has to know.
   * @returns Its number, once it cannot be lost any more.
   * @throws KumikoError `fabric-orderer/log-full`: nothing was added. Anything else: it may have been added, or may yet be.
   */
  append(bytes: Uint8Array): Promise<bigint>
  /**
   * The entries from a number on, then those to come, each once and in order. One loop at a time.
   * @param options.signal - Ends the loop.
   * @throws KumikoError `fabric-orderer/log-trimmed` where the entry is gone, `fabric-orderer/log-lost` where the log is,
   * `fabric-orderer/log-split` where those who keep it have too little in common.
   */
  read(from: bigint, options: { readonly signal: AbortSignal }): AsyncIterable<LogEntry>
  bounds(): Promise<LogBounds>
  /** Tells that this orderer will not ask for an entry up to this one again. */
  release(sequence: bigint): void
  close(): Promise<void>
}

/** What a log is opened for. */
export interface LogContext {
  readonly channelId: string
  /** Of the channel's block 0: a channel that is begun anew under its name has another log. */
  readonly genesisHash: Uint8Array
  /** For what this orderer keeps of the log: of its own, and there. */
  readonly folder: string
  /** The last entry that the channel's blocks account for. */
  readonly lastSequence: bigint
  /** For one entry: grows with the channel's `absolute_max_bytes`. */
  readonly entryBytesMax: number
  /** Told what its operator has to mend. Default: none. */
  readonly log?: Logger | undefined
}

/** How a channel's orderers agree. */
export interface Consenter {
  /** For messages: `solo`, `nats`. */
  readonly name: string
  /** Opens a channel's log, or begins it. @throws KumikoError */
  open(context: LogContext): Promise<OrderedLog>
}
