import { peerIdAt, stackOf, withoutPeer, withPeer } from '@kumiko/identity'
import type { Clock, Millis } from '@kumiko/interface'
import type { ComponentLogger, Libp2pEvents, Logger, PeerId, PeerStore, TypedEventTarget } from '@libp2p/interface'
import type {
  AddressType,
  ConfirmAddressOptions,
  AddressManager as Libp2pAddressManager,
  NodeAddress,
  TransportManager,
} from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type DnsMapping, isSamePort, mapDns, mapPort, type PortMapping } from './address-mapping.ts'

/** Addresses that others say they see of us: at most this many are remembered, the oldest is forgotten. */
export const OBSERVED_MAX = 32
/** DNS names, and ports that routers forward: at most this many of each, the oldest is forgotten. */
export const MAPPINGS_MAX = 32
/** How long a confirmation holds. As in js-libp2p. */
const CONFIRMED_MS: Millis = 600_000

/** What the address manager needs. */
export interface AddressManagerComponents {
  readonly peerId: PeerId
  readonly peerStore: PeerStore
  readonly transportManager: TransportManager
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly clock: Clock
}

/** Where we listen, and what we tell others of it. */
export interface AddressManagerInit {
  readonly listen: readonly Multiaddr[]
  /** In place of the addresses that we listen on. */
  readonly announce: readonly Multiaddr[]
  /** Beside them. */
  readonly appendAnnounce: readonly Multiaddr[]
  /** Never told. */
  readonly noAnnounce: readonly Multiaddr[]
  /** Has the last word on what is told. Must not throw. */
  readonly announceFilter: (addresses: Multiaddr[]) => Multiaddr[]
}

/**
 * What we listen on, what others see of us, and what we tell of it.
 *
 * `/…/rlpx` addresses are left out of everything told: a vanilla peer cannot decode them, and refuses the signed record that holds one. They
 * are told by our node record instead.
 */
export class AddressManager implements Libp2pAddressManager {
  readonly #components: AddressManagerComponents
  readonly #init: AddressManagerInit
  readonly #log: Logger
  /** Told once they are confirmed. */
  readonly #observed = new Map<string, Multiaddr>()
  /** Address → when its confirmation ends. At most as many as observed and mapped addresses together. */
  readonly #confirmed = new Map<string, Millis>()
  #dns: DnsMapping[] = []
  #ports: PortMapping[] = []
  #stored: string | undefined
  #storing: Promise<void> = Promise.resolve()
  readonly #changed = (): void => this.#store()

  constructor(components: AddressManagerComponents, init: AddressManagerInit) {
    this.#components = components
    this.#init = init
    this.#log = components.logger.forComponent('kumiko:addresses')
  }

  start(): void {
    // The store may have been another's meanwhile: a datastore is closed while we are stopped.
    this.#stored = undefined
    this.#components.events.addEventListener('transport:listening', this.#changed)
    this.#components.events.addEventListener('transport:close', this.#changed)
    this.#store()
  }

  /** Who is about to go tells nobody that its listeners close. */
  beforeStop(): void {
    this.#components.events.removeEventListener('transport:listening', this.#changed)
    this.#components.events.removeEventListener('transport:close', this.#changed)
  }

  async stop(): Promise<void> {
    await this.#storing
  }

  getListenAddrs(): Multiaddr[] {
    return [...this.#init.listen]
  }

  getAnnounceAddrs(): Multiaddr[] {
    return [...this.#init.announce]
  }

  getObservedAddrs(): Multiaddr[] {
    return [...this.#observed.values()]
  }

  getAddresses(): Multiaddr[] {
    const told = this.getAddressesWithMetadata().flatMap((address) => (address.verified ? [address.multiaddr] : []))
    return this.#init.announceFilter(told).map((address) => withPeer(address, this.#components.peerId))
  }

  getAddressesWithMetadata(): NodeAddress[] {
    const own = this.#ownAddresses()
    const bases = own.map(({ multiaddr }) => multiaddr)
    const ports = bases.flatMap((address) => this.#ports.flatMap((mapping) => mapPort(address, mapping) ?? []))
    const names = [...bases, ...ports].flatMap((address) => this.#dns.flatMap((mapping) => mapDns(address, mapping) ?? []))
    const all = [
      ...own,
      ...this.getObservedAddrs().map((address) => this.#toConfirm(address, 'observed')),
      ...ports.map((address) => this.#toConfirm(address, 'ip-mapping')),
      ...names.map((address) => this.#toConfirm(address, 'dns-mapping')),
    ]
    const hidden = new Set(this.#init.noAnnounce.map((address) => this.#plain(address).toString()))
    const byText = new Map<string, NodeAddress>()
    for (const address of all) {
      const text = address.multiaddr.toString()
      if (!hidden.has(text) && !byText.has(text)) byText.set(text, address)
    }
    return [...byText.values()]
  }

  addObservedAddr(address: Multiaddr): void {
    const plain = this.#plain(address)
    if (stackOf(plain) === 'rlpx') return
    this.#observed.set(plain.toString(), plain)
    for (const oldest of this.#observed.keys()) {
      if (this.#observed.size <= OBSERVED_MAX) break
      this.#observed.delete(oldest)
      this.#confirmed.delete(oldest)
    }
  }

  /** An address that is neither observed nor mapped is not believed: only what can be listed can be confirmed. */
  confirmObservedAddr(address: Multiaddr, options: ConfirmAddressOptions = {}): void {
    const text = this.#plain(address).toString()
    const isKnown = this.getAddressesWithMetadata().some((known) => known.multiaddr.toString() === text)
    if (!isKnown) return
    this.#confirmed.set(text, this.#components.clock.now() + (options.ttl ?? CONFIRMED_MS))
    this.#store()
  }

  removeObservedAddr(address: Multiaddr): void {
    const text = this.#plain(address).toString()
    this.#observed.delete(text)
    this.#confirmed.delete(text)
    this.#store()
  }

  addDNSMapping(domain: string, ipAddresses: string[]): void {
    this.#dns = [...this.#dns.filter((mapping) => mapping.domain !== domain), { domain, ips: [...ipAddresses] }].slice(-MAPPINGS_MAX)
    this.#store()
  }

  removeDNSMapping(domain: string): void {
    this.#dns = this.#dns.filter((mapping) => mapping.domain !== domain)
    this.#forget()
  }

  addPublicAddressMapping(
    internalIp: string,
    internalPort: number,
    externalIp: string,
    externalPort: number = internalPort,
    protocol: 'tcp' | 'udp' = 'tcp',
  ): void {
    const added = { internalIp, internalPort, externalIp, externalPort, protocol }
    this.#ports = [...this.#ports.filter((mapping) => !isSamePort(mapping, added)), added].slice(-MAPPINGS_MAX)
    this.#store()
  }

  removePublicAddressMapping(
    internalIp: string,
    internalPort: number,
    externalIp: string,
    externalPort: number = internalPort,
    protocol: 'tcp' | 'udp' = 'tcp',
  ): void {
    const gone = { internalIp, internalPort, externalIp, externalPort, protocol }
    this.#ports = this.#ports.filter((mapping) => !isSamePort(mapping, gone))
    this.#forget()
  }

  /** What we listen on, or announce in place of it. */
  #ownAddresses(): NodeAddress[] {
    const { announce, appendAnnounce } = this.#init
    const listed = announce.length > 0 ? [...announce] : this.#components.transportManager.getAddrs()
    const type: AddressType = announce.length > 0 ? 'announce' : 'transport'
    return [
      ...listed.map((address) => this.#own(address, type)),
      ...appendAnnounce.map((address) => this.#own(address, 'announce')),
    ].filter(({ multiaddr }) => stackOf(multiaddr) !== 'rlpx')
  }

  #own(address: Multiaddr, type: AddressType): NodeAddress {
    return { multiaddr: this.#plain(address), type, verified: true, expires: Number.POSITIVE_INFINITY }
  }

  #toConfirm(address: Multiaddr, type: AddressType): NodeAddress {
    const expires = this.#confirmed.get(address.toString()) ?? 0
    return { multiaddr: address, type, verified: expires > this.#components.clock.now(), expires }
  }

  /** Without our own peer id at its end. */
  #plain(address: Multiaddr): Multiaddr {
    return peerIdAt(address)?.equals(this.#components.peerId) === true ? withoutPeer(address) : address
  }

  /** Drops confirmations of addresses that are not known any more. */
  #forget(): void {
    const known = new Set(this.getAddressesWithMetadata().map(({ multiaddr }) => multiaddr.toString()))
    for (const text of this.#confirmed.keys()) if (!known.has(text)) this.#confirmed.delete(text)
    this.#store()
  }

  /** Writes our addresses to our own entry in the peer store where they changed, one write after the other. */
  #store(): void {
    this.#storing = this.#storing.then(async () => {
      const multiaddrs = this.getAddresses()
      const text = multiaddrs.join(' ')
      if (text === this.#stored) return
      this.#stored = text
      try {
        await this.#components.peerStore.patch(this.#components.peerId, { multiaddrs })
      } catch (error) {
        this.#log.error('could not store our addresses - %e', error)
      }
    })
  }
}
