import { connectionManager } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import type { HostComponents, NodeSource, Part } from '@kumiko/interface'
import { KumikoError, systemClock } from '@kumiko/interface'
import type { ConnectionEncrypter, Libp2pEvents, NodeInfo, PeerDiscovery, PeerStore, ServiceMap } from '@libp2p/interface'
import { contentRoutingSymbol, peerDiscoverySymbol, peerRoutingSymbol, setMaxListeners, TypedEventEmitter } from '@libp2p/interface'
import { persistentPeerStore } from '@libp2p/peer-store'
import { MemoryDatastore } from 'datastore-core'
import { AddressManager, type AddressManagerInit } from './address-manager.ts'
import { CachedPeerStore, cacheLifetimeOf } from './cached-peer-store.ts'
import { Capabilities } from './capabilities.ts'
import { Components } from './components.ts'
import { ConnectionMonitor } from './connection-monitor.ts'
import { Discovery } from './discovery.ts'
import { Lifecycle, type NamedPart } from './lifecycle.ts'
import { lazyLogger } from './logger.ts'
import { type NodeKey, noIdentity } from './node-key.ts'
import type { AnyHostOptions, DiscoveryPart } from './options.ts'
import { PassersBy } from './passers-by.ts'
import { PeerExpiry } from './peer-expiry.ts'
import { RandomWalk } from './random-walk.ts'
import { RecordEndpoint } from './record-endpoint.ts'
import { RecordMultiaddrs } from './record-multiaddrs.ts'
import { Registrar } from './registrar.ts'
import { ContentRouters, PeerRouters } from './routing.ts'
import { orderServices } from './services.ts'
import { signingKey } from './signing-key.ts'
import { TransportManager } from './transport-manager.ts'
import { UPGRADER_TIMEOUTS, Upgrader } from './upgrader.ts'
import { VERSION } from './version.ts'

/** Encrypts nothing and proves nothing. */
const PLAINTEXT = '/plaintext/2.0.0'

/**
 * A Host's parts while they are put together: first the core, then what is plugged into it, in the order in which one may read the other's
 * components when it is made.
 */
export class Assembly {
  readonly components: HostComponents
  readonly services: ServiceMap
  readonly lifecycle: Lifecycle
  readonly #components = new Components()
  readonly #options: AnyHostOptions
  readonly #key: NodeKey
  readonly #peerRouters: PeerRouters
  readonly #contentRouters: ContentRouters
  readonly #upgrader: Upgrader
  readonly #transportManager: TransportManager
  readonly #discovery: Discovery

  /** @throws KumikoError, as `createHost` says. */
  constructor(options: AnyHostOptions, key: NodeKey, addresses: AddressManagerInit) {
    this.#options = options
    this.#key = key
    this.components = this.#components.view
    this.#provideBasics()
    const log = this.components.logger.forComponent('kumiko:routing')
    this.#peerRouters = new PeerRouters(this.components, log)
    this.#contentRouters = new ContentRouters(this.components, log)
    this.#upgrader = new Upgrader(this.components, { ...UPGRADER_TIMEOUTS, ...options.timeouts })
    this.#transportManager = new TransportManager(this.components, options.transportManager)
    this.#discovery = new Discovery(this.components)
    const core = this.#core(addresses)
    const management = this.#management()
    const plugged = this.#plug()
    this.services = this.#makeServices()
    const services = this.#orderServices([...core, ...plugged, ...management])
    const order = [...core, ...services, ...plugged, { name: 'transportManager', part: this.#transportManager }, ...management]
    this.lifecycle = new Lifecycle(
      [...order, { name: 'discovery', part: this.#discovery }],
      this.components.clock,
      this.components.logger.forComponent('kumiko:lifecycle'),
    )
  }

  /** What has no needs of its own. */
  #provideBasics(): void {
    const { nodeInfo, logger, connectionGater, clock, random, dns } = this.#options
    const { identity, peerId, privateKey } = this.#key
    const events = new TypedEventEmitter<Libp2pEvents>()
    setMaxListeners(Number.POSITIVE_INFINITY, events)
    if (identity === undefined) this.#components.lack('identity', noIdentity(privateKey))
    else this.#components.provide('identity', identity)
    this.#components.provide('peerId', peerId)
    this.#components.provide('privateKey', signingKey(privateKey))
    if (dns !== undefined) this.#components.provide('dns', dns)
    this.#components.provide('nodeInfo', fullNodeInfo(nodeInfo))
    this.#components.provide('logger', logger ?? lazyLogger())
    this.#components.provide('events', events)
    this.#components.provide('connectionGater', connectionGater ?? {})
    this.#components.provide('clock', clock ?? systemClock)
    this.#components.provide('random', random ?? Math.random)
  }

  /** Our own parts, in order of dependency. */
  #core(addresses: AddressManagerInit): NamedPart[] {
    const view = this.components
    const metrics = this.#options.metrics?.(view)
    if (metrics !== undefined) this.#components.provide('metrics', metrics)
    const datastore = this.#options.datastore ?? new MemoryDatastore()
    this.#components.provide('datastore', typeof datastore === 'function' ? datastore(view) : datastore)
    this.#components.provide('peerStore', this.#makePeerStore())
    const capabilities = new Capabilities(this.#key.identity?.record)
    for (const capability of this.#options.capabilities ?? []) capabilities.add(capability)
    this.#components.provide('capabilities', capabilities)
    this.#components.provide('registrar', new Registrar(view))
    this.#components.provide('transportManager', this.#transportManager)
    this.#components.provide('addressManager', new AddressManager(view, addresses))
    this.#components.provide('upgrader', this.#upgrader)
    this.#components.provide('peerRouting', this.#peerRouters)
    this.#components.provide('contentRouting', this.#contentRouters)
    const randomWalk = new RandomWalk(view)
    this.#components.provide('randomWalk', randomWalk)
    const protector = this.#options.connectionProtector?.(view)
    if (protector !== undefined) this.#components.provide('connectionProtector', protector)
    return [
      { name: 'metrics', part: metrics },
      { name: 'datastore', part: view.datastore },
      { name: 'peerStore', part: view.peerStore },
      { name: 'connectionProtector', part: protector },
      { name: 'capabilities', part: view.capabilities },
      { name: 'registrar', part: view.registrar },
      { name: 'contentRouting', part: this.#contentRouters },
      { name: 'passersBy', part: new PassersBy(view) },
      { name: 'peerExpiry', part: new PeerExpiry(view) },
      { name: 'addressManager', part: view.addressManager },
      { name: 'randomWalk', part: randomWalk },
      ...this.#keepRecord(addresses),
    ]
  }

  #makePeerStore(): PeerStore {
    const { connectionGater: gater, clock, peerId } = this.components
    const { peerStore: options = {} } = this.#options
    const store = persistentPeerStore(this.components, {
      addressFilter: (peer, address) => gater.filterMultiaddrForPeer?.(peer, address) ?? true,
      ...options,
    })
    const isFiltered = (): boolean => options.addressFilter !== undefined || gater.filterMultiaddrForPeer !== undefined
    return new CachedPeerStore(store, { self: peerId, clock, isFiltered, lifetimeMs: cacheLifetimeOf(options) })
  }

  #keepRecord({ announce, appendAnnounce }: AddressManagerInit): NamedPart[] {
    if (this.#key.identity === undefined) return []
    return [
      { name: 'recordEndpoint', part: new RecordEndpoint(this.components, [...announce, ...appendAnnounce]) },
      { name: 'recordMultiaddrs', part: new RecordMultiaddrs(this.components) },
    ]
  }

  /** Who connects, and who may stay. They start last, so that no connection comes or goes before all else is up. */
  #management(): NamedPart[] {
    const dialing = (this.#options.dialer ?? dialer())(this.components)
    this.#components.provide('dialer', dialing)
    const managing = (this.#options.connectionManager ?? connectionManager())(this.components)
    this.#components.provide('connectionManager', managing)
    this.#components.provide('admission', managing.admission)
    const { connectionMonitor } = this.#options
    return [
      { name: 'connectionManager', part: managing },
      {
        name: 'connectionMonitor',
        part: connectionMonitor?.enabled === false ? undefined : new ConnectionMonitor(this.components, connectionMonitor),
      },
      { name: 'dialer', part: dialing },
    ]
  }

  /** Encrypters, muxers, routers, discoveries and transports, each handed to the part that uses it. */
  #plug(): NamedPart[] {
    const {
      connectionEncrypters,
      streamMuxers,
      peerRouters,
      contentRouters,
      discovery = [],
      peerDiscovery = [],
      transports,
    } = this.#options
    return [
      ...this.#make('connectionEncrypters', connectionEncrypters, (encrypter) => this.#addEncrypter(encrypter)),
      ...this.#make('streamMuxers', streamMuxers, (muxer) => this.#upgrader.addMuxer(muxer)),
      ...this.#make('peerRouters', peerRouters, (router) => this.#peerRouters.add(router)),
      ...this.#make('contentRouters', contentRouters, (router) => this.#contentRouters.add(router)),
      ...this.#make('discovery', [...discovery, ...peerDiscovery], (part) => this.#plugDiscovery(part)),
      ...this.#make('transports', transports, (transport) => this.#transportManager.add(transport)),
    ]
  }

  #make<T extends object>(option: string, factories: readonly Part<T>[] = [], use: (part: T) => void): NamedPart[] {
    return factories.map((factory, index) => {
      const part = factory(this.#components.pluggedView)
      use(part)
      return { name: `${option}[${index}]`, part }
    })
  }

  #makeServices(): ServiceMap {
    const made: ServiceMap = {}
    for (const [name, factory] of Object.entries(this.#options.services ?? {})) {
      // The services that it sees among them are put there as they are made.
      const service: unknown = factory(this.#components.pluggedView as never)
      made[name] = service
      this.#components.provideService(name, service)
      if (typeof service === 'object' && service !== null) this.#heed(service)
    }
    return made
  }

  #orderServices(others: readonly NamedPart[]): NamedPart[] {
    const ordered = orderServices(
      this.services,
      others.map(({ part }) => part),
    )
    return ordered.map(([name, part]) => ({ name: `services.${name}`, part }))
  }

  /** A service may route and discover, too. */
  #heed(service: object): void {
    if (peerRoutingSymbol in service && isObject(service[peerRoutingSymbol])) this.#peerRouters.add(service[peerRoutingSymbol])
    if (contentRoutingSymbol in service && isObject(service[contentRoutingSymbol])) this.#contentRouters.add(service[contentRoutingSymbol])
    this.#addDiscovery(service)
  }

  /** Whom a key given makes known to others, nobody may pretend to be. @throws KumikoError `host/plaintext-with-key`. */
  #addEncrypter(encrypter: ConnectionEncrypter): void {
    if (encrypter.protocol === PLAINTEXT && this.#key.isGiven) throw plaintextWithKey()
    this.#upgrader.addEncrypter(encrypter)
  }

  /** What is given as a discovery is one, whether or not it says so by its symbol. */
  #plugDiscovery(part: DiscoveryPart): void {
    if (!(peerDiscoverySymbol in part) && isDiscovery(part)) this.#discovery.addDiscovery(part)
    this.#addDiscovery(part)
  }

  #addDiscovery(part: DiscoveryPart | object): void {
    if (peerDiscoverySymbol in part && isDiscovery(part[peerDiscoverySymbol])) this.#discovery.addDiscovery(part[peerDiscoverySymbol])
    if (isNodeSource(part)) this.#discovery.addSource(part)
  }
}

function isObject(value: unknown): value is object {
  return typeof value === 'object' && value !== null
}

function isDiscovery(value: unknown): value is PeerDiscovery {
  return value instanceof EventTarget
}

function isNodeSource(value: object): value is NodeSource {
  return 'nodes' in value && typeof value.nodes === 'function'
}

function fullNodeInfo({ name = 'kumiko', version = VERSION, userAgent }: Partial<NodeInfo> = {}): NodeInfo {
  return { name, version, userAgent: userAgent ?? `${name}/${version} node/${process.versions.node}` }
}

function plaintextWithKey(): KumikoError {
  return new KumikoError(
    'host/plaintext-with-key',
    'plaintext proves no key: add noise() or tls() to connectionEncrypters in its place, or give the node no key',
  )
}
