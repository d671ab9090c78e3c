import { registerRlpx } from '@kumiko/identity'
import type { Capability, Clock, ConnectionManager, Dialer, HostComponents, Identity, NodeSource, Part, Random } from '@kumiko/interface'
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
  ServiceMap,
  StreamMuxerFactory,
  Transport,
} from '@libp2p/interface'
import { isMultiaddr, type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Datastore } from 'interface-datastore'
import type { AddressManagerInit } from './address-manager.ts'

/** Where a Host listens, and what it tells others of it. Addresses are multiaddrs or their text. */
export interface AddressOptions {
  /** `/ip4/0.0.0.0/tcp/30303/rlpx`, `/ip4/0.0.0.0/tcp/4001`; port 0 takes a free one. Default: none. */
  readonly listen?: readonly (string | Multiaddr)[]
  /** Told in place of what we listen on. Default: none. */
  readonly announce?: readonly (string | Multiaddr)[]
  /** Told beside what we listen on. Default: none. */
  readonly appendAnnounce?: readonly (string | Multiaddr)[]
  /** Never told. Default: none. */
  readonly noAnnounce?: readonly (string | Multiaddr)[]
  /** Has the last word on what is told. Must not throw. Default: all. */
  readonly announceFilter?: (addresses: Multiaddr[]) => Multiaddr[]
}

/** A discovery: for the dialer, for libp2p's peer store, or both. */
export type DiscoveryPart = NodeSource | PeerDiscovery | PeerDiscoveryProvider

/** What a Host is made of. Every part is a factory `(components) => part`; js-libp2p's modules are such. */
export interface HostOptions<Services extends ServiceMap = ServiceMap> {
  /** Default: a fresh one. */
  readonly identity?: Identity
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
  'datastore',
  'addresses',
  'services',
  'connectionGater',
  'capabilities',
  'nodeInfo',
  'logger',
  'clock',
  'random',
  'start',
] as const satisfies readonly (keyof HostOptions)[]

const ADDRESSES: Readonly<Record<keyof AddressOptions, true>> = {
  listen: true,
  announce: true,
  appendAnnounce: true,
  noAnnounce: true,
  announceFilter: true,
}

const KNOWN: ReadonlySet<string> = new Set([...LISTS, ...PARTS, ...OTHERS])

/**
 * Finds what the types cannot keep a JavaScript caller from.
 *
 * @throws KumikoError `host/bad-option`, naming the option.
 */
export function checkOptions(options: AnyHostOptions): void {
  for (const name of Object.keys(options)) if (!KNOWN.has(name)) throw badOption(name, unknownOption(name))
  for (const name of LISTS) for (const [index, part] of (options[name] ?? []).entries()) checkPart(`${name}[${index}]`, part)
  for (const name of PARTS) if (options[name] !== undefined) checkPart(name, options[name])
  for (const [name, part] of Object.entries(options.services ?? {})) checkPart(`services.${name}`, part)
}

/** Reads the addresses. @throws KumikoError `host/bad-option`, naming the address. */
export function readAddresses(options: AddressOptions = {}): AddressManagerInit {
  checkOptionNames('host/bad-option', 'addresses', options, ADDRESSES)
  const { listen, announce, appendAnnounce, noAnnounce, announceFilter } = options
  registerRlpx()
  return {
    listen: readList('addresses.listen', listen),
    announce: readList('addresses.announce', announce),
    appendAnnounce: readList('addresses.appendAnnounce', appendAnnounce),
    noAnnounce: readList('addresses.noAnnounce', noAnnounce),
    announceFilter: announceFilter ?? ((addresses) => addresses),
  }
}

function readList(option: string, addresses: readonly (string | Multiaddr)[] = []): Multiaddr[] {
  return addresses.map((address, index) => {
    if (isMultiaddr(address)) return address
    try {
      return multiaddr(address)
    } catch (cause) {
      throw badOption(`${option}[${index}]`, `${JSON.stringify(address)} is no multiaddr: write it as /ip4/0.0.0.0/tcp/30303/rlpx`, cause)
    }
  })
}

function checkPart(option: string, part: unknown): void {
  if (typeof part !== 'function') throw badOption(option, 'is no part: pass what the module’s function returns, as in tcp()')
}

/** js-libp2p's options that are called otherwise here would be missed in silence. */
function unknownOption(name: string): string {
  return name === 'privateKey' ? 'give the key as identity: createIdentity({ secretKey })' : 'is no option of createHost: leave it out'
}

function badOption(option: string, why: string, cause?: unknown): KumikoError {
  return new KumikoError('host/bad-option', `${option}: ${why}`, { cause, context: { option } })
}
