import { BoundedMap, type Millis } from '@kumiko/interface'

/** Addresses remembered at most; the one that was heard of the longest time ago goes first. */
const ADDRESSES_MAX = 4096

/** The back-off after the n-th failure in a row, n from 0: 5 s + n² s, at most 5 minutes. @see go-libp2p swarm: BackoffBase, BackoffCoef, BackoffMax */
const BACK_OFF_BASE_MS: Millis = 5000
const BACK_OFF_STEP_MS: Millis = 1000
const BACK_OFF_MAX_MS: Millis = 300_000

/** What dials have told of addresses: which led to their peer, and which are in back-off. Holds at most 4096; an address is its text with the peer. */
export class AddressHistory {
  /** Last heard of last. */
  readonly #addresses = new BoundedMap<string, AddressRecord>(ADDRESSES_MAX)

  get size(): number {
    return this.#addresses.size
  }

  succeeded(address: string, now: Millis): void {
    this.#addresses.set(address, { lastSuccess: now, failures: 0, retryAt: now })
  }

  failed(address: string, now: Millis): void {
    const { lastSuccess, failures = 0 } = this.#addresses.get(address) ?? {}
    const backOffMs = Math.min(BACK_OFF_BASE_MS + BACK_OFF_STEP_MS * failures ** 2, BACK_OFF_MAX_MS)
    this.#addresses.set(address, { lastSuccess, failures: failures + 1, retryAt: now + backOffMs })
  }

  /** Tells whether an address failed, and its back-off has not ended. */
  isBackedOff(address: string, now: Millis): boolean {
    return (this.#addresses.get(address)?.retryAt ?? now) > now
  }

  /** When an address last led to its peer. Undefined where it has not, or has failed since. */
  lastSuccess(address: string): Millis | undefined {
    const found = this.#addresses.get(address)
    return found === undefined || found.failures > 0 ? undefined : found.lastSuccess
  }

  /** Tells whether nothing is known of an address. */
  isUnknown(address: string): boolean {
    return !this.#addresses.has(address)
  }
}

interface AddressRecord {
  readonly lastSuccess: Millis | undefined
  /** In a row. */
  readonly failures: number
  readonly retryAt: Millis
}
