import { setTimeout as sleep } from 'node:timers/promises'
import { type Millis, News } from '@kumiko/interface'

/** What takes blocks beside others. */
export interface Follower {
  /** Whether it has not taken a block yet that it will take soon. */
  isBehind(blockNumber: bigint): boolean
}

/** After so long the others go on alone. */
const PATIENCE_MS: Millis = 1000

/** How soon is seen what nobody tells of: that a peer ended, or a fault began. */
const LOOK_MS: Millis = 25

/**
 * Keeps the peers of a network in step: of a block that one tells of, the others have the state. Else a test that submits and then asks another
 * organisation, or has both endorse, would fail where the other peer happens to be the slower one.
 */
export class InStep {
  readonly #followers: () => readonly Follower[]
  readonly #progress = new News()

  /** @param followers - Those that run. */
  constructor(followers: () => readonly Follower[]) {
    this.#followers = followers
  }

  /** To be called by each that has taken a block. Ends when all that take blocks have it, or after a second. */
  async taken(blockNumber: bigint): Promise<void> {
    this.#progress.tell()
    const end = performance.now() + PATIENCE_MS
    while (performance.now() < end && this.#followers().some((each) => each.isBehind(blockNumber))) await this.#change()
  }

  async #change(): Promise<void> {
    const look = new AbortController()
    await Promise.race([this.#progress.next, sleep(LOOK_MS, undefined, { signal: look.signal }).catch(() => {})])
    look.abort()
  }
}
