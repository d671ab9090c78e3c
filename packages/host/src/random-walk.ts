import type { Random } from '@kumiko/interface'
import type { AbortOptions, PeerInfo, PeerRouting } from '@libp2p/interface'
import type { RandomWalk as Libp2pRandomWalk } from '@libp2p/interface-internal'

/** Length of a random key, in bytes: that of a SHA-256 digest, so that it is uniform in a DHT's key space. */
const KEY_BYTES = 32

/** What the random walk needs. */
export interface RandomWalkComponents {
  readonly peerRouting: PeerRouting
  readonly random: Random
}

/** Finds peers by asking for those closest to random keys. */
export class RandomWalk implements Libp2pRandomWalk {
  readonly #components: RandomWalkComponents

  constructor(components: RandomWalkComponents) {
    this.#components = components
  }

  /** Goes on only as fast as peers are taken. Ends with the signal, or when a whole walk found nobody. */
  async *walk(options: AbortOptions = {}): AsyncGenerator<PeerInfo> {
    let found = true
    while (found) {
      found = false
      options.signal?.throwIfAborted()
      for await (const peer of this.#components.peerRouting.getClosestPeers(this.#key(), options)) {
        found = true
        yield peer
      }
    }
  }

  #key(): Uint8Array {
    return Uint8Array.from({ length: KEY_BYTES }, () => Math.floor(this.#components.random() * 256))
  }
}
