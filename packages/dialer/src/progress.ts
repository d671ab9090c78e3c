import type { OpenConnectionProgressEvents } from '@libp2p/interface'

/** Told of each step of a dial. */
export type ProgressListener = (event: OpenConnectionProgressEvents) => void

/** Those who follow one dial. As many as wait for it. */
export class Progress {
  readonly #listeners = new Set<ProgressListener>()

  add(listener: ProgressListener | undefined): void {
    if (listener !== undefined) this.#listeners.add(listener)
  }

  remove(listener: ProgressListener | undefined): void {
    if (listener !== undefined) this.#listeners.delete(listener)
  }

  /** Never throws: what one listener throws must not end the dial of the others. */
  readonly tell: ProgressListener = (event) => {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch {
        // It is the listener's own affair.
      }
    }
  }
}
