import type { Cancel, Dialer, NodeSource } from '@kumiko/interface'
import type {
  ComponentLogger,
  Libp2pEvents,
  Logger,
  PeerDiscovery,
  PeerId,
  PeerInfo,
  PeerStore,
  PeerUpdate,
  TypedEventTarget,
} from '@libp2p/interface'

/** What discovery needs. */
export interface DiscoveryComponents {
  readonly peerId: PeerId
  readonly peerStore: PeerStore
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly dialer: Dialer
}

/**
 * Passes on what discoveries find: node sources to the dialer, libp2p's discoveries to the peer store. A peer that the store did not know
 * before, from wherever, is told once as `peer:discovery`.
 */
export class Discovery {
  readonly #components: DiscoveryComponents
  readonly #log: Logger
  readonly #sources: NodeSource[] = []
  readonly #discoveries: PeerDiscovery[] = []
  #cancels: Cancel[] = []
  readonly #found = (event: CustomEvent<PeerInfo>): void => void this.#store(event.detail)
  readonly #updated = (event: CustomEvent<PeerUpdate>): void => this.#tell(event.detail)

  constructor(components: DiscoveryComponents) {
    this.#components = components
    this.#log = components.logger.forComponent('kumiko:discovery')
  }

  addSource(source: NodeSource): void {
    this.#sources.push(source)
  }

  addDiscovery(discovery: PeerDiscovery): void {
    this.#discoveries.push(discovery)
  }

  beforeStart(): void {
    this.#components.events.addEventListener('peer:update', this.#updated)
    for (const discovery of this.#discoveries) discovery.addEventListener('peer', this.#found)
  }

  start(): void {}

  /** Only now are the sources asked: they have started, and our listeners are up. */
  afterStart(): void {
    this.#cancels = this.#sources.map((source) => this.#components.dialer.addSource(source))
  }

  beforeStop(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels = []
    for (const discovery of this.#discoveries) discovery.removeEventListener('peer', this.#found)
  }

  stop(): void {
    this.#components.events.removeEventListener('peer:update', this.#updated)
  }

  async #store({ id, multiaddrs }: PeerInfo): Promise<void> {
    if (id.equals(this.#components.peerId)) return
    try {
      await this.#components.peerStore.merge(id, { multiaddrs })
    } catch (error) {
      this.#log('could not store a discovered peer - %e', error)
    }
  }

  #tell({ peer, previous }: PeerUpdate): void {
    if (previous !== undefined) return
    const multiaddrs = peer.addresses.map((address) => address.multiaddr)
    this.#components.events.safeDispatchEvent('peer:discovery', { detail: { id: peer.id, multiaddrs } })
  }
}
