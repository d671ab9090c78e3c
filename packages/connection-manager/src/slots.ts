import type { AdmissionLimits, Refusal, Stack } from '@kumiko/interface'
import type { MessageStreamDirection, PeerId } from '@libp2p/interface'
import { type Counted, countedAs, LimitCounts, protocolLimit } from './limit-counts.ts'
import { PendingSlots } from './pending-slots.ts'
import { refuse } from './refusal.ts'

/** What the slots ask of the world. Every member is read anew at each decision, so all of it may change while running. */
export interface SlotPolicy {
  readonly self: PeerId
  readonly maxPeers: number
  /** Bounds connections being set up, inbound and outbound each. */
  readonly maxPendingPeers: number
  /** So many of `maxPeers` are kept for peers that we dial. 0: none. */
  readonly maxDialed: number
  readonly limits: Readonly<AdmissionLimits>
  /** A newcomer may make another peer go: it is not refused before its identity is proven. */
  readonly isRoomMade: boolean
  isTrusted(peer: PeerId): boolean
  isStatic(peer: PeerId): boolean
}

/** A connection that asks for a slot. */
export interface SlotRequest {
  readonly direction: MessageStreamDirection
  readonly stack: Stack
  /** Normalised; undefined where the address has none. */
  readonly ip?: string | undefined
  /** Inbound: who is behind the address; undefined where that is not counted. */
  readonly site?: string | undefined
  /** The network that `perSubnet` counts by. */
  readonly subnet?: string | undefined
  /** Outbound: whom we mean to reach. */
  readonly peerId?: PeerId | undefined
}

/** Where a connection stands: being set up (with whom, where it goes before one in the other direction), counted as a peer's, or gone. */
export type SlotState =
  | { readonly at: 'pending'; readonly first?: PeerId }
  | { readonly at: 'admitted'; readonly peerId: PeerId; readonly counted: readonly Counted[] }
  | { readonly at: 'released' }

/** One connection's place. Only {@link Slots} moves it on. */
export interface Slot {
  readonly request: SlotRequest
  state: SlotState
}

/** What is taken. */
export interface SlotCounts {
  readonly pendingInbound: number
  readonly pendingOutbound: number
  /** Peers with an admitted connection, each once. */
  readonly peers: number
  /** Peers whose first connection came in. */
  readonly inboundPeers: number
  /** Admitted connections. */
  readonly connections: number
}

/** What a newcomer lacks that another peer could give up. */
export interface Shortage {
  /** Peers too many with it: 0 or 1. */
  readonly excess: number
  /** Connections too many with it: 0 or 1. */
  readonly excessConnections: number
  /** Only an inbound peer's place will do. */
  readonly isInbound: boolean
}

/** A peer that holds slots. Its direction is that of its first connection, for as long as it has any. */
interface Holder {
  readonly peerId: PeerId
  readonly isDialed: boolean
  readonly rlpx: Set<Slot>
  readonly libp2p: Set<Slot>
}

/**
 * Counts connections against go-ethereum's rules and our limits. Holds no socket, no timer, and no time.
 *
 * Bounds: at most `maxPendingPeers` pending slots each way beside those for trusted peers that we dial; admitted ones as the limits say,
 * beside those of trusted and static peers, which the operator lists.
 */
export class Slots {
  readonly #policy: SlotPolicy
  readonly #pending = new PendingSlots()
  readonly #holders = new Map<string, Holder>()
  readonly #counts = new LimitCounts()
  /** Peers with pending RLPx connections that go before one in the other direction, and how many. One that is zero has no entry. */
  readonly #first = new Map<string, number>()
  #inboundPeers = 0

  constructor(policy: SlotPolicy) {
    this.#policy = policy
  }

  /** Takes a pending slot. Where we know whom we dial, what would be refused later is refused at once. */
  begin(request: SlotRequest): Slot | Refusal {
    const known = request.direction === 'outbound' ? request.peerId : undefined
    const refusal = known === undefined ? undefined : this.checkDial(request, known)
    if (refusal !== undefined) return refusal
    const isTrusted = known !== undefined && this.#policy.isTrusted(known)
    const isFull = isTrusted ? undefined : this.#pending.check(request, this.#policy.maxPendingPeers)
    if (isFull !== undefined) return isFull
    this.#pending.take(request)
    return { request, state: { at: 'pending' } }
  }

  /** Is there room for one more connection with a peer that we dial, or may another make room for it? */
  checkDial(request: SlotRequest, peerId: PeerId): Refusal | undefined {
    return this.identify(request, peerId) ?? this.#check(request, peerId, [], this.#policy.isRoomMade)
  }

  /** Is the remote who we meant, and not ourselves? */
  identify(request: SlotRequest, peerId: PeerId): Refusal | undefined {
    const { self } = this.#policy
    if (request.peerId !== undefined && !request.peerId.equals(peerId)) {
      return refuse('unexpected-identity', 'unexpected-identity', `meant ${request.peerId}, met ${peerId}`)
    }
    return self.equals(peerId) ? refuse('connected-to-self', 'connected-to-self', 'the remote is this node') : undefined
  }

  /**
   * The remote has proven its identity. Where two nodes dial each other at once, each would admit the one connection and refuse the
   * other, and neither would be left: so the one that the lesser peer id dials goes first from here on, at both ends.
   */
  prove(slot: Slot, peerId: PeerId): void {
    if (slot.state.at !== 'pending' || slot.state.first !== undefined) return
    if (slot.request.stack !== 'rlpx' || !this.#goesFirst(slot.request, peerId)) return
    slot.state = { at: 'pending', first: peerId }
    const key = peerId.toString()
    this.#first.set(key, (this.#first.get(key) ?? 0) + 1)
  }

  /**
   * Is there room for one more connection with this peer? Both checkpoints ask.
   *
   * @param protocols - What the connection shares, once it is known.
   */
  check(request: SlotRequest, peerId: PeerId, protocols: readonly string[] = []): Refusal | undefined {
    return this.#check(request, peerId, protocols, false)
  }

  /** What one peer less would give a newcomer that {@link check} refuses. Undefined: nothing that it lacks is another's to give. */
  shortage(request: SlotRequest, peerId: PeerId): Shortage | undefined {
    if (this.#check(request, peerId, [], true) !== undefined) return undefined
    const { maxPeers, limits } = this.#policy
    const isNew = !this.#holders.has(peerId.toString())
    const isPeersFree = !isNew || (request.direction === 'outbound' && this.#policy.isStatic(peerId))
    const excess = isPeersFree ? 0 : this.#holders.size + 1 - maxPeers
    const inbound = isPeersFree || request.direction === 'outbound' ? 0 : this.#inboundPeers + 1 - this.#maxInbound()
    const excessConnections = this.#total() + 1 - (limits.total ?? Number.POSITIVE_INFINITY)
    if (Math.max(excess, inbound, excessConnections) !== 1) return undefined
    return { excess: Math.max(0, excess, inbound), excessConnections: Math.max(0, excessConnections), isInbound: inbound > 0 }
  }

  /** @param isRoomMade - Pass over what another peer could give up. */
  #check(request: SlotRequest, peerId: PeerId, protocols: readonly string[], isRoomMade: boolean): Refusal | undefined {
    const holder = this.#holders.get(peerId.toString())
    if (request.stack === 'rlpx' && holder !== undefined && holder.rlpx.size > 0) {
      return refuse('already-connected', 'already-connected', `${peerId} has an RLPx connection`)
    }
    if (request.stack === 'rlpx' && this.#first.has(peerId.toString()) && !this.#goesFirst(request, peerId)) {
      return refuse('already-connected', 'already-connected', `an RLPx connection with ${peerId} in the other direction goes first`)
    }
    if (this.#policy.isTrusted(peerId)) return undefined
    const isCounted = holder === undefined && !isRoomMade
    return (isCounted ? this.#checkPeers(request, peerId) : undefined) ?? this.#checkLimits(request, holder, protocols, isRoomMade)
  }

  /** Turns a pending slot into a peer's. The caller has asked {@link check} in the same turn. */
  admit(slot: Slot, peerId: PeerId, protocols: readonly string[] = []): void {
    if (slot.state.at !== 'pending') return
    const { request } = slot
    this.#endPending(request, slot.state.first)
    const counted = countedAs(request, protocols, this.#policy.limits)
    slot.state = { at: 'admitted', peerId, counted }
    this.#counts.add(counted)
    this.#hold(peerId, request.direction)[request.stack].add(slot)
  }

  /** Gives back what the slot holds. Idempotent. */
  release(slot: Slot): void {
    const { request, state } = slot
    slot.state = { at: 'released' }
    if (state.at === 'pending') this.#endPending(request, state.first)
    if (state.at !== 'admitted') return
    this.#counts.remove(state.counted)
    this.#letGo(state.peerId, slot)
  }

  /** How many peers are too many: those that are neither trusted, nor static and dialed, beyond `maxPeers`. */
  excess(): number {
    let bound = 0
    for (const { peerId, isDialed } of this.#holders.values()) {
      if (!this.#policy.isTrusted(peerId) && !(isDialed && this.#policy.isStatic(peerId))) bound++
    }
    return Math.max(0, bound - this.#policy.maxPeers)
  }

  /** How many connections are too many for `limits.total`. */
  excessConnections(): number {
    return Math.max(0, this.#total() - (this.#policy.limits.total ?? Number.POSITIVE_INFINITY))
  }

  /** Tells whether we dialed a connected peer first. */
  isDialed(peerId: PeerId): boolean {
    return this.#holders.get(peerId.toString())?.isDialed ?? false
  }

  /** How many streams of a protocol may be open in one direction, for this peer. */
  streamLimit(protocol: string, peerId: PeerId | undefined): number | undefined {
    const limit = protocolLimit(this.#policy.limits, protocol)
    return limit === undefined || (peerId !== undefined && this.#policy.isTrusted(peerId)) ? undefined : limit
  }

  counts(): SlotCounts {
    return {
      pendingInbound: this.#pending.inbound,
      pendingOutbound: this.#pending.outbound,
      peers: this.#holders.size,
      inboundPeers: this.#inboundPeers,
      connections: this.#total(),
    }
  }

  #total(): number {
    return this.#counts.of('total')
  }

  #maxInbound(): number {
    const { maxPeers, maxDialed } = this.#policy
    return Number.isFinite(maxPeers) ? Math.max(0, maxPeers - maxDialed) : maxPeers
  }

  /** Both ends come to the same answer. */
  #goesFirst({ direction }: SlotRequest, peerId: PeerId): boolean {
    const [own, other] = [this.#policy.self.toString(), peerId.toString()]
    return direction === 'outbound' ? own < other : other < own
  }

  #endPending(request: SlotRequest, first: PeerId | undefined): void {
    this.#pending.giveBack(request)
    if (first === undefined) return
    const left = (this.#first.get(first.toString()) ?? 0) - 1
    if (left > 0) this.#first.set(first.toString(), left)
    else this.#first.delete(first.toString())
  }

  #checkPeers(request: SlotRequest, peerId: PeerId): Refusal | undefined {
    const { maxPeers } = this.#policy
    const isInbound = request.direction === 'inbound'
    if (!isInbound && this.#policy.isStatic(peerId)) return undefined
    if (this.#holders.size >= maxPeers) return refuse('too-many-peers', 'too-many-peers', `${this.#holders.size} of ${maxPeers} peers`)
    const maxInbound = this.#maxInbound()
    if (!isInbound || this.#inboundPeers < maxInbound) return undefined
    return refuse('too-many-peers', 'too-many-inbound', `${this.#inboundPeers} of ${maxInbound} inbound peers`)
  }

  #checkLimits(request: SlotRequest, holder: Holder | undefined, protocols: readonly string[], isRoomMade: boolean): Refusal | undefined {
    const { limits } = this.#policy
    for (const { name, key, limit } of countedAs(request, protocols, limits)) {
      if (isRoomMade && name === 'total') continue
      const count = this.#counts.of(key)
      if (limit !== undefined && count >= limit)
        return refuse('too-many-peers', 'limit-reached', `${count} of ${limit} connections: ${key}`)
    }
    const own = holder?.libp2p.size ?? 0
    if (request.stack === 'rlpx' || limits.perPeer === undefined || own < limits.perPeer) return undefined
    return refuse('already-connected', 'too-many-of-peer', `the peer has ${own} of ${limits.perPeer} connections`)
  }

  #hold(peerId: PeerId, direction: MessageStreamDirection): Holder {
    const key = peerId.toString()
    const known = this.#holders.get(key)
    if (known !== undefined) return known
    const holder = { peerId, isDialed: direction === 'outbound', rlpx: new Set<Slot>(), libp2p: new Set<Slot>() }
    this.#holders.set(key, holder)
    if (!holder.isDialed) this.#inboundPeers++
    return holder
  }

  #letGo(peerId: PeerId, slot: Slot): void {
    const key = peerId.toString()
    const holder = this.#holders.get(key)
    if (holder === undefined) return
    holder[slot.request.stack].delete(slot)
    if (holder.rlpx.size + holder.libp2p.size > 0) return
    this.#holders.delete(key)
    if (!holder.isDialed) this.#inboundPeers--
  }
}
