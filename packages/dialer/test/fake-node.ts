import { type ConnectionFilter, type Millis, type NodeRecord, type Refusal, sleep } from '@kumiko/interface'
import { seeded, type VirtualClock, virtualClock } from '@kumiko/testkit'
import type { Connection, ConnectionGater, Libp2pEvents, Peer, PeerId } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { TypedEventEmitter } from 'main-event'
import type { ConnectOptions } from '../src/connect.ts'
import type { DialerComponents } from '../src/needs.ts'
import type { DnsQueries } from '../src/system-txt.ts'
import { node, peer } from './nodes.ts'

/** What happens to one who connects to an address. */
export interface Place {
  readonly afterMs?: Millis
  readonly does: 'connects' | 'fails' | 'stays silent'
  /** Connects or fails even where nobody waits for it any longer. */
  readonly isDeaf?: boolean
  /** Who answers. Default: who was asked for. */
  readonly answers?: PeerId
}

/** One call of the connector. */
export interface Call {
  readonly at: Millis
  readonly address: string
  readonly peerId: PeerId | undefined
  isOver: boolean
}

/** What a dialer sees of its node, on a virtual clock, with a connector that does what the test says. */
export class FakeNode {
  readonly clock: VirtualClock = virtualClock()
  readonly events: TypedEventEmitter<Libp2pEvents> = new TypedEventEmitter()
  readonly places = new Map<string, Place>()
  readonly calls: Call[] = []
  readonly connections: FakeConnection[] = []
  readonly stored = new Map<string, readonly string[]>()
  readonly routed = new Map<string, readonly string[]>()
  readonly banned = new Set<string>()
  readonly gater: ConnectionGater = {}
  readonly capabilities = new Set<string>()
  accepts: (node: NodeRecord) => boolean = () => true
  readonly trusted = new Set<string>()
  filter: ConnectionFilter = () => undefined
  dns: DnsQueries | undefined
  refusal: Refusal | undefined
  maxPeers = 15
  readonly #startedAt = this.clock.now()

  /** Sets what happens at a place; everywhere else it stays silent. */
  at(address: string, place: Place): this {
    this.places.set(address, place)
    return this
  }

  /** Addresses called so far, with the time since the start. */
  get called(): string[] {
    return this.calls.map(({ at, address }) => `${at - this.#startedAt} ${address.replace(/\/p2p\/[^/]+$/, '')}`)
  }

  get callsUnderWay(): number {
    return this.calls.filter(({ isOver }) => !isOver).length
  }

  readonly connect = async (address: Multiaddr, { peerId, signal }: ConnectOptions): Promise<Connection> => {
    const call: Call = { at: this.clock.now(), address: address.toString(), peerId, isOver: false }
    this.calls.push(call)
    const bare = address.toString().replace(/\/p2p\/[^/]+$/, '')
    const { afterMs = 0, does, isDeaf = false, answers = peerId ?? peer(63) } = this.places.get(bare) ?? { does: 'stays silent' }
    try {
      await sleep(this.clock, does === 'stays silent' ? 1e12 : afterMs, isDeaf ? undefined : signal)
      if (does !== 'connects') throw new Error('connection refused')
      return this.open(answers, address, 'outbound')
    } finally {
      call.isOver = true
    }
  }

  open(peerId: PeerId, address: Multiaddr = multiaddr('/ip4/10.0.0.99/tcp/1'), direction: 'inbound' | 'outbound' = 'inbound'): Connection {
    const connection = new FakeConnection(this, peerId, address, direction)
    this.connections.push(connection)
    if (this.openTo(peerId).length === 1) this.events.safeDispatchEvent('peer:connect', { detail: peerId })
    return connection.asConnection()
  }

  closed({ remotePeer }: FakeConnection): void {
    if (this.openTo(remotePeer).length === 0) this.events.safeDispatchEvent('peer:disconnect', { detail: remotePeer })
  }

  drop(peerId: PeerId): void {
    for (const connection of this.openTo(peerId)) connection.abort()
  }

  openTo(peerId: PeerId): FakeConnection[] {
    return this.connections.filter(({ remotePeer, status }) => status === 'open' && remotePeer.equals(peerId))
  }

  components(): DialerComponents {
    const lookUp = (from: Map<string, readonly string[]>, peerId: PeerId): Multiaddr[] => {
      const found = from.get(peerId.toString())
      if (found === undefined) throw new Error('not found')
      return found.map((address) => multiaddr(address))
    }
    const components = {
      peerId: peer(0),
      events: this.events,
      logger: defaultLogger(),
      clock: this.clock,
      random: seeded().random,
      dns: this.dns,
      connectionGater: this.gater,
      capabilities: {
        has: (protocol: string) => this.capabilities.has(protocol),
        list: () => [...this.capabilities],
        accepts: (node: NodeRecord) => this.accepts(node),
      },
      peerStore: {
        get: async (peerId: PeerId): Promise<Pick<Peer, 'id' | 'addresses' | 'metadata'>> => ({
          id: peerId,
          addresses: lookUp(this.stored, peerId).map((address) => ({ multiaddr: address, isCertified: false })),
          metadata: new Map(),
        }),
        merge: async () => {},
      },
      peerRouting: { findPeer: async (peerId: PeerId) => ({ id: peerId, multiaddrs: lookUp(this.routed, peerId) }) },
      transportManager: {
        dial: this.connect,
        getAddrs: () => node(0).addresses,
        dialTransportForMultiaddr: (address: Multiaddr) => (address.toString().includes('/udp/') ? undefined : {}),
      },
      addressManager: { getAddresses: () => [] },
      connectionManager: {
        getConnections: (peerId?: PeerId) =>
          this.connections.filter(({ remotePeer, status }) => status === 'open' && (peerId === undefined || remotePeer.equals(peerId))),
        getMaxConnections: () => this.maxPeers,
        filters: { decide: (at: Parameters<ConnectionFilter>[0]) => this.filter(at) ?? 'accept' },
        dialRefusal: () => this.refusal,
        isTrusted: (peerId: PeerId) => this.trusted.has(peerId.toString()),
        isBanned: (target: PeerId | Multiaddr) => this.banned.has(target.toString()),
      },
    }
    // The dialer uses no more of its node than this.
    return components as unknown as DialerComponents
  }
}

/** As much of a connection as a dialer sees. */
export class FakeConnection {
  readonly remotePeer: PeerId
  readonly remoteAddr: Multiaddr
  readonly direction: 'inbound' | 'outbound'
  readonly limits: undefined
  status: 'open' | 'aborted' = 'open'
  readonly #node: FakeNode

  constructor(fake: FakeNode, remotePeer: PeerId, remoteAddr: Multiaddr, direction: 'inbound' | 'outbound') {
    this.#node = fake
    this.remotePeer = remotePeer
    this.remoteAddr = remoteAddr
    this.direction = direction
  }

  abort(): void {
    this.status = 'aborted'
    this.#node.closed(this)
  }

  asConnection(): Connection {
    return this as unknown as Connection
  }
}
