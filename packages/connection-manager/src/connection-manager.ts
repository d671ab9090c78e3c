import {
  type AdmissionLimits,
  type Cancel,
  type Clock,
  type ConnectedPeer,
  type ConnectionFilter,
  type ConnectionManager,
  type DialTo,
  type DisconnectReason,
  type FilterList,
  isRefusal,
  KumikoError,
  type Millis,
  optionalComponent,
  type Part,
  type PeerEvent,
  type Stack,
  type Traffic,
} from '@kumiko/interface'
import {
  type AbortOptions,
  type Connection,
  type DialTarget,
  InvalidPeerIdError,
  type IsDialableOptions,
  isPeerId,
  type Logger,
  type MultiaddrConnection,
  type NewStreamOptions,
  NotStartedError,
  type PeerId,
  type PendingDial,
  type Startable,
  type Stream,
} from '@libp2p/interface'
import type { OpenConnectionOptions } from '@libp2p/interface-internal'
import type { PeerMap } from '@libp2p/peer-collections'
import { CODE_P2P_CIRCUIT, type Multiaddr } from '@multiformats/multiaddr'
import { peerIdOf, stackOf } from './address.ts'
import { ConnectionAdmission } from './admission.ts'
import { Bans } from './bans.ts'
import { isOver } from './closing.ts'
import { filterList } from './filters.ts'
import { filterPoint } from './gater.ts'
import { type ConnectionManagerNeeds, clockOf, dialerOf } from './needs.ts'
import { PeerEvents } from './peer-events.ts'
import { plainDial } from './plain-dial.ts'
import { Policy } from './policy.ts'
import { type Prune, pruneYoungest } from './pruning.ts'
import { Slots } from './slots.ts'
import { networkOf } from './target.ts'
import { Throttle } from './throttle.ts'
import { Tracker } from './tracker.ts'
import { TrafficBook } from './traffic.ts'

/** Options of {@link connectionManager}. */
export interface ConnectionManagerOptions {
  /** Peers, each counted once however many connections it has. Default 50. */
  readonly maxPeers?: number
  /** Connections being set up, inbound and outbound each. Default 50. */
  readonly maxPendingPeers?: number
  /** Bounds besides. Default: `perPeer` 8, all others none. */
  readonly limits?: AdmissionLimits
  /** Rules, in order. */
  readonly filters?: readonly ConnectionFilter[]
  /** Peers that pass every limit. */
  readonly trusted?: readonly DialTo[]
  /** How long an address waits between its inbound attempts. Default 30,000; 0: not at all. */
  readonly inboundThrottleMs?: Millis
  /** Throttle loopback and private networks, too. Default false. */
  readonly isLanThrottled?: boolean
  /** Tell subscribers of every message. Default false, since it costs. */
  readonly enableMsgEvents?: boolean
  /** Who goes when there are more peers than `maxPeers`. Default {@link pruneYoungest}. */
  readonly prune?: Prune
  /** How long a connection has to end well before it is cut off; at stop, all of them together. Default 2,000. */
  readonly closeTimeoutMs?: Millis
}

/** What decides whether an open connection will do. */
type ReuseOptions = Pick<OpenConnectionOptions, 'signal' | 'force'> & Pick<NewStreamOptions, 'runOnLimitedConnection'>

/** So many libp2p connections a peer may have: direct and relayed, one for each transport. */
const PER_PEER = 8

/**
 * Decides who may connect and who may stay. A part of a Host, and a service named `connectionManager` of a vanilla js-libp2p node.
 *
 * @throws KumikoError `connection-manager/bad-option` or `connection-manager/bad-target`, when the part is made.
 */
export function connectionManager(options: ConnectionManagerOptions = {}): Part<ConnectionManager & Startable, ConnectionManagerNeeds> {
  return (components) => new DefaultConnectionManager(components, options)
}

class DefaultConnectionManager implements ConnectionManager, Startable {
  readonly [Symbol.toStringTag]: string = '@kumiko/connection-manager'
  readonly admission: ConnectionAdmission
  readonly filters: FilterList
  readonly #components: ConnectionManagerNeeds
  readonly #log: Logger
  readonly #clock: Clock
  readonly #policy: Policy
  readonly #prune: Prune
  readonly #slots: Slots
  readonly #bans: Bans = new Bans()
  readonly #traffic: TrafficBook = new TrafficBook()
  readonly #events: PeerEvents
  readonly #tracker: Tracker

  constructor(components: ConnectionManagerNeeds, options: ConnectionManagerOptions) {
    const { maxPeers = 50, maxPendingPeers = 50, limits = {}, trusted = [], inboundThrottleMs = 30_000 } = options
    const { isLanThrottled = false, enableMsgEvents = false, closeTimeoutMs = 2_000 } = options
    const log = components.logger.forComponent('kumiko:connection-manager')
    const onThrow = (error: unknown): void => log.error('%e', error)
    const clock = clockOf(components)
    this.#components = components
    this.#log = log
    this.#clock = clock
    this.#policy = new Policy(components, maxPeers, maxPendingPeers, { perPeer: PER_PEER, ...limits })
    for (const peer of trusted) this.#policy.trust(peer)
    this.#prune = options.prune ?? pruneYoungest
    this.#slots = new Slots(this.#policy)
    this.filters = filterList(options.filters, onThrow)
    this.#events = new PeerEvents(onThrow)
    this.admission = new ConnectionAdmission({
      clock,
      slots: this.#slots,
      filters: this.filters,
      bans: this.#bans,
      throttle: new Throttle(inboundThrottleMs),
      isLanThrottled,
      traffic: this.#traffic,
    })
    this.#tracker = new Tracker({
      components,
      admission: this.admission,
      events: this.#events,
      clock,
      log,
      enableMsgEvents,
      closeTimeoutMs,
    })
  }

  start(): void {
    this.admission.isOpen = true
    this.#tracker.start()
  }

  async stop(): Promise<void> {
    this.admission.isOpen = false
    await this.#tracker.stop()
  }

  get limits(): AdmissionLimits {
    return this.#policy.limits
  }

  get maxPeers(): number {
    return this.#policy.maxPeers
  }

  set maxPeers(maxPeers: number) {
    this.#policy.maxPeers = maxPeers
    this.#maybePrune()
  }

  getMaxConnections(): number {
    return this.maxPeers
  }

  setMaxConnections(maxConnections: number): void {
    this.maxPeers = maxConnections
  }

  addTrusted(peer: DialTo): void {
    this.#policy.trust(peer)
  }

  removeTrusted(peer: DialTo): boolean {
    const wasTrusted = this.#policy.distrust(peer)
    this.#maybePrune()
    return wasTrusted
  }

  isTrusted(peer: PeerId): boolean {
    return this.#policy.isTrusted(peer)
  }

  ban(target: PeerId | string, { durationMs = Number.POSITIVE_INFINITY, detail }: { durationMs?: Millis; detail?: string } = {}): void {
    const now = this.#clock.now()
    this.#bans.add(banKey(target), { until: now + durationMs, detail }, now)
    const banned = this.#tracker.book.list().filter((open) => this.admission.banOf(open.remotePeer, open.remoteAddr) !== undefined)
    this.#tracker.background(this.#tracker.drop(banned, 'useless-peer'))
  }

  unban(target: PeerId | string): boolean {
    return this.#bans.remove(banKey(target), this.#clock.now())
  }

  isBanned(target: PeerId | Multiaddr): boolean {
    const ban = isPeerId(target) ? this.admission.banOf(target, undefined) : this.admission.banOf(peerIdOf(target), target)
    return ban !== undefined
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
    return dialerOf(this.#components)?.getDialQueue() ?? []
  }

  async isDialable(addresses: Multiaddr | Multiaddr[], { runOnLimitedConnection }: IsDialableOptions = {}): Promise<boolean> {
    const { transportManager, connectionGater } = this.#components
    for (const address of [addresses].flat()) {
      if (runOnLimitedConnection === false && address.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT)) continue
      if (transportManager.dialTransportForMultiaddr(address) === undefined || this.isBanned(address)) continue
      if (this.filters.decide(filterPoint('dial', 'outbound', address)) === 'deny') continue
      if ((await connectionGater.denyDialMultiaddr?.(address)) !== true) return true
    }
    return false
  }

  /** The vanilla upgrader asks here. A socket that holds a ticket already, taken by its transport, is not counted twice. */
  acceptIncomingConnection(socket: MultiaddrConnection): boolean {
    if (this.admission.hasInbound(socket.remoteAddr)) return true
    const ticket = this.#tracker.expect('inbound', socket.remoteAddr, undefined, socket)
    if (isRefusal(ticket)) {
      this.#log('refused %a: %s (%s)', socket.remoteAddr, ticket.detail, ticket.code)
      return false
    }
    socket.addEventListener('close', () => this.#tracker.unexpect(ticket), { once: true })
    return true
  }

  /** The slot went to the connection when it opened, or comes back when the socket closes; what closed unheard is found here. */
  afterUpgradeInbound(): void {
    this.#tracker.sweep()
  }

  async openConnection(target: DialTarget, options: OpenConnectionOptions = {}): Promise<Connection> {
    const stack = [isPeerId(target) ? [] : target].flat().some((address) => stackOf(address) === 'rlpx') ? 'rlpx' : 'libp2p'
    return (await this.#reuse(target, stack, options)) ?? this.#dial(target, options)
  }

  async openStream(
    target: DialTarget,
    protocol: string | string[],
    options: OpenConnectionOptions & NewStreamOptions = {},
  ): Promise<Stream> {
    const protocols = [protocol].flat()
    const [first] = protocols
    if (first === undefined) throw new KumikoError('connection-manager/no-protocol', 'name at least one protocol to open a stream')
    const stack = this.#stackOf(first)
    const fitting = protocols.filter((each) => this.#stackOf(each) === stack)
    const connection = (await this.#reuse(target, stack, options)) ?? (await this.#dial(target, options, first))
    return await connection.newStream(fitting, options)
  }

  /** An open connection of the stack that is wanted, a direct one first; never one of the other stack. */
  async #reuse(target: DialTarget, stack: Stack, options: ReuseOptions): Promise<Connection | undefined> {
    if (!this.#tracker.isRunning) throw new NotStartedError('The connection manager is not started')
    options.signal?.throwIfAborted()
    const peerId = isPeerId(target)
      ? target
      : [target]
          .flat()
          .map(peerIdOf)
          .find((named) => named !== undefined)
    if (peerId?.equals(this.#components.peerId) === true) throw new InvalidPeerIdError('Can not dial self')
    if (peerId === undefined || options.force === true) return undefined
    const fits = this.getConnections(peerId).filter(
      (open) =>
        open.status === 'open' &&
        (open.limits === undefined || options.runOnLimitedConnection === true) &&
        this.#tracker.book.ticketOf(open)?.attempt.stack === stack,
    )
    return fits.find(({ direct }) => direct) ?? fits[0]
  }

  async #dial(target: DialTarget, options: OpenConnectionOptions, protocol?: string): Promise<Connection> {
    const dialer = dialerOf(this.#components)
    if (dialer !== undefined) return await dialer.dial(target, { ...options, ...(protocol === undefined ? {} : { protocol }) })
    const { peerStore, peerRouting, transportManager } = this.#components
    const needs = {
      clock: this.#clock,
      peerStore,
      peerRouting,
      transportManager,
      isDialable: (address: Multiaddr) => this.isDialable(address),
      expect: (address: Multiaddr, peerId?: PeerId) => this.#tracker.expect('outbound', address, peerId),
      unexpect: (ticket: Parameters<Tracker['unexpect']>[0]) => this.#tracker.unexpect(ticket),
    }
    return await plainDial(needs, target, options)
  }

  #stackOf(protocol: string): Stack {
    return optionalComponent(this.#components, 'capabilities')?.has(protocol) === true ? 'rlpx' : 'libp2p'
  }

  #maybePrune(): void {
    const all = this.peers()
    const staying = all.filter(({ peerId }) => !this.#tracker.isLeaving(peerId))
    const excess = this.#slots.excess() - (all.length - staying.length)
    if (excess <= 0) return
    const connections = this.#choose(staying, excess).flatMap((peerId) => this.getConnections(peerId))
    this.#tracker.background(this.#dropPruned(connections))
  }

  #choose(staying: readonly ConnectedPeer[], excess: number): PeerId[] {
    const context = { excess, maxPeers: this.maxPeers, now: this.#clock.now() }
    try {
      return [...this.#prune(staying, context)]
    } catch (error) {
      this.#log.error('prune threw, the default chooses - %e', error)
      return [...pruneYoungest(staying, context)]
    }
  }

  /** Tells of those only that have really ended. */
  async #dropPruned(connections: readonly Connection[]): Promise<void> {
    await this.#tracker.drop(connections, 'too-many-peers')
    const detail = connections.filter(isOver)
    if (detail.length > 0) this.#components.events.safeDispatchEvent('connection:prune', { detail })
  }
}

/** @throws KumikoError `connection-manager/bad-target`. */
function banKey(target: PeerId | string): Parameters<Bans['add']>[0] {
  return isPeerId(target) ? target.toString() : networkOf(target)
}
