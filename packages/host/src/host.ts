import { peerIdAt, stackOf, withPeer } from '@kumiko/identity'
import type {
  CapabilityRegistry,
  ConnectionManager,
  Dialer,
  DialTo,
  DialToOptions,
  HostComponents,
  Identity,
  Host as KumikoHost,
} from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import { publicKeyFromProtobuf } from '@libp2p/crypto/keys'
import type {
  AbortOptions,
  ComponentLogger,
  Connection,
  ContentRouting,
  DialProtocolOptions,
  Ed25519PeerId,
  Ed25519PublicKey,
  EventHandler,
  IsDialableOptions,
  Libp2pEvents,
  Libp2pStatus,
  Metrics,
  PeerId,
  PeerRouting,
  PeerStore,
  PendingDial,
  PublicKey,
  RSAPeerId,
  RSAPublicKey,
  Secp256k1PeerId,
  Secp256k1PublicKey,
  ServiceMap,
  Stream,
  StreamHandler,
  StreamHandlerOptions,
  StreamMiddleware,
  Topology,
  TypedEventTarget,
  URLPeerId,
} from '@libp2p/interface'
import { InvalidPublicKeyError, isPeerId } from '@libp2p/interface'
import { PeerSet } from '@libp2p/peer-collections'
import type { Multiaddr } from '@multiformats/multiaddr'
import { dialTargetOf } from './dial-target.ts'
import type { Lifecycle } from './lifecycle.ts'
import { Run } from './run.ts'

/** A Host's face: everything it does, its parts do. */
export class Host<Services extends ServiceMap = ServiceMap> implements KumikoHost<Services> {
  readonly components: HostComponents
  readonly services: Services
  readonly metrics?: Metrics
  readonly #run: Run
  readonly #events: TypedEventTarget<Libp2pEvents<Services>>

  constructor(components: HostComponents, services: Services, lifecycle: Lifecycle) {
    this.components = components
    this.services = services
    this.#run = new Run(lifecycle, components.clock, (event) => void this.safeDispatchEvent(event, { detail: this }))
    // The events are the same; only `start` and `stop` tell of the Host, and the Host of its services.
    this.#events = components.events as TypedEventTarget<Libp2pEvents<Services>>
    if (components.metrics !== undefined) this.metrics = components.metrics
  }

  get identity(): Identity {
    return this.components.identity
  }

  get peerId(): PeerId {
    return this.components.peerId
  }

  get capabilities(): CapabilityRegistry {
    return this.components.capabilities
  }

  get dialer(): Dialer {
    return this.components.dialer
  }

  get connectionManager(): ConnectionManager {
    return this.components.connectionManager
  }

  get peerStore(): PeerStore {
    return this.components.peerStore
  }

  get peerRouting(): PeerRouting {
    return this.components.peerRouting
  }

  get contentRouting(): ContentRouting {
    return this.components.contentRouting
  }

  get logger(): ComponentLogger {
    return this.components.logger
  }

  get status(): Libp2pStatus {
    return this.#run.status
  }

  /**
   * Starts every part, or none. Called again it waits for the same start; while a stop is under way it waits for that first. A start that failed
   * may be tried again, and a Host that has stopped may be started again.
   *
   * @throws KumikoError `host/start-failed`, naming the part.
   */
  async start(): Promise<void> {
    await this.#run.start()
  }

  /**
   * Stops every part, each within 5 s a phase. Called again it waits for the same stop. A start that is under way has 5 s to end; then it fails.
   *
   * @throws KumikoError `host/stop-failed`; the Host has stopped nevertheless.
   */
  async stop(): Promise<void> {
    await this.#run.stop()
  }

  getMultiaddrs(): Multiaddr[] {
    const { addressManager, transportManager } = this.components
    const rlpx = [...transportManager.getAddrs(), ...addressManager.getAnnounceAddrs()].filter((address) => stackOf(address) === 'rlpx')
    return [...addressManager.getAddresses(), ...rlpx.map((address) => withPeer(address, this.peerId))]
  }

  getProtocols(): string[] {
    return this.components.registrar.getProtocols()
  }

  getConnections(peerId?: PeerId): Connection[] {
    return this.connectionManager.getConnections(peerId)
  }

  getDialQueue(): PendingDial[] {
    return this.dialer.getDialQueue()
  }

  getPeers(): PeerId[] {
    return [...new PeerSet(this.getConnections().map((connection) => connection.remotePeer))]
  }

  async dial(target: DialTo, options: DialToOptions = {}): Promise<Connection> {
    return await this.dialer.dial(target, options)
  }

  /** @throws KumikoError `host/bad-target` for a text that names no node, besides what opening a stream throws. */
  async dialProtocol(target: DialTo, protocols: string | string[], options: DialProtocolOptions = {}): Promise<Stream> {
    return await this.connectionManager.openStream(dialTargetOf(target), protocols, options)
  }

  /** @throws KumikoError `host/bad-target` where the address names no peer. */
  async hangUp(target: PeerId | Multiaddr, options: AbortOptions = {}): Promise<void> {
    const peer = isPeerId(target) ? target : peerAt(target)
    await this.connectionManager.closeConnections(peer, options)
  }

  async handle(protocols: string | string[], handler: StreamHandler, options: StreamHandlerOptions = {}): Promise<void> {
    await Promise.all([protocols].flat().map((protocol) => this.components.registrar.handle(protocol, handler, options)))
  }

  async unhandle(protocols: string | string[], options: AbortOptions = {}): Promise<void> {
    await Promise.all([protocols].flat().map((protocol) => this.components.registrar.unhandle(protocol, options)))
  }

  async register(protocol: string, topology: Topology, options: AbortOptions = {}): Promise<string> {
    return await this.components.registrar.register(protocol, topology, options)
  }

  unregister(id: string): void {
    this.components.registrar.unregister(id)
  }

  use(protocol: string, middleware: StreamMiddleware | StreamMiddleware[]): void {
    this.components.registrar.use(protocol, [middleware].flat())
  }

  unuse(protocol: string): void {
    this.components.registrar.unuse(protocol)
  }

  async isDialable(address: Multiaddr | Multiaddr[], options: IsDialableOptions = {}): Promise<boolean> {
    return await this.connectionManager.isDialable(address, options)
  }

  /** A peer's key: from its id, else from the peer store, else from content routing. @throws `InvalidPublicKeyError` where it is another's. */
  getPublicKey(peer: Ed25519PeerId, options?: AbortOptions): Promise<Ed25519PublicKey>
  getPublicKey(peer: Secp256k1PeerId, options?: AbortOptions): Promise<Secp256k1PublicKey>
  getPublicKey(peer: RSAPeerId, options?: AbortOptions): Promise<RSAPublicKey>
  getPublicKey(peer: URLPeerId, options?: AbortOptions): Promise<never>
  getPublicKey(peer: PeerId, options?: AbortOptions): Promise<PublicKey>
  async getPublicKey(peer: PeerId, options: AbortOptions = {}): Promise<PublicKey> {
    if (peer.publicKey !== undefined) return peer.publicKey
    const known = (await this.peerStore.has(peer, options)) ? await this.peerStore.get(peer, options) : undefined
    if (known?.id.publicKey !== undefined) return known.id.publicKey
    const key = new Uint8Array([...new TextEncoder().encode('/pk/'), ...peer.toMultihash().bytes])
    const publicKey = publicKeyFromProtobuf(await this.contentRouting.get(key, options))
    // Whoever holds the value may have put any key there.
    if (!peer.equals(publicKey.toMultihash().bytes)) throw new InvalidPublicKeyError(`The key found is not that of ${peer}`)
    await this.peerStore.patch(peer, { publicKey }, options)
    return publicKey
  }

  addEventListener<K extends keyof Libp2pEvents<Services>>(
    type: K,
    listener: EventHandler<Libp2pEvents<Services>[K]> | null,
    options?: boolean | AddEventListenerOptions,
  ): void {
    this.#events.addEventListener(type, listener, options)
  }

  removeEventListener<K extends keyof Libp2pEvents<Services>>(
    type: K,
    listener?: EventHandler<Libp2pEvents<Services>[K]> | null,
    options?: boolean | EventListenerOptions,
  ): void {
    this.#events.removeEventListener(type, listener, options)
  }

  listenerCount(type: string): number {
    return this.#events.listenerCount(type)
  }

  dispatchEvent(event: Event): boolean {
    return this.#events.dispatchEvent(event)
  }

  safeDispatchEvent<Detail>(type: keyof Libp2pEvents<Services>, init?: { readonly detail?: Detail }): boolean {
    return this.#events.safeDispatchEvent(type, init)
  }
}

function peerAt(address: Multiaddr): PeerId {
  const peer = peerIdAt(address)
  if (peer === undefined) throw badTarget(address)
  return peer
}

function badTarget(address: Multiaddr): KumikoError {
  return new KumikoError('host/bad-target', `${address} names no peer: end it in /p2p/…`, { context: { address: address.toString() } })
}
