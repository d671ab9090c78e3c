import type { ConnectionManager } from '@kumiko/interface'
import type { ComponentLogger, Libp2pEvents, Logger, Peer, PeerId, PeerStore, TypedEventTarget } from '@libp2p/interface'

/** What forgetting needs. */
export interface PassersByComponents {
  readonly peerStore: PeerStore
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly connectionManager: Pick<ConnectionManager, 'getConnections'>
}

/** What identify and the upgrader note of everybody. */
const COMMON_METADATA: ReadonlySet<string> = new Set(['AgentVersion', 'ProtocolVersion', 'PeerStatus'])

/**
 * Forgets peers that went and left nothing by which they could be found again. The peer store removes nobody unless it is asked for them, so
 * that without this everyone who ever connected, under however many keys, would stay in it.
 */
export class PassersBy {
  readonly #components: PassersByComponents
  readonly #log: Logger
  /** Being looked at. Bounded by the connections that end while the store answers. */
  readonly #tasks = new Set<Promise<void>>()
  readonly #left = ({ detail }: CustomEvent<PeerId>): void => {
    const task = this.#forget(detail).finally(() => this.#tasks.delete(task))
    this.#tasks.add(task)
  }

  constructor(components: PassersByComponents) {
    this.#components = components
    this.#log = components.logger.forComponent('kumiko:passers-by')
  }

  start(): void {
    this.#components.events.addEventListener('peer:disconnect', this.#left)
  }

  async stop(): Promise<void> {
    this.#components.events.removeEventListener('peer:disconnect', this.#left)
    await Promise.all(this.#tasks)
  }

  /** Never throws. */
  async #forget(peerId: PeerId): Promise<void> {
    const { connectionManager, peerStore } = this.#components
    try {
      if (!isPasserBy(await peerStore.get(peerId))) return
      // It may have come back meanwhile.
      if (connectionManager.getConnections(peerId).length === 0) await peerStore.delete(peerId)
    } catch (error) {
      this.#log('could not forget %p - %e', peerId, error)
    }
  }
}

function isPasserBy({ addresses, metadata, tags }: Peer): boolean {
  return addresses.length === 0 && tags.size === 0 && [...metadata.keys()].every((key) => COMMON_METADATA.has(key))
}
