import { stackOf } from '@kumiko/identity'
import { type Clock, type DisconnectReason, isDisconnectable, isRefusal, type Millis, type Refusal } from '@kumiko/interface'
import {
  AbortError,
  type Connection,
  type Logger,
  type MessageStreamDirection,
  type MultiaddrConnection,
  type PeerId,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { socketOf } from './address.ts'
import type { AdmissionTicket, ConnectionAdmission } from './admission.ts'
import { endConnection, isOver, within } from './closing.ts'
import type { ConnectionManagerNeeds } from './needs.ts'
import { PeerBook } from './peer-book.ts'
import type { PeerEvents } from './peer-events.ts'

/** What the tracker works with. */
export interface TrackerParts {
  readonly components: ConnectionManagerNeeds
  readonly admission: ConnectionAdmission
  readonly events: PeerEvents
  readonly clock: Clock
  readonly log: Logger
  readonly enableMsgEvents: boolean
  readonly closeTimeoutMs: Millis
}

/**
 * Follows connections from `connection:open` to `connection:close`, matches each with its ticket, and tells of peers coming and going. Where
 * nobody took a ticket (a vanilla node), it takes one itself, and ends the connection if that is refused.
 */
export class Tracker {
  readonly book: PeerBook = new PeerBook()
  readonly #parts: TrackerParts
  /** Tickets of ours whose connection is being set up, with the socket where one came in. Bounded by the pending slots. */
  readonly #expected = new Map<AdmissionTicket, MultiaddrConnection | undefined>()
  /** Why a peer is being dropped by us. Bounded by the peers. */
  readonly #reasons = new Map<string, DisconnectReason>()
  /** What was begun and not awaited. Bounded by the connections. */
  readonly #tasks = new Set<Promise<void>>()
  #isRunning = false

  constructor(parts: TrackerParts) {
    this.#parts = parts
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  start(): void {
    if (this.#isRunning) return
    this.#isRunning = true
    this.#parts.components.events.addEventListener('connection:open', this.#onOpen)
    this.#parts.components.events.addEventListener('connection:close', this.#onClose)
  }

  /** Ends every connection and gives back every slot of ours. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return
    this.#isRunning = false
    const { events } = this.#parts.components
    for (const socket of this.#expected.values()) socket?.abort(new AbortError('The connection manager is stopping'))
    await this.drop(this.book.list(), 'client-quitting')
    await Promise.all(this.#tasks)
    events.removeEventListener('connection:open', this.#onOpen)
    events.removeEventListener('connection:close', this.#onClose)
    for (const connection of this.book.list()) this.#forget(connection)
    for (const ticket of this.#expected.keys()) this.unexpect(ticket)
  }

  /** Takes a pending slot for a socket that came in, unless its transport has taken one; tells whether there was one. */
  accept(socket: MultiaddrConnection): boolean {
    const { admission, log } = this.#parts
    if (admission.hasInbound(socket.remoteAddr)) return true
    const ticket = this.expect('inbound', socket.remoteAddr, undefined, socket)
    if (isRefusal(ticket)) {
      log('refused %a: %s (%s)', socket.remoteAddr, ticket.detail, ticket.code)
      return false
    }
    socket.addEventListener('close', () => this.unexpect(ticket), { once: true })
    return true
  }

  /** Takes a ticket for a connection of which we hear next when it opens. */
  expect(direction: MessageStreamDirection, address: Multiaddr, peerId?: PeerId, socket?: MultiaddrConnection): AdmissionTicket | Refusal {
    const ticket = this.#parts.admission.open({
      direction,
      stack: stackOf(address),
      address,
      ...(peerId === undefined ? {} : { peerId }),
    })
    if (!isRefusal(ticket)) this.#expected.set(ticket, socket)
    return ticket
  }

  /** Gives back a ticket that no connection has come for. One whose connection is open keeps its slot. */
  unexpect(ticket: AdmissionTicket): void {
    if (this.#expected.delete(ticket)) ticket.release()
  }

  /** Gives back the tickets of sockets that have ended without a connection. */
  sweep(): void {
    for (const [ticket, socket] of this.#expected) if (socket !== undefined && socket.status !== 'open') this.unexpect(ticket)
  }

  /** Ends connections, tells their remotes why, and waits for that, at most `closeTimeoutMs`. */
  async drop(connections: readonly Connection[], reason: DisconnectReason, signal?: AbortSignal): Promise<void> {
    if (connections.length === 0) return
    const { clock, closeTimeoutMs } = this.#parts
    for (const { remotePeer } of connections) this.#reasons.set(remotePeer.toString(), reason)
    const end = async (inTime: AbortSignal): Promise<void> => {
      await Promise.all(connections.map((connection) => endConnection(connection, reason, inTime)))
    }
    await within(clock, closeTimeoutMs, end, signal)
    for (const connection of connections) if (isOver(connection)) this.#forget(connection)
    for (const { remotePeer } of connections) this.#reasons.delete(remotePeer.toString())
  }

  /** Ends connections at once, so that their slots are free now; those that can tell their remotes why do so, and take a moment. */
  cutOff(connections: readonly Connection[], reason: DisconnectReason): void {
    for (const connection of connections) {
      this.#reasons.set(connection.remotePeer.toString(), reason)
      if (!isDisconnectable(connection)) connection.abort(new AbortError(`The connection makes room: ${reason}`))
    }
    this.background(this.drop(connections, reason))
  }

  /** Does something that nobody waits for, until we stop. */
  background(task: Promise<void>): void {
    const done = task.catch((error: unknown) => this.#parts.log.error('%e', error)).finally(() => this.#tasks.delete(done))
    this.#tasks.add(done)
  }

  /** Tells whether a ban or a filter would refuse an open connection now. */
  isDenied(connection: Connection): boolean {
    const ticket = this.book.ticketOf(connection)
    if (ticket === undefined) return false
    return this.#parts.admission.guard(ticket.attempt, 'upgraded', connection.remotePeer, ticket.protocols) !== undefined
  }

  /** Tells whether a peer is being dropped. */
  isLeaving(peerId: PeerId): boolean {
    return this.#reasons.has(peerId.toString())
  }

  readonly #onOpen = ({ detail: connection }: CustomEvent<Connection>): void => {
    const { admission, log } = this.#parts
    const { remotePeer, direction, remoteAddr } = connection
    const ticket = admission.claim(remotePeer, direction, remoteAddr) ?? this.#adopt(connection)
    if (isRefusal(ticket)) {
      log('refused %a: %s (%s)', remoteAddr, ticket.detail, ticket.code)
      this.background(this.#end(connection, ticket.reason))
    } else if (this.#isRunning && connection.status === 'open') {
      this.#admit(connection, ticket)
    } else {
      ticket.release()
      this.background(this.#end(connection, 'client-quitting'))
    }
  }

  readonly #onClose = ({ detail: connection }: CustomEvent<Connection>): void => this.#forget(connection)

  #admit(connection: Connection, ticket: AdmissionTicket): void {
    const { components, clock, events, enableMsgEvents } = this.#parts
    const { remotePeer: peerId, remoteAddr: address, direction } = connection
    if (enableMsgEvents) this.#listen(ticket, peerId)
    const isFirst = this.book.add(connection, ticket, clock.now())
    if (peerId.type === 'RSA') this.background(this.#keepKey(peerId))
    if (isFirst) components.events.safeDispatchEvent('peer:connect', { detail: peerId })
    ticket.opened()
    if (!isFirst) return
    events.emit({ type: 'add', peerId, stack: ticket.attempt.stack, direction, address })
  }

  #forget(connection: Connection): void {
    const removed = this.book.remove(connection)
    if (removed === undefined) return
    removed.ticket.release()
    if (!removed.isLast) return
    const { remotePeer: peerId } = connection
    const { end } = removed.ticket
    const detail = this.#reasons.get(peerId.toString()) ?? end?.reason ?? end?.fault?.fault
    this.#reasons.delete(peerId.toString())
    this.#parts.components.events.safeDispatchEvent('peer:disconnect', { detail: peerId })
    this.#parts.events.emit({ type: 'drop', peerId, ...(detail === undefined ? {} : { detail }) })
  }

  /** Passes both checkpoints for a connection that is up already. */
  #adopt(connection: Connection): AdmissionTicket | Refusal {
    const { remotePeer, direction, remoteAddr } = connection
    const ticket = this.#takeExpected(connection) ?? this.expect(direction, remoteAddr, direction === 'outbound' ? remotePeer : undefined)
    if (isRefusal(ticket)) return ticket
    this.#expected.delete(ticket)
    const refusal = ticket.encrypted(remotePeer) ?? ticket.admit(connection.streams.map(({ protocol }) => protocol))
    if (refusal !== undefined) ticket.release()
    return refusal ?? ticket
  }

  #takeExpected({ direction, remoteAddr }: Connection): AdmissionTicket | undefined {
    const socket = socketOf(remoteAddr)
    return this.#expected.keys().find(({ attempt }) => attempt.direction === direction && socketOf(attempt.address) === socket)
  }

  async #end(connection: Connection, reason: DisconnectReason): Promise<void> {
    const { clock, closeTimeoutMs } = this.#parts
    await within(clock, closeTimeoutMs, (signal) => endConnection(connection, reason, signal))
  }

  /** An RSA key is not in the peer id, so that it would be lost. */
  async #keepKey(peerId: PeerId): Promise<void> {
    if (peerId.publicKey !== undefined) await this.#parts.components.peerStore.patch(peerId, { publicKey: peerId.publicKey })
  }

  #listen({ traffic }: AdmissionTicket, peerId: PeerId): void {
    const { events } = this.#parts
    traffic.listener = (way, capability, code, sizeBytes) => {
      if (events.isHeard) events.emit({ type: way === 'sent' ? 'msgsend' : 'msgrecv', peerId, capability, code, sizeBytes })
    }
  }
}
