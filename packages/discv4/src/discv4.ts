import { curve, type NetList, nodeIdOf, parseNetList, parseNode, systemLookup } from '@kumiko/identity'
import {
  type Clock,
  checkOptionNames,
  checkOptionNumbers,
  type Fault,
  type Identity,
  KumikoError,
  type Millis,
  type NodeRecord,
  type NodeSource,
  nodeDatabaseOf,
  optionalComponent,
  type Part,
  type Random,
  systemClock,
  type UdpEndpoint,
  type UdpSocket,
} from '@kumiko/interface'
import {
  announce,
  BUCKET_SIZE,
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
import type { AbortOptions, ComponentLogger, Logger, PeerDiscovery, PeerRouting, PrivateKey, Startable } from '@libp2p/interface'
import type { ExchangeEffect } from './effect.ts'
import type { ExchangeSizes } from './exchange.ts'
import type { FloodLimits } from './flood-gate.ts'
import type { WireEndpoint } from './packet.ts'
import { Renewal } from './renewal.ts'
import { type PacketCounts, Wire } from './wire.ts'

/** Options of {@link discv4}. */
export interface Discv4Options {
  /** May be shared with other protocols; it is opened at the start. */
  readonly udp: UdpSocket
  /** Where the network is entered: enode URLs, ENRs or nodes, at most 1024. Default none: the node waits to be found. */
  readonly bootnodes?: readonly (string | NodeRecord)[]
  /** Networks outside of which nobody is asked, answered or taken: `10.0.0.0/8, fd00::/8`. Default: no limit. */
  readonly netRestrict?: string
  /** How much work others may make us do. */
  readonly limits?: FloodLimits
  /** Addresses of a bootnode that is known by name. Default: Node's `dns`. */
  readonly resolveName?: (host: string) => Promise<readonly string[]>
  /** Told of each fault of a remote. Must not throw. */
  readonly onFault?: (fault: Fault, from: UdpEndpoint) => void
}

/** What discv4 needs; without the optional ones, as in vanilla js-libp2p, it makes do with the private key and the system's clock. */
export interface Discv4Components {
  readonly logger: ComponentLogger
  readonly privateKey: PrivateKey
  /** Where it offers a node database, nodes are remembered there. */
  readonly datastore?: unknown
  readonly identity?: Identity
  readonly clock?: Clock
  readonly random?: Random
}

/** A node answered a ping. */
export interface PingAnswer {
  readonly rttMs: Millis
  /** Where it sees us. */
  readonly endpoint: WireEndpoint
  /** The sequence number of its record; undefined where it does not tell of one. */
  readonly enrSeq: bigint | undefined
}

/** Discovery v4 at a glance. Counts are since the start. */
export interface Discv4Status extends ExchangeSizes {
  readonly isRunning: boolean
  /** The first round of lookups is over. */
  readonly isReady: boolean
  /** Nodes in the table. */
  readonly nodes: number
  readonly lookups: number
  /** Well-formed, signed, in time, and not too many. */
  readonly received: PacketCounts
  readonly sent: PacketCounts
  /** By name. */
  readonly faults: Readonly<Record<string, number>>
}

/** Finds nodes by Discovery v4. Methods that ask throw `discv4/not-running` outside of start and stop, and the signal's reason. */
export interface Discv4 extends NodeSource, PeerDiscovery, PeerRouting, Startable {
  /** @returns Undefined where it does not answer. @throws KumikoError `discv4/no-endpoint`. */
  ping(node: NodeRecord, options?: AbortOptions): Promise<PingAnswer | undefined>
  /** A node's own record, verified. @returns Undefined where it does not answer, or has none. @throws KumikoError `discv4/no-endpoint`. */
  requestEnr(node: NodeRecord, options?: AbortOptions): Promise<NodeRecord | undefined>
  /**
   * The nodes that a node knows near a target, at most 16; those that cannot be used are left out.
   *
   * @param target - A public key, 33 bytes or 64; with 64 it need not be a point of the curve.
   * @returns Undefined where it does not answer.
   * @throws KumikoError `discv4/no-endpoint`, `discv4/bad-target`.
   */
  findNode(node: NodeRecord, target: Uint8Array, options?: AbortOptions): Promise<readonly NodeRecord[] | undefined>
  /** The nodes nearest to a target in the whole network, nearest first, at most 16. @throws KumikoError `discv4/bad-target`. */
  lookup(target: Uint8Array, options?: AbortOptions): Promise<readonly NodeRecord[]>
  /** The newest record of a node that can be had: from itself, or where it is now by a lookup. The given one where there is no better. */
  resolve(node: NodeRecord, options?: AbortOptions): Promise<NodeRecord>
  /** Ourselves, as others are told of us now; undefined while it is not running. */
  self(): NodeRecord | undefined
  /** Verified nodes of the table. */
  known(): NodeRecord[]
  status(): Discv4Status
}

/** Silence of so many in a row is worth a word. */
const SILENCE_MAX = 32

/** Records of nodes that came are asked for so many at a time. */
const ENR_REQUESTS_MAX = 16

const OPTIONS: Readonly<Record<keyof Discv4Options, true>> = {
  udp: true,
  bootnodes: true,
  netRestrict: true,
  limits: true,
  resolveName: true,
  onFault: true,
}
const LIMITS: Readonly<Record<keyof FloodLimits, true>> = { perAddress: true, proved: true, perStranger: true, strangers: true }

/**
 * Discovery v4: finds nodes for the dialer, and is found.
 *
 * @throws KumikoError `discv4/bad-option`, `identity/bad-netlist`, what `parseNode` throws.
 */
export function discv4(options: Discv4Options): Part<Discv4, Discv4Components> {
  checkOptionNames('discv4/bad-option', 'discv4', options, OPTIONS)
  checkOptionNames('discv4/bad-option', 'discv4.limits', options.limits ?? {}, LIMITS)
  checkOptionNumbers('discv4/bad-option', 'discv4.limits', options.limits ?? {}, { perAddress: 1, proved: 1, perStranger: 1, strangers: 1 })
  const bootnodes = (options.bootnodes ?? []).map((node) => (typeof node === 'string' ? parseNode(node) : node))
  const netList = options.netRestrict === undefined ? undefined : parseNetList(options.netRestrict)
  return (components) => new NodeDiscovery(components, options, bootnodes, netList)
}

interface KeyTarget extends LookupTarget {
  /** 64 bytes. */
  readonly publicKey: Uint8Array
}

/** What is there between start and stop. */
interface Running {
  readonly identity: Identity
  readonly clock: Clock
  readonly reach: Reach
  readonly wire: Wire
  readonly renewal: Renewal
  readonly explorer: Explorer<KeyTarget>
}

class NodeDiscovery extends PeerFinder implements Discv4 {
  readonly name = 'discv4'
  readonly #components: Discv4Components
  readonly #options: Discv4Options
  readonly #bootnodes: readonly NodeRecord[]
  readonly #netList: NetList | undefined
  readonly #log: Logger
  #faults: Record<string, number> = {}
  #running: Running | undefined
  #enrRequests = 0

  constructor(components: Discv4Components, options: Discv4Options, bootnodes: readonly NodeRecord[], netList: NetList | undefined) {
    super()
    this.#components = components
    this.#options = options
    this.#bootnodes = bootnodes
    this.#netList = netList
    this.#log = components.logger.forComponent('kumiko:discv4')
  }

  get #random(): Random {
    return optionalComponent(this.#components, 'random') ?? Math.random
  }

  get [Symbol.toStringTag](): string {
    return '@kumiko/discv4'
  }

  async start(): Promise<void> {
    if (this.#running !== undefined) return
    const clock = optionalComponent(this.#components, 'clock') ?? systemClock
    const identity = await identityOf(this.#components, 'discv4', clock)
    const reach: Reach = new Reach(this.#netList, (family) => wire.local(family) !== undefined)
    const wire = this.#wire(identity, clock, reach)
    const renewal = new Renewal(wire, reach)
    await wire.open()
    this.#faults = {}
    try {
      const explorer = this.#explorer(this.#protocol(identity, wire, reach, renewal), clock, reach)
      this.#running = { identity, clock, reach, wire, renewal, explorer }
    } catch (error) {
      await wire.close()
      throw error
    }
    announce(identity.record, wire)
  }

  /** Only now does our record say where we take connections. */
  afterStart(): void {
    this.#running?.explorer.start()
  }

  async stop(): Promise<void> {
    const running = this.#running
    this.#running = undefined
    if (running === undefined) return
    const { identity, wire, explorer } = running
    withdraw(identity.record, wire)
    const stopped = explorer.stop()
    await wire.close()
    await stopped
    this.forgetTold()
  }

  async ping(node: NodeRecord, { signal }: AbortOptions = {}): Promise<PingAnswer | undefined> {
    const { wire, clock } = this.#need()
    const startedAt = clock.now()
    const pong = await wire.ask(node, this.#needEndpoint(node), { type: 'ping' }, signal)
    return pong === undefined ? undefined : { rttMs: clock.now() - startedAt, endpoint: pong.to, enrSeq: pong.enrSeq }
  }

  async requestEnr(node: NodeRecord, { signal }: AbortOptions = {}): Promise<NodeRecord | undefined> {
    const { wire } = this.#need()
    return (await wire.ask(node, this.#needEndpoint(node), { type: 'enrrequest' }, signal))?.record
  }

  async findNode(node: NodeRecord, target: Uint8Array, { signal }: AbortOptions = {}): Promise<readonly NodeRecord[] | undefined> {
    const { wire } = this.#need()
    const { publicKey } = targetOf(target)
    return (await wire.ask(node, this.#needEndpoint(node), { type: 'findnode', target: publicKey }, signal))?.nodes
  }

  async lookup(target: Uint8Array, options: AbortOptions = {}): Promise<readonly NodeRecord[]> {
    return await this.#need().explorer.lookup(targetOf(target), options)
  }

  async resolve(node: NodeRecord, options: AbortOptions = {}): Promise<NodeRecord> {
    const { explorer, renewal } = this.#need()
    const known = newest(node, explorer.table.get(node.nodeId))
    const current = await renewal.fetch(known, options.signal)
    if (current !== undefined) return current
    const found = (await this.lookup(node.publicKey, options)).find(({ nodeId }) => nodeId === node.nodeId)
    if (found === undefined) return known
    return (await renewal.fetch(found, options.signal)) ?? newest(known, found)
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

  status(): Discv4Status {
    const { wire, explorer } = this.#running ?? {}
    return {
      isRunning: this.#running !== undefined,
      isReady: explorer?.isReady ?? false,
      nodes: explorer?.table.size ?? 0,
      lookups: explorer?.lookups ?? 0,
      received: wire?.received ?? NO_PACKETS,
      sent: wire?.sent ?? NO_PACKETS,
      faults: { ...this.#faults },
      ...(wire?.sizes ?? NO_SIZES),
    }
  }

  protected async locate(publicKey: Uint8Array, options: AbortOptions): Promise<NodeRecord | undefined> {
    const { explorer, renewal } = this.#need()
    const target = targetOf(publicKey)
    const known = explorer.table.get(target.id) ?? (await explorer.lookup(target, options)).find(({ nodeId }) => nodeId === target.id)
    return known === undefined ? undefined : ((await renewal.fetch(known, options.signal)) ?? known)
  }

  protected async closestTo(publicKey: Uint8Array, options: AbortOptions): Promise<readonly NodeRecord[]> {
    return await this.lookup(publicKey, options)
  }

  #wire(identity: Identity, clock: Clock, reach: Reach): Wire {
    return new Wire({
      identity,
      clock,
      udp: this.#options.udp,
      nodeId: identity.nodeId,
      closest: (target) => this.#running?.explorer.table.closest(target, BUCKET_SIZE, { verifiedOnly: true }) ?? [],
      endpointOf: reach.endpointOf,
      allows: reach.allows,
      ...(this.#options.limits === undefined ? {} : { limits: this.#options.limits }),
      onMet: (met) => void this.#meet(met),
      onFault: (fault, from) => this.#count(fault, from),
      onSilence: (count) => this.#warn(count),
    })
  }

  #explorer(protocol: NeighbourProtocol<KeyTarget>, clock: Clock, reach: Reach): Explorer<KeyTarget> {
    const database = nodeDatabaseOf(this.#components)
    return new Explorer({
      protocol,
      clock,
      random: this.#random,
      bootnodes: this.#bootnodes,
      endpointOf: reach.endpointOf,
      ...(database === undefined ? {} : { database: { protocol: 'discv4', of: database } }),
      resolve: this.#options.resolveName ?? ((host) => systemLookup(host, 0)),
      onChange: (change) => this.#changed(change),
    })
  }

  #protocol(identity: Identity, wire: Wire, reach: Reach, renewal: Renewal): NeighbourProtocol<KeyTarget> {
    const random = this.#random
    return {
      self: targetOf(identity.publicKey),
      randomTarget: () => targetOf(Uint8Array.from({ length: 64 }, () => random() * 256)),
      ping: (node) => renewal.check(node),
      findNodes: async (node, { publicKey }) => {
        const to = reach.addressOf(node)
        const answer = to === undefined ? undefined : await wire.ask(node, to, { type: 'findnode', target: publicKey })
        return answer?.nodes
      },
    }
  }

  /**
   * A node came by itself. Its record is asked for at once, and where it came from: there it knows us, so that it costs one packet, while its last
   * record may name an address that it has left, or never had.
   */
  async #meet({ node, origin, enrSeq }: Extract<ExchangeEffect, { do: 'met' }>): Promise<void> {
    const running = this.#running
    if (running === undefined) return
    const { explorer, renewal, reach } = running
    explorer.met(node, origin)
    const { seq } = newest(node, explorer.table.get(node.nodeId))
    if (enrSeq <= seq || this.#enrRequests >= ENR_REQUESTS_MAX) return
    this.#enrRequests++
    const renewed = await renewal.renew(node, enrSeq, seq)
    this.#enrRequests--
    if (renewed === node || this.#running !== running) return
    const isThere = placeText(reach.addressOf(renewed)) === placeText(reach.addressOf(node))
    explorer.met(renewed, isThere ? origin : 'inbound')
  }

  #changed(change: TableChange): void {
    if (change.do !== 'removed') this.tell(change.node)
  }

  #count(fault: Fault, from: UdpEndpoint): void {
    this.#faults[fault.fault] = (this.#faults[fault.fault] ?? 0) + 1
    this.#log.trace('%s:%d: %s %s', from.ip, from.port, fault.fault, fault.detail ?? '')
    this.#options.onFault?.(fault, from)
  }

  #warn(silence: number): void {
    if (silence !== SILENCE_MAX) return
    this.#log.error('%d questions in a row were not answered: is the network up, UDP let through, and the clock right?', silence)
  }

  #need(): Running {
    if (this.#running !== undefined) return this.#running
    throw new KumikoError('discv4/not-running', 'discv4 is not running: start the Host first')
  }

  #needEndpoint(node: NodeRecord): UdpEndpoint {
    const address = this.#need().reach.addressOf(node)
    if (address !== undefined) return address
    const message = `node ${node.nodeId} has no UDP endpoint that may be used: give its IP address and port, of a family that we listen in`
    throw new KumikoError('discv4/no-endpoint', message, { context: { nodeId: node.nodeId } })
  }
}

const NO_PACKETS: PacketCounts = { ping: 0, pong: 0, findnode: 0, neighbors: 0, enrrequest: 0, enrresponse: 0 }
const NO_SIZES: ExchangeSizes = { proofs: 0, ourProofs: 0, requests: 0, pingBacks: 0, greetings: 0, addresses: 0, signers: 0 }

/** @throws KumikoError `discv4/bad-target`. */
function targetOf(key: Uint8Array): KeyTarget {
  const publicKey = key.length === 64 ? key : curve.expand(key)
  if (publicKey === undefined) throw new KumikoError('discv4/bad-target', 'bad target: want a public key, 33 bytes or 64')
  return { id: nodeIdOf(publicKey), publicKey }
}

function placeText(address: UdpEndpoint | undefined): string {
  return `${address?.ip} ${address?.port}`
}
