import { BoundedMap, type Millis, type NodeRecord } from '@kumiko/interface'

/** A WHOAREYOU that we sent and that waits for its answer. */
export interface Challenge {
  /** The datagram: sent again as it is. */
  readonly packet: Uint8Array
  /** masking-iv ‖ static-header ‖ authdata. */
  readonly challengeData: Uint8Array
  /** Whose record we know already; undefined: it has to come with the answer. */
  readonly node: NodeRecord | undefined
  readonly sentAt: Millis
}

/** § UDP Communication: "1s for the handshake". */
const CHALLENGE_TIMEOUT_MS: Millis = 1000

/** Challenges under way, by node and endpoint. Each holds for a second; the oldest go first. */
export class Challenges {
  readonly #challenges: BoundedMap<string, Challenge>

  /** @param max - Challenges kept. */
  constructor(max: number) {
    this.#challenges = new BoundedMap(max)
  }

  get size(): number {
    return this.#challenges.size
  }

  /** It is sent once more, and holds for a second from now. */
  renew(key: string, now: Millis): Challenge | undefined {
    const challenge = this.take(key, now)
    if (challenge !== undefined) this.set(key, { ...challenge, sentAt: now })
    return challenge
  }

  set(key: string, challenge: Challenge): void {
    this.#challenges.set(key, challenge)
  }

  /** One answer a challenge, right or wrong. */
  take(key: string, now: Millis): Challenge | undefined {
    this.#drop(now)
    const challenge = this.#challenges.get(key)
    this.#challenges.delete(key)
    return challenge
  }

  #drop(now: Millis): void {
    for (const [key, { sentAt }] of this.#challenges) {
      if (now - sentAt < CHALLENGE_TIMEOUT_MS) return
      this.#challenges.delete(key)
    }
  }
}
