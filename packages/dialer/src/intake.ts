import { type Cancel, type Clock, type NodeRecord, type NodeSource, sleep } from '@kumiko/interface'
import { FairMix, type FairMixOptions } from './fair-mix.ts'

/** After so many refused nodes in a row the sources are left alone for a while: they know no others. */
const REFUSED_IN_A_ROW_MAX = 32
const PAUSE_MS = 1000

/** What an intake is made of. */
export interface IntakeOptions extends FairMixOptions {
  /** Takes a node. Returns false where it was refused. Must not throw. */
  readonly offer: (node: NodeRecord) => boolean
}

/** Takes nodes from the sources while they are wanted, one at a time. */
export class Intake {
  readonly #clock: Clock
  readonly #mix: FairMix
  readonly #offer: (node: NodeRecord) => boolean
  readonly #controller = new AbortController()
  #wanted = 0
  /** Found when it was no longer wanted: the first to be offered. */
  #held: NodeRecord | undefined
  #running: Promise<void> | undefined

  constructor(options: IntakeOptions) {
    this.#clock = options.clock
    this.#mix = new FairMix(options)
    this.#offer = options.offer
  }

  add(source: NodeSource): Cancel {
    return this.#mix.add(source)
  }

  /** From now on so many nodes are wanted. @param count - 0: the sources are left alone. */
  want(count: number): void {
    this.#wanted = count
    if (count > 0 && !this.#controller.signal.aborted) this.#running ??= this.#run()
  }

  /** Lets the sources go and waits for them. Idempotent. */
  async stop(): Promise<void> {
    this.#controller.abort()
    await this.#mix.close()
    await this.#running
  }

  async #run(): Promise<void> {
    const { signal } = this.#controller
    let refused = 0
    // Not at once: whoever wants is in the middle of something.
    await Promise.resolve()
    while (this.#wanted > 0 && !signal.aborted) {
      this.#held ??= await this.#mix.next(signal)
      if (this.#held === undefined || this.#wanted === 0) break
      const node = this.#held
      this.#held = undefined
      refused = this.#offer(node) ? 0 : refused + 1
      if (refused >= REFUSED_IN_A_ROW_MAX) await sleep(this.#clock, PAUSE_MS, signal).catch(() => {})
    }
    this.#running = undefined
  }
}
