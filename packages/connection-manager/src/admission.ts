import { type IpNetwork, ipOf } from '@kumiko/identity'
import {
  type Admission,
  type Attempt,
  type Cancel,
  type Clock,
  type ConnectionEnd,
  type FilterList,
  isRefusal,
  type Millis,
  type Refusal,
  type Stack,
  type Ticket,
} from '@kumiko/interface'
import type { MessageStreamDirection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { socketOf, subnetOf } from './address.ts'
import type { Ban, Bans } from './bans.ts'
import type { FailureBook } from './failure-book.ts'
import { filterPoint } from './gater.ts'
import type { InboundPace } from './inbound-pace.ts'
import { refuse } from './refusal.ts'
import type { Shortage, Slot, Slots } from './slots.ts'
import type { StreamPlaces } from './stream-places.ts'
import type { Meter, TrafficBook } from './traffic.ts'

/** What admission decides by. */
export interface AdmissionParts {
  readonly clock: Clock
  readonly slots: Slots
  readonly streams: StreamPlaces
  readonly filters: FilterList
  readonly bans: Bans
  readonly pace: InboundPace
  readonly traffic: TrafficBook
  readonly failures: FailureBook
  /** Told of a peer that is connecting to us, so that nobody dials it meanwhile. The returned function takes it back. */
  readonly awaitInbound: (peerId: PeerId) => Cancel
  /** Asked where a newcomer is to be refused whose identity is proven: true, where a peer was made to go for it. */
  readonly makeRoom: (attempt: Attempt, peerId: PeerId, shortage: Shortage) => boolean
}

/**
 * Joins slots, filters, bans and the pace into one answer. Each checkpoint asks in this order, and the first refusal stands:
 * identity · bans · filters · slots; inbound sockets: bans · filters · pending slot · pace.
 */
export class ConnectionAdmission implements Admission {
  readonly #parts: AdmissionParts
  /** Tickets that no connection was matched with. Bounded by the pending slots, since an upgrade is followed by its connection at once. */
  readonly #unclaimed = new Set<AdmissionTicket>()
  #isOpen = true

  constructor(parts: AdmissionParts) {
    this.#parts = parts
  }

  /** False: all that begins is refused. */
  set isOpen(isOpen: boolean) {
    this.#isOpen = isOpen
  }

  begin(attempt: Attempt): AdmissionTicket | Refusal {
    const ticket = this.open(attempt)
    if (!isRefusal(ticket)) this.#unclaimed.add(ticket)
    return ticket
  }

  /** As {@link begin}, for a caller that keeps the ticket together with its connection: {@link claim} does not find it. */
  open(attempt: Attempt): AdmissionTicket | Refusal {
    const answer = this.#open(attempt)
    if (isRefusal(answer)) this.#parts.failures.refusal(answer)
    return answer
  }

  #open(attempt: Attempt): AdmissionTicket | Refusal {
    if (!this.#isOpen) return refuse('client-quitting', 'stopping', 'this node is stopping')
    const { slots, traffic, pace, clock } = this.#parts
    const ip = ipOf(attempt.address)
    const peerId = attempt.direction === 'outbound' ? attempt.peerId : undefined
    const refusal = this.guard(attempt, attempt.direction === 'inbound' ? 'accept' : 'dial', peerId)
    if (refusal !== undefined) return refusal
    const { direction, stack } = attempt
    const site = direction === 'inbound' ? pace.siteOf(ip) : undefined
    const slot = slots.begin({ direction, stack, ip, site, subnet: ip === undefined ? undefined : subnetOf(ip), peerId })
    if ('reason' in slot) return slot
    if (direction === 'inbound' && !pace.pass(stack, ip, clock.now())) {
      slots.release(slot)
      return refuse('too-many-peers', 'throttled', `${ip ?? attempt.address} comes too soon after others`)
    }
    return new AdmissionTicket(this, this.#parts, attempt, slot, traffic.open(), (done) => this.#unclaimed.delete(done))
  }

  /** Bans and filters. */
  guard(
    { direction, address, stack }: Attempt,
    stage: 'dial' | 'accept' | 'encrypted' | 'upgraded',
    peerId: PeerId | undefined,
    protocols?: readonly string[],
  ): Refusal | undefined {
    const ban = this.banOf(peerId, address)
    if (ban !== undefined) return refuse('useless-peer', 'banned', ban.detail ?? 'banned')
    const verdict = this.#parts.filters.decide({ ...filterPoint(stage, direction, address, peerId, protocols), stack })
    return verdict === 'deny' ? refuse('useless-peer', 'filtered', `a filter denies ${address} (${stage})`) : undefined
  }

  /** Why a dial to a peer would be refused now, whatever its address. */
  dialRefusal(peerId: PeerId, stack: Stack): Refusal | undefined {
    const ban = this.banOf(peerId, undefined)
    if (ban !== undefined) return refuse('useless-peer', 'banned', ban.detail ?? 'banned')
    return this.#parts.slots.checkDial({ direction: 'outbound', stack, peerId }, peerId)
  }

  /** Refuses a peer, by its text, or a network from now on. Who is connected stays so. */
  ban(target: string | IpNetwork, durationMs: Millis, detail?: string): void {
    const { bans, clock } = this.#parts
    const now = clock.now()
    bans.add(target, { until: now + durationMs, detail }, now)
  }

  /** Lifts a ban; tells whether it held. */
  unban(target: string | IpNetwork): boolean {
    return this.#parts.bans.remove(target, this.#parts.clock.now())
  }

  /** The ban that holds for a peer or for an address. */
  banOf(peerId: PeerId | undefined, address: Multiaddr | undefined): Ban | undefined {
    const { bans, clock } = this.#parts
    const now = clock.now()
    const ip = address === undefined ? undefined : ipOf(address)
    return (peerId === undefined ? undefined : bans.peer(peerId.toString(), now)) ?? (ip === undefined ? undefined : bans.ip(ip, now))
  }

  /** Tells whether a socket that came in holds a ticket already, taken by its transport or upgrader. */
  hasInbound(address: Multiaddr): boolean {
    const socket = socketOf(address)
    return this.#unclaimed.values().some(({ attempt }) => attempt.direction === 'inbound' && socketOf(attempt.address) === socket)
  }

  /** Finds the admitted ticket of a connection that has just opened, and takes it out of the search. */
  claim(peerId: PeerId, direction: MessageStreamDirection, address: Multiaddr): AdmissionTicket | undefined {
    const socket = socketOf(address)
    const fits = this.#unclaimed
      .values()
      .filter((ticket) => ticket.attempt.direction === direction && ticket.peerId?.equals(peerId) === true)
      .toArray()
    const ticket = fits.find(({ attempt }) => socketOf(attempt.address) === socket) ?? fits[0]
    if (ticket !== undefined) this.#unclaimed.delete(ticket)
    return ticket
  }
}

/** A {@link Ticket} that tells its holder where it stands. */
export class AdmissionTicket implements Ticket {
  readonly attempt: Attempt
  readonly traffic: Meter
  readonly #admission: ConnectionAdmission
  readonly #parts: AdmissionParts
  readonly #slot: Slot
  readonly #onRelease: (ticket: AdmissionTicket) => void
  #proven: PeerId | undefined
  #protocols: readonly string[] = []
  #end: ConnectionEnd | undefined
  /** While an inbound connection is being set up. */
  #stopAwaiting: Cancel | undefined
  /** Gives back the places of streams. Bounded by the streams that are open. */
  readonly #places = new Set<Cancel>()

  constructor(
    admission: ConnectionAdmission,
    parts: AdmissionParts,
    attempt: Attempt,
    slot: Slot,
    traffic: Meter,
    onRelease: (ticket: AdmissionTicket) => void,
  ) {
    this.#admission = admission
    this.#parts = parts
    this.attempt = attempt
    this.#slot = slot
    this.traffic = traffic
    this.#onRelease = onRelease
  }

  /** The peer that the connection counts for; undefined until it is admitted and after its release. */
  get peerId(): PeerId | undefined {
    return this.#slot.state.at === 'admitted' ? this.#slot.state.peerId : undefined
  }

  /** Shared protocols, once they are known. */
  get protocols(): readonly string[] {
    return this.#protocols
  }

  /** How the connection ended, where its transport told. */
  get end(): ConnectionEnd | undefined {
    return this.#end
  }

  encrypted(peerId: PeerId): Refusal | undefined {
    const refusal = this.#refuseState() ?? this.#checkpoint('encrypted', peerId)
    if (refusal !== undefined) return this.#counted(refusal)
    this.#proven = peerId
    this.#parts.slots.prove(this.#slot, peerId)
    if (this.attempt.direction === 'inbound') this.#stopAwaiting ??= this.#parts.awaitInbound(peerId)
    return undefined
  }

  upgraded(protocols: readonly string[]): Refusal | undefined {
    if (this.attempt.stack === 'rlpx' && protocols.length === 0)
      return this.#counted(refuse('useless-peer', 'useless-peer', 'no shared capability'))
    return this.admit(protocols)
  }

  /** As {@link upgraded}, for a connection whose shared protocols nobody told us. */
  admit(protocols: readonly string[]): Refusal | undefined {
    const { slots, traffic } = this.#parts
    if (this.peerId !== undefined) return undefined
    const peerId = this.#proven
    if (peerId === undefined) return this.#refuseState() ?? refuse('null-identity', 'not-encrypted', 'the identity was not proven')
    const refusal = this.#refuseState() ?? this.#checkpoint('upgraded', peerId, protocols)
    if (refusal !== undefined) return this.#counted(refusal)
    slots.admit(this.#slot, peerId, protocols)
    traffic.attribute(this.traffic, peerId.toString())
    this.#protocols = protocols
    return undefined
  }

  stream(protocol: string, direction: MessageStreamDirection): Cancel | Refusal {
    const { slots, streams } = this.#parts
    const isOver = this.#refuseState()
    if (isOver !== undefined) return isOver
    // A capability has one stream for each connection that shares it, and those are counted.
    if (this.attempt.stack === 'rlpx') return () => {}
    const refusal = streams.take(protocol, direction, slots.streamLimit(protocol, this.#proven))
    if (refusal !== undefined) return this.#counted(refusal)
    const giveBack = (): void => {
      if (this.#places.delete(giveBack)) streams.giveBack(protocol, direction)
    }
    this.#places.add(giveBack)
    return giveBack
  }

  ended(end: ConnectionEnd): void {
    if (this.#end !== undefined) return
    this.#end = end
    if (end.fault !== undefined) this.#parts.failures.fault(end.fault)
  }

  /** The connection is open: its peer is known as connected. */
  opened(): void {
    this.#stopAwaiting?.()
    this.#stopAwaiting = undefined
  }

  release(): void {
    this.opened()
    for (const giveBack of this.#places) giveBack()
    this.#parts.slots.release(this.#slot)
    this.#parts.traffic.close(this.traffic)
    this.#onRelease(this)
  }

  #counted(refusal: Refusal): Refusal {
    this.#parts.failures.refusal(refusal)
    return refusal
  }

  #refuseState(): Refusal | undefined {
    return this.#slot.state.at === 'released' ? refuse('requested', 'released', 'the connection has ended') : undefined
  }

  #checkpoint(stage: 'encrypted' | 'upgraded', peerId: PeerId, protocols?: readonly string[]): Refusal | undefined {
    const { slots } = this.#parts
    const { request } = this.#slot
    const other = this.#proven !== undefined && !this.#proven.equals(peerId) ? { ...request, peerId: this.#proven } : request
    const refusal = slots.identify(other, peerId) ?? this.#admission.guard(this.attempt, stage, peerId, protocols)
    return refusal ?? this.#checkRoom(stage, peerId, protocols)
  }

  /** Where a peer goes for this one, its place is free at the second checkpoint, or this one is refused there. */
  #checkRoom(stage: 'encrypted' | 'upgraded', peerId: PeerId, protocols?: readonly string[]): Refusal | undefined {
    const { slots, makeRoom } = this.#parts
    const { request } = this.#slot
    const refusal = slots.check(request, peerId, protocols)
    if (refusal === undefined || stage === 'upgraded') return refusal
    const shortage = slots.shortage(request, peerId)
    return shortage !== undefined && makeRoom(this.attempt, peerId, shortage) ? undefined : refusal
  }
}
