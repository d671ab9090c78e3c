import { type Clock, type Dialer, type DisconnectReason, disconnectSymbol } from '@kumiko/interface'
import { type VirtualClock, virtualClock } from '@kumiko/testkit'
import type {
  Connection,
  ConnectionStatus,
  Libp2pEvents,
  MessageStreamDirection,
  PeerId,
  PeerStore,
  Stream,
  TypedEventTarget,
} from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import type { Multiaddr } from '@multiformats/multiaddr'
import { type BaseDatastore, MemoryDatastore } from 'datastore-core'
import { TypedEventEmitter } from 'main-event'
import { connectionManager } from '../src/connection-manager.ts'
import type { ConnectionManagerNeeds } from '../src/needs.ts'
import type { ConnectionManagerOptions } from '../src/options.ts'
import { addressOf, SELF } from './fixture.ts'

/** A connection without a socket: it ends when it is told to, or hangs. */
export class ScriptedConnection extends EventTarget {
  readonly remotePeer: PeerId
  readonly remoteAddr: Multiaddr
  readonly direction: MessageStreamDirection
  readonly direct = true
  readonly streams: Stream[] = []
  readonly limits = undefined
  status: ConnectionStatus = 'open'
  /** How it ended: `close`, `abort`, or the reason told. */
  ended: string | undefined
  hangs = false
  readonly opened: string[][] = []
  readonly #events: TypedEventTarget<Libp2pEvents>

  constructor(events: TypedEventTarget<Libp2pEvents>, remotePeer: PeerId, remoteAddr: Multiaddr, direction: MessageStreamDirection) {
    super()
    this.#events = events
    this.remotePeer = remotePeer
    this.remoteAddr = remoteAddr
    this.direction = direction
  }

  async newStream(protocols: string[]): Promise<Stream> {
    this.opened.push(protocols)
    return {} as Stream
  }

  async close({ signal }: { signal?: AbortSignal } = {}): Promise<void> {
    if (!this.hangs) return this.end('close', 'closed')
    await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
  }

  abort(): void {
    this.end('abort', 'aborted')
  }

  end(how: string, status: ConnectionStatus): void {
    if (this.status !== 'open') return
    this.ended = how
    this.status = status
    this.dispatchEvent(new Event('close'))
    this.#events.safeDispatchEvent('connection:close', { detail: this.asConnection() })
  }

  asConnection(): Connection {
    return this as unknown as Connection
  }
}

/** As an RLPx connection: it can tell why it ends. */
export class ReasonedConnection extends ScriptedConnection {
  [disconnectSymbol](reason: DisconnectReason): void {
    if (!this.hangs) queueMicrotask(() => this.end(reason, 'closed'))
  }
}

/** A connection manager in a node that has little else. */
export class TestNode {
  readonly clock: VirtualClock = virtualClock()
  readonly events = new TypedEventEmitter<Libp2pEvents>()
  /** What happened, by name: `connect 1`, `disconnect 1`, `prune 2`. */
  readonly told: string[] = []
  readonly manager: ReturnType<ReturnType<typeof connectionManager>>

  readonly datastore: BaseDatastore
  readonly peerStore: PeerStore
  /** What was logged as an error. */
  readonly errors: string[] = []

  constructor(
    options: ConnectionManagerOptions = {},
    dialer?: Partial<Dialer>,
    capabilities: readonly string[] = [],
    datastore: BaseDatastore = new MemoryDatastore(),
  ) {
    this.datastore = datastore
    const log = Object.assign(() => {}, {
      enabled: false,
      trace: () => {},
      newScope: () => log,
      error: (format: string, ...values: unknown[]) => this.errors.push([format, ...values].join(' ')),
    })
    this.events.addEventListener('peer:connect', ({ detail }) => this.told.push(`connect ${detail.toString().slice(-4)}`))
    this.events.addEventListener('peer:disconnect', ({ detail }) => this.told.push(`disconnect ${detail.toString().slice(-4)}`))
    this.events.addEventListener('connection:prune', ({ detail }) => this.told.push(`prune ${detail.length}`))
    this.peerStore = persistentPeerStore({ peerId: SELF, datastore, events: this.events, logger: defaultLogger() })
    const components = {
      datastore: this.datastore,
      peerStore: this.peerStore,
      peerId: SELF,
      logger: { forComponent: () => log },
      events: this.events,
      clock: this.clock as Clock,
      connectionGater: {},
      capabilities: { has: (protocol: string) => capabilities.includes(protocol) },
      ...(dialer === undefined ? {} : { dialer: Object.assign(dialer, { inbound: dialer.inbound ?? (() => () => {}) }) }),
    }
    this.manager = connectionManager(options)(components as unknown as ConnectionManagerNeeds)
  }

  /** Opens a connection as a Host's upgrader does: with a ticket of the upgrader's. */
  open<T extends ScriptedConnection>(connection: T, protocols: readonly string[] = ['/eth/69']): T {
    const { remotePeer, remoteAddr: address, direction } = connection
    const stack = connection instanceof ReasonedConnection ? 'rlpx' : 'libp2p'
    const ticket = this.manager.admission.begin({ direction, stack, address, ...(direction === 'outbound' ? { peerId: remotePeer } : {}) })
    if ('reason' in ticket) throw new Error(ticket.code)
    const refusal = ticket.encrypted(remotePeer) ?? ticket.upgraded(protocols)
    if (refusal !== undefined) {
      ticket.release()
      throw new Error(refusal.code)
    }
    connection.addEventListener('close', () => ticket.release())
    this.events.safeDispatchEvent('connection:open', { detail: connection.asConnection() })
    return connection
  }

  /** Opens one as a vanilla upgrader does: nobody took a ticket. */
  openUnasked<T extends ScriptedConnection>(connection: T): T {
    this.events.safeDispatchEvent('connection:open', { detail: connection.asConnection() })
    return connection
  }

  /** Waits for what the peer store has under way, then for what comes due at once. */
  async settle(): Promise<void> {
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    await this.clock.advance(0)
  }

  rlpx(peerId: PeerId, direction: MessageStreamDirection = 'inbound', ip = '10.0.0.1'): ReasonedConnection {
    return new ReasonedConnection(this.events, peerId, addressOf(ip, 'rlpx'), direction)
  }

  libp2p(peerId: PeerId, direction: MessageStreamDirection = 'inbound', ip = '10.0.0.1'): ScriptedConnection {
    return new ScriptedConnection(this.events, peerId, addressOf(ip, 'libp2p', 4001), direction)
  }
}
