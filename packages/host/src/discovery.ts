import type { Cancel, CapabilityRegistry, Dialer, NodeSource } from '@kumiko/interface'
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
import { storedForm } from './stored-form.ts'

/** What discovery needs. */
export interface DiscoveryComponents {
  readonly peerId: PeerId
  readonly peerStore: PeerStore
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly dialer: Dialer
  readonly capabilities: CapabilityRegistry
}

/**
 * Passes on what discoveries find: node sources, those of capabilities too, to the dialer, libp2p's discoveries to the peer store. A peer that the store did not know
 * before, from wherever, is told once as `peer:discovery`.
 */
export class Discovery {
  readonly #components: DiscoveryComponents
  readonly #log: Logger
  readonly #sources: NodeSource[] = []
  readonly #discoveries: PeerDiscovery[] = []
  /** What the dialer asks now, each with what ends that. */
  readonly #asked = new Map<NodeSource, Cancel>()
  #unsubscribe: Cancel = () => {}
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
    this.#unsubscribe = this.#components.capabilities.subscribe(() => this.#askAll())
    this.#askAll()
  }

  beforeStop(): void {
    this.#unsubscribe()
    this.#askOnly(new Set())
    for (const discovery of this.#discoveries) discovery.removeEventListener('peer', this.#found)
  }

  stop(): void {
    this.#components.events.removeEventListener('peer:update', this.#updated)
  }

  /** The Host's sources, and those of the capabilities that are offered now. */
  #askAll(): void {
    const named = this.#components.capabilities.list().flatMap(({ sources = [] }) => sources)
    this.#askOnly(new Set([...this.#sources, ...named]))
  }

  #askOnly(sources: ReadonlySet<NodeSource>): void {
    for (const [source, cancel] of this.#asked) {
      if (sources.has(source)) continue
      this.#asked.delete(source)
      cancel()
    }
    for (const source of sources) if (!this.#asked.has(source)) this.#ask(source)
  }

  #ask(source: NodeSource): void {
    try {
      this.#asked.set(source, this.#components.dialer.addSource(source))
    } catch (error) {
      this.#log.error('node source %s is not asked - %e', source.name, error)
    }
  }

  async #store({ id, multiaddrs }: PeerInfo): Promise<void> {
    if (id.equals(this.#components.peerId)) return
    try {
      await this.#components.peerStore.merge(id, { multiaddrs: multiaddrs.map((address) => storedForm(address, id)) })
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
