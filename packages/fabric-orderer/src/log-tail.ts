import { KumikoError, News, raceAbort } from '@kumiko/interface'
import type { LogBounds, LogEntry } from './ordered-log.ts'

/** The entries of a log that are still needed, in memory. Bounded by who adds to it. */
export class LogTail {
  /** The first entry that is here, or will be. */
  #first: bigint
  #entries: Uint8Array[] = []
  #sizeBytes = 0
  readonly #news = new News()

  /** @param first - The number of the first entry to come. */
  constructor(first: bigint) {
    this.#first = first
  }

  get bounds(): LogBounds {
    return { first: this.#first, last: this.#first + BigInt(this.#entries.length) - 1n }
  }

  /** Of all entries that are here. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  /** @param bytes - Kept. @returns The entry's number. */
  push(bytes: Uint8Array): bigint {
    this.#entries.push(bytes)
    this.#sizeBytes += bytes.length
    this.#news.tell()
    return this.bounds.last
  }

  /** Forgets the entries up to this one. */
  release(sequence: bigint): void {
    const { first, last } = this.bounds
    const end = sequence < last ? sequence : last
    if (end < first) return
    for (const gone of this.#entries.splice(0, Number(end - first) + 1)) this.#sizeBytes -= gone.length
    this.#first = end + 1n
  }

  /** As `OrderedLog.read`. */
  async *read(from: bigint, signal: AbortSignal): AsyncGenerator<LogEntry, void, undefined> {
    for (let sequence = from; !signal.aborted; ) {
      const { first } = this.bounds
      if (sequence < first) throw trimmed(sequence, first)
      const news = this.#news.next
      const bytes = this.#entries[Number(sequence - first)]
      if (bytes !== undefined) yield { sequence: sequence++, bytes }
      else await raceAbort(news, signal).catch(() => undefined)
    }
  }
}

/** @returns KumikoError `fabric-orderer/log-trimmed`. */
export function trimmed(sequence: bigint, first: bigint): KumikoError {
  const message = `entry ${sequence} is no longer in the log, which begins at ${first}: join the channel anew with a later block`
  return new KumikoError('fabric-orderer/log-trimmed', message, { context: { sequence, first } })
}
