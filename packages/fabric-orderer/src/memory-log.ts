import { toHex } from '@kumiko/fabric-protocol'
import { LogTail } from './log-tail.ts'
import type { Consenter, LogBounds, LogEntry, OrderedLog } from './ordered-log.ts'

/** A log in memory: for tests, and for networks that end with their process. Orderers of one process may share it; it keeps entries until it is told to release them. */
export class MemoryLog implements OrderedLog {
  readonly #tail: LogTail

  /** @param first - The number of the first entry to come. */
  constructor(first = 1n) {
    this.#tail = new LogTail(first)
  }

  async append(bytes: Uint8Array): Promise<bigint> {
    return this.#tail.push(bytes)
  }

  read(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncIterable<LogEntry> {
    return this.#tail.read(from, signal)
  }

  async bounds(): Promise<LogBounds> {
    return this.#tail.bounds
  }

  release(sequence: bigint): void {
    this.#tail.release(sequence)
  }

  async close(): Promise<void> {}
}

/**
 * Orderers of one process that share a log a channel, in memory. It is gone when the process ends, and with it what no block holds yet. It keeps what one
 * of those that opened it does not have in blocks; who opens it later than that cannot read it.
 */
export function inMemory(): Consenter {
  /** By the channel's genesis block; bounded by the channels. */
  const logs = new Map<string, SharedLog>()
  return {
    name: 'memory',
    open: async ({ genesisHash, folder, lastSequence }) => {
      const key = toHex(genesisHash)
      const shared = logs.get(key) ?? { log: new MemoryLog(lastSequence + 1n), released: new Map() }
      logs.set(key, shared)
      shared.released.set(folder, lastSequence)
      return handleOf(shared, folder)
    },
  }
}

interface SharedLog {
  readonly log: MemoryLog
  /** The last entry that each orderer needs no more, by its folder. Bounded by the orderers. */
  readonly released: Map<string, bigint>
}

function handleOf({ log, released }: SharedLog, folder: string): OrderedLog {
  return {
    append: (bytes) => log.append(bytes),
    read: (from, options) => log.read(from, options),
    bounds: () => log.bounds(),
    release: (sequence) => {
      released.set(folder, sequence)
      if ([...released.values()].every((each) => each >= sequence)) log.release(sequence)
    },
    close: async () => {},
  }
}
