import type { Millis } from '@kumiko/interface'
import type { NodeAddress } from '@libp2p/interface-internal'

/** What is known of one address of ours. */
export type AddressTrust = Pick<NodeAddress, 'verified' | 'expires' | 'lastVerified'>

/** Nobody has said anything of it. */
const UNSAID: AddressTrust = { verified: false, expires: 0 }
/** Believed until somebody finds otherwise. */
const BELIEVED: AddressTrust = { verified: true, expires: 0 }
/** There is nothing to find out. */
const SURE: AddressTrust = { verified: true, expires: Number.POSITIVE_INFINITY }

/**
 * Which of our addresses others are known to reach. A verdict stays until the other one comes; when it expires it is time to ask again, as autonat
 * does. Holds what {@link keepOnly} leaves.
 */
export class AddressTrusts {
  readonly #byText = new Map<string, AddressTrust>()

  /** @param initial - Before anybody has said something: `unsaid`, `believed`, or `sure`, which is not asked at all. */
  of(text: string, initial: 'unsaid' | 'believed' | 'sure'): AddressTrust {
    if (initial === 'sure') return SURE
    return this.#byText.get(text) ?? (initial === 'believed' ? BELIEVED : UNSAID)
  }

  /** Others reach it. */
  confirm(text: string, now: Millis, forMs: Millis): void {
    this.#byText.set(text, { verified: true, expires: now + forMs, lastVerified: now })
  }

  /** Others do not reach it. */
  refute(text: string, now: Millis, forMs: Millis): void {
    const { lastVerified } = this.#byText.get(text) ?? UNSAID
    this.#byText.set(text, { verified: false, expires: now + forMs, ...(lastVerified === undefined ? {} : { lastVerified }) })
  }

  keepOnly(texts: ReadonlySet<string>): void {
    for (const text of this.#byText.keys()) if (!texts.has(text)) this.#byText.delete(text)
  }
}
