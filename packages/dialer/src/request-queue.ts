import { KumikoError } from '@kumiko/interface'
import type { PeerKey } from './candidate.ts'

/** Dials that wait for a slot at most, unless said otherwise. */
export const REQUESTS_MAX = 1024

/** A dial that someone asked for. */
export interface DialRequest {
  readonly id: string
  /** Whom it is to reach, where that is known. */
  readonly peer: PeerKey | undefined
  /** Higher goes first. */
  readonly priority: number
}

/** The dials that wait for a slot: highest priority first, then as they came. */
export class RequestQueue {
  readonly #max: number
  readonly #requests: DialRequest[] = []

  /** @param max - How many may wait. */
  constructor(max: number) {
    this.#max = max
  }

  /** @throws KumikoError `dialer/queue-full`. */
  add(request: DialRequest): void {
    if (this.#requests.length >= this.#max) {
      throw new KumikoError('dialer/queue-full', `${this.#max} dials are waiting already; try again later`)
    }
    const index = this.#requests.findIndex((waiting) => waiting.priority < request.priority)
    this.#requests.splice(index < 0 ? this.#requests.length : index, 0, request)
  }

  /** Tells whether it was waiting. */
  remove(id: string): boolean {
    const index = this.#requests.findIndex((waiting) => waiting.id === id)
    if (index >= 0) this.#requests.splice(index, 1)
    return index >= 0
  }

  take(): DialRequest | undefined {
    return this.#requests.shift()
  }

  has(peer: PeerKey): boolean {
    return this.#requests.some((request) => request.peer === peer)
  }
}
