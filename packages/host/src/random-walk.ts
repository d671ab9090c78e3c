import type { Random } from '@kumiko/interface'
import { raceAbort } from '@kumiko/interface'
import type { AbortOptions, PeerInfo, PeerRouting } from '@libp2p/interface'
import { AbortError, setMaxListeners } from '@libp2p/interface'
import type { RandomWalk as Libp2pRandomWalk } from '@libp2p/interface-internal'

/** Length of a random key, in bytes: that of a SHA-256 digest, so that it is uniform in a DHT's key space. */
const KEY_BYTES = 32

/** What the random walk needs. */
export interface RandomWalkComponents {
  readonly peerRouting: PeerRouting
  readonly random: Random
}

/** Somebody waits for the next peer: undefined when there is none. */
type Waiting = PromiseWithResolvers<PeerInfo | undefined>

/**
 * Finds peers by asking for those closest to random keys. All who walk at a time share one walk: each peer goes to all who wait for one then. It
 * goes on only as fast as peers are taken, and ends when nobody walks any more.
 */
export class RandomWalk implements Libp2pRandomWalk {
  readonly #components: RandomWalkComponents
  /** One each of those who walk; as many as our callers begin. */
  readonly #waiting = new Set<Waiting>()
  #walkers = 0
  #isWalking = false
  #wanted = Promise.withResolvers<void>()
  /** Aborts what is asked when nobody walks any more. */
  #left = newController()
  #stopped = newController()

  constructor(components: RandomWalkComponents) {
    this.#components = components
  }

  start(): void {
    this.#stopped = newController()
  }

  /** Ends all walks. */
  stop(): void {
    this.#stopped.abort(new AbortError('The node is stopping'))
  }

  /** Ends with the signal, or when the walk found nobody for a key. */
  async *walk({ signal }: AbortOptions = {}): AsyncGenerator<PeerInfo> {
    signal?.throwIfAborted()
    const end = signal === undefined ? this.#stopped.signal : AbortSignal.any([signal, this.#stopped.signal])
    this.#walkers++
    try {
      for (let peer = await this.#next(end); peer !== undefined; peer = await this.#next(end)) yield peer
    } finally {
      this.#walkers--
      if (this.#walkers === 0) this.#left.abort(new AbortError('Nobody walks any more'))
    }
  }

  async #next(signal: AbortSignal): Promise<PeerInfo | undefined> {
    const waiting: Waiting = Promise.withResolvers()
    this.#waiting.add(waiting)
    this.#wanted.resolve()
    if (!this.#isWalking) void this.#walk()
    try {
      return await raceAbort(waiting.promise, signal)
    } finally {
      this.#waiting.delete(waiting)
    }
  }

  /** Never rejects. */
  async #walk(): Promise<void> {
    this.#isWalking = true
    this.#left = newController()
    const { signal } = this.#left
    try {
      while (await this.#ask(signal));
      this.#settle((waiting) => waiting.resolve(undefined))
    } catch (error) {
      // Whoever came while the last one left walks anew.
      if (!signal.aborted) this.#settle((waiting) => waiting.reject(error))
    } finally {
      this.#isWalking = false
      if (this.#waiting.size > 0) void this.#walk()
    }
  }

  /** Asks for one random key; tells whether anybody was found. */
  async #ask(signal: AbortSignal): Promise<boolean> {
    let isFound = false
    for await (const peer of this.#components.peerRouting.getClosestPeers(this.#key(), { signal })) {
      isFound = true
      await this.#want(signal)
      this.#settle((waiting) => waiting.resolve(peer))
      await this.#want(signal)
    }
    signal.throwIfAborted()
    return isFound
  }

  /** Waits until somebody waits for a peer. */
  async #want(signal: AbortSignal): Promise<void> {
    if (this.#waiting.size > 0) return
    this.#wanted = Promise.withResolvers()
    await raceAbort(this.#wanted.promise, signal)
  }

  #settle(end: (waiting: Waiting) => void): void {
    for (const waiting of this.#waiting) end(waiting)
    this.#waiting.clear()
  }

  #key(): Uint8Array {
    return Uint8Array.from({ length: KEY_BYTES }, () => Math.floor(this.#components.random() * 256))
  }
}

function newController(): AbortController {
  const controller = new AbortController()
  setMaxListeners(Number.POSITIVE_INFINITY, controller.signal)
  return controller
}
