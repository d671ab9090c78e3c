import type { DialRefusal, Millis, Random } from '@kumiko/interface'
import { KumikoError } from '@kumiko/interface'
import { ActiveDials } from './active-dials.ts'
import { AutoDial, type PeerWant } from './auto-dial.ts'
import { type Candidate, type PeerKey, peerKey } from './candidate.ts'
import { ConnectedPeers } from './connected-peers.ts'
import { DialHistory } from './history.ts'
import { KeptPeers } from './kept-peers.ts'
import type { DialKind, PlanEffect } from './plan-effect.ts'
import { RequestQueue } from './request-queue.ts'
import { StaticNodes } from './static-nodes.ts'

/** What a plan is made of. */
export interface DialPlanOptions {
  readonly self: PeerKey
  readonly random: Random
  /** See {@link DialPlan.maxPeers}. */
  readonly maxPeers: number
  /** `floor(maxPeers / dialRatio)` slots, at least 1, are for nodes that we dial; 0: none. */
  readonly dialRatio: number
  /** Dials under way at most, whatever their kind. */
  readonly maxActiveDials: number
  /** Dials that wait for a slot at most. */
  readonly requestsMax: number
  /** How long a node is not dialed again, counted from the start of its last dial. */
  readonly historyMs: Millis
  /** A bootnode is dialed when there has been no peer for so long. */
  readonly fallbackMs: Millis
  readonly bootnodes: readonly Candidate[]
  /** How long after a failure a kept peer is dialed again, doubled with each in a row, and how often in a row. */
  readonly reconnectMs: Millis
  readonly reconnectRetries: number
  /** True: nothing but what is asked for is dialed. */
  readonly noDial: boolean
  /** Others go for a kept peer: it is dialed without room, too. */
  readonly isRoomMade: boolean
  /** Rules that the plan does not know: nets and bans. Undefined: no objection. */
  screen(candidate: Candidate): DialRefusal | undefined
}

/** Static nodes at most. */
export const STATIC_MAX = 4096

/**
 * Whom to dial and when, in the terms of go-ethereum's dial scheduler. Holds no socket and no timer.
 *
 * Free slots go first to dials that were asked for, then to static nodes that are due, then to kept peers that are, then, once there has been
 * no peer for a while, to a bootnode, then to peers of which some are wanted, and last to candidates from the sources. Kept and wanted peers are
 * dialed only as far as there is room below `maxPeers`; `dialRatio` is for candidates alone. The state is bounded: {@link STATIC_MAX}, `requestsMax`, a history of 4096; peers
 * and inbound attempts as many as the driver tells of.
 */
export class DialPlan {
  /** Live: may be changed while running, and counts from the next input on. */
  maxPeers: number
  readonly #options: DialPlanOptions
  readonly #history: DialHistory
  readonly #static: StaticNodes
  readonly #kept: KeptPeers
  readonly #auto = new AutoDial()
  readonly #peers: ConnectedPeers
  /** Inbound connections being set up, counted by peer. */
  readonly #inbound = new Map<PeerKey, number>()
  readonly #dialing = new ActiveDials()
  readonly #requests: RequestQueue
  /** The next to be dialed first. */
  readonly #bootnodes: Candidate[]
  readonly #state: { now: Millis; wanted: number }

  constructor(options: DialPlanOptions, now: Millis) {
    this.maxPeers = options.maxPeers
    this.#options = options
    this.#requests = new RequestQueue(options.requestsMax)
    this.#history = new DialHistory(options.historyMs)
    this.#static = new StaticNodes(options.historyMs, options.random)
    const { reconnectMs: retryMs, reconnectRetries: retries, historyMs: lastingMs, random } = options
    this.#kept = new KeptPeers({ retryMs, retries, lastingMs, random })
    this.#bootnodes = [...options.bootnodes]
    this.#peers = new ConnectedPeers(now)
    this.#state = { now, wanted: 0 }
  }

  /** Keeps a node connected from now on. Nothing changes if it is static already. @throws KumikoError `dialer/too-many-static`. */
  addStatic(candidate: Candidate, now: Millis): PlanEffect[] {
    const peer = peerKey(candidate.peerId)
    if (this.#static.has(peer)) return []
    if (this.#static.size >= STATIC_MAX) {
      throw new KumikoError('dialer/too-many-static', `there are ${STATIC_MAX} static nodes already; remove some first`)
    }
    this.#static.add(candidate, now)
    return this.#fill(now)
  }

  /** Tells whether it was static. A dial that is under way goes on. */
  removeStatic(peer: PeerKey): boolean {
    return this.#static.remove(peer)
  }

  isStatic(peer: PeerKey): boolean {
    return this.#static.has(peer)
  }

  /** Keeps a peer connected from now on, while there is room, or learns of its addresses. */
  keep(candidate: Candidate, now: Millis): PlanEffect[] {
    this.#kept.keep(candidate, now)
    return this.#fill(now)
  }

  /** Keeps it no more. Tells whether it was kept. */
  release(peer: PeerKey): boolean {
    return this.#kept.release(peer)
  }

  /** Peers are missing, or, where the list is empty, none is. Takes the place of the last list. */
  want(wants: readonly PeerWant[], now: Millis): PlanEffect[] {
    this.#auto.want(wants)
    return this.#fill(now)
  }

  /** A source found a node. It is passed over where none is wanted. */
  candidate(candidate: Candidate, now: Millis): PlanEffect[] {
    const effects = this.#fill(now)
    if (this.#freeDynamic() <= 0) return effects
    const reason = candidate.addresses.length === 0 ? 'no-endpoint' : this.#check(candidate)
    effects.push(reason === undefined ? this.#dial('dynamic', candidate, now) : { do: 'refuse', candidate, reason })
    return [...effects, ...this.#fill(now)]
  }

  /**
   * Someone asked for a dial: it starts as soon as a slot is free, whatever the history says. Ends by {@link dialEnded}.
   *
   * @param id - Not the id of another dial, nor the key of a peer.
   * @param peer - Whom it is to reach, where that is known.
   * @param priority - Higher goes first.
   * @throws KumikoError `dialer/queue-full`.
   */
  request(id: string, peer: PeerKey | undefined, priority: number, now: Millis): PlanEffect[] {
    this.#requests.add({ id, peer, priority })
    return this.#fill(now)
  }

  /** Takes back a dial that has not started. Tells whether it was waiting. */
  withdraw(id: string): boolean {
    return this.#requests.remove(id)
  }

  /** A dial ended; its slot is free. Of an id that is not under way, nothing is changed. */
  dialEnded(id: string, isConnected: boolean, now: Millis): PlanEffect[] {
    const dial = this.#dialing.end(id)
    if (dial === undefined) return []
    const { peer, kind, startedAt } = dial
    if (peer === undefined) return this.#fill(now)
    if (!isConnected) this.#static.failed(peer, startedAt)
    this.#auto.ended(peer, isConnected)
    const isGivenUp = kind === 'kept' && !isConnected && this.#kept.failed(peer, now)
    this.#wake(peer, now)
    return [...(isGivenUp ? [{ do: 'giveUp' as const, peer }] : []), ...this.#fill(now)]
  }

  /** A static node's record was asked for. @param found - Its record now, or undefined where nothing was found. */
  resolved(peer: PeerKey, found: Candidate | undefined, now: Millis): void {
    this.#static.resolved(peer, found, now)
  }

  /** A peer connected. @param isDialed - By us: it takes one of the slots for nodes that we dial. */
  peerAdded(peer: PeerKey, isDialed: boolean, now: Millis): PlanEffect[] {
    this.#peers.add(peer, isDialed, now)
    this.#kept.connected(peer)
    return this.#fill(now)
  }

  /** A peer's last connection ended. */
  peerDropped(peer: PeerKey, now: Millis): PlanEffect[] {
    const since = this.#peers.remove(peer, now)
    if (since === undefined) return []
    if (now - since >= this.#options.historyMs) this.#static.succeeded(peer, now)
    else this.#static.failed(peer, since)
    this.#kept.dropped(peer, since, now)
    this.#wake(peer, now)
    return this.#fill(now)
  }

  /** An inbound connection is being set up: its node is not dialed meanwhile. */
  inboundBegan(peer: PeerKey): void {
    this.#inbound.set(peer, (this.#inbound.get(peer) ?? 0) + 1)
  }

  /** It was set up, or failed. */
  inboundEnded(peer: PeerKey, now: Millis): PlanEffect[] {
    const count = (this.#inbound.get(peer) ?? 0) - 1
    if (count > 0) this.#inbound.set(peer, count)
    else this.#inbound.delete(peer)
    this.#wake(peer, now)
    return this.#fill(now)
  }

  /** Does what is due. Also to be called once at the start. */
  expire(now: Millis): PlanEffect[] {
    return this.#fill(now)
  }

  /** When {@link expire} is due; `Infinity` if never. */
  get deadline(): Millis {
    if (this.#options.noDial) return this.#history.deadline
    const fallbackAt = this.#bootnodes.length > 0 ? this.#peers.aloneSince + this.#options.fallbackMs : Number.POSITIVE_INFINITY
    const due = [this.#history.deadline, this.#static.deadline, this.#kept.deadline, fallbackAt].filter((at) => at > this.#state.now)
    return Math.min(...due, Number.POSITIVE_INFINITY)
  }

  /** Dials under way; at most `maxActiveDials`. */
  get dialing(): number {
    return this.#dialing.size
  }

  get staticSize(): number {
    return this.#static.size
  }

  get historySize(): number {
    return this.#history.size
  }

  /** Slots for nodes that we dial that no peer has; 0 where dialing is off. */
  get freeSlots(): number {
    const { dialRatio, noDial } = this.#options
    if (noDial || dialRatio <= 0 || this.maxPeers <= 0) return 0
    return Math.max(0, Math.max(1, Math.floor(this.maxPeers / dialRatio)) - this.#peers.dialed)
  }

  /** Starts all that may start now. Each round takes a slot or ends the loop. */
  #fill(now: Millis): PlanEffect[] {
    this.#state.now = now
    this.#history.expire(now)
    const effects: PlanEffect[] = []
    while (this.#dialing.size < this.#options.maxActiveDials) {
      const effect =
        this.#nextRequest(now) ?? this.#nextStatic(now) ?? this.#nextKept(now) ?? this.#nextBootnode(now) ?? this.#nextAuto(now)
      if (effect === undefined) break
      effects.push(effect)
    }
    const wanted = this.#freeDynamic()
    if (wanted !== this.#state.wanted) effects.push({ do: 'want', count: wanted })
    this.#state.wanted = wanted
    return effects
  }

  #nextRequest(now: Millis): PlanEffect | undefined {
    const request = this.#requests.take()
    if (request === undefined) return undefined
    const { id, peer } = request
    if (peer !== undefined) this.#history.add(peer, now)
    this.#dialing.begin(id, { peer, kind: 'requested', startedAt: now })
    return { do: 'start', id }
  }

  #nextStatic(now: Millis): PlanEffect | undefined {
    if (this.#options.noDial) return undefined
    for (let candidate = this.#static.take(now); candidate !== undefined; candidate = this.#static.take(now)) {
      const reason = this.#check(candidate)
      if (reason === undefined) return this.#dial('static', candidate, now)
      this.#postpone(peerKey(candidate.peerId), reason, now)
    }
    return undefined
  }

  /** A static node that may not be dialed now. One that is connected, or being so, wakes when that ends; we ourselves never. */
  #postpone(peer: PeerKey, reason: DialRefusal, now: Millis): void {
    if (reason === 'recently-dialed') this.#static.wake(peer, this.#history.expiry(peer) ?? now)
    else if (reason !== 'connected' && reason !== 'dialing' && reason !== 'self') this.#static.wake(peer, now + this.#options.historyMs)
  }

  /** Whatever the history says: that is for remotes that refuse a second attempt, as devp2p's do. */
  #nextKept(now: Millis): PlanEffect | undefined {
    while (this.#hasRoom || (this.#options.isRoomMade && !this.#options.noDial)) {
      const candidate = this.#kept.take(now)
      if (candidate === undefined) return undefined
      const reason = this.#refuse(candidate)
      if (reason === undefined) return this.#dial('kept', candidate, now)
      const wakes = reason === 'connected' || reason === 'dialing' || reason === 'self'
      if (!wakes) this.#kept.wake(peerKey(candidate.peerId), now + this.#options.historyMs)
    }
    return undefined
  }

  #nextAuto(now: Millis): PlanEffect | undefined {
    const candidate = this.#hasRoom ? this.#auto.next((each) => this.#check(each) === undefined) : undefined
    if (candidate === undefined) return undefined
    this.#auto.began(peerKey(candidate.peerId))
    return this.#dial('auto', candidate, now)
  }

  /** Whether another peer may be had. */
  get #hasRoom(): boolean {
    return !this.#options.noDial && this.#peers.size + this.#dialing.size < this.maxPeers
  }

  /** As in go-ethereum 1.8: with no peers for a while, one bootnode at a time, in turn. */
  #nextBootnode(now: Millis): PlanEffect | undefined {
    const isDue = now >= this.#peers.aloneSince + this.#options.fallbackMs && this.#freeDynamic() > 0
    if (!isDue || this.#dialing.has('bootnode')) return undefined
    const index = this.#bootnodes.findIndex((bootnode) => this.#check(bootnode) === undefined)
    const [bootnode] = index < 0 ? [] : this.#bootnodes.splice(index, 1)
    if (bootnode === undefined) return undefined
    this.#bootnodes.push(bootnode)
    return this.#dial('bootnode', bootnode, now)
  }

  #dial(kind: DialKind, candidate: Candidate, now: Millis): PlanEffect {
    const id = peerKey(candidate.peerId)
    this.#history.add(id, now)
    this.#dialing.begin(id, { peer: id, kind, startedAt: now })
    return { do: 'dial', id, kind, candidate, mayResolve: kind === 'static' && this.#static.mayResolve(id, now) }
  }

  #check(candidate: Candidate): DialRefusal | undefined {
    const reason = this.#refuse(candidate)
    if (reason !== undefined) return reason
    return this.#history.expiry(peerKey(candidate.peerId)) === undefined ? undefined : 'recently-dialed'
  }

  /** Why a node is not dialed, the history aside. */
  #refuse(candidate: Candidate): DialRefusal | undefined {
    const peer = peerKey(candidate.peerId)
    if (peer === this.#options.self) return 'self'
    if (this.#dialing.reaches(peer) || this.#requests.has(peer) || this.#inbound.has(peer)) return 'dialing'
    if (this.#peers.has(peer)) return 'connected'
    return this.#options.screen(candidate)
  }

  /** Twice the missing peers, since many dials fail, as far as there are slots. */
  #freeDynamic(): number {
    return Math.max(0, Math.min(2 * this.freeSlots, this.#options.maxActiveDials) - this.#dialing.size)
  }

  /** Something that kept a static node, or a kept peer, from being dialed has ended. */
  #wake(peer: PeerKey, now: Millis): void {
    if (!this.#peers.has(peer)) this.#kept.wake(peer, now)
    this.#static.wake(peer, Math.max(now, this.#history.expiry(peer) ?? now))
  }
}
