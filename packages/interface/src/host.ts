import type {
  ComponentLogger,
  Connection,
  ConnectionGater,
  ConnectionProtector,
  ContentRouting,
  DialProtocolOptions,
  Libp2p,
  Libp2pEvents,
  Metrics,
  MultiaddrResolveOptions,
  NodeInfo,
  PeerId,
  PeerRouting,
  PeerStore,
  PrivateKey,
  ServiceMap,
  Stream,
  TypedEventTarget,
  Upgrader,
} from '@libp2p/interface'
import type { AddressManager, RandomWalk, Registrar, TransportManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import type { Admission } from './admission.ts'
import type { CapabilityRegistry } from './capability.ts'
import type { Clock, Random } from './clock.ts'
import type { ConnectionManager } from './connection-manager.ts'
import type { Dialer, DialTo, DialToOptions } from './dialer.ts'
import type { Identity } from './identity.ts'

/**
 * Every plug-in: a factory that is given the Host's components and returns the part. A part declares what it needs as
 * `Pick<HostComponents, …>`, reads components when it uses them (some are built after it), and does nothing before `start()`.
 */
export type Part<T, Needs = HostComponents> = (components: Needs) => T

/** A DNS resolver, as js-libp2p takes it. */
export type Dns = NonNullable<MultiaddrResolveOptions['dns']>

/** What a Host hands to its parts: libp2p's components by libp2p's names, and ours. Services are there under their own names, too. */
export interface HostComponents {
  readonly peerId: PeerId
  readonly privateKey: PrivateKey
  readonly nodeInfo: NodeInfo
  readonly logger: ComponentLogger
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly addressManager: AddressManager
  readonly peerStore: PeerStore
  readonly upgrader: Upgrader
  readonly randomWalk: RandomWalk
  readonly registrar: Registrar
  readonly transportManager: TransportManager
  readonly connectionGater: ConnectionGater
  readonly contentRouting: ContentRouting
  readonly peerRouting: PeerRouting
  readonly datastore: Datastore
  readonly connectionProtector?: ConnectionProtector
  readonly metrics?: Metrics
  /** Undefined: the platform's. */
  readonly dns?: Dns

  /** Reading it throws `host/no-identity` in a Host whose key is not secp256k1: read it by {@link optionalComponent}. */
  readonly identity: Identity
  readonly capabilities: CapabilityRegistry
  readonly connectionManager: ConnectionManager
  readonly admission: Admission
  readonly dialer: Dialer
  readonly clock: Clock
  readonly random: Random
}

/** What a part sees in a node that may not be ours: a vanilla js-libp2p node lacks our components. */
export type VanillaComponents = Omit<HostComponents, OwnComponent> & Partial<Pick<HostComponents, OwnComponent>>

type OwnComponent = 'identity' | 'capabilities' | 'admission' | 'dialer' | 'clock' | 'random'

/**
 * A component that a vanilla node may lack. (Its components object throws for names that it does not know.)
 *
 * @returns Undefined where there is none.
 */
export function optionalComponent<K extends OwnComponent>(
  components: Partial<Pick<HostComponents, K>>,
  name: K,
): HostComponents[K] | undefined {
  try {
    return components[name]
  } catch {
    return undefined
  }
}

/** One node on many networks. Satisfies `Libp2p`, so code that takes one takes a Host. */
export interface Host<Services extends ServiceMap = ServiceMap> extends Libp2p<Services> {
  /** Reading it throws KumikoError `host/no-identity` where the key is not secp256k1. */
  readonly identity: Identity
  readonly capabilities: CapabilityRegistry
  readonly dialer: Dialer
  readonly connectionManager: ConnectionManager
  /** The same as `dialer.dial`. */
  dial(target: DialTo, options?: DialToOptions): Promise<Connection>
  /** Opens a stream of the first protocol that the peer serves, on a connection of its stack, dialed where there is none. */
  dialProtocol(target: DialTo, protocols: string | string[], options?: DialProtocolOptions): Promise<Stream>
  /** Every address we listen on or announce, RLPx's among them. What identify tells others is `components.addressManager.getAddresses()`. */
  getMultiaddrs(): Multiaddr[]
  /** For parts and tests; its members are not replaced while the Host runs. */
  readonly components: HostComponents
}
