import { type NetList, parseNetList, stackOf, systemLookup } from '@kumiko/identity'
import {
  type Cancel,
  type Dialer,
  type DialerStatus,
  type DialTo,
  type DialToOptions,
  KumikoError,
  type Millis,
  type NodeSource,
  optionalComponent,
  systemClock,
} from '@kumiko/interface'
import type { Connection, PeerId, PendingDial, Startable } from '@libp2p/interface'
import { CustomProgressEvent } from 'progress-events'
import { AddressHistory } from './address-history.ts'
import { type Candidate, type PeerKey, peerKey } from './candidate.ts'
import { DialRecord } from './dial-record.ts'
import { type DialerComponents, systemTxtOf } from './needs.ts'
import { checkOptions, type DialerOptions } from './options.ts'
import { STATIC_MAX } from './plan.ts'
import { RACE_ADDRESSES_MAX } from './race.ts'
import { rankAddresses } from './rank.ts'
import { REQUESTS_MAX } from './request-queue.ts'
import { DialRules } from './rules.ts'
import { DialSession } from './session.ts'
import { type DialGoal, stackFor } from './shared-dial.ts'
import { readCandidate, readTarget } from './target.ts'

/** The dialer as a part, and what it takes beyond the contract. */
export interface DialerPart extends Dialer, Startable {
  /** From here on `dial` works. */
  start(): void
  /** From here on nodes are dialed unasked: not before, since the other parts must be there to take the connections. */
  afterStart(): void
  stop(): Promise<void>
}

/** Bootnodes are dialed when there has been no peer for so long. @see go-ethereum 1.8 p2p/dial.go fallbackInterval */
const FALLBACK_MS: Millis = 20_000

/**
 * Makes the part that knows whom to dial and when. It also serves in a vanilla js-libp2p node, as a service.
 *
 * @throws KumikoError `dialer/bad-option` for a name that is none; `identity/bad-netlist` or `dialer/bad-target` where an option is
 * wrong, when the part is made.
 */
export function dialer(options: DialerOptions = {}): (components: DialerComponents) => DialerPart {
  checkOptions(options)
  return (components) => new NodeDialer(components, options)
}

/** The part: what is known while it is stopped, and a session while it runs. */
class NodeDialer implements DialerPart {
  readonly dialRatio: number
  readonly #components: DialerComponents
  readonly #options: DialerOptions
  readonly #netRestrict: NetList | undefined
  readonly #bootnodes: readonly Candidate[]
  /** At most `STATIC_MAX`. */
  readonly #static = new Map<PeerKey, Candidate>()
  /** Each with what removes it from the session. The mix bounds them. */
  readonly #sources = new Map<object, AddedSource>()
  /** Outlives a session: what failed before a restart has failed. */
  readonly #history = new AddressHistory()
  #session: DialSession | undefined
  /** Whether the session dials unasked. */
  #isActive = false

  constructor(components: DialerComponents, options: DialerOptions) {
    const { static: kept = [], bootnodes = [], sources = [], netRestrict, dialRatio = 3, noDial = false } = options
    this.#components = components
    this.#options = options
    this.dialRatio = noDial ? 0 : dialRatio
    this.#netRestrict = netRestrict === undefined ? undefined : parseNetList(netRestrict.join(','))
    this.#bootnodes = bootnodes.map(readCandidate)
    for (const target of kept) this.addStatic(target)
    for (const source of sources) this.addSource(source)
  }

  start(): void {
    this.#session ??= this.#newSession()
  }

  afterStart(): void {
    const session = this.#session
    if (session === undefined || this.#isActive) return
    this.#isActive = true
    session.activate()
    for (const candidate of this.#static.values()) session.addStatic(candidate)
    for (const added of this.#sources.values()) added.cancel = session.addSource(added.source)
  }

  async stop(): Promise<void> {
    const session = this.#session
    this.#session = undefined
    this.#isActive = false
    await session?.stop()
  }

  async dial(target: DialTo, options: DialToOptions = {}): Promise<Connection> {
    const goal = this.#goal(target, options.protocol)
    if (this.#session === undefined) throw new KumikoError('dialer/not-running', 'the dialer is not running: start the node before dialing')
    options.onProgress?.(new CustomProgressEvent('connection:open', goal.peerId ?? [...goal.addresses]))
    const connection = await this.#session.dial(goal, options)
    options.onProgress?.(new CustomProgressEvent('connection:opened', connection))
    return connection
  }

  addStatic(target: DialTo): void {
    const candidate = readCandidate(target)
    const peer = peerKey(candidate.peerId)
    if (this.#static.has(peer)) return
    if (this.#static.size >= STATIC_MAX) {
      throw new KumikoError('dialer/too-many-static', `there are ${STATIC_MAX} static nodes already; remove some first`)
    }
    this.#static.set(peer, candidate)
    this.#session?.addStatic(candidate)
  }

  removeStatic(target: DialTo): boolean {
    const peer = peerKey(readCandidate(target).peerId)
    this.#session?.removeStatic(peer)
    return this.#static.delete(peer)
  }

  isStatic(peer: PeerId): boolean {
    return this.#static.has(peerKey(peer))
  }

  addSource(source: NodeSource): Cancel {
    const key = {}
    const added: AddedSource = { source, cancel: this.#isActive ? this.#session?.addSource(source) : undefined }
    this.#sources.set(key, added)
    return () => {
      this.#sources.delete(key)
      added.cancel?.()
    }
  }

  inbound(peerId: PeerId): Cancel {
    return this.#session?.inbound(peerId) ?? (() => {})
  }

  getDialQueue(): PendingDial[] {
    const dials = this.#session?.dials() ?? []
    return dials.map(({ id, status, addresses, goal: { peerId } }) => ({
      id,
      status,
      multiaddrs: [...addresses],
      ...(peerId === undefined ? {} : { peerId }),
    }))
  }

  status(): DialerStatus {
    return this.#session?.status() ?? { dialing: 0, static: this.#static.size, history: 0, freeSlots: 0, refused: {} }
  }

  /**
   * A devp2p capability asks for the RLPx stack, any other protocol for libp2p's: addresses of the other stack are of no use then. Without a
   * protocol, addresses that are all of one stack ask for that one, those of both for RLPx if there are capabilities; a PeerId alone asks for any.
   */
  #goal(target: DialTo, protocol: string | undefined): DialGoal {
    const { peerId, addresses } = readTarget(target)
    const peer = peerId === undefined ? {} : { peerId }
    const capabilities = optionalComponent(this.#components, 'capabilities')
    const preferred = stackFor(addresses, (capabilities?.list() ?? []).length > 0)
    if (protocol === undefined) return { ...peer, addresses, ...(preferred === undefined ? {} : { stack: preferred }) }
    const stack = capabilities?.has(protocol) === true ? 'rlpx' : 'libp2p'
    return { ...peer, stack, addresses: addresses.filter((address) => stackOf(address) === stack) }
  }

  #newSession(): DialSession {
    const { maxActiveDials = 16, historyMs = 35_000, noDial = false, connect, resolve, lookup = systemLookup } = this.#options
    const { staggerMs = 250, dialTimeoutMs: timeoutMs = 15_000, addressTimeoutMs = 10_000 } = this.#options
    const { maxParallelAddresses: parallelMax = RACE_ADDRESSES_MAX, maxDialQueueLength: requestsMax = REQUESTS_MAX } = this.#options
    const { rank = (addresses) => rankAddresses(addresses, { staggerMs }), resolveTxt = systemTxtOf(this.#components) } = this.#options
    const components = this.#components
    const { autoDial, reconnectMs = 1000, reconnectRetries = 5 } = this.#options
    // js-libp2p's own connection manager, which has no such member, redials them itself.
    const { keepAlive = components.connectionManager.maxPeers !== undefined } = this.#options
    return new DialSession({
      components,
      clock: optionalComponent(components, 'clock') ?? systemClock,
      random: optionalComponent(components, 'random') ?? Math.random,
      rules: new DialRules({ components, netRestrict: this.#netRestrict, isTransportNeeded: connect === undefined }),
      plan: {
        dialRatio: this.dialRatio,
        maxActiveDials,
        requestsMax,
        historyMs,
        fallbackMs: FALLBACK_MS,
        bootnodes: this.#bootnodes,
        reconnectMs,
        reconnectRetries,
        noDial,
      },
      watch: { autoDial, keepAlive },
      run: {
        connect: connect ?? ((address, options) => components.transportManager.dial(address, options)),
        resolve,
        lookup,
        resolveTxt,
        rank,
        history: this.#history,
        record: new DialRecord(components.peerStore),
        race: { addressTimeoutMs, timeoutMs, parallelMax },
      },
    })
  }
}

interface AddedSource {
  readonly source: NodeSource
  /** Undefined before the start. */
  cancel: Cancel | undefined
}
