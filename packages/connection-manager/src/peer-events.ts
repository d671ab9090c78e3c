import type { Cancel, PeerEvent } from '@kumiko/interface'

/** Who is told of peers. Listeners are our caller's, hence as many as it likes. */
export class PeerEvents {
  readonly #listeners = new Set<(event: PeerEvent) => void>()
  readonly #onThrow: (error: unknown) => void

  /** @param onThrow - Told of a listener that threw; the others hear the event all the same. */
  constructor(onThrow: (error: unknown) => void) {
    this.#onThrow = onThrow
  }

  /** Tells whether anybody listens. */
  get isHeard(): boolean {
    return this.#listeners.size > 0
  }

  subscribe(listener: (event: PeerEvent) => void): Cancel {
    const own = (event: PeerEvent): void => listener(event)
    this.#listeners.add(own)
    return () => this.#listeners.delete(own)
  }

  emit(event: PeerEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event)
      } catch (error) {
        this.#onThrow(error)
      }
    }
  }
}
