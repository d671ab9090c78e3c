import { stackOf } from '@kumiko/identity'
import {
  type Cancel,
  type Clock,
  type DialerStatus,
  type DialRefusal,
  type DialToOptions,
  KumikoError,
  type Millis,
  type NodeRecord,
  type NodeSource,
  optionalComponent,
  type Random,
} from '@kumiko/interface'
import { type Connection, isPeerId, type Logger, type PeerId } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { isMultiaddr } from '@multiformats/multiaddr'
import { CustomProgressEvent } from 'progress-events'
import { AskedDials } from './asked-dials.ts'
import { type Candidate, type PeerKey, peerKey } from './candidate.ts'
import { Intake } from './intake.ts'
import { type DialerComponents, maxPeersOf } from './needs.ts'
import { keepAliveTags, PeerWatch, type PeerWatchOptions } from './peer-watch.ts'
import { DialPlan, type DialPlanOptions } from './plan.ts'
import type { PlanEffect } from './plan-effect.ts'
import type { DialRules } from './rules.ts'
import { DialRunner, type DialRunnerOptions } from './runner.ts'
import { type DialGoal, SharedDial, stackFor } from './shared-dial.ts'
import { Sieve } from './sieve.ts'

/** What a session is made of. */
export interface SessionOptions {
  readonly components: DialerComponents
  readonly clock: Clock
  readonly random: Random
  readonly rules: DialRules
  readonly plan: Omit<DialPlanOptions, 'self' | 'random' | 'maxPeers' | 'isRoomMade' | 'screen'>
  readonly watch: Pick<PeerWatchOptions, 'autoDial' | 'keepAlive'>
  readonly run: Pick<DialRunnerOptions, 'connect' | 'resolve' | 'lookup' | 'resolveTxt' | 'rank' | 'history' | 'record' | 'race'>
}

/** Dials that do not end when told to are waited for no longer. */
const STOP_TIMEOUT_MS: Millis = 5000

/** The dialer from its start to its stop: performs what the plan says, and runs the dials. */
export class DialSession {
  readonly #options: SessionOptions
  readonly #log: Logger
  readonly #plan: DialPlan
  readonly #intake: Intake
  readonly #runner: DialRunner
  readonly #asked: AskedDials
  readonly #watch: PeerWatch
  /** Waiting and under way; as many as the plan allows. By the plan's id. */
  readonly #dials = new Map<string, SharedDial>()
  /** What is waited for at the stop: dials, and losers of races that have not let go. */
  readonly #running = new Set<Promise<void>>()
  readonly #controller = new AbortController()
  readonly #refused: Partial<Record<DialRefusal, number>> = {}
  #disarm: Cancel = () => {}

  constructor(options: SessionOptions) {
    const { components, clock, random, rules } = options
    this.#log = components.logger.forComponent('kumiko:dialer')
    this.#options = options
    const machine = {
      ...options.plan,
      self: peerKey(components.peerId),
      random,
      maxPeers: maxPeersOf(components),
      isRoomMade: components.connectionManager.atLimit === 'prune',
      screen: (candidate: Candidate) => rules.screen(candidate),
    }
    this.#plan = new DialPlan(machine, clock.now())
    this.#runner = new DialRunner({
      ...options.run,
      components,
      self: components.peerId,
      log: this.#log,
      clock,
      rules,
      track: (work) => this.#track(work),
      onResolved: (peer, found) => this.#plan.resolved(peer, found, clock.now()),
    })
    this.#asked = new AskedDials({
      components,
      dials: this.#dials,
      signal: this.#controller.signal,
      onRequest: ({ id, goal: { peerId } }, priority) => {
        this.#tell((plan, now) => plan.request(id, peerId === undefined ? undefined : peerKey(peerId), priority, now))
      },
      onLeft: (id) => this.#plan.withdraw(id),
    })
    this.#watch = new PeerWatch({
      ...options.watch,
      components,
      clock,
      random,
      log: this.#log,
      history: options.run.history,
      track: (work) => this.#track(work),
      onKeep: (candidate) => this.#tell((plan, now) => plan.keep(candidate, now)),
      onRelease: (peer) => this.#plan.release(peer),
      onWant: (wants) => this.#tell((plan, now) => plan.want(wants, now)),
    })
    this.#intake = new Intake({
      clock,
      offer: (node) => this.#offer(node),
      onError: (source, error) => this.#log.error('node source %s failed, it will be asked again - %e', source.name, error),
    })
  }

  /** Learns of peers that come and go, and dials unasked, from now on. To be called once. */
  activate(): void {
    const { events, connectionManager } = this.#options.components
    events.addEventListener('peer:connect', this.#onPeer)
    events.addEventListener('peer:disconnect', this.#onPeer)
    for (const { remotePeer } of connectionManager.getConnections()) this.#sync(remotePeer)
    this.#tell((plan, now) => plan.expire(now))
    if (!this.#options.plan.noDial) this.#watch.start()
  }

  /** Gives up all dials and waits for them to end, at most 5 s. Idempotent. */
  async stop(): Promise<void> {
    const { components, clock } = this.#options
    const reason = new KumikoError('dialer/stopped', 'the dialer stopped')
    this.#controller.abort(reason)
    components.events.removeEventListener('peer:connect', this.#onPeer)
    components.events.removeEventListener('peer:disconnect', this.#onPeer)
    this.#watch.stop()
    this.#disarm()
    for (const dial of this.#dials.values()) dial.abort(reason)
    const { promise: late, resolve } = Promise.withResolvers<void>()
    const cancel = clock.at(clock.now() + STOP_TIMEOUT_MS, resolve)
    await Promise.race([Promise.all([this.#intake.stop(), ...this.#running]), late])
    cancel()
  }

  addSource(source: NodeSource): Cancel {
    const { clock } = this.#options
    const onRefused = (): void => this.#refuse('not-accepted')
    return this.#intake.add(new Sieve(source, { clock, accepts: (node) => this.#accepts(node), onRefused }))
  }

  addStatic(candidate: Candidate): void {
    this.#tell((plan, now) => plan.addStatic(candidate, now))
  }

  removeStatic(peer: PeerKey): void {
    this.#plan.removeStatic(peer)
  }

  /** An inbound connection of this peer is being set up. The returned function tells that this has ended. */
  inbound(peerId: PeerId): Cancel {
    const peer = peerKey(peerId)
    this.#plan.inboundBegan(peer)
    let hasEnded = false
    return () => {
      if (!hasEnded) this.#tell((plan, now) => plan.inboundEnded(peer, now))
      hasEnded = true
    }
  }

  /** Connects, or joins a dial. @throws KumikoError `dialer/…`. */
  async dial(goal: DialGoal, options: DialToOptions): Promise<Connection> {
    return await this.#asked.dial(goal, options)
  }

  dials(): SharedDial[] {
    return [...this.#dials.values()]
  }

  status(): DialerStatus {
    const { dialing, staticSize, historySize, freeSlots } = this.#plan
    return { dialing, static: staticSize, history: historySize, freeSlots, refused: { ...this.#refused } }
  }

  /** The only way in to the plan: performs what it answers, then sets the one timer. */
  #tell(input: (plan: DialPlan, now: Millis) => PlanEffect[]): void {
    if (this.#controller.signal.aborted) return
    const { clock, components } = this.#options
    this.#plan.maxPeers = maxPeersOf(components)
    for (const effect of input(this.#plan, clock.now())) this.#perform(effect)
    this.#disarm()
    this.#disarm = clock.at(this.#plan.deadline, () => this.#tell((plan, now) => plan.expire(now)))
  }

  #perform(effect: PlanEffect): void {
    if (effect.do === 'want') this.#intake.want(effect.count)
    else if (effect.do === 'refuse') this.#refuse(effect.reason)
    else if (effect.do === 'start') this.#begin(this.#dials.get(effect.id))
    else if (effect.do === 'giveUp') this.#track(this.#giveUp(effect.peer))
    else this.#schedule(effect)
  }

  #refuse(reason: DialRefusal): void {
    this.#refused[reason] = (this.#refused[reason] ?? 0) + 1
  }

  /** What is no node is let through: whoever takes it says so. */
  #accepts(node: NodeRecord): boolean {
    const { components } = this.#options
    const candidate = tryCandidate(node)
    if (candidate === undefined || components.connectionManager.isTrusted?.(candidate.peerId) === true) return true
    return optionalComponent(components, 'capabilities')?.accepts(node) ?? true
  }

  /** A source is our caller's: what it yields may be no node. The plan is asked only of what is one. */
  #offer(node: NodeRecord): boolean {
    const candidate = tryCandidate(node)
    if (candidate === undefined) {
      this.#log.error('a node source gave what is no node')
      return false
    }
    const { peerId, addresses } = candidate
    const isDialable = addresses.some((address) => this.#options.rules.hasTransport(address, peerId))
    const before = this.#plan.dialing
    this.#tell((plan, now) => plan.candidate(isDialable ? candidate : { peerId, addresses: [] }, now))
    return this.#plan.dialing > before
  }

  /** A dial of the plan's own. The session itself waits for it until it ends. */
  #schedule({ id, kind, candidate, mayResolve }: PlanEffect & { do: 'dial' }): void {
    const isOfPeerStore = kind === 'kept' || kind === 'auto'
    const goal = isOfPeerStore ? storedGoal(candidate) : this.#nodeGoal(candidate)
    const dial = new SharedDial(id, goal, { isAsked: false, isForced: false, maySearch: kind === 'kept', mayResolve })
    this.#dials.set(id, dial)
    // Nobody else hears why a static node is not reached.
    dial.wait({ signal: this.#controller.signal }).catch((error: unknown) => {
      if (!this.#controller.signal.aborted)
        this.#log('dialed %p in vain: %s', candidate.peerId, error instanceof Error ? error.message : error)
    })
    this.#begin(dial)
  }

  #nodeGoal({ peerId, addresses }: Candidate): DialGoal {
    const stack = stackFor(addresses, this.#hasCapabilities)
    return { peerId, addresses, ...(stack === undefined ? {} : { stack }) }
  }

  /** As js-libp2p does: the peer loses the tags, and whoever listens is told. Never throws. */
  async #giveUp(peer: PeerKey): Promise<void> {
    const { peerStore, events } = this.#options.components
    const peerId = peerIdFromString(peer)
    try {
      const tags = keepAliveTags(await peerStore.get(peerId)).map((tag) => [tag, undefined])
      await peerStore.merge(peerId, { tags: Object.fromEntries(tags) })
    } catch (error) {
      this.#log.error('the keep-alive tags of %p could not be removed - %e', peerId, error)
    }
    events.safeDispatchEvent('peer:reconnect-failure', { detail: peerId })
  }

  #begin(dial: SharedDial | undefined): void {
    if (dial === undefined) return
    dial.status = 'active'
    dial.progress.tell(new CustomProgressEvent('dial-queue:start-dial'))
    this.#track(this.#run(dial))
  }

  #track(work: Promise<void>): void {
    const tracked = work.finally(() => this.#running.delete(tracked))
    this.#running.add(tracked)
  }

  /** Never throws. */
  async #run(dial: SharedDial): Promise<void> {
    let isConnected = false
    try {
      dial.succeed(await this.#runner.connect(dial))
      isConnected = true
    } catch (error) {
      dial.fail(error)
    }
    this.#dials.delete(dial.id)
    this.#tell((plan, now) => plan.dialEnded(dial.id, isConnected, now))
    if (!isConnected && !dial.manner.isAsked) this.#watch.wake()
  }

  readonly #onPeer = ({ detail }: CustomEvent<PeerId>): void => this.#sync(detail)

  /** Tells the plan what the connection manager knows of a peer. */
  #sync(peerId: PeerId): void {
    const peer = peerKey(peerId)
    const connections = this.#options.components.connectionManager.getConnections(peerId).filter(({ status }) => status === 'open')
    if (connections.length === 0) this.#tell((plan, now) => plan.peerDropped(peer, now))
    else this.#tell((plan, now) => plan.peerAdded(peer, this.#takesSlot(connections), now))
  }

  /** Candidates are dialed over RLPx where there are capabilities: a DHT's many libp2p connections must not take their slots. */
  #takesSlot(connections: readonly Connection[]): boolean {
    const [oldest] = this.#hasCapabilities ? connections.filter(({ remoteAddr }) => stackOf(remoteAddr) === 'rlpx') : connections
    return oldest?.direction === 'outbound'
  }

  get #hasCapabilities(): boolean {
    return (optionalComponent(this.#options.components, 'capabilities')?.list() ?? []).length > 0
  }
}

/** Tags and protocols are libp2p's: of a peer with both stacks, that one is meant. Its addresses are read when it is dialed. */
function storedGoal({ peerId, addresses }: Candidate): DialGoal {
  const isLibp2p = addresses.some((address) => stackOf(address) === 'libp2p')
  return { peerId, addresses: [], ...(isLibp2p ? { stack: 'libp2p' } : {}) }
}

/** Undefined where a node is not what its type says, or throws when it is looked at. */
function tryCandidate(node: NodeRecord): Candidate | undefined {
  try {
    const { peerId, addresses } = node
    return isPeerId(peerId) && Array.isArray(addresses) && addresses.every(isMultiaddr) ? { peerId, addresses } : undefined
  } catch {
    return undefined
  }
}
