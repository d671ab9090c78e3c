import { ipOf, isLan, stackOf, withPeer } from '@kumiko/identity'
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
import { AddressMappings, mappingBehind, type PortMapping } from './address-mappings.ts'
import { AddressTrusts } from './address-trust.ts'
import { storedForm } from './stored-form.ts'

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
  /** In place of all that is found out by ourselves. */
  readonly announce: readonly Multiaddr[]
  /** Beside them. */
  readonly appendAnnounce: readonly Multiaddr[]
  /** Never told. */
  readonly noAnnounce: readonly Multiaddr[]
  /** Has the last word on what is told: nothing, where it throws. */
  readonly announceFilter: (addresses: Multiaddr[]) => Multiaddr[]
  /** Addresses that others say they see of us: at most this many are remembered; the oldest that is not confirmed is forgotten. */
  readonly observedMax: number
  /** How long a confirmation need not be asked for again. */
  readonly confirmedMs: Millis
  /** How long an address that failed need not be tried again. */
  readonly refutedMs: Millis
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
  readonly #trusts = new AddressTrusts()
  readonly #mappings = new AddressMappings()
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

  /** Of both kinds, RLPx's among them. */
  getAnnounceAddrs(): Multiaddr[] {
    return [...this.#init.announce, ...this.#init.appendAnnounce]
  }

  getObservedAddrs(): Multiaddr[] {
    return [...this.#observed.values()]
  }

  getAddresses(): Multiaddr[] {
    const { peerId } = this.#components
    const told = this.getAddressesWithMetadata().filter(({ verified }) => verified)
    return this.#filtered(told.map(({ multiaddr }) => withPeer(multiaddr, peerId)))
      .filter((address) => stackOf(address) !== 'rlpx')
      .map((address) => withPeer(address, peerId))
  }

  getAddressesWithMetadata(): NodeAddress[] {
    const hidden = new Set(this.#init.noAnnounce.map((address) => this.#plain(address).toString()))
    const byText = new Map<string, NodeAddress>()
    for (const address of this.#all()) {
      const text = address.multiaddr.toString()
      if (stackOf(address.multiaddr) !== 'rlpx' && !hidden.has(text) && !byText.has(text)) byText.set(text, address)
    }
    return [...byText.values()]
  }

  /** One that is private, known otherwise, or no IP address is of no use. */
  addObservedAddr(address: Multiaddr): void {
    const plain = this.#plain(address)
    const ip = ipOf(plain)
    if (stackOf(plain) === 'rlpx' || ip === undefined || isLan(ip) || this.#mappings.leadTo(plain)) return
    this.#observe(plain)
  }

  /** An address that is neither observed nor mapped is believed only by whom its type is named: what is not listed cannot be meant otherwise. */
  confirmObservedAddr(address: Multiaddr, { ttl = this.#init.confirmedMs, type }: ConfirmAddressOptions = {}): void {
    const plain = this.#plain(address)
    const text = plain.toString()
    if (type === 'observed' && stackOf(plain) !== 'rlpx' && !this.#isListed(text)) this.#observe(plain)
    if (!this.#isListed(text)) return
    const isNew = !this.#isVerified(text)
    if (this.#observed.has(text)) this.#upgrade(plain)
    this.#trusts.confirm(text, this.#components.clock.now(), ttl)
    if (isNew) this.#store()
  }

  removeObservedAddr(address: Multiaddr, { ttl = this.#init.refutedMs }: ConfirmAddressOptions = {}): void {
    const text = this.#plain(address).toString()
    const wasTold = this.#isVerified(text)
    this.#observed.delete(text)
    this.#trusts.refute(text, this.#components.clock.now(), ttl)
    this.#forget()
    if (wasTold) this.#store()
  }

  addDNSMapping(domain: string, ipAddresses: string[]): void {
    this.#mappings.addName({ domain, ips: [...ipAddresses] })
    this.#store()
  }

  removeDNSMapping(domain: string): void {
    this.#mappings.removeName(domain)
    this.#forget()
    this.#store()
  }

  /** @throws What `multiaddr` does where the external address is none; nothing is mapped then. */
  addPublicAddressMapping(
    ...[internalIp, internalPort, externalIp, externalPort = internalPort, protocol = 'tcp']: PortMappingArguments
  ): void {
    this.#map({ internalIp, internalPort, externalIp, externalPort, protocol })
    this.#store()
  }

  removePublicAddressMapping(
    ...[internalIp, internalPort, externalIp, externalPort = internalPort, protocol = 'tcp']: PortMappingArguments
  ): void {
    this.#mappings.removePort({ internalIp, internalPort, externalIp, externalPort, protocol })
    this.#forget()
    this.#store()
  }

  /** What a filter that throws would have hidden is not known. */
  #filtered(addresses: Multiaddr[]): Multiaddr[] {
    try {
      return this.#init.announceFilter(addresses)
    } catch (error) {
      this.#log.error('announceFilter or addressFactory failed: nothing is told - %e', error)
      return []
    }
  }

  /** In the order in which they are told. */
  #all(): NodeAddress[] {
    const { announce, appendAnnounce } = this.#init
    const announced = this.#completed([...announce, ...appendAnnounce]).map((address) => this.#entry(address, 'announce', 'sure'))
    if (announce.length > 0) return announced
    const own = this.#components.transportManager.getAddrs()
    return [
      ...own.map((address) => this.#entry(address, 'transport', isSure(address) ? 'sure' : 'believed')),
      ...announced,
      ...this.getObservedAddrs().map((address) => this.#entry(address, 'observed', 'unsaid')),
      ...this.#mappings.outsideOf(own).map((address) => this.#entry(address, 'ip-mapping', 'unsaid')),
    ].map((entry) => this.#named(entry))
  }

  /** Transports add what only they know, such as the hashes of their certificates. */
  #completed(addresses: Multiaddr[]): Multiaddr[] {
    if (addresses.length > 0)
      for (const listener of this.#components.transportManager.getListeners()) listener.updateAnnounceAddrs(addresses)
    return addresses
  }

  /** One of TLS whose IP has a name is told with it, since its certificate is for that. */
  #named(entry: NodeAddress): NodeAddress {
    const named = this.#mappings.named(entry.multiaddr)
    return named === undefined ? entry : this.#entry(named, 'dns-mapping', isLan(ipOf(named) ?? '') ? 'sure' : 'unsaid')
  }

  #entry(address: Multiaddr, type: AddressType, trust: 'unsaid' | 'believed' | 'sure'): NodeAddress {
    const plain = this.#plain(address)
    return { multiaddr: plain, type, ...this.#trusts.of(plain.toString(), trust) }
  }

  #observe(address: Multiaddr): void {
    this.#observed.set(address.toString(), address)
    if (this.#observed.size <= this.#init.observedMax) return
    // Whoever connects may tell of addresses as he likes: those that are known to be true stay.
    const oldest = this.#observed.keys().find((text) => !this.#trusts.of(text, 'unsaid').verified)
    if (oldest !== undefined) this.#observed.delete(oldest)
    this.#forget()
  }

  /** Who sees us through a router tells of a port that it forwards: so is known for which listener the address stands. */
  #upgrade(seen: Multiaddr): void {
    const { transportManager } = this.#components
    const mapping = mappingBehind(
      seen,
      transportManager.getListeners().map((listener) => listener.getAddrs()),
    )
    if (mapping !== undefined) this.#map(mapping)
  }

  #map(added: PortMapping): void {
    this.#mappings.addPort(added)
    for (const [text, address] of this.#observed) if (this.#mappings.leadTo(address)) this.#observed.delete(text)
  }

  #isListed(text: string): boolean {
    return this.getAddressesWithMetadata().some((known) => known.multiaddr.toString() === text)
  }

  #isVerified(text: string): boolean {
    return this.getAddressesWithMetadata().some((known) => known.verified && known.multiaddr.toString() === text)
  }

  /** Without our own peer id at its end. */
  #plain(address: Multiaddr): Multiaddr {
    return storedForm(address, this.#components.peerId)
  }

  /** Drops verdicts on addresses that are not known any more. */
  #forget(): void {
    this.#trusts.keepOnly(new Set(this.getAddressesWithMetadata().map(({ multiaddr }) => multiaddr.toString())))
  }

  /** Writes our addresses to our own entry in the peer store where they changed, one write after the other. */
  #store(): void {
    this.#storing = this.#storing.then(async () => {
      try {
        const multiaddrs = this.getAddresses().map((address) => this.#plain(address))
        const text = multiaddrs.join(' ')
        if (text === this.#stored) return
        this.#stored = text
        await this.#components.peerStore.patch(this.#components.peerId, { multiaddrs })
      } catch (error) {
        this.#log.error('could not store our addresses - %e', error)
      }
    })
  }
}

type PortMappingArguments = Parameters<Libp2pAddressManager['addPublicAddressMapping']>

/** What needs nobody's confirmation: addresses that are private, or no IP addresses. A public one of ours may be behind a firewall. */
function isSure(address: Multiaddr): boolean {
  const ip = ipOf(address)
  return ip === undefined || isLan(ip)
}
