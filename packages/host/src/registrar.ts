import { stackOf } from '@kumiko/identity'
import type { Cancel, CapabilityRegistry } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import type {
  AbortOptions,
  ComponentLogger,
  EventHandler,
  IdentifyResult,
  Libp2pEvents,
  Logger,
  PeerId,
  PeerStore,
  PeerUpdate,
  StreamHandler,
  StreamHandlerOptions,
  StreamHandlerRecord,
  StreamMiddleware,
  Topology,
  TypedEventTarget,
} from '@libp2p/interface'
import type { Registrar as Libp2pRegistrar } from '@libp2p/interface-internal'

/** Streams of one protocol on one connection that the remote may open, unless the handler's options say otherwise. As in js-libp2p. */
export const INBOUND_STREAMS_MAX = 32
/** Streams of one protocol on one connection that we may open, unless options say otherwise. As in js-libp2p. */
export const OUTBOUND_STREAMS_MAX = 64

/** What the registrar needs. */
export interface RegistrarComponents {
  readonly peerId: PeerId
  readonly peerStore: PeerStore
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly capabilities: CapabilityRegistry
}

/**
 * Who serves which protocol, and who wants to hear of peers that serve one.
 *
 * A capability may have a handler here, for its streams; but it is never listed, nor stored with our own peer, since identify tells both to
 * everybody. Holds as many handlers and topologies as our caller registers.
 */
export class Registrar implements Libp2pRegistrar {
  readonly #components: RegistrarComponents
  readonly #log: Logger
  readonly #handlers = new Map<string, StreamHandlerRecord>()
  readonly #middleware = new Map<string, StreamMiddleware[]>()
  readonly #topologies = new Map<string, Map<string, Topology>>()
  #topologyCount = 0
  #cancels: Cancel[] = []
  #isStopping = false

  constructor(components: RegistrarComponents) {
    this.#components = components
    this.#log = components.logger.forComponent('kumiko:registrar')
  }

  /** The store may hold what an earlier run of ours served. */
  async beforeStart(): Promise<void> {
    this.#isStopping = false
    await this.#storeProtocols()
  }

  start(): void {
    this.#cancels = [
      this.#listen('peer:identify', (event) => this.#identified(event.detail)),
      this.#listen('peer:update', (event) => this.#updated(event.detail)),
      this.#listen('peer:disconnect', (event) => void this.#disconnected(event.detail)),
      this.#components.capabilities.subscribe(() => void this.#storeProtocols()),
    ]
  }

  /** Who is about to go tells nobody that its handlers go. */
  beforeStop(): void {
    this.#isStopping = true
  }

  stop(): void {
    for (const cancel of this.#cancels) cancel()
    this.#cancels = []
  }

  getProtocols(): string[] {
    return [...this.#handlers.keys()].filter((protocol) => !this.#components.capabilities.has(protocol)).sort()
  }

  getHandler(protocol: string): StreamHandlerRecord {
    const record = this.#handlers.get(protocol)
    if (record === undefined) throw unhandled(protocol)
    return record
  }

  /** @throws KumikoError `host/duplicate-handler`, unless `force` is set. */
  async handle(protocol: string, handler: StreamHandler, options: StreamHandlerOptions = {}): Promise<void> {
    if (this.#handlers.has(protocol) && options.force !== true) throw duplicateHandler(protocol)
    const limits = { maxInboundStreams: INBOUND_STREAMS_MAX, maxOutboundStreams: OUTBOUND_STREAMS_MAX }
    this.#handlers.set(protocol, { handler, options: { ...limits, ...options } })
    if (this.#components.capabilities.has(protocol)) return
    await this.#components.peerStore.merge(this.#components.peerId, { protocols: [protocol] }, options)
  }

  async unhandle(protocol: string | string[], options: AbortOptions = {}): Promise<void> {
    for (const one of [protocol].flat()) this.#handlers.delete(one)
    await this.#storeProtocols(options)
  }

  use(protocol: string, middleware: StreamMiddleware[]): void {
    this.#middleware.set(protocol, [...middleware])
  }

  unuse(protocol: string): void {
    this.#middleware.delete(protocol)
  }

  /** What was given to `use`, which outlives handlers, then what the handler brought. */
  getMiddleware(protocol: string): StreamMiddleware[] {
    return [...(this.#middleware.get(protocol) ?? []), ...(this.#handlers.get(protocol)?.options.middleware ?? [])]
  }

  async register(protocol: string, topology: Topology, options: AbortOptions = {}): Promise<string> {
    options.signal?.throwIfAborted()
    this.#topologyCount += 1
    const id = `topology-${this.#topologyCount}`
    const topologies = this.#topologies.get(protocol) ?? new Map<string, Topology>()
    this.#topologies.set(protocol, topologies.set(id, topology))
    return id
  }

  unregister(id: string): void {
    for (const [protocol, topologies] of this.#topologies) {
      if (topologies.delete(id) && topologies.size === 0) this.#topologies.delete(protocol)
    }
  }

  getTopologies(protocol: string): Topology[] {
    return [...(this.#topologies.get(protocol)?.values() ?? [])]
  }

  #listen<K extends keyof Libp2pEvents>(type: K, listener: EventHandler<Libp2pEvents[K]>): Cancel {
    this.#components.events.addEventListener(type, listener)
    return () => this.#components.events.removeEventListener(type, listener)
  }

  /** A remote may claim a capability through identify; it has it only where the connection is RLPx. */
  #identified({ peerId, protocols, connection }: IdentifyResult): void {
    const isRlpx = stackOf(connection.remoteAddr) === 'rlpx'
    for (const protocol of protocols) {
      if (!isRlpx && this.#components.capabilities.has(protocol)) continue
      for (const topology of this.getTopologies(protocol)) {
        if (connection.limits !== undefined && topology.notifyOnLimitedConnection !== true) continue
        if (topology.filter?.has(peerId) === true) continue
        topology.filter?.add(peerId)
        void this.#call(protocol, () => topology.onConnect?.(peerId, connection))
      }
    }
  }

  #updated({ peer, previous }: PeerUpdate): void {
    const removed = (previous?.protocols ?? []).filter((protocol) => !peer.protocols.includes(protocol))
    this.#left(peer.id, removed)
  }

  async #disconnected(peerId: PeerId): Promise<void> {
    if (this.#topologies.size === 0) return
    try {
      const peer = await this.#components.peerStore.get(peerId)
      this.#left(peerId, peer.protocols)
    } catch (error) {
      this.#log('disconnected peer %p is not in the store - %e', peerId, error)
    }
  }

  #left(peerId: PeerId, protocols: readonly string[]): void {
    for (const protocol of protocols) {
      for (const topology of this.getTopologies(protocol)) {
        if (topology.filter?.has(peerId) === false) continue
        topology.filter?.remove(peerId)
        void this.#call(protocol, () => topology.onDisconnect?.(peerId))
      }
    }
  }

  async #call(protocol: string, notify: () => void | Promise<void>): Promise<void> {
    try {
      await notify()
    } catch (error) {
      this.#log.error('topology of %s failed - %e', protocol, error)
    }
  }

  async #storeProtocols(options: AbortOptions = {}): Promise<void> {
    if (this.#isStopping) return
    try {
      await this.#components.peerStore.patch(this.#components.peerId, { protocols: this.getProtocols() }, options)
    } catch (error) {
      this.#log.error('could not store our protocols - %e', error)
    }
  }
}

function unhandled(protocol: string): KumikoError {
  return new KumikoError('host/unhandled-protocol', `No handler for ${protocol}: register one with handle()`, { context: { protocol } })
}

function duplicateHandler(protocol: string): KumikoError {
  return new KumikoError('host/duplicate-handler', `${protocol} has a handler: unhandle it first, or pass force`, { context: { protocol } })
}
