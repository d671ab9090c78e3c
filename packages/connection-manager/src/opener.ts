import { peerIdAt, stackOf, systemLookup } from '@kumiko/identity'
import { type Clock, type FilterList, KumikoError, optionalComponent, type Stack } from '@kumiko/interface'
import {
  type Connection,
  type DialTarget,
  InvalidPeerIdError,
  type IsDialableOptions,
  isPeerId,
  type NewStreamOptions,
  NotStartedError,
  type PeerId,
  type PendingDial,
  type Stream,
} from '@libp2p/interface'
import type { OpenConnectionOptions } from '@libp2p/interface-internal'
import { CODE_P2P_CIRCUIT, type Multiaddr } from '@multiformats/multiaddr'
import { CustomProgressEvent } from 'progress-events'
import type { ConnectionAdmission } from './admission.ts'
import { filterPoint } from './gater.ts'
import { type ConnectionManagerNeeds, dialerOf } from './needs.ts'
import { plainDial } from './plain-dial.ts'
import type { Tracker } from './tracker.ts'

/** What opening works with. */
export interface OpenerParts {
  readonly components: ConnectionManagerNeeds
  readonly admission: ConnectionAdmission
  readonly filters: FilterList
  readonly tracker: Tracker
  readonly clock: Clock
}

/** What decides whether an open connection will do. */
type ReuseOptions = Pick<OpenConnectionOptions, 'signal' | 'force'> & Pick<NewStreamOptions, 'runOnLimitedConnection'>

type OpenOptions = OpenConnectionOptions & Pick<NewStreamOptions, 'runOnLimitedConnection'>

/** Finds the connection that serves a protocol, or has it dialed. */
export class Opener {
  readonly #parts: OpenerParts
  /** Bounded by our callers, who wait for them. */
  readonly #pending = new Set<PendingDial>()
  #dialCount = 0

  constructor(parts: OpenerParts) {
    this.#parts = parts
  }

  async isDialable(addresses: Multiaddr | Multiaddr[], { runOnLimitedConnection }: IsDialableOptions = {}): Promise<boolean> {
    const { transportManager, connectionGater } = this.#parts.components
    for (const address of [addresses].flat()) {
      if (runOnLimitedConnection === false && address.getComponents().some(({ code }) => code === CODE_P2P_CIRCUIT)) continue
      if (
        transportManager.dialTransportForMultiaddr(address) === undefined ||
        this.#parts.admission.banOf(peerIdAt(address), address) !== undefined
      )
        continue
      if (this.#parts.filters.decide(filterPoint('dial', 'outbound', address)) === 'deny') continue
      if ((await connectionGater.denyDialMultiaddr?.(address)) !== true) return true
    }
    return false
  }

  async connection(target: DialTarget, options: OpenConnectionOptions = {}): Promise<Connection> {
    const stack = [isPeerId(target) ? [] : target].flat().some((address) => stackOf(address) === 'rlpx') ? 'rlpx' : 'libp2p'
    return await this.#open(target, stack, options)
  }

  /** @throws KumikoError `connection-manager/no-protocol`. */
  async stream(target: DialTarget, protocols: readonly string[], options: OpenConnectionOptions & NewStreamOptions = {}): Promise<Stream> {
    const [first] = protocols
    if (first === undefined) throw new KumikoError('connection-manager/no-protocol', 'name at least one protocol to open a stream')
    const stack = this.#stackOf(first)
    const fitting = protocols.filter((each) => this.#stackOf(each) === stack)
    const connection = await this.#open(target, stack, options, first)
    return await connection.newStream(fitting, options)
  }

  /** Dials that a node without a dialer of ours has under way. */
  pending(): PendingDial[] {
    return [...this.#pending]
  }

  async #open(target: DialTarget, stack: Stack, options: OpenOptions, protocol?: string): Promise<Connection> {
    const open = await this.#reuse(target, stack, options)
    if (open === undefined) {
      this.#checkRoom(target, stack)
      return await this.#dial(target, options, protocol)
    }
    const { onProgress } = options
    onProgress?.(new CustomProgressEvent('connection:open', target))
    onProgress?.(new CustomProgressEvent('dial-queue:already-connected'))
    onProgress?.(new CustomProgressEvent('connection:opened', open))
    return open
  }

  /** An open connection of the stack that is wanted, a direct one first; never one of the other stack. */
  async #reuse(target: DialTarget, stack: Stack, options: ReuseOptions): Promise<Connection | undefined> {
    if (!this.#parts.tracker.isRunning) throw new NotStartedError('The connection manager is not started')
    options.signal?.throwIfAborted()
    const peerId = peerNamed(target)
    if (peerId?.equals(this.#parts.components.peerId) === true) throw new InvalidPeerIdError('Can not dial self')
    if (peerId === undefined || options.force === true) return undefined
    const fits = this.#parts.tracker.book
      .list(peerId)
      .filter(
        (open) =>
          open.status === 'open' &&
          (open.limits === undefined || options.runOnLimitedConnection === true) &&
          this.#parts.tracker.book.ticketOf(open)?.attempt.stack === stack,
      )
    return fits.find(({ direct }) => direct) ?? fits[0]
  }

  async #dial(target: DialTarget, options: OpenOptions, protocol?: string): Promise<Connection> {
    const dialer = dialerOf(this.#parts.components)
    if (dialer !== undefined) return await dialer.dial(target, { ...options, ...(protocol === undefined ? {} : { protocol }) })
    options.onProgress?.(new CustomProgressEvent('connection:open', target))
    const connection = await this.#dialPlainly(target, options)
    options.onProgress?.(new CustomProgressEvent('connection:opened', connection))
    return connection
  }

  /** A dial that could only be refused at its end is not begun. @throws KumikoError `connection-manager/dial-failed`. */
  #checkRoom(target: DialTarget, stack: Stack): void {
    const peerId = peerNamed(target)
    const refusal = peerId === undefined ? undefined : this.#parts.admission.dialRefusal(peerId, stack)
    if (refusal === undefined) return
    const cause = new KumikoError(refusal.code, refusal.detail, { context: { reason: refusal.reason } })
    throw new KumikoError('connection-manager/dial-failed', `could not dial ${peerId}: ${refusal.detail}`, {
      context: { peer: `${peerId}` },
      cause,
    })
  }

  async #dialPlainly(target: DialTarget, options: OpenOptions): Promise<Connection> {
    const { peerStore, peerRouting, transportManager } = this.#parts.components
    const needs = {
      clock: this.#parts.clock,
      peerStore,
      peerRouting,
      transportManager,
      lookup: systemLookup,
      isDialable: (address: Multiaddr) => this.isDialable(address),
      expect: (address: Multiaddr, peerId?: PeerId) => this.#parts.tracker.expect('outbound', address, peerId),
      unexpect: (ticket: Parameters<Tracker['unexpect']>[0]) => this.#parts.tracker.unexpect(ticket),
    }
    const dial = pendingDial(`${++this.#dialCount}`, target)
    this.#pending.add(dial)
    try {
      return await plainDial(needs, target, options)
    } finally {
      this.#pending.delete(dial)
    }
  }

  #stackOf(protocol: string): Stack {
    return optionalComponent(this.#parts.components, 'capabilities')?.has(protocol) === true ? 'rlpx' : 'libp2p'
  }
}

function peerNamed(target: DialTarget): PeerId | undefined {
  if (isPeerId(target)) return target
  return [target]
    .flat()
    .map(peerIdAt)
    .find((named) => named !== undefined)
}

function pendingDial(id: string, target: DialTarget): PendingDial {
  const multiaddrs = isPeerId(target) ? [] : [target].flat()
  const peerId = peerNamed(target)
  return { id, status: 'active', multiaddrs, ...(peerId === undefined ? {} : { peerId }) }
}
