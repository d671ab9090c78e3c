import type { Millis } from '@kumiko/interface'
import { type Datastore, Key } from 'interface-datastore'

/** Where the sequence number of our own record outlives us. */
export interface SeqStore {
  /** What was saved last; undefined where there is nothing, or nothing that can be read. */
  load(): Promise<bigint | undefined>
  /** Must have reached the disk when it resolves. */
  save(seq: bigint): Promise<void>
}

/** How many numbers are reserved with one write. A restart skips those that were not used. */
const RESERVE = 64n

/**
 * Gives out sequence numbers, each once, over any number of restarts and crashes: a bound is saved first, then the numbers below it are
 * used, and the next run begins at the bound. A restart thus skips up to 64 numbers, which costs nothing.
 */
export class Sequence {
  /** Called when {@link take}, after it gave undefined, would give a number. */
  onReady: () => void = () => {}
  readonly #store: SeqStore
  #next: bigint
  /** Saved; the numbers below it are ours. */
  #bound: bigint
  #isSaving = false

  private constructor(store: SeqStore, next: bigint, bound: bigint) {
    this.#store = store
    this.#next = next
    this.#bound = bound
  }

  /**
   * @param now - What to begin with where nothing is saved: the time in milliseconds, as go-ethereum does.
   * @throws What the store throws.
   */
  static async open(store: SeqStore, now: Millis): Promise<Sequence> {
    const first = (await store.load()) ?? BigInt(Math.floor(now))
    await store.save(first + RESERVE)
    return new Sequence(store, first, first + RESERVE)
  }

  /** The next number, or undefined while the store is behind. A failed write is tried again at the next call. */
  take(): bigint | undefined {
    if (this.#bound - this.#next <= RESERVE / 2n) this.#extend()
    return this.#next < this.#bound ? this.#next++ : undefined
  }

  #extend(): void {
    if (this.#isSaving) return
    this.#isSaving = true
    const bound = this.#bound + RESERVE
    void this.#store
      .save(bound)
      .then(
        () => {
          this.#bound = bound
          return true
        },
        () => false,
      )
      .then((isSaved) => {
        this.#isSaving = false
        if (isSaved) this.onReady()
      })
  }
}

/** Remembers nothing: a restart begins with the time again, which is right as long as clocks go forward. */
export const memorySeqStore: SeqStore = {
  load: async () => undefined,
  save: async () => {},
}

/** Saves to a libp2p datastore, under `/kumiko/local-record/seq`, 8 bytes big endian. */
export function datastoreSeqStore(datastore: Datastore): SeqStore {
  const key = new Key('/kumiko/local-record/seq')
  return {
    async load() {
      if (!(await datastore.has(key))) return undefined
      const bytes = await datastore.get(key)
      return bytes.length === 8 ? new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0) : undefined
    },
    async save(seq) {
      const bytes = new Uint8Array(8)
      new DataView(bytes.buffer).setBigUint64(0, seq)
      await datastore.put(key, bytes)
    },
  }
}
