import { decodeEnr, nodeFromEnr, toHex } from '@kumiko/identity'
import { type Fault, isFault, type Millis, type NodeId, type NodeRecord, type UdpEndpoint } from '@kumiko/interface'
import { Tally } from '@kumiko/kademlia'
import type { Answer, Ask, Effects } from './effect.ts'
import { type IpFilter, nodeToldBy, ownEndpoint } from './neighbor.ts'
import { type EnrResponsePacket, encodePacket, hashOf, type NeighborsPacket, type Packet, type PongPacket, VERSION } from './packet.ts'
import type { Proofs } from './proofs.ts'

/** What was asked and not yet answered, at most. */
export const REQUESTS_MAX = 1024

/** Pings back to nodes that have yet to prove themselves, unanswered, at most. */
export const PING_BACKS_MAX = 1024

/** Nodes of an answer at most: Kademlia's k. */
const NEIGHBORS_MAX = 16

/** How far ahead packets expire. */
const EXPIRATION_S = 20

/** Each packet is waited for so long; as in go-ethereum. */
const ANSWER_MS: Millis = 500

/** After a ping was answered, so long for the other's ping back: it comes together with the pong, from a node that does not know us yet. */
const PING_BACK_MS: Millis = 250

/** After some neighbors, so long for more: they are sent together. */
const MORE_NEIGHBORS_MS: Millis = 150

/** So long a ping back may be answered. It is never sent again. */
const PING_BACK_ANSWER_MS: Millis = 1000

/** From one look at what is late to the next at least: each goes through all that is open. */
const LOOK_PACE_MS: Millis = 10

/** What the driver wants to know of a node. */
export interface Question {
  /** Its name in the `settle` effect. */
  readonly request: number
  readonly nodeId: NodeId
  readonly to: UdpEndpoint
  readonly ask: Ask
}

interface OpenQuestion extends Question {
  retriesLeft: number
}

/** Who is pinged back, and the TCP port and record that its own ping told of. */
export interface Stranger {
  readonly nodeId: NodeId
  /** 64 bytes. */
  readonly publicKey: Uint8Array
  readonly tcp: number
  readonly enrSeq: bigint
}

/** A ping that waits for its pong. */
export interface SentPing {
  readonly nodeId: NodeId
  readonly to: UdpEndpoint
  /** Set where it is a ping back. */
  readonly back: Stranger | undefined
  readonly packet: Uint8Array
  dueAt: Millis
  resendsLeft: number
  /** What goes on with the pong. */
  readonly waiting: OpenQuestion[]
}

/** Questions that wait for the ping of the node to which they go: it answers none before it knows that we are where we are. */
interface Bonding {
  readonly dueAt: Millis
  readonly questions: OpenQuestion[]
}

/** A findnode that waits for neighbors. One at a time for each node: answers do not say to which they belong. */
interface SentFindnode {
  readonly question: OpenQuestion
  readonly nodes: NodeRecord[]
  /** Nodes told so far, with those that are of no use. */
  told: number
  isAnswered: boolean
  dueAt: Millis
  readonly next: OpenQuestion[]
}

interface SentEnrRequest {
  readonly questions: OpenQuestion[]
  readonly dueAt: Millis
}

/** What requests are made of. */
export interface RequestsOptions {
  readonly secretKey: Uint8Array
  readonly local: () => NodeRecord
  readonly allows: IpFilter
  /** To whom we have proved that we are here. */
  readonly ourProofs: Proofs
}

/**
 * What we ask of others, until it is answered or given up. Bounded by {@link REQUESTS_MAX} and {@link PING_BACKS_MAX}. A node that does not
 * know us is pinged first; a packet that gets no answer is sent once more, after pinging again.
 */
export class Requests {
  readonly #options: RequestsOptions
  /** By hash and node. */
  readonly #pings = new Map<string, SentPing>()
  /** By node and address, as findnodes. */
  readonly #bonding = new Map<string, Bonding>()
  readonly #findnodes = new Map<string, SentFindnode>()
  /** By hash and node: the same second's requests to all nodes have the same hash. */
  readonly #enrRequests = new Map<string, SentEnrRequest>()
  /** Packets that we wait for, by address; ping backs are counted apart. */
  readonly #asked = new Tally()
  readonly #pingedBack = new Tally()
  #open = 0
  #deadline: Millis = Number.POSITIVE_INFINITY

  constructor(options: RequestsOptions) {
    this.#options = options
  }

  /** When {@link expire} is due: at most {@link LOOK_PACE_MS} later than the next thing, and it may be sooner. `Infinity` if never. */
  get deadline(): Millis {
    return this.#deadline
  }

  /** Questions open. */
  get size(): number {
    return this.#open
  }

  /** Pings back that are not answered. */
  get pingBacks(): number {
    return this.#pingedBack.size
  }

  /** We asked somebody at this address, by our own will. */
  hasAsked(ip: string): boolean {
    return this.#asked.has(ip)
  }

  /** Somebody at this address may have something to answer. */
  isAwaited(ip: string): boolean {
    return this.#asked.has(ip) || this.#pingedBack.has(ip)
  }

  /** Asks a node. The answer comes as a `settle` effect, sooner or later. */
  ask(question: Question, now: Millis, out: Effects): void {
    if (this.#open >= REQUESTS_MAX) {
      out.push({ do: 'settle', request: question.request, answer: undefined })
      return
    }
    this.#open++
    const open = { ...question, retriesLeft: 1 }
    const knowsUs = this.#options.ourProofs.has(question.nodeId, question.to.ip, now)
    if (question.ask.type !== 'ping' && knowsUs) this.#send(open, now, out)
    else this.#ping(open.nodeId, open.to, [open], now, out)
  }

  /** Asks a node that came by itself for its endpoint proof, once. */
  pingBack(stranger: Stranger, to: UdpEndpoint, now: Millis, out: Effects): void {
    if (this.#pingedBack.size >= PING_BACKS_MAX) return
    const packet = this.#pingPacket(to, now)
    const key = keyOf(hashOf(packet), stranger.nodeId)
    if (this.#pings.has(key)) return
    const dueAt = now + PING_BACK_ANSWER_MS
    this.#pings.set(key, { nodeId: stranger.nodeId, to, back: stranger, packet, dueAt, resendsLeft: 0, waiting: [] })
    this.#pingedBack.add(to.ip)
    this.#dueAt(dueAt)
    out.push({ do: 'send', type: 'ping', packet, to })
  }

  /** A node pinged us and was answered: whatever waited for that goes on. */
  pinged(id: NodeId, ip: string, now: Millis, out: Effects): void {
    const key = placeKey(id, ip)
    const bonding = this.#bonding.get(key)
    this.#bonding.delete(key)
    for (const question of bonding?.questions ?? []) this.#send(question, now, out)
  }

  /** @returns The ping that it answers, or undefined where it answers none: then it proves nothing. */
  pong(id: NodeId, ip: string, { pingHash, to, enrSeq }: PongPacket, now: Millis, out: Effects): SentPing | undefined {
    const key = keyOf(pingHash, id)
    const sent = this.#pings.get(key)
    if (sent === undefined || sent.to.ip !== ip) return undefined
    this.#dropPing(key, sent)
    for (const question of sent.waiting) {
      if (question.ask.type === 'ping') this.#settle(question, { type: 'pong', to, enrSeq }, out)
      else this.#awaitPing(question, now, out)
    }
    return sent
  }

  /** @returns False where nobody asked. */
  neighbors(id: NodeId, ip: string, { nodes }: NeighborsPacket, now: Millis, out: Effects): boolean {
    const key = placeKey(id, ip)
    const sent = this.#findnodes.get(key)
    if (sent === undefined) return false
    const room = NEIGHBORS_MAX - sent.told
    for (const told of nodes.slice(0, room)) {
      const node = nodeToldBy(ip, told, this.#options.allows)
      if (node !== undefined && node.nodeId !== id) sent.nodes.push(node)
    }
    sent.told += nodes.length
    sent.isAnswered = true
    sent.dueAt = Math.min(sent.dueAt, now + MORE_NEIGHBORS_MS)
    this.#dueAt(sent.dueAt)
    if (sent.told >= NEIGHBORS_MAX) this.#found(key, sent, now, out)
    return true
  }

  /** @returns False where nobody asked, or the fault of the answer. */
  enrResponse(id: NodeId, ip: string, { requestHash, record }: EnrResponsePacket, now: Millis, out: Effects): boolean | Fault {
    const key = keyOf(requestHash, placeKey(id, ip))
    const sent = this.#enrRequests.get(key)
    if (sent === undefined) return false
    this.#enrRequests.delete(key)
    this.#asked.remove(ip)
    this.#options.ourProofs.add(id, ip, now)
    const enr = decodeEnr(record)
    const fault = isFault(enr) ? enr.detail : enr.nodeId === id ? undefined : 'of another node'
    const answer: Answer | undefined = isFault(enr) || fault !== undefined ? undefined : { type: 'enrresponse', record: nodeFromEnr(enr) }
    for (const question of sent.questions) this.#settle(question, answer, out)
    return answer === undefined ? { fault: 'discv4/bad-record', detail: fault ?? 'bad' } : true
  }

  /** Sends again, or gives up, what is late. */
  expire(now: Millis, out: Effects): void {
    if (this.#deadline > now) return
    for (const [key, sent] of this.#pings) if (sent.dueAt <= now) this.#latePing(key, sent, now, out)
    for (const [key, { dueAt, questions }] of this.#bonding) {
      if (dueAt > now) continue
      this.#bonding.delete(key)
      // It did not ping: it may know us already.
      for (const question of questions) this.#send(question, now, out)
    }
    for (const [key, sent] of this.#findnodes) if (sent.dueAt <= now) this.#lateFindnode(key, sent, now, out)
    for (const [key, sent] of this.#enrRequests) if (sent.dueAt <= now) this.#lateEnrRequest(key, sent, now, out)
    this.#deadline = Number.POSITIVE_INFINITY
    for (const map of [this.#pings, this.#bonding, this.#findnodes, this.#enrRequests]) {
      for (const { dueAt } of map.values()) this.#dueAt(dueAt)
    }
    if (this.#deadline < now + LOOK_PACE_MS) this.#deadline = now + LOOK_PACE_MS
  }

  #ping(nodeId: NodeId, to: UdpEndpoint, waiting: OpenQuestion[], now: Millis, out: Effects): void {
    const packet = this.#pingPacket(to, now)
    const key = keyOf(hashOf(packet), nodeId)
    const same = this.#pings.get(key)
    if (same?.back === undefined && same !== undefined) {
      same.waiting.push(...waiting)
      return
    }
    if (same !== undefined) this.#dropPing(key, same)
    const dueAt = now + ANSWER_MS
    this.#pings.set(key, { nodeId, to, back: undefined, packet, dueAt, resendsLeft: 1, waiting })
    this.#asked.add(to.ip)
    this.#dueAt(dueAt)
    out.push({ do: 'contact', to: to.ip }, { do: 'send', type: 'ping', packet, to })
  }

  #pingPacket(to: UdpEndpoint, now: Millis): Uint8Array {
    const local = this.#options.local()
    return this.#seal({
      type: 'ping',
      version: VERSION,
      from: ownEndpoint(local, to.ip),
      to: { ip: to.ip, udp: to.port, tcp: 0 },
      expiration: expirationAt(now),
      enrSeq: local.seq,
    })
  }

  #seal(packet: Packet): Uint8Array {
    return encodePacket(packet, this.#options.secretKey)
  }

  /** The node is there; does it know that we are? */
  #awaitPing(question: OpenQuestion, now: Millis, out: Effects): void {
    const { nodeId, to } = question
    if (this.#options.ourProofs.has(nodeId, to.ip, now)) {
      this.#send(question, now, out)
      return
    }
    const key = placeKey(nodeId, to.ip)
    const bonding = this.#bonding.get(key)
    if (bonding === undefined) this.#bonding.set(key, { dueAt: now + PING_BACK_MS, questions: [question] })
    else bonding.questions.push(question)
    this.#dueAt(now + PING_BACK_MS)
  }

  #send(question: OpenQuestion, now: Millis, out: Effects): void {
    if (question.ask.type === 'findnode') this.#sendFindnode(question, question.ask.target, now, out)
    else this.#sendEnrRequest(question, now, out)
  }

  #sendFindnode(question: OpenQuestion, target: Uint8Array, now: Millis, out: Effects): void {
    const key = placeKey(question.nodeId, question.to.ip)
    const before = this.#findnodes.get(key)
    if (before !== undefined) {
      before.next.push(question)
      return
    }
    const dueAt = now + ANSWER_MS
    this.#findnodes.set(key, { question, nodes: [], told: 0, isAnswered: false, dueAt, next: [] })
    this.#asked.add(question.to.ip)
    this.#dueAt(dueAt)
    const packet = this.#seal({ type: 'findnode', target, expiration: expirationAt(now) })
    out.push({ do: 'send', type: 'findnode', packet, to: question.to })
  }

  #sendEnrRequest(question: OpenQuestion, now: Millis, out: Effects): void {
    const { nodeId, to } = question
    const packet = this.#seal({ type: 'enrrequest', expiration: expirationAt(now) })
    const key = keyOf(hashOf(packet), placeKey(nodeId, to.ip))
    const same = this.#enrRequests.get(key)
    if (same !== undefined) {
      same.questions.push(question)
      return
    }
    const dueAt = now + ANSWER_MS
    this.#enrRequests.set(key, { questions: [question], dueAt })
    this.#asked.add(to.ip)
    this.#dueAt(dueAt)
    out.push({ do: 'send', type: 'enrrequest', packet, to })
  }

  #latePing(key: string, sent: SentPing, now: Millis, out: Effects): void {
    if (sent.resendsLeft > 0) {
      sent.resendsLeft--
      sent.dueAt = now + ANSWER_MS
      out.push({ do: 'send', type: 'ping', packet: sent.packet, to: sent.to })
      return
    }
    this.#dropPing(key, sent)
    for (const question of sent.waiting) this.#settle(question, undefined, out)
  }

  #lateFindnode(key: string, sent: SentFindnode, now: Millis, out: Effects): void {
    if (sent.isAnswered) {
      this.#found(key, sent, now, out)
      return
    }
    this.#findnodes.delete(key)
    this.#asked.remove(sent.question.to.ip)
    this.#retry([sent.question, ...sent.next], now, out)
  }

  #lateEnrRequest(key: string, { questions }: SentEnrRequest, now: Millis, out: Effects): void {
    this.#enrRequests.delete(key)
    const [first] = questions
    if (first !== undefined) this.#asked.remove(first.to.ip)
    this.#retry(questions, now, out)
  }

  /** The node may have forgotten us: it is pinged anew. All of the questions are for the same node. */
  #retry(questions: readonly OpenQuestion[], now: Millis, out: Effects): void {
    const left = questions.filter(({ retriesLeft }) => retriesLeft > 0)
    for (const question of questions) if (question.retriesLeft <= 0) this.#settle(question, undefined, out)
    for (const question of left) question.retriesLeft--
    const [first] = left
    if (first === undefined) return
    this.#options.ourProofs.delete(first.nodeId, first.to.ip)
    this.#ping(first.nodeId, first.to, left, now, out)
  }

  #found(key: string, { question, nodes, next }: SentFindnode, now: Millis, out: Effects): void {
    this.#findnodes.delete(key)
    this.#asked.remove(question.to.ip)
    this.#options.ourProofs.add(question.nodeId, question.to.ip, now)
    this.#settle(question, { type: 'neighbors', nodes }, out)
    for (const waiting of next) this.#send(waiting, now, out)
  }

  #dropPing(key: string, { to, back }: SentPing): void {
    this.#pings.delete(key)
    if (back === undefined) this.#asked.remove(to.ip)
    else this.#pingedBack.remove(to.ip)
  }

  #settle({ request }: OpenQuestion, answer: Answer | undefined, out: Effects): void {
    this.#open--
    out.push({ do: 'settle', request, answer })
  }

  #dueAt(at: Millis): void {
    this.#deadline = Math.min(this.#deadline, at)
  }
}

/** The expiration of a packet that is sent now, in seconds. */
export function expirationAt(now: Millis): number {
  return Math.floor(now / 1000) + EXPIRATION_S
}

function keyOf(hash: Uint8Array, of: string): string {
  return `${toHex(hash)} ${of}`
}

function placeKey(id: NodeId, ip: string): string {
  return `${id}@${ip}`
}
