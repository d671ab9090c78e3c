import type { Cancel, Clock, ConnectionManager, Millis, Random } from '@kumiko/interface'
import type { ComponentLogger, Logger, Peer, PeerStore } from '@libp2p/interface'

/** How often the peer store is looked through. */
const PASS_MS: Millis = 3_600_000

/** Peers that a pass leaves, besides those that are connected or tagged. */
const PEERS_MAX = 16_384

/** What expiring needs. */
export interface PeerExpiryComponents {
  readonly peerStore: PeerStore
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
  readonly connectionManager: Pick<ConnectionManager, 'getConnections'>
}

/**
 * Looks through the peer store once an hour. The store removes whom it was told nothing of for six hours, but only when it comes upon him: who
 * announced an address once and was never asked for again would stay for ever. Of those that are left some are removed at random where
 * they are too many.
 */
export class PeerExpiry {
  readonly #components: PeerExpiryComponents
  readonly #log: Logger
  readonly #peersMax: number
  #cancel: Cancel | undefined
  #pass: Promise<void> | undefined

  /** @param peersMax - Default 16,384. */
  constructor(components: PeerExpiryComponents, peersMax: number = PEERS_MAX) {
    this.#components = components
    this.#peersMax = peersMax
    this.#log = components.logger.forComponent('kumiko:peer-expiry')
  }

  start(): void {
    const { clock } = this.#components
    this.#cancel = clock.at(clock.now() + PASS_MS, () => {
      this.#pass = this.#lookThrough().finally(() => {
        this.#pass = undefined
        if (this.#cancel !== undefined) this.start()
      })
    })
  }

  async stop(): Promise<void> {
    this.#cancel?.()
    this.#cancel = undefined
    await this.#pass
  }

  /** Never rejects. */
  async #lookThrough(): Promise<void> {
    const { peerStore } = this.#components
    try {
      // Reading them all is what removes those that are too old.
      const peers = await peerStore.all()
      for (const { id } of this.#surplus(peers)) await peerStore.delete(id)
    } catch (error) {
      this.#log.error('could not look through the peer store - %e', error)
    }
  }

  #surplus(peers: readonly Peer[]): readonly Peer[] {
    const { connectionManager, random } = this.#components
    const excess = peers.length - this.#peersMax
    if (excess <= 0) return []
    const idle = peers.filter(({ id, tags }) => tags.size === 0 && connectionManager.getConnections(id).length === 0)
    const ranked = idle.map((peer) => ({ peer, rank: random() })).sort((a, b) => a.rank - b.rank)
    return ranked.slice(0, excess).map(({ peer }) => peer)
  }
}
