import { withPeer } from '@kumiko/identity'
import type { Cancel, Clock, Millis, Random } from '@kumiko/interface'
import { KEEP_ALIVE, type Logger, type Peer, type PeerId, type PeerUpdate } from '@libp2p/interface'
import type { AddressHistory } from './address-history.ts'
import { type AutoDialOptions, candidateOf, choosePeers, isLacking, type KnownPeer, type PeerWant } from './auto-dial.ts'
import { type Candidate, type PeerKey, peerKey } from './candidate.ts'
import type { DialerComponents } from './needs.ts'

/** The peer store is not read through again before this, */
const PAUSE_MS: Millis = 1000

/** nor before so many times as long as that took: it may hold many thousands of peers, 60 µs each. */
const PAUSE_SHARE = 10

/** Peers become known many at a time. */
const GATHER_MS: Millis = 50

const INTERVAL_MS: Millis = 10_000

/** What a watch is made of. */
export interface PeerWatchOptions {
  readonly components: Pick<DialerComponents, 'events' | 'peerStore' | 'peerId' | 'connectionManager'>
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly history: AddressHistory
  /** Undefined: peers are not counted. */
  readonly autoDial: AutoDialOptions | undefined
  /** Told of work that is to be waited for at the stop. It never fails. */
  readonly track: (work: Promise<void>) => void
  /** Whether peers that are tagged `keep-alive…` are kept connected. */
  readonly keepAlive: boolean
  readonly onKeep: (candidate: Candidate) => void
  readonly onRelease: (peer: PeerKey) => void
  /** Told what is missing, each time that it was looked. */
  readonly onWant: (wants: readonly PeerWant[]) => void
}

/** Watches the peer store: for peers that are to be kept connected, and for some to be dialed where too few are connected. */
export class PeerWatch {
  readonly #options: PeerWatchOptions
  #state: 'idle' | 'looking' | 'stopped' = 'idle'
  /** Something changed while it was being looked. */
  #isStale = false
  /** It is not looked before. */
  #restsUntil: Millis = Number.NEGATIVE_INFINITY
  /** When it is looked next. */
  #dueAt: Millis = Number.POSITIVE_INFINITY
  #disarm: Cancel = () => {}

  constructor(options: PeerWatchOptions) {
    this.#options = options
  }

  /** To be called once. */
  start(): void {
    const { autoDial, keepAlive, components } = this.#options
    if (autoDial === undefined && !keepAlive) return
    components.events.addEventListener('peer:update', this.#onUpdate)
    components.events.addEventListener('peer:connect', this.wake)
    components.events.addEventListener('peer:disconnect', this.wake)
    if (keepAlive) this.#options.track(this.#keepTagged())
    this.wake()
  }

  /** Idempotent. */
  stop(): void {
    const { events } = this.#options.components
    this.#state = 'stopped'
    this.#disarm()
    events.removeEventListener('peer:update', this.#onUpdate)
    events.removeEventListener('peer:connect', this.wake)
    events.removeEventListener('peer:disconnect', this.wake)
  }

  /** Looks soon whether peers are missing. */
  readonly wake = (): void => {
    if (this.#options.autoDial === undefined) return
    if (this.#state === 'looking') this.#isStale = true
    else this.#arm(this.#options.clock.now() + GATHER_MS)
  }

  readonly #onUpdate = ({ detail: { peer } }: CustomEvent<PeerUpdate>): void => {
    const { components, keepAlive, onRelease } = this.#options
    if (peer.id.equals(components.peerId)) return
    if (keepAlive && isTagged(peer)) this.#options.onKeep(candidateOf(peer))
    else if (keepAlive) onRelease(peerKey(peer.id))
    this.wake()
  }

  /** Looks then, or before, but not while it rests. */
  #arm(wantedAt: Millis): void {
    const at = Math.max(wantedAt, this.#restsUntil)
    if (at >= this.#dueAt || this.#isStopped) return
    this.#disarm()
    this.#dueAt = at
    this.#disarm = this.#options.clock.at(at, () => {
      this.#dueAt = Number.POSITIVE_INFINITY
      this.#options.track(this.#look())
    })
  }

  /** Never throws. */
  async #look(): Promise<void> {
    const { clock, autoDial = {}, log, onWant } = this.#options
    this.#state = 'looking'
    this.#isStale = false
    const startedAt = clock.now()
    try {
      const wants = await this.#wants(autoDial)
      if (!this.#isStopped) onWant(wants)
    } catch (error) {
      log.error('the peer store could not be read, it will be read again - %e', error)
    }
    if (this.#isStopped) return
    const { intervalMs = INTERVAL_MS } = autoDial
    const now = clock.now()
    this.#restsUntil = Math.max(startedAt + PAUSE_MS, now + PAUSE_SHARE * (now - startedAt))
    this.#state = 'idle'
    this.#arm(now + intervalMs)
    if (this.#isStale) this.wake()
  }

  /** The store is read through only where peers are missing: it may hold many thousands. */
  async #wants(autoDial: AutoDialOptions): Promise<PeerWant[]> {
    const { components, random } = this.#options
    const connected = new Map(this.#connected().map((peerId) => [peerKey(peerId), peerId]))
    const known = await Promise.all([...connected.values()].map(async (peerId) => await this.#known(peerId)))
    if (!isLacking(autoDial, known)) return []
    const others = await components.peerStore.all({ filters: [(peer) => !connected.has(peerKey(peer.id)) && this.#isFit(peer)] })
    return choosePeers(autoDial, known, others, random)
  }

  #connected(): PeerId[] {
    const open = this.#options.components.connectionManager.getConnections().filter(({ status }) => status === 'open')
    return open.map(({ remotePeer }) => remotePeer)
  }

  /** One that the store does not know serves nothing that is known. */
  async #known(peerId: PeerId): Promise<KnownPeer> {
    const stored = await this.#options.components.peerStore.get(peerId).catch(() => undefined)
    return stored ?? { id: peerId, addresses: [], tags: new Map(), protocols: [] }
  }

  /** A peer that has an address which is not in back-off. */
  #isFit({ id, addresses }: Peer): boolean {
    const { components, history, clock } = this.#options
    const now = clock.now()
    const isDialable = addresses.some(({ multiaddr }) => !history.isBackedOff(withPeer(multiaddr, id).toString(), now))
    return isDialable && !id.equals(components.peerId)
  }

  /** Never throws. */
  async #keepTagged(): Promise<void> {
    const { components, onKeep, log } = this.#options
    try {
      const tagged = await components.peerStore.all({ filters: [isTagged] })
      for (const peer of tagged) if (!this.#isStopped) onKeep(candidateOf(peer))
    } catch (error) {
      log.error('the peers to be kept connected could not be read - %e', error)
    }
  }

  get #isStopped(): boolean {
    return this.#state === 'stopped'
  }
}

/** The tags by which a peer is to be kept connected. */
export function keepAliveTags({ tags }: Pick<Peer, 'tags'>): string[] {
  return [...tags.keys()].filter((tag) => tag.startsWith(KEEP_ALIVE))
}

function isTagged(peer: Peer): boolean {
  return keepAliveTags(peer).length > 0
}
