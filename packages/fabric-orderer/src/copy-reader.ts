import { raceAbort } from '@kumiko/interface'
import type { StreamCopy } from './replicated-stream.ts'

/** Where a reader of one server's copy brings what it reads. */
export interface CopyListener {
  /** @returns Undefined where there is room for an entry; else a promise of a time to ask again. */
  room(sequence: bigint): Promise<void> | undefined
  /** @param bytes - Kept; undefined where the server has later entries, and not this one. */
  hear(server: string, sequence: bigint, bytes: Uint8Array | undefined): void
}

/** Tells what one server has of a stream, until it goes, something is lost on its way, or it is stopped. */
export class CopyReader {
  readonly #copy: StreamCopy
  readonly #from: bigint
  readonly #listener: CopyListener
  readonly #stop = new AbortController()
  #told = 0

  /** @param from - As the copy was opened with. */
  constructor(copy: StreamCopy, from: bigint, listener: CopyListener) {
    this.#copy = copy
    this.#from = from
    this.#listener = listener
  }

  /** How much it has told so far: it is silent while this stays the same. */
  get told(): number {
    return this.#told
  }

  /** Once. Never rejects: who reads it again finds out why it ended. */
  async read(): Promise<void> {
    try {
      await this.#tellAll()
    } catch {
      // The server went.
    } finally {
      this.stop()
    }
  }

  /** {@link read} resolves soon. */
  stop(): void {
    this.#stop.abort(new Error('the reader is stopped'))
    this.#copy.close()
  }

  async #tellAll(): Promise<void> {
    let [next, delivered] = [this.#from, 0]
    for await (const { sequence, delivery, bytes } of this.#copy.messages()) {
      if (delivery !== ++delivered || this.#stop.signal.aborted) return
      // A server that is behind begins before what was asked for.
      if (delivery === 1 && sequence < next) next = sequence
      while (next < sequence) await this.#tell(next++, undefined)
      await this.#tell(next++, bytes)
    }
  }

  async #tell(sequence: bigint, bytes: Uint8Array | undefined): Promise<void> {
    const { signal } = this.#stop
    for (let wait = this.#listener.room(sequence); wait !== undefined; wait = this.#listener.room(sequence)) await raceAbort(wait, signal)
    if (signal.aborted) throw signal.reason
    this.#listener.hear(this.#copy.server, sequence, bytes)
    this.#told++
  }
}
