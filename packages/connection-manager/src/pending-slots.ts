import type { Refusal } from '@kumiko/interface'
import { refuse } from './refusal.ts'
import type { SlotRequest } from './slots.ts'

/** One site may hold every fourth place, so that nobody keeps all others out by connections that go no further. */
const SITES = 4

/** Connections that are being set up. */
export class PendingSlots {
  readonly #counts = { inbound: 0, outbound: 0 }
  /** Inbound, by site. One that is zero has no entry. */
  readonly #sites = new Map<string, number>()

  get inbound(): number {
    return this.#counts.inbound
  }

  get outbound(): number {
    return this.#counts.outbound
  }

  /** @param max - In each direction. */
  check({ direction, site }: SlotRequest, max: number): Refusal | undefined {
    const count = this.#counts[direction]
    if (count >= max) return refuse('too-many-peers', 'too-many-pending', `${count} ${direction} connections are being set up`)
    const own = site === undefined ? 0 : (this.#sites.get(site) ?? 0)
    if (own < Math.ceil(max / SITES)) return undefined
    return refuse('too-many-peers', 'too-many-pending', `${own} connections from ${site} are being set up`)
  }

  take({ direction, site }: SlotRequest): void {
    this.#counts[direction]++
    if (site !== undefined) this.#sites.set(site, (this.#sites.get(site) ?? 0) + 1)
  }

  giveBack({ direction, site }: SlotRequest): void {
    this.#counts[direction]--
    if (site === undefined) return
    const left = (this.#sites.get(site) ?? 0) - 1
    if (left > 0) this.#sites.set(site, left)
    else this.#sites.delete(site)
  }
}
