import { toHex } from '@kumiko/fabric-protocol'
import { LogTail } from './log-tail.ts'
import type { Consenter, LogBounds, LogEntry, OrderedLog } from './ordered-log.ts'

/** Ids that are remembered. */
const IDS_MAX = 10_000

/** A log in memory: for tests, and for networks that end with their process. Orderers of one process may share it; it keeps all entries. */
export class MemoryLog implements OrderedLog {
  readonly #tail: LogTail
  /** The oldest go first. */
  readonly #ids = new Map<string, bigint>()

  /** @param first - The number of the first entry to come. */
  constructor(first = 1n) {
    this.#tail = new LogTail(first)
  }

  async append(bytes: Uint8Array, id: string): Promise<bigint> {
    const known = this.#ids.get(id)
    if (known !== undefined) return known
    const sequence = this.#tail.push(bytes)
    this.#ids.set(id, sequence)
    const [oldest] = this.#ids.keys()
    if (this.#ids.size > IDS_MAX && oldest !== undefined) this.#ids.delete(oldest)
    return sequence
  }

  read(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncIterable<LogEntry> {
    return this.#tail.read(from, signal)
  }

  async bounds(): Promise<LogBounds> {
    return this.#tail.bounds
  }

  release(): void {}

  async close(): Promise<void> {}
}

/** Orderers of one process that share a log a channel, in memory. It is gone when the process ends, and with it what no block holds yet. */
export function inMemory(): Consenter {
  /** By the channel's genesis block; bounded by the channels. */
  const logs = new Map<string, MemoryLog>()
  return {
    name: 'memory',
    open: async ({ genesisHash, lastSequence }) => {
      const key = toHex(genesisHash)
      const log = logs.get(key) ?? new MemoryLog(lastSequence + 1n)
      logs.set(key, log)
      return log
    },
  }
}
