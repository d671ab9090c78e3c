import { enrOf, nodeIdOf } from '@kumiko/identity'
import { type Fault, isFault, type Millis, type NodeId, type NodeRecord, type UdpEndpoint } from '@kumiko/interface'
import { type EndpointOf, udpEndpoint } from '@kumiko/kademlia'
import type { Effects, ExchangeEffect } from './effect.ts'
import { FloodGate, type FloodLimits, type Standing } from './flood-gate.ts'
import { Greetings } from './greetings.ts'
import { type IpFilter, isTellable, wireNodeOf } from './neighbor.ts'
import {
  decodePacket,
  type EnrRequestPacket,
  encodePacket,
  type FindnodePacket,
  hashOf,
  isPacket,
  NEIGHBORS_PER_PACKET_MAX,
  type Packet,
  type PacketType,
  type PingPacket,
  type PongPacket,
  packetTypeOf,
  type WireNode,
} from './packet.ts'
import { Proofs } from './proofs.ts'
import { expirationAt, type Question, Requests } from './requests.ts'
import { Signers } from './signers.ts'

/** How long a pong proves that a node is where it is. @see go-ethereum p2p/discover, bondExpiration */
const PROOF_MS: Millis = 24 * 3_600_000

/** How long we may think that a node holds such a proof of us: the specification lets it forget after 12 hours. */
const OUR_PROOF_MS: Millis = 11 * 3_600_000

/** What an exchange is made of. */
export interface ExchangeOptions {
  /** 32 bytes. */
  readonly secretKey: Uint8Array
  readonly nodeId: NodeId
  /** Our own record as it is now. */
  readonly local: () => NodeRecord
  /** The verified nodes nearest to a target, nearest first, at most 16: whom we tell others of. */
  readonly closest: (target: NodeId) => readonly NodeRecord[]
  /** Where a node is told to be. Default: its best endpoint that takes packets. */
  readonly endpointOf?: EndpointOf
  /** With whom we deal at all. Default: everyone. */
  readonly allows?: IpFilter
  readonly limits?: FloodLimits
}

/** How full everything is that remotes can fill. */
export interface ExchangeSizes {
  /** Nodes that have proved where they are. At most 8192. */
  readonly proofs: number
  /** Nodes to which we have. At most 8192. */
  readonly ourProofs: number
  /** Questions that are open. At most 1024. */
  readonly requests: number
  /** At most 1024. */
  readonly pingBacks: number
  /** Nodes that came and have not been told of. At most 1024. */
  readonly greetings: number
  /** Addresses whose packets are counted. At most 8192. */
  readonly addresses: number
  /** Endpoints whose node is remembered. At most 1024. */
  readonly signers: number
}

/** Who sent a packet, and when. */
interface Sender {
  readonly nodeId: NodeId
  /** 64 bytes. */
  readonly publicKey: Uint8Array
  readonly from: UdpEndpoint
  readonly now: Millis
}

/**
 * Discovery v4 with other nodes: answers what they ask, and asks them. Holds no socket and no timer.
 *
 * Answers go to where a packet came from, whatever it says. Who has not proved to be there gets a pong and one ping for a ping, and nothing
 * else; both are limited by {@link FloodLimits}.
 *
 * @see https://github.com/ethereum/devp2p/blob/master/discv4.md
 */
export class Exchange {
  readonly #options: ExchangeOptions
  readonly #allows: IpFilter
  readonly #proofs = new Proofs(PROOF_MS)
  readonly #ourProofs = new Proofs(OUR_PROOF_MS)
  readonly #gate: FloodGate
  readonly #requests: Requests
  readonly #greetings = new Greetings()
  readonly #signers = new Signers()

  constructor(options: ExchangeOptions) {
    this.#options = options
    this.#allows = options.allows ?? (() => true)
    this.#gate = new FloodGate(options.limits ?? {})
    this.#requests = new Requests({ ...options, allows: this.#allows, ourProofs: this.#ourProofs })
  }

  /** When {@link expire} is due, or somewhat sooner. `Infinity` if never. */
  get deadline(): Millis {
    return Math.min(this.#requests.deadline, this.#greetings.deadline)
  }

  get sizes(): ExchangeSizes {
    return {
      proofs: this.#proofs.size,
      ourProofs: this.#ourProofs.size,
      requests: this.#requests.size,
      pingBacks: this.#requests.pingBacks,
      greetings: this.#greetings.size,
      addresses: this.#gate.size,
      signers: this.#signers.size,
    }
  }

  /**
   * Takes a datagram.
   *
   * @param bytes - Not kept.
   * @returns Undefined where it is not of this protocol: for others to read.
   */
  receive(bytes: Uint8Array, from: UdpEndpoint, now: Millis): ExchangeEffect[] | undefined {
    if (!isPacket(bytes)) return undefined
    const refusal = this.#refusal(packetTypeOf(bytes), from.ip, now)
    if (refusal !== undefined) return [faultEffect(refusal, from)]
    const packet = decodePacket(bytes)
    if (isFault(packet)) return [{ do: 'fault', fault: packet, from }]
    if ('expiration' in packet && packet.expiration * 1000 < now) return [faultEffect('discv4/expired', from)]
    const signer = this.#signers.of(bytes, from)
    if (signer === undefined) return [faultEffect('discv4/bad-signature', from)]
    const { nodeId, publicKey } = signer
    if (nodeId === this.#options.nodeId) return [faultEffect('discv4/self', from)]
    const out: Effects = [{ do: 'received', type: packet.type }]
    const fault = this.#handle(packet, { nodeId, publicKey, from, now }, hashOf(bytes), out)
    if (fault !== undefined) out.push({ do: 'fault', fault, from })
    return out
  }

  /**
   * Asks a node; one that does not know us is pinged first. The answer comes as a `settle` effect, within some three seconds.
   *
   * @param question - A node outside of what `allows` lets through is not asked.
   */
  ask(question: Question, now: Millis): ExchangeEffect[] {
    const out: Effects = []
    if (this.#allows(question.to.ip)) this.#requests.ask(question, now, out)
    else out.push({ do: 'settle', request: question.request, answer: undefined })
    return out
  }

  /** Does what is due. */
  expire(now: Millis): ExchangeEffect[] {
    const out: Effects = []
    this.#requests.expire(now, out)
    this.#greetings.expire(now, out)
    return out
  }

  /** Why a packet is not worth reading: a thousand items take a hundred times as long as the look at its hash. */
  #refusal(type: PacketType | undefined, ip: string, now: Millis): string | undefined {
    if (!this.#allows(ip)) return 'discv4/net-restricted'
    if (type === 'findnode' || type === 'enrrequest') {
      if (!this.#proofs.hasAddress(ip)) return 'discv4/unproved'
    } else if (type !== undefined && type !== 'ping' && !this.#requests.isAwaited(ip)) return 'discv4/unsolicited'
    return this.#gate.lets(ip, this.#standingOf(ip), now) ? undefined : 'discv4/flood'
  }

  /** Of whoever is there. Others may send in its name. */
  #standingOf(ip: string): Standing {
    if (this.#requests.hasAsked(ip)) return 'asked'
    return this.#proofs.hasAddress(ip) ? 'proved' : 'stranger'
  }

  #handle(packet: Packet, sender: Sender, hash: Uint8Array, out: Effects): Fault | undefined {
    const { nodeId, from, now } = sender
    switch (packet.type) {
      case 'ping':
        return this.#ping(packet, sender, hash, out)
      case 'pong':
        return this.#pong(packet, sender, out)
      case 'findnode':
        return this.#findnode(packet, sender, out)
      case 'enrrequest':
        return this.#enrRequest(packet, sender, hash, out)
      case 'neighbors':
        return this.#requests.neighbors(nodeId, from.ip, packet, now, out) ? undefined : UNSOLICITED
      case 'enrresponse': {
        const result = this.#requests.enrResponse(nodeId, from.ip, packet, now, out)
        return isFault(result) ? result : result ? undefined : UNSOLICITED
      }
    }
  }

  #ping(packet: PingPacket, sender: Sender, pingHash: Uint8Array, out: Effects): Fault | undefined {
    const { nodeId, publicKey, from, now } = sender
    const isProved = this.#proofs.has(nodeId, from.ip, now)
    // A stranger at an address that is known: no more for it than for others.
    if (!isProved && this.#standingOf(from.ip) !== 'stranger' && !this.#gate.lets(from.ip, 'stranger', now)) return FLOOD
    const { tcp } = packet.from
    const enrSeq = packet.enrSeq ?? 0n
    this.#send(this.#pongTo(from, tcp, pingHash, now), from, out)
    this.#ourProofs.add(nodeId, from.ip, now)
    this.#requests.pinged(nodeId, from.ip, now, out)
    if (isProved) this.#greetings.add({ nodeId, publicKey, from, tcp, enrSeq, origin: 'inbound' }, now)
    else this.#requests.pingBack({ nodeId, publicKey, tcp, enrSeq }, from, now, out)
    return undefined
  }

  #pongTo({ ip, port }: UdpEndpoint, tcp: number, pingHash: Uint8Array, now: Millis): PongPacket {
    return { type: 'pong', to: { ip, udp: port, tcp }, pingHash, expiration: expirationAt(now), enrSeq: this.#options.local().seq }
  }

  #pong(packet: PongPacket, { nodeId, publicKey, from, now }: Sender, out: Effects): Fault | undefined {
    const sent = this.#requests.pong(nodeId, from.ip, packet, now, out)
    if (sent === undefined) return UNSOLICITED
    this.#proofs.add(nodeId, from.ip, now)
    this.#signers.remember({ nodeId, publicKey }, from)
    out.push({ do: 'statement', from: from.ip, endpoint: packet.to })
    if (sent.back === undefined) return undefined
    const { tcp } = sent.back
    const enrSeq = packet.enrSeq ?? sent.back.enrSeq
    this.#greetings.add({ nodeId, publicKey, from: sent.to, tcp, enrSeq, origin: 'verified' }, now)
    return undefined
  }

  #findnode({ target }: FindnodePacket, { nodeId, from, now }: Sender, out: Effects): Fault | undefined {
    if (!this.#proofs.has(nodeId, from.ip, now)) return UNPROVED
    const others = this.#options.closest(nodeIdOf(target)).filter((node) => node.nodeId !== nodeId)
    const nodes = others.flatMap((node) => this.#tellable(node, from.ip))
    // Who asked gets an answer, be it empty.
    for (let at = 0; at === 0 || at < nodes.length; at += NEIGHBORS_PER_PACKET_MAX) {
      const some = nodes.slice(at, at + NEIGHBORS_PER_PACKET_MAX)
      this.#send({ type: 'neighbors', nodes: some, expiration: expirationAt(now) }, from, out)
    }
    return undefined
  }

  #enrRequest(_: EnrRequestPacket, { nodeId, from, now }: Sender, requestHash: Uint8Array, out: Effects): Fault | undefined {
    if (!this.#proofs.has(nodeId, from.ip, now)) return UNPROVED
    const record = enrOf(this.#options.local())?.bytes
    if (record !== undefined) this.#send({ type: 'enrresponse', requestHash, record }, from, out)
    return undefined
  }

  /** A node as it may be told to somebody at an address: none from inside to outside. */
  #tellable(node: NodeRecord, to: string): WireNode[] {
    const endpoint = (this.#options.endpointOf ?? udpEndpoint)(node)
    return endpoint !== undefined && isTellable(to, [endpoint], this.#allows) ? [wireNodeOf(node, endpoint)] : []
  }

  #send(packet: Packet, to: UdpEndpoint, out: Effects): void {
    out.push({ do: 'send', type: packet.type, packet: encodePacket(packet, this.#options.secretKey), to })
  }
}

const FLOOD: Fault = { fault: 'discv4/flood' }
const UNSOLICITED: Fault = { fault: 'discv4/unsolicited' }
const UNPROVED: Fault = { fault: 'discv4/unproved' }

function faultEffect(fault: string, from: UdpEndpoint): ExchangeEffect {
  return { do: 'fault', fault: { fault }, from }
}
