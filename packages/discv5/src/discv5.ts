import { distance, type NetList, nodeIdOf, parseNetList, parseNode, randomBytes, systemLookup } from '@kumiko/identity'
import {
  type Clock,
  checkOptionNames,
  checkOptionNumbers,
  type Dialer,
  type Fault,
  type Identity,
  KumikoError,
  type Millis,
  type NodeId,
  type NodeRecord,
  type NodeSource,
  nodeDatabaseOf,
  optionalComponent,
  type Part,
  type Random,
  sleep,
  systemClock,
  type UdpEndpoint,
  type UdpSocket,
} from '@kumiko/interface'
import {
  announce,
  Explorer,
  identityOf,
  type LookupTarget,
  type NeighbourProtocol,
  NO_NODES,
  newest,
  PeerFinder,
  Reach,
  type TableChange,
  withdraw,
} from '@kumiko/kademlia'
import type {
  AbortOptions,
  ComponentLogger,
  Libp2pEvents,
  Logger,
  PeerDiscovery,
  PeerInfo,
  PeerRouting,
  PrivateKey,
  Startable,
  TypedEventTarget,
} from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import type { ExchangeLimits, TalkQuery } from './exchange.ts'
import { Libp2pPorts, multiaddrsOf } from './libp2p-ports.ts'
import { encodeMessage, type RequestBody } from './message.ts'
import { Neighbours } from './neighbours.ts'
import { messageSizeMax } from './packet.ts'
import { bytesOf, TalkHandlers, type TalkProtocols } from './talk.ts'
import { type ReplyTo, Wire, type WireCounts } from './wire.ts'

/** Options of {@link discv5}. */
export interface Discv5Options {
  /** May be shared with other protocols; it is opened at the start. */
  readonly udp: UdpSocket
  /** Where the network is entered: ENRs, enode URLs or nodes, at most 1024. Default none: the node waits to be found. */
  readonly bootnodes?: readonly (string | NodeRecord)[]
  /** Networks outside of which nobody is asked, answered or taken: `10.0.0.0/8, fd00::/8`. Default: no limit. */
  readonly netRestrict?: string
  /** How much is kept, and how much work others may make us do. */
  readonly limits?: ExchangeLimits
  /** Addresses of a bootnode that is known by name. Default: Node's `dns`. */
  readonly resolveName?: (host: string) => Promise<readonly string[]>
  /** Told of each fault of a remote. Must not throw. */
  readonly onFault?: (fault: Fault, from: UdpEndpoint) => void
}

/** What discv5 needs; without the last four, as in vanilla js-libp2p, it makes do with the private key and the system's clock. */
export interface Discv5Components {
  readonly logger: ComponentLogger
  readonly privateKey: PrivateKey
  readonly transportManager: Pick<TransportManager, 'getAddrs' | 'listenTransportForMultiaddr'>
  readonly events: TypedEventTarget<Libp2pEvents>
  /** Where it offers a node database, nodes are remembered there. */
  readonly datastore?: unknown
  readonly identity?: Identity
  readonly clock?: Clock
  readonly random?: Random
  readonly dialer?: Dialer
}

/** A node answered a ping. */
export interface PingAnswer {
  readonly rttMs: Millis
  /** Where it sees us. */
  readonly endpoint: { readonly ip: string; readonly udp: number }
  /** The sequence number of its record. */
  readonly enrSeq: bigint
}

/** Discovery v5 at a glance. Counts are since the start. */
export interface Discv5Status extends WireCounts {
  readonly isRunning: boolean
  /** The first round of lookups is over. */
  readonly isReady: boolean
  /** Nodes in the table. */
  readonly nodes: number
  readonly lookups: number
  readonly sessions: number
  /** WHOAREYOU packets that wait for their answer. */
  readonly challenges: number
  /** Requests that wait for their answer. */
  readonly calls: number
  /** TALKREQ being answered. */
  readonly talks: number
  /** By name. */
  readonly faults: Readonly<Record<string, number>>
}

/**
 * Finds nodes by Discovery v5. Methods that ask throw `discv5/not-running` outside of start and stop, `discv5/no-endpoint` for a node without an
 * endpoint that can be used, `discv5/too-many-requests`, and the signal's reason.
 */
export interface Discv5 extends NodeSource, PeerDiscovery, PeerRouting, Startable {
  /** Handlers may be registered at any time. */
  readonly talk: TalkProtocols
  /** @returns Undefined where it does not answer. */
  ping(node: NodeRecord, options?: AbortOptions): Promise<PingAnswer | undefined>
  /** A node's own record, verified. @returns Undefined where it does not answer. */
  requestEnr(node: NodeRecord, options?: AbortOptions): Promise<NodeRecord | undefined>
  /**
   * The nodes that a node knows at some distances from itself, at most 16; those that cannot be used are left out.
   *
   * @param distances - 0–256, at least one.
   * @returns Undefined where it does not answer.
   * @throws KumikoError `discv5/bad-distances`.
   */
  findNode(node: NodeRecord, distances: readonly number[], options?: AbortOptions): Promise<readonly NodeRecord[] | undefined>
  /**
   * Asks by an application protocol.
   *
   * @returns Empty where the node does not know the protocol, undefined where it does not answer.
   * @throws KumikoError `discv5/message-too-large`.
   */
  talkRequest(node: NodeRecord, protocol: string | Uint8Array, message: Uint8Array, options?: AbortOptions): Promise<Uint8Array | undefined>
  /** The nodes nearest to an id in the whole network, nearest first, at most 16. @throws KumikoError `discv5/bad-target`. */
  lookup(id: NodeId, options?: AbortOptions): Promise<readonly NodeRecord[]>
  /** The newest record of a node that can be had: from itself, or where it is now by a lookup. The given one where there is no better. */
  resolve(node: NodeRecord, options?: AbortOptions): Promise<NodeRecord>
  /** Ourselves, as others are told of us now; undefined while it is not running. */
  self(): NodeRecord | undefined
  /** Verified nodes of the table. */
  known(): NodeRecord[]
  status(): Discv5Status
}

const DISTANCE_MAX = 256

/** From one random lookup to the next where no dialer asks for nodes. */
const WANDER_MS: Millis = 30_000

/** Beyond so many distances one walk through the table is faster. */
const DISTANCES_EACH_MAX = 16

const OPTIONS: Readonly<Record<keyof Discv5Options, true>> = {
  udp: true,
  bootnodes: true,
  netRestrict: true,
  limits: true,
  resolveName: true,
  onFault: true,
}
const LIMITS: Readonly<Record<keyof ExchangeLimits, true>> = { sessions: true, challenges: true, perAddress: true, perNode: true }

/**
 * Discovery v5: finds nodes for the dialer and for libp2p, and is found.
 *
 * @throws KumikoError `discv5/bad-option`, `identity/bad-netlist`, what `parseNode` throws.
 */
export function discv5(options: Discv5Options): Part<Discv5, Discv5Components> {
  checkOptionNames('discv5/bad-option', 'discv5', options, OPTIONS)
  checkOptionNames('discv5/bad-option', 'discv5.limits', options.limits ?? {}, LIMITS)
  checkOptionNumbers('discv5/bad-option', 'discv5.limits', options.limits ?? {}, { sessions: 1, challenges: 1, perAddress: 1, perNode: 1 })
  const bootnodes = (options.bootnodes ?? []).map((node) => (typeof node === 'string' ? parseNode(node) : node))
  const netList = options.netRestrict === undefined ? undefined : parseNetList(options.netRestrict)
  return (components) => new NodeDiscovery(components, options, bootnodes, netList)
}

/** What is there between start and stop. */
interface Running {
  readonly identity: Identity
  readonly clock: Clock
  readonly reach: Reach
  readonly wire: Wire
  readonly ports: Libp2pPorts
  readonly protocol: NeighbourProtocol<LookupTarget>
  readonly explorer: Explorer<LookupTarget>
  readonly ended: AbortController
}

class NodeDiscovery extends PeerFinder implements Discv5 {
  readonly name = 'discv5'
  readonly talk = new TalkHandlers()
  readonly #components: Discv5Components
  readonly #options: Discv5Options
  readonly #bootnodes: readonly NodeRecord[]
  readonly #netList: NetList | undefined
  readonly #log: Logger
  #faults: Record<string, number> = {}
  #running: Running | undefined
  /** From the start to the stop. */
  #starting: Promise<void> | undefined

  constructor(components: Discv5Components, options: Discv5Options, bootnodes: readonly NodeRecord[], netList: NetList | undefined) {
    super()
    this.#components = components
    this.#options = options
    this.#bootnodes = bootnodes
    this.#netList = netList
    this.#log = components.logger.forComponent('kumiko:discv5')
  }

  get [Symbol.toStringTag](): string {
    return '@kumiko/discv5'
  }

  async start(): Promise<void> {
    this.#starting ??= this.#start()
    try {
      await this.#starting
    } catch (error) {
      this.#starting = undefined
      throw error
    }
  }

  async #start(): Promise<void> {
    const clock = optionalComponent(this.#components, 'clock') ?? systemClock
    const identity = await identityOf(this.#components, 'discv5', clock)
    const reach: Reach = new Reach(this.#netList, (family) => wire.local(family) !== undefined)
    const wire = this.#wire(identity, clock, reach)
    await wire.open()
    this.#faults = {}
    try {
      const protocol = new Neighbours({ identity, wire, reach, random: this.#random })
      const explorer = this.#explorer(protocol, clock, reach)
      this.#running = {
        identity,
        clock,
        reach,
        wire,
        protocol,
        explorer,
        ports: new Libp2pPorts(this.#components, identity.record),
        ended: new AbortController(),
      }
    } catch (error) {
      await wire.close()
      throw error
    }
    announce(identity.record, wire)
  }

  /** Only now does our record say where we take connections. */
  afterStart(): void {
    if (this.#running === undefined) return
    this.#running.ports.start()
    this.#running.explorer.start()
    if (optionalComponent(this.#components, 'dialer') === undefined) void this.#wander(this.#running)
  }

  async stop(): Promise<void> {
    await this.#starting?.catch(() => {})
    this.#starting = undefined
    const running = this.#running
    this.#running = undefined
    if (running === undefined) return
    const { identity, wire, ports, explorer, ended } = running
    ended.abort()
    ports.stop()
    withdraw(identity.record, wire)
    const stopped = explorer.stop()
    await wire.close()
    await stopped
    this.forgetTold()
  }

  async ping(node: NodeRecord, { signal }: AbortOptions = {}): Promise<PingAnswer | undefined> {
    const { clock, identity } = this.#need()
    const startedAt = clock.now()
    const pong = await this.#ask(node, { type: 'ping', enrSeq: identity.record.seq }, signal)
    if (pong === undefined) return undefined
    return { rttMs: clock.now() - startedAt, endpoint: { ip: pong.ip, udp: pong.port }, enrSeq: pong.enrSeq }
  }

  async requestEnr(node: NodeRecord, options: AbortOptions = {}): Promise<NodeRecord | undefined> {
    return (await this.findNode(node, [0], options))?.[0]
  }

  async findNode(
    node: NodeRecord,
    distances: readonly number[],
    { signal }: AbortOptions = {},
  ): Promise<readonly NodeRecord[] | undefined> {
    const wanted = [...new Set(distances)]
    if (wanted.length === 0 || wanted.some((at) => !Number.isInteger(at) || at < 0 || at > DISTANCE_MAX)) {
      throw new KumikoError('discv5/bad-distances', `bad distances ${distances.slice(0, 10)}: want whole numbers within 0–${DISTANCE_MAX}`)
    }
    return (await this.#ask(node, { type: 'findnode', distances: wanted }, signal))?.nodes
  }

  async talkRequest(
    node: NodeRecord,
    protocol: string | Uint8Array,
    message: Uint8Array,
    { signal }: AbortOptions = {},
  ): Promise<Uint8Array | undefined> {
    const body: RequestBody = { type: 'talkreq', protocol: bytesOf(protocol), message }
    const excess = excessOf(body)
    if (excess > 0) {
      throw new KumikoError('discv5/message-too-large', `a TALK request of ${message.length} bytes is ${excess} too long: split it`, {
        context: { sizeBytes: message.length, excessBytes: excess },
      })
    }
    return (await this.#ask(node, body, signal))?.message
  }

  async lookup(id: NodeId, options: AbortOptions = {}): Promise<readonly NodeRecord[]> {
    if (!/^[0-9a-f]{64}$/.test(id)) throw new KumikoError('discv5/bad-target', 'bad target: want a node id, 64 lower-case hex digits')
    return await this.#need().explorer.lookup({ id }, options)
  }

  async resolve(node: NodeRecord, options: AbortOptions = {}): Promise<NodeRecord> {
    const known = newest(node, this.#need().explorer.table.get(node.nodeId))
    const current = await this.#renew(known, options)
    if (current !== undefined) return current
    const found = (await this.lookup(node.nodeId, options)).find(({ nodeId }) => nodeId === node.nodeId)
    if (found === undefined) return known
    return (await this.#renew(found, options)) ?? newest(known, found)
  }

  nodes(options: AbortOptions = {}): AsyncIterable<NodeRecord> {
    return this.#running?.explorer.nodes(options) ?? NO_NODES
  }

  self(): NodeRecord | undefined {
    return this.#running?.identity.record.node
  }

  known(): NodeRecord[] {
    return [...(this.#running?.explorer.table.nodes({ verifiedOnly: true }) ?? [])]
  }

  status(): Discv5Status {
    const { wire, explorer } = this.#running ?? {}
    return {
      isRunning: this.#running !== undefined,
      isReady: explorer?.isReady ?? false,
      nodes: explorer?.table.size ?? 0,
      lookups: explorer?.lookups ?? 0,
      talks: this.talk.talks,
      ...(wire?.counts ?? { received: 0, sent: 0 }),
      ...(wire?.sizes ?? { sessions: 0, challenges: 0, calls: 0 }),
      faults: { ...this.#faults },
    }
  }

  protected async locate(publicKey: Uint8Array, options: AbortOptions): Promise<NodeRecord | undefined> {
    const id = nodeIdOf(publicKey)
    const known = this.#need().explorer.table.get(id) ?? (await this.lookup(id, options)).find(({ nodeId }) => nodeId === id)
    return known === undefined ? undefined : ((await this.#renew(known, options)) ?? known)
  }

  protected async closestTo(publicKey: Uint8Array, options: AbortOptions): Promise<readonly NodeRecord[]> {
    return await this.lookup(nodeIdOf(publicKey), options)
  }

  protected override multiaddrsOf(node: NodeRecord): PeerInfo['multiaddrs'] {
    return multiaddrsOf(node, this.#components)
  }

  #wire(identity: Identity, clock: Clock, reach: Reach): Wire {
    return new Wire({
      identity,
      clock,
      randomBytes,
      udp: this.#options.udp,
      nodeOf: (id) => this.#running?.explorer.table.get(id),
      nodesAt: (distances) => this.#nodesAt(distances),
      endpointOf: reach.endpointOf,
      netRestrict: this.#netList,
      limits: this.#options.limits,
      onMet: (node, from) => this.#meet(node, from, 'inbound'),
      onTalk: (query) => this.#answer(query),
      onFault: (fault, from) => this.#count(fault, from),
    })
  }

  #explorer(protocol: NeighbourProtocol<LookupTarget>, clock: Clock, reach: Reach): Explorer<LookupTarget> {
    const database = nodeDatabaseOf(this.#components)
    return new Explorer({
      protocol,
      clock,
      random: this.#random,
      bootnodes: this.#bootnodes,
      endpointOf: reach.endpointOf,
      ...(database === undefined ? {} : { database: { protocol: 'discv5', of: database } }),
      resolve: this.#options.resolveName ?? ((host) => systemLookup(host, 0)),
      onChange: (change) => this.#changed(change),
    })
  }

  /** Asks for a caller of ours. Who answers belongs in the table. */
  async #ask<T extends RequestBody['type']>(
    node: NodeRecord,
    body: Extract<RequestBody, { type: T }>,
    signal: AbortSignal | undefined,
  ): Promise<ReplyTo<T> | undefined> {
    const { wire, reach } = this.#need()
    const to = reach.addressOf(node)
    if (to === undefined) {
      const message = `node ${node.nodeId} has no UDP endpoint that may be used: give its IP address and port, of a family that we listen in`
      throw new KumikoError('discv5/no-endpoint', message, { context: { nodeId: node.nodeId } })
    }
    const reply = await wire.ask<T>(node, to, body, signal)
    if (reply !== undefined) this.#meet(node, to, 'verified')
    return reply
  }

  /** A node's own record, if that can be asked for and is no older. */
  async #renew(node: NodeRecord, options: AbortOptions): Promise<NodeRecord | undefined> {
    if (this.#need().reach.addressOf(node) === undefined) return undefined
    const current = await this.requestEnr(node, options)
    return current === undefined ? undefined : newest(current, node)
  }

  /** A node is where its record says. Only such a one belongs in the table. */
  #meet(node: NodeRecord, at: UdpEndpoint, origin: 'inbound' | 'verified'): void {
    const running = this.#running
    const listed = running?.reach.addressOf(node)
    if (listed?.ip === at.ip && listed.port === at.port) running?.explorer.met(node, origin)
  }

  #nodesAt(distances: readonly number[]): NodeRecord[] {
    const table = this.#running?.explorer.table
    if (table === undefined) return []
    if (distances.length <= DISTANCES_EACH_MAX) return distances.flatMap((at) => table.atDistance(at, { verifiedOnly: true }))
    const wanted = new Set(distances)
    return [...table.nodes({ verifiedOnly: true })].filter(({ nodeId }) => wanted.has(distance(table.self, nodeId)))
  }

  async #answer({ protocol, message, node, from, requestId }: TalkQuery): Promise<Uint8Array> {
    try {
      const answer = await this.talk.answer(protocol, message, { node, from })
      if (excessOf({ type: 'talkresp', message: answer }, requestId) <= 0) return answer
      this.#log.error('a TALK handler answered with %d bytes, which is too much: nothing is sent of it', answer.length)
    } catch (error) {
      this.#log.error('a TALK handler failed - %e', error)
    }
    return new Uint8Array(0)
  }

  /** Without a dialer of ours nobody asks for nodes: then they are looked for from time to time. */
  async #wander({ explorer, protocol, clock, ended: { signal } }: Running): Promise<void> {
    while (!signal.aborted) {
      const found = await explorer.lookup(protocol.randomTarget(), { signal }).catch(() => [])
      for (const node of found) this.tell(node)
      await sleep(clock, WANDER_MS, signal).catch(() => {})
    }
  }

  #changed(change: TableChange): void {
    if (change.do !== 'removed') this.tell(change.node)
  }

  #count(fault: Fault, from: UdpEndpoint): void {
    this.#faults[fault.fault] = (this.#faults[fault.fault] ?? 0) + 1
    this.#log.trace('%s:%d: %s %s', from.ip, from.port, fault.fault, fault.detail ?? '')
    this.#options.onFault?.(fault, from)
  }

  /** Where it need not be secret. */
  get #random(): Random {
    return optionalComponent(this.#components, 'random') ?? Math.random
  }

  #need(): Running {
    if (this.#running !== undefined) return this.#running
    throw new KumikoError('discv5/not-running', 'discv5 is not running: start the node first')
  }
}

/** How many bytes a message is too long for a packet; less than 1 where it fits. */
function excessOf(body: Parameters<typeof encodeMessage>[0]['body'], requestId: Uint8Array = new Uint8Array(6)): number {
  return encodeMessage({ requestId, body }).length - messageSizeMax()
}
