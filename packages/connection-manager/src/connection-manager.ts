import type { IpNetwork } from '@kumiko/identity'
import { peerIdAt } from '@kumiko/identity'
import {
  type AddressFilters,
  type AdmissionLimits,
  type Attempt,
  type Cancel,
  type Clock,
  type ConnectedPeer,
  type ConnectionManager,
  type DialTo,
  type DisconnectReason,
  type Failures,
  type FilterList,
  type Millis,
  type Part,
  type PeerEvent,
  type Refusal,
  raceAbort,
  type Stack,
  type Traffic,
} from '@kumiko/interface'
import {
  type AbortOptions,
  type Connection,
  type DialTarget,
  InvalidParametersError,
  type IsDialableOptions,
  isPeerId,
  type MultiaddrConnection,
  type NewStreamOptions,
  type PeerId,
  type PendingDial,
  type Startable,
  type Stream,
} from '@libp2p/interface'
import type { OpenConnectionOptions } from '@libp2p/interface-internal'
import type { PeerMap } from '@libp2p/peer-collections'
import type { Multiaddr } from '@multiformats/multiaddr'
import { AddressFilterSet } from './address-filters.ts'
import { ConnectionAdmission } from './admission.ts'
import { Bans } from './bans.ts'
import { FailureBook } from './failure-book.ts'
import { filterList } from './filters.ts'
import { InboundPace } from './inbound-pace.ts'
import { type ConnectionManagerNeeds, clockOf, dialerOf } from './needs.ts'
import { Opener } from './opener.ts'
import { type ConnectionManagerOptions, checkOptions } from './options.ts'
import { PeerEvents } from './peer-events.ts'
import { Persistence } from './persistence.ts'
import { Policy } from './policy.ts'
import { pruneYoungest } from './prune.ts'
import { Pruner } from './pruning.ts'
import { Slots } from './slots.ts'
import { StreamPlaces } from './stream-places.ts'
import { TagBook } from './tag-book.ts'
import { networkOf } from './target.ts'
import { Tracker } from './tracker.ts'
import { TrafficBook } from './traffic.ts'

const NOTHING: Traffic = { bytesReceived: 0, bytesSent: 0, messagesReceived: 0, messagesSent: 0, capabilities: {} }

/** So many libp2p connections a peer may have: direct and relayed, one for each transport. */
const PER_PEER = 8

/**
 * Decides who may connect and who may stay. A part of a Host, and a service named `connectionManager` of a vanilla js-libp2p node.
 *
 * @throws KumikoError `connection-manager/bad-option`, `connection-manager/bad-target` or `connection-manager/bad-mask`, when the part is made.
 */
export function connectionManager(options: ConnectionManagerOptions = {}): Part<ConnectionManager & Startable, ConnectionManagerNeeds> {
  checkOptions(options)
  return (components) => new DefaultConnectionManager(components, options)
}

class DefaultConnectionManager implements ConnectionManager, Startable {
  readonly [Symbol.toStringTag]: string = '@kumiko/connection-manager'
  readonly admission: ConnectionAdmission
  readonly filters: FilterList
  readonly addressFilters: AddressFilters
  readonly #persistence: Persistence
  readonly #components: ConnectionManagerNeeds
  readonly #clock: Clock
  readonly #policy: Policy
  readonly #traffic: TrafficBook = new TrafficBook()
  readonly #failures: FailureBook = new FailureBook()
  readonly #events: PeerEvents
  readonly #tracker: Tracker
  readonly #opener: Opener
  readonly #pruner: Pruner
  /** Started, and not stopped since. */
  #isWanted = false
  readonly atLimit: 'refuse' | 'prune'
  readonly #tags: TagBook

  constructor(components: ConnectionManagerNeeds, options: ConnectionManagerOptions) {
    const { maxPeers = 50, maxPendingPeers = 50, limits, trusted = [], inboundThrottleMs = 30_000, prune = pruneYoungest } = options
    const { inboundRate = {}, isLanThrottled = false, enableMsgEvents = false, closeTimeoutMs = 2_000 } = options
    const log = components.logger.forComponent('kumiko:connection-manager')
    const clock = clockOf(components)
    const onThrow = (error: unknown): void => log.error('%e', error)
    this.#components = components
    this.#clock = clock
    this.atLimit = options.atLimit ?? 'refuse'
    const isRoomMade = this.atLimit === 'prune'
    this.#policy = new Policy(components, maxPeers, maxPendingPeers, { perPeer: PER_PEER, ...limits }, isRoomMade)
    for (const peer of trusted) this.#policy.trust(peer)
    this.#events = new PeerEvents(onThrow)
    const { filters: masks = [], defaultAction = 'accept', persist = false } = options.addressFilters ?? {}
    const addressFilters = new AddressFilterSet(() => this.#persistence.filtersChange())
    addressFilters.replace({ filters: masks, defaultAction })
    this.addressFilters = addressFilters
    this.filters = filterList(options.filters, onThrow, addressFilters)
    const slots = new Slots(this.#policy)
    const { filters } = this
    const [bans, traffic, events] = [new Bans(), this.#traffic, this.#events]
    const failures = this.#failures
    this.#persistence = new Persistence({
      datastore: () => components.datastore,
      log,
      now: () => clock.now(),
      filters: persist ? addressFilters : undefined,
      bans: options.persistBans === true ? bans : undefined,
    })
    const awaitInbound = (peerId: PeerId): Cancel => dialerOf(components)?.inbound(peerId) ?? (() => {})
    const admission = new ConnectionAdmission({
      clock,
      slots,
      streams: new StreamPlaces(),
      filters,
      bans,
      pace: new InboundPace({ throttleMs: inboundThrottleMs, rate: inboundRate, isLanThrottled }),
      traffic,
      failures,
      awaitInbound,
      makeRoom: (...newcomer) => isRoomMade && this.#pruner.makeRoom(...newcomer),
    })
    const tracker = new Tracker({ components, admission, events, clock, log, enableMsgEvents, closeTimeoutMs })
    this.admission = admission
    this.#tracker = tracker
    this.#opener = new Opener({ components, admission, filters, tracker, clock })
    const now = (): Millis => clock.now()
    this.#tags = new TagBook({ peerStore: () => components.peerStore, events: () => components.events, now })
    this.#pruner = new Pruner({
      clock,
      log,
      slots,
      tracker,
      tags: this.#tags,
      prune,
      peers: () => this.peers(),
      newcomer: (attempt, peerId) => this.#newcomer(attempt, peerId),
      maxPeers: () => this.maxPeers,
      events: () => components.events,
    })
  }

  /** @throws KumikoError `connection-manager/not-loaded` where what is kept cannot be read. */
  start(): void | Promise<void> {
    if (this.#persistence.isNeeded) return this.#load()
    this.#open()
  }

  async #load(): Promise<void> {
    this.admission.isOpen = false
    this.#isWanted = true
    await this.#persistence.load()
    if (this.#isWanted) this.#open()
  }

  #open(): void {
    this.admission.isOpen = true
    this.#tracker.start()
    if (this.atLimit === 'prune') this.#tracker.background(this.#tags.follow())
  }

  async stop(): Promise<void> {
    this.admission.isOpen = false
    this.#isWanted = false
    this.#tags.unfollow()
    await this.#tracker.stop()
    await this.#persistence.close()
  }

  async flush({ signal }: AbortOptions = {}): Promise<void> {
    await raceAbort(this.#persistence.flush(), signal)
  }

  async dropDenied({ signal }: AbortOptions = {}): Promise<number> {
    const denied = this.#tracker.book.list().filter((open) => this.#tracker.isDenied(open))
    await this.#tracker.drop(denied, 'useless-peer', signal)
    return denied.length
  }

  get limits(): AdmissionLimits {
    return this.#policy.limits
  }

  get maxPeers(): number {
    return this.#policy.maxPeers
  }

  set maxPeers(maxPeers: number) {
    this.#policy.maxPeers = maxPeers
    this.#pruner.run(false)
  }

  getMaxConnections(): number {
    return this.maxPeers
  }

  /** Sets `maxPeers`, and `limits.total` where there is one, and drops those that are too many. @throws `InvalidParametersError` for less than 1. */
  setMaxConnections(maxConnections: number): void {
    if (!(maxConnections >= 1)) throw new InvalidParametersError(`maxConnections is ${maxConnections}: want 1 or more`)
    this.#policy.maxPeers = maxConnections
    const isTotal = this.limits.total !== undefined
    if (isTotal) this.limits.total = maxConnections
    this.#pruner.run(isTotal)
  }

  addTrusted(peer: DialTo): void {
    this.#policy.trust(peer)
  }

  removeTrusted(peer: DialTo): boolean {
    const wasTrusted = this.#policy.distrust(peer)
    this.#pruner.run(false)
    return wasTrusted
  }

  isTrusted(peer: PeerId): boolean {
    return this.#policy.isTrusted(peer)
  }

  ban(target: PeerId | string, { durationMs = Number.POSITIVE_INFINITY, detail }: { durationMs?: Millis; detail?: string } = {}): void {
    this.admission.ban(banKey(target), durationMs, detail)
    const banned = this.#tracker.book.list().filter((open) => this.admission.banOf(open.remotePeer, open.remoteAddr) !== undefined)
    this.#tracker.background(this.#tracker.drop(banned, 'useless-peer'))
    this.#persistence.bansChanged()
  }

  unban(target: PeerId | string): boolean {
    const wasBanned = this.admission.unban(banKey(target))
    if (wasBanned) this.#persistence.bansChanged()
    return wasBanned
  }

  isBanned(target: PeerId | Multiaddr): boolean {
    const ban = isPeerId(target) ? this.admission.banOf(target, undefined) : this.admission.banOf(peerIdAt(target), target)
    return ban !== undefined
  }

  dialRefusal(peer: PeerId, stack: Stack): Refusal | undefined {
    return this.admission.dialRefusal(peer, stack)
  }

  peers(): ConnectedPeer[] {
    return this.#tracker.book.peers((peerId) => ({
      isTrusted: this.#policy.isTrusted(peerId),
      isStatic: this.#policy.isStatic(peerId),
      traffic: this.#traffic.peer(peerId.toString()),
    }))
  }

  traffic(): Traffic {
    return this.#traffic.total()
  }

  failures(): Failures {
    return this.#failures.failures()
  }

  subscribe(listener: (event: PeerEvent) => void): Cancel {
    return this.#events.subscribe(listener)
  }

  async disconnect(peer: PeerId, reason: DisconnectReason = 'requested', { signal }: AbortOptions = {}): Promise<void> {
    await this.#tracker.drop(this.getConnections(peer), reason, signal)
  }

  async closeConnections(peer: PeerId, options: AbortOptions = {}): Promise<void> {
    await this.disconnect(peer, 'requested', options)
  }

  getConnections(peerId?: PeerId): Connection[] {
    return this.#tracker.book.list(peerId)
  }

  getConnectionsMap(): PeerMap<Connection[]> {
    return this.#tracker.book.connections
  }

  getDialQueue(): PendingDial[] {
    return dialerOf(this.#components)?.getDialQueue() ?? this.#opener.pending()
  }

  async isDialable(addresses: Multiaddr | Multiaddr[], options?: IsDialableOptions): Promise<boolean> {
    return await this.#opener.isDialable(addresses, options)
  }

  /** The vanilla upgrader asks here; ours asks {@link admission}. */
  acceptIncomingConnection(socket: MultiaddrConnection): boolean {
    return this.#tracker.accept(socket)
  }

  /** The slot went to the connection when it opened, or comes back when the socket closes; what closed unheard is found here. */
  afterUpgradeInbound(): void {
    this.#tracker.sweep()
  }

  async openConnection(target: DialTarget, options?: OpenConnectionOptions): Promise<Connection> {
    return await this.#opener.connection(target, options)
  }

  async openStream(target: DialTarget, protocol: string | string[], options?: OpenConnectionOptions & NewStreamOptions): Promise<Stream> {
    return await this.#opener.stream(target, [protocol].flat(), options)
  }

  #newcomer({ stack, direction, address }: Attempt, peerId: PeerId): ConnectedPeer {
    const now = this.#clock.now()
    const isStatic = this.#policy.isStatic(peerId)
    const connection = { stack, direction, address, protocols: [], since: now, openStreams: 0 }
    const known = this.peers().find((peer) => peer.peerId.equals(peerId))
    const fresh = { peerId, since: now, connections: [], isStatic, isTrusted: this.#policy.isTrusted(peerId), traffic: NOTHING }
    return { ...(known ?? fresh), connections: [...(known?.connections ?? []), connection] }
  }
}

/** @throws KumikoError `connection-manager/bad-target`. */
function banKey(target: PeerId | string): string | IpNetwork {
  return isPeerId(target) ? target.toString() : networkOf(target)
}
