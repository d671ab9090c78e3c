import { type Clock, sleep } from '@kumiko/interface'

/** What resubmissions are made with. */
export interface ResubmissionsOptions {
  readonly clock: Clock
  /** Ends all. */
  readonly signal: AbortSignal
  /** Is the entry still to come again? Another orderer may have been first. */
  readonly isAwaited: (sequence: bigint) => boolean
  /** Puts it in the log again, as it has to be now. It is tried again where it rejects. */
  readonly append: (sequence: bigint, payload: Uint8Array) => Promise<unknown>
}

const RETRY_MS = 1000

/** Stale configurations on their way into the log again. Bounded by what the consumer awaits. */
export class Resubmissions {
  readonly #options: ResubmissionsOptions
  readonly #working = new Set<Promise<void>>()

  constructor(options: ResubmissionsOptions) {
    this.#options = options
  }

  /** @param sequence - Of the entry that was stale. @param payload - Its envelope's bytes. */
  begin(sequence: bigint, payload: Uint8Array): void {
    const work = this.#try(sequence, payload).finally(() => this.#working.delete(work))
    this.#working.add(work)
  }

  /** Resolves when none is under way: tell the signal before. */
  async ended(): Promise<void> {
    await Promise.all(this.#working)
  }

  async #try(sequence: bigint, payload: Uint8Array): Promise<void> {
    const { clock, signal, isAwaited, append } = this.#options
    while (!signal.aborted && isAwaited(sequence)) {
      try {
        await append(sequence, payload)
        return
      } catch {
        await sleep(clock, RETRY_MS, signal).catch(() => undefined)
      }
    }
  }
}
