import { isLoopback } from '@kumiko/identity'
import type { Millis } from '@kumiko/interface'
import { networkOf, RateLimit } from '@kumiko/kademlia'

/** How much work others may make us do, in packets a second; twice as many at once. Loopback is never limited. */
export interface FloodLimits {
  /** From one address, at which some node has proved to be, or which we have asked. Default 500. */
  readonly perAddress?: number
  /** From all addresses at which a node has proved to be together, those that we are asking aside. Default 3000. */
  readonly proved?: number
  /** From one address, at which nobody has. Default 20. */
  readonly perStranger?: number
  /** From all such addresses together. Default 1000. */
  readonly strangers?: number
}

/** Who is at an address: somebody whom we are asking something, somebody who has proved to be there once, or nobody of whom we know. */
export type Standing = 'asked' | 'proved' | 'stranger'

/**
 * Decides whose packets are worth the recovery of a signature and an answer. Who has not proved its address may be anyone who writes another's on
 * an envelope: what is sent there is limited most. Addresses that are proved can be learned by asking us, and written on envelopes, too; whom we are asking just now
 * is harder to know. Addresses are those of {@link networkOf}. Remembers some thousand addresses.
 */
export class FloodGate {
  readonly #perAddress: RateLimit
  readonly #proved: RateLimit
  readonly #perStranger: RateLimit
  readonly #strangers: RateLimit

  constructor({ perAddress = 500, proved = 3000, perStranger = 20, strangers = 1000 }: FloodLimits) {
    this.#perAddress = new RateLimit(perAddress)
    this.#proved = new RateLimit(proved)
    this.#perStranger = new RateLimit(perStranger)
    this.#strangers = new RateLimit(strangers)
  }

  /** Addresses remembered. */
  get size(): number {
    return this.#perAddress.size + this.#perStranger.size
  }

  /** Tells whether a packet may pass, and counts it if so. */
  lets(ip: string, standing: Standing, now: Millis): boolean {
    if (ip.startsWith('127.') || (ip.includes(':') && isLoopback(ip))) return true
    const network = networkOf(ip)
    if (standing === 'stranger') return this.#perStranger.take(network, now) && this.#strangers.take('', now)
    return this.#perAddress.take(network, now) && (standing === 'asked' || this.#proved.take('', now))
  }
}
