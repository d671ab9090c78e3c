import type {
  Capability,
  Clock,
  ConnectionManager,
  Dialer,
  Dns,
  HostComponents,
  Identity,
  NodeSource,
  Part,
  Random,
} from '@kumiko/interface'
import { checkOptionNames, KumikoError } from '@kumiko/interface'
import type {
  ComponentLogger,
  ConnectionEncrypter,
  ConnectionGater,
  ConnectionProtector,
  ContentRouting,
  Metrics,
  NodeInfo,
  PeerDiscovery,
  PeerDiscoveryProvider,
  PeerRouting,
  PrivateKey,
  ServiceMap,
  StreamMuxerFactory,
  Transport,
} from '@libp2p/interface'
import type { PersistentPeerStoreInit } from '@libp2p/peer-store'
import type { Datastore } from 'interface-datastore'
import type { AddressOptions } from './address-options.ts'
import { type ConnectionMonitorInit, checkMonitorOptions } from './connection-monitor.ts'
import type { TransportManagerOptions } from './transport-manager.ts'
import type { UpgraderTimeouts } from './upgrader.ts'

/** A discovery: for the dialer, for libp2p's peer store, or both. */
export type DiscoveryPart = NodeSource | PeerDiscovery | PeerDiscoveryProvider

/** What a Host is made of. Every part is a factory `(components) => part`; js-libp2p's modules are such. */
export interface HostOptions<Services extends ServiceMap = ServiceMap> {
  /** Default: a fresh one. */
  readonly identity?: Identity
  /** In place of `identity`, as js-libp2p takes it. Only one on secp256k1 makes an identity: RLPx, discv4 and discv5 need that. */
  readonly privateKey?: PrivateKey
  /** Holds what is known of peers. A part that has a life cycle is started first and stopped last. Default: memory. */
  readonly datastore?: Datastore | Part<Datastore>
  readonly addresses?: AddressOptions
  readonly transports?: readonly Part<Transport>[]
  /** Best first. Transports that bring their own (RLPx) need none. */
  readonly connectionEncrypters?: readonly Part<ConnectionEncrypter>[]
  /** Best first. Transports that bring their own (RLPx) need none. */
  readonly streamMuxers?: readonly Part<StreamMuxerFactory>[]
  /** Discoveries; node sources among them feed the dialer. */
  readonly discovery?: readonly Part<DiscoveryPart>[]
  /** The same, by libp2p's name. */
  readonly peerDiscovery?: readonly Part<DiscoveryPart>[]
  readonly peerRouters?: readonly Part<Partial<PeerRouting>>[]
  readonly contentRouters?: readonly Part<Partial<ContentRouting>>[]
  /** Reached as `host.services.name`, and by other parts as `components.name`: each is made with all of them among its components. */
  readonly services?: { readonly [K in keyof Services]: Part<Services[K], HostComponents & Services> }
  /** Default: `dialer()`. */
  readonly dialer?: Part<Dialer>
  /** Default: `connectionManager()`. */
  readonly connectionManager?: Part<ConnectionManager>
  /** Asked at each stage of a connection, besides admission. Default: denies nothing. */
  readonly connectionGater?: ConnectionGater
  /** A private network's key. Default: none. */
  readonly connectionProtector?: Part<ConnectionProtector>
  /** devp2p sub-protocols, beside those given to `rlpx()`. */
  readonly capabilities?: readonly Capability[]
  /** Who we say we are. Default: kumiko and its version. */
  readonly nodeInfo?: Partial<NodeInfo>
  readonly logger?: ComponentLogger
  readonly metrics?: Part<Metrics>
  /** Which addresses of peers are kept, and how long, in ms. Default: all; 1 h, and peers without addresses 6 h. */
  readonly peerStore?: PersistentPeerStoreInit
  readonly transportManager?: TransportManagerOptions
  /** Measures the round trip time of idle libp2p connections, and ends dead ones. Default: every 10 s. */
  readonly connectionMonitor?: ConnectionMonitorInit
  /** How long a connection takes for what at most, in ms. Default as in js-libp2p. */
  readonly timeouts?: Partial<UpgraderTimeouts>
  /** Resolves names in addresses. Default: the platform's. */
  readonly dns?: Dns
  readonly clock?: Clock
  readonly random?: Random
  /** Start before `createHost` resolves. Default false. */
  readonly start?: boolean
}

/** Options whose services may be of any kind: each sees the others, so that no list of them holds every other. */
export interface AnyHostOptions extends Omit<HostOptions, 'services'> {
  readonly services?: Readonly<Record<string, (components: never) => unknown>>
}

const LISTS = [
  'transports',
  'connectionEncrypters',
  'streamMuxers',
  'discovery',
  'peerDiscovery',
  'peerRouters',
  'contentRouters',
] as const satisfies readonly (keyof HostOptions)[]

const PARTS = ['dialer', 'connectionManager', 'connectionProtector', 'metrics'] as const satisfies readonly (keyof HostOptions)[]

/** Options without a check of their own. */
const OTHERS = [
  'identity',
  'privateKey',
  'datastore',
  'addresses',
  'services',
  'connectionGater',
  'capabilities',
  'nodeInfo',
  'logger',
  'peerStore',
  'transportManager',
  'connectionMonitor',
  'timeouts',
  'dns',
  'clock',
  'random',
  'start',
] as const satisfies readonly (keyof HostOptions)[]

const TIMEOUTS: Readonly<Record<keyof UpgraderTimeouts, true>> = {
  inboundUpgradeMs: true,
  inboundStreamMs: true,
  outboundStreamMs: true,
  closeMs: true,
}

const KNOWN: ReadonlySet<string> = new Set([...LISTS, ...PARTS, ...OTHERS])

/**
 * Finds what the types cannot keep a JavaScript caller from.
 *
 * @throws KumikoError `host/bad-option`, naming the option.
 */
export function checkOptions(options: AnyHostOptions): void {
  for (const name of Object.keys(options)) if (!KNOWN.has(name)) throw badOption(name, 'is no option of createHost: leave it out')
  for (const name of LISTS) for (const [index, part] of (options[name] ?? []).entries()) checkPart(`${name}[${index}]`, part)
  for (const name of PARTS) if (options[name] !== undefined) checkPart(name, options[name])
  for (const [name, part] of Object.entries(options.services ?? {})) checkPart(`services.${name}`, part)
  checkOptionNames('host/bad-option', 'peerStore', options.peerStore ?? {}, { addressFilter: true, maxAddressAge: true, maxPeerAge: true })
  checkOptionNames('host/bad-option', 'transportManager', options.transportManager ?? {}, { faultTolerance: true })
  checkMonitorOptions(options.connectionMonitor ?? {})
  checkOptionNames('host/bad-option', 'timeouts', options.timeouts ?? {}, TIMEOUTS)
}

function checkPart(option: string, part: unknown): void {
  if (typeof part !== 'function') throw badOption(option, 'is no part: pass what the module’s function returns, as in tcp()')
}

/** Makes the error that names an option. */
export function badOption(option: string, why: string, cause?: unknown): KumikoError {
  return new KumikoError('host/bad-option', `${option}: ${why}`, { cause, context: { option } })
}
