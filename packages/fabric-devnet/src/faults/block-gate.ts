import type { BlockSource, SourcedBlock } from '@kumiko/fabric-committer'
import { type Clock, type Millis, raceAbort, sleep } from '@kumiko/interface'

/** What stands between a peer and its blocks: lets them through, unless it is told otherwise. */
export class BlockGate {
  readonly #clock: Clock
  #delayMs: Millis = 0
  #duplicates = 0
  /** Pending while blocks are held back. */
  #held: PromiseWithResolvers<void> | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Whether blocks are held back or delayed. */
  get isShut(): boolean {
    return this.#held !== undefined || this.#delayMs > 0
  }

  /** Each block comes so much later. 0 is none. */
  delay(delayMs: Millis): void {
    this.#delayMs = delayMs
  }

  /** Holds blocks back until {@link release}. */
  hold(): void {
    this.#held ??= Promise.withResolvers()
  }

  /** Lets all that was held back go. */
  release(): void {
    this.#held?.resolve()
    this.#held = undefined
  }

  /** The next blocks come twice each. */
  duplicate(count: number): void {
    this.#duplicates = count
  }

  /** Lets all blocks through from now on. */
  clear(): void {
    this.#delayMs = 0
    this.#duplicates = 0
    this.release()
  }

  /** A source whose blocks come through the gate. */
  guard(source: BlockSource): BlockSource {
    return { blocks: (from, options) => this.#through(source.blocks(from, options), options?.signal) }
  }

  async *#through(blocks: AsyncIterable<SourcedBlock>, signal: AbortSignal | undefined): AsyncGenerator<SourcedBlock, void, undefined> {
    for await (const block of blocks) {
      if (this.#delayMs > 0) await sleep(this.#clock, this.#delayMs, signal)
      while (this.#held !== undefined) await raceAbort(this.#held.promise, signal)
      yield block
      if (this.#duplicates === 0) continue
      this.#duplicates--
      yield block
    }
  }
}
