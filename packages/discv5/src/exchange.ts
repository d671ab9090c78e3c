import type { NetList } from '@kumiko/identity'
import {
  type Fault,
  isFault,
  type Millis,
  type NodeEndpoint,
  type NodeId,
  type NodeRecord,
  type RandomBytes,
  type UdpEndpoint,
} from '@kumiko/interface'
import { type Call, Calls, type Reply } from './calls.ts'
import { Challenges } from './challenges.ts'
import { FloodGate, type FloodLimits, publicNetworkOf } from './flood-gate.ts'
import { FoundNodes } from './found-nodes.ts'
import { accept, initiate } from './handshake.ts'
import { HeaderMask } from './header-mask.ts'
import { decodeMessage, encodeMessage, type Message, type NodesBody, type RequestBody, type ResponseBody } from './message.ts'
import { nodesBodies, tellable } from './nodes-bodies.ts'
import {
  decodePacket,
  encodePacket,
  HANDSHAKE_AUTHDATA_MIN_BYTES,
  type HandshakePacket,
  handshakeHeader,
  type MessagePacket,
  messageHeader,
  messageSizeMax,
  type WhoareyouPacket,
  whoareyouHeader,
} from './packet.ts'
import { RecordCache } from './record-cache.ts'
import { type Session, Sessions } from './session.ts'

/** How much is kept and done at most. */
export interface ExchangeLimits extends FloodLimits {
  /** Sessions kept, least recently used first out. Default 1024. */
  readonly sessions?: number
  /** WHOAREYOU packets that wait for their answer. Default 1024. */
  readonly challenges?: number
}

/** What an exchange is made of. */
export interface ExchangeOptions {
  /** Ours. */
  readonly secretKey: Uint8Array
  readonly nodeId: NodeId
  /** Ours as it is now; made of an ENR. */
  readonly record: () => NodeRecord
  /** Fit for keys. */
  readonly randomBytes: RandomBytes
  /** What is known of a node already. */
  readonly nodeOf: (id: NodeId) => NodeRecord | undefined
  /** Nodes to tell others of, at any of these distances from us: 1–256, each once. */
  readonly nodesAt: (distances: readonly number[]) => readonly NodeRecord[]
  /** Which of a node's endpoints we can send to. */
  readonly endpointOf: (node: NodeRecord) => NodeEndpoint | undefined
  /** Nothing is told to, taken from, or heard of nodes elsewhere. */
  readonly netRestrict?: NetList | undefined
  readonly limits?: ExchangeLimits | undefined
}

/** A TALKREQ that waits for its answer. */
export interface TalkQuery {
  readonly node: NodeRecord
  readonly from: UdpEndpoint
  readonly protocol: Uint8Array
  readonly message: Uint8Array
  readonly requestId: Uint8Array
  /** What it was asked under, and is to be answered under. */
  readonly session: Session
}

/** What the driver is to do, or to know. */
export type ExchangeEffect =
  | { readonly do: 'send'; readonly packet: Uint8Array; readonly to: UdpEndpoint }
  /** A request has its answer; without `reply` there is none. */
  | { readonly do: 'ended'; readonly call: number; readonly reply: Reply | undefined }
  /** A node has proved who it is, at this endpoint. Told at a handshake, and then every ten seconds at most. */
  | { readonly do: 'met'; readonly node: NodeRecord; readonly from: UdpEndpoint }
  /** Answer with {@link Exchange.talkResponse}. */
  | { readonly do: 'talk'; readonly query: TalkQuery }
  /** A node says which endpoint of ours it sees. */
  | { readonly do: 'seen'; readonly by: string; readonly ip: string; readonly udp: number }
  | { readonly do: 'fault'; readonly fault: Fault; readonly from: UdpEndpoint }

/** What becomes of a request. */
export interface Request {
  /** Comes back in `ended`. */
  readonly call: number
  readonly effects: ExchangeEffect[]
}

/** § UDP Communication proposes 500 ms; go-ethereum takes 700. */
const ANSWER_TIMEOUT_MS: Millis = 700

/** What got lost is asked for once more: each handshake has four packets that may get lost. */
const ATTEMPTS_MAX = 2

/** A node is told of again as met after so long. */
const MET_AGAIN_MS: Millis = 10_000

/** Our request ids: random, so that no answer can be guessed. */
const REQUEST_ID_BYTES = 6

/** Plain text of a random packet. */
const RANDOM_BYTES = 20

/**
 * Discovery v5's exchanges with other nodes: sessions, requests and their answers. Holds no socket and no timer.
 *
 * @see discv5-wire.md, discv5-theory.md
 */
export class Exchange {
  readonly #options: ExchangeOptions
  readonly #ownId: Uint8Array
  readonly #mask: HeaderMask
  readonly #sessions: Sessions
  readonly #challenges: Challenges
  readonly #records = new RecordCache()
  readonly #calls = new Calls(ANSWER_TIMEOUT_MS)
  readonly #gate: FloodGate
  #lastCall = 0

  constructor(options: ExchangeOptions) {
    const { sessions = 1024, challenges = 1024, ...flood } = options.limits ?? {}
    this.#options = options
    this.#ownId = idBytes(options.nodeId)
    this.#mask = new HeaderMask(this.#ownId)
    this.#sessions = new Sessions(sessions)
    this.#challenges = new Challenges(challenges)
    this.#gate = new FloodGate(flood)
  }

  /** When {@link expire} is due; `Infinity` if never. */
  get deadline(): Millis {
    return this.#calls.deadline
  }

  /** What is held now. */
  get sizes(): { readonly sessions: number; readonly challenges: number; readonly calls: number } {
    return { sessions: this.#sessions.size, challenges: this.#challenges.size, calls: this.#calls.size }
  }

  /** Takes a datagram. @returns Undefined where it is none of ours. */
  receive(datagram: Uint8Array, from: UdpEndpoint, now: Millis): ExchangeEffect[] | undefined {
    const packet = decodePacket(datagram, this.#mask)
    if (packet === undefined) return undefined
    if (isFault(packet)) return [{ do: 'fault', fault: packet, from }]
    if (this.#options.netRestrict?.contains(from.ip) === false) return faulty('net-restricted', from)
    if (packet.kind === 'whoareyou') return this.#challenged(packet, from, now)
    const id = hexOf(packet.sourceId)
    if (id === this.#options.nodeId) return faulty('self', from)
    return packet.kind === 'message' ? this.#message(packet, id, from, now) : this.#handshake(packet, id, from, now)
  }

  /**
   * Asks a node.
   *
   * @param to - Its endpoint.
   * @param body - Must fit into a packet: see {@link messageSizeMax}.
   * @returns Undefined where too many requests, to this node or in all, wait for their answer.
   */
  request(node: NodeRecord, to: UdpEndpoint, body: RequestBody, now: Millis): Request | undefined {
    const key = keyOf(node.nodeId, to)
    if (!this.#calls.hasRoom(key)) return undefined
    const call = this.#newCall(++this.#lastCall, key, node, to, body)
    return { call: this.#lastCall, effects: this.#begin(call, now) }
  }

  /** Answers a TALKREQ. @param message - Must fit into a packet. */
  talkResponse({ requestId, node, from, session }: TalkQuery, message: Uint8Array): ExchangeEffect[] {
    return [this.#reply(session, node.nodeId, from, { requestId, body: { type: 'talkresp', message } })]
  }

  /** Asks again, or gives up, where no answer came in time. */
  expire(now: Millis): ExchangeEffect[] {
    const effects: ExchangeEffect[] = []
    // Each is given more time, or ends.
    for (let call = this.#calls.late(now); call !== undefined; call = this.#calls.late(now)) effects.push(...this.#timedOut(call, now))
    return effects
  }

  #newCall(number: number | undefined, key: string, node: NodeRecord, to: UdpEndpoint, body: RequestBody): Call {
    const requestId = this.#options.randomBytes(REQUEST_ID_BYTES)
    const { netRestrict, endpointOf } = this.#options
    const found =
      body.type === 'findnode'
        ? new FoundNodes({ node, ip: to.ip, distances: body.distances, netRestrict, endpointOf, records: this.#records })
        : undefined
    return {
      ...{ number, key, node, to, type: body.type, found, requestId: requestNumber(requestId) },
      message: encodeMessage({ requestId, body }),
      ...{ session: undefined, opening: undefined, nonces: [], attempts: 1, isHandshaken: false, deadline: 0 },
    }
  }

  /** Sends a call, or an opening for it, or lets it wait behind the one that opens a session. */
  #begin(call: Call, now: Millis): ExchangeEffect[] {
    const session = this.#sessions.get(call.key, now)
    if (session?.isConfirmed === true) return [this.#sendCall(call, session, now)]
    if (this.#calls.opener(call.key) !== undefined) {
      this.#calls.wait(call)
      return []
    }
    this.#calls.setOpener(call)
    return [session === undefined ? this.#sendOpening(call, now) : this.#sendCall(call, session, now)]
  }

  #sendCall(call: Call, session: Session, now: Millis): ExchangeEffect {
    const nonce = session.nonce(this.#options.randomBytes)
    call.session = session
    this.#calls.sent(call, hexOf(nonce), now)
    return this.#send(session, nonce, call.message, call.node.nodeId, call.to)
  }

  /** A packet that nobody can read, so that the other one asks who we are. Sent again it is the same. */
  #sendOpening(call: Call, now: Millis): ExchangeEffect {
    const { randomBytes } = this.#options
    if (call.opening !== undefined) {
      this.#calls.sent(call, undefined, now)
      return { do: 'send', packet: call.opening, to: call.to }
    }
    const nonce = randomBytes(12)
    const header = messageHeader(randomBytes(16), nonce, this.#ownId)
    call.opening = encodePacket(header, randomBytes(RANDOM_BYTES), new HeaderMask(idBytes(call.node.nodeId)))
    this.#calls.sent(call, hexOf(nonce), now)
    return { do: 'send', packet: call.opening, to: call.to }
  }

  #send(session: Session, nonce: Uint8Array, message: Uint8Array, id: NodeId, to: UdpEndpoint): ExchangeEffect {
    const header = messageHeader(this.#options.randomBytes(16), nonce, this.#ownId)
    return { do: 'send', packet: encodePacket(header, session.seal(nonce, message, header), new HeaderMask(idBytes(id))), to }
  }

  #reply(session: Session, id: NodeId, to: UdpEndpoint, message: Message): ExchangeEffect {
    return this.#send(session, session.nonce(this.#options.randomBytes), encodeMessage(message), id, to)
  }

  /** A message under keys that are known, or somebody to ask who they are. */
  #message(packet: MessagePacket, id: NodeId, from: UdpEndpoint, now: Millis): ExchangeEffect[] {
    const key = keyOf(id, from)
    const newest = this.#sessions.get(key, now)
    for (let session = newest; session !== undefined; session = session.previous) {
      const plain = session.open(packet.nonce, packet.sealed, packet.header)
      if (plain === undefined) continue
      const confirmed = session === newest ? this.#confirm(key, session, now) : []
      return [...confirmed, ...this.#open(plain, session, key, from, now)]
    }
    return this.#unknown(packet, key, id, newest, from, now)
  }

  /** The other one has the keys: what waited for that is sent. */
  #confirm(key: string, session: Session, now: Millis): ExchangeEffect[] {
    if (!session.hasCrossed) session.previous = undefined
    if (session.isConfirmed) return []
    session.isConfirmed = true
    return this.#resume(key, session, now)
  }

  /** Sends what waits for a session, and again what was sealed with keys that the other one has not. */
  #resume(key: string, session: Session, now: Millis): ExchangeEffect[] {
    const calls = [
      ...this.#calls.active(key).filter((call) => call.session !== undefined && call.session !== session),
      ...this.#calls.release(key),
    ]
    return calls.map((call) => this.#sendCall(call, session, now))
  }

  /** The same WHOAREYOU for all that comes until it is answered: the answer may be on its way. */
  #unknown(packet: MessagePacket, key: string, id: NodeId, session: Session | undefined, from: UdpEndpoint, now: Millis): ExchangeEffect[] {
    if (!this.#gate.letsStranger(from, now)) return faulty('rate-limited', from)
    const open = this.#challenges.renew(key, now)
    if (open !== undefined) return [{ do: 'send', packet: open.packet, to: from }]
    const { randomBytes, nodeOf } = this.#options
    const node = nodeOf(id) ?? session?.nodeAt(from)
    const challengeData = whoareyouHeader(randomBytes(16), packet.nonce, randomBytes(16), node?.seq ?? 0n)
    const whoareyou = encodePacket(challengeData, new Uint8Array(0), new HeaderMask(packet.sourceId))
    this.#challenges.set(key, { packet: whoareyou, challengeData, node, sentAt: now })
    return [{ do: 'send', packet: whoareyou, to: from }]
  }

  /** Our WHOAREYOU is answered. */
  #handshake(packet: HandshakePacket, id: NodeId, from: UdpEndpoint, now: Millis): ExchangeEffect[] {
    if (!this.#gate.letsHandshake(from, now)) return faulty('rate-limited', from)
    const key = keyOf(id, from)
    const challenge = this.#challenges.take(key, now)
    if (challenge === undefined) return faulty('unexpected-handshake', from)
    const accepted = accept({ secretKey: this.#options.secretKey, id: this.#ownId }, packet, challenge, now)
    if (typeof accepted === 'string') {
      this.#gate.failed(from, now)
      return faulty(accepted, from)
    }
    const { session, node, plain } = accepted
    const own = this.#awaited(key, now)
    if (own !== undefined) {
      own.crossed(session)
      return this.#open(plain, own, key, from, now, node)
    }
    this.#sessions.set(key, session, publicNetworkOf(from.ip), now)
    return [
      ...this.#open(plain, session, key, from, now, node),
      ...this.#calls.release(key).map((call) => this.#sendCall(call, session, now)),
    ]
  }

  /**
   * The session of our own handshake, while its answer is to come. A handshake that arrives now was sent before ours got there: who keeps one
   * session only, as go-ethereum does, goes by ours in the end.
   */
  #awaited(key: string, now: Millis): Session | undefined {
    const session = this.#sessions.get(key, now)
    return session?.isConfirmed === false && this.#calls.opener(key)?.session === session ? session : undefined
  }

  /** We are asked who we are. */
  #challenged(packet: WhoareyouPacket, from: UdpEndpoint, now: Millis): ExchangeEffect[] {
    const call = this.#calls.byNonce(hexOf(packet.nonce))
    if (call === undefined || call.to.ip !== from.ip || call.to.port !== from.port) return faulty('unsolicited-whoareyou', from)
    if (call.isHandshaken) return faulty('repeated-whoareyou', from)
    const { secretKey, randomBytes, record } = this.#options
    const id = idBytes(call.node.nodeId)
    const initiation = initiate({ secretKey, id: this.#ownId, record: record(), randomBytes }, call.node, id, packet, now)
    if (initiation === undefined) return faulty('bad-public-key', from)
    const { session, authdata } = initiation
    const first = this.#firstMessage(call, HANDSHAKE_AUTHDATA_MIN_BYTES + (authdata.record?.length ?? 0))
    const nonce = session.nonce(randomBytes)
    const header = handshakeHeader(randomBytes(16), nonce, authdata)
    this.#sessions.set(call.key, session, publicNetworkOf(from.ip), now)
    Object.assign(first, { isHandshaken: true, session })
    this.#calls.setOpener(first)
    this.#calls.sent(first, hexOf(nonce), now)
    return [{ do: 'send', packet: encodePacket(header, session.seal(nonce, first.message, header), new HeaderMask(id)), to: from }]
  }

  /** What the handshake carries: a message that has no room beside it lets a ping go first. */
  #firstMessage(call: Call, authdataBytes: number): Call {
    if (call.message.length <= messageSizeMax(authdataBytes)) return call
    call.isHandshaken = true
    this.#calls.wait(call, true)
    return this.#newCall(undefined, call.key, call.node, call.to, { type: 'ping', enrSeq: this.#options.record().seq })
  }

  /** What a message of a known node asks or answers. @param told - The node as its handshake shows it. */
  #open(plain: Uint8Array, session: Session, key: string, from: UdpEndpoint, now: Millis, told?: NodeRecord): ExchangeEffect[] {
    if (this.#gate.isShut(session.nodeId, from, now)) return faulty('rate-limited', from)
    const message = decodeMessage(plain)
    const answered = isFault(message) ? undefined : this.#answered(message, key, from, now)
    if (answered !== undefined) return answered
    this.#gate.letsRequest(session.nodeId, from, now)
    if (isFault(message)) return [{ do: 'fault', fault: message, from }]
    const { requestId, body } = message
    if (!isRequest(body)) return faulty('unsolicited-answer', from)
    return [...this.#meet(session, from, now, told), ...this.#asked(requestId, body, session, from, told)]
  }

  #meet(session: Session, from: UdpEndpoint, now: Millis, told?: NodeRecord): ExchangeEffect[] {
    if (now - session.metAt < MET_AGAIN_MS) return []
    session.metAt = now
    return [{ do: 'met', node: told ?? this.#nodeOf(session, from), from }]
  }

  /** The other one, by its record where the table has it. */
  #nodeOf(session: Session, from: UdpEndpoint): NodeRecord {
    return this.#options.nodeOf(session.nodeId) ?? session.nodeAt(from)
  }

  #asked(requestId: Uint8Array, body: RequestBody, session: Session, from: UdpEndpoint, told?: NodeRecord): ExchangeEffect[] {
    if (body.type === 'talkreq') {
      const { protocol, message } = body
      return [{ do: 'talk', query: { node: told ?? this.#nodeOf(session, from), from, protocol, message, requestId, session } }]
    }
    const answers: readonly ResponseBody[] =
      body.type === 'findnode'
        ? this.#nodesFor(body.distances, from)
        : [{ type: 'pong', enrSeq: this.#options.record().seq, ip: from.ip, port: from.port }]
    return answers.map((answer) => this.#reply(session, session.nodeId, from, { requestId, body: answer }))
  }

  #nodesFor(distances: readonly number[], { ip }: UdpEndpoint): NodesBody[] {
    const { record, nodesAt, endpointOf } = this.#options
    const own = distances.includes(0) ? [record()] : []
    return nodesBodies([...own, ...tellable(nodesAt(distances.filter((distance) => distance > 0)), ip, endpointOf)])
  }

  /** @returns Undefined for what is no answer to anything that was asked. */
  #answered({ requestId, body }: Message, key: string, from: UdpEndpoint, now: Millis): ExchangeEffect[] | undefined {
    const call = requestId.length === REQUEST_ID_BYTES ? this.#calls.byRequest(key, requestNumber(requestId)) : undefined
    if (call === undefined || isRequest(body) || ANSWERS[call.type] !== body.type) return undefined
    if (body.type !== 'nodes') {
      const seen: ExchangeEffect[] = body.type === 'pong' ? [{ do: 'seen', by: from.ip, ip: body.ip, udp: body.port }] : []
      return [...seen, ...this.#end(call, body, now)]
    }
    const refusals = call.found?.add(body) ?? []
    const faults = refusals.flatMap((refusal) => faulty(refusal, from))
    if (call.found?.isComplete === true) return [...faults, ...this.#end(call, { type: 'nodes', nodes: call.found.nodes }, now)]
    this.#calls.touch(call, now)
    return faults
  }

  #timedOut(call: Call, now: Millis): ExchangeEffect[] {
    const { found } = call
    if (found?.isAnswered === true) return this.#end(call, { type: 'nodes', nodes: found.nodes }, now)
    // An application's request may be one that must not be done twice.
    if (call.attempts >= ATTEMPTS_MAX || (call.type === 'talkreq' && call.session !== undefined)) return this.#end(call, undefined, now)
    Object.assign(call, { attempts: call.attempts + 1, isHandshaken: false })
    const session = this.#sessions.get(call.key, now)
    return [session === undefined ? this.#sendOpening(call, now) : this.#sendCall(call, session, now)]
  }

  /** Who waits behind an opener that nobody answers is not answered either. */
  #end(call: Call, reply: Reply | undefined, now: Millis): ExchangeEffect[] {
    const wasOpener = this.#calls.opener(call.key) === call
    const waiting = wasOpener ? this.#calls.release(call.key) : []
    this.#calls.end(call)
    const rest = waiting.flatMap((other) => (reply === undefined ? this.#fail(other) : this.#begin(other, now)))
    return call.number === undefined ? rest : [{ do: 'ended', call: call.number, reply }, ...rest]
  }

  #fail(call: Call): ExchangeEffect[] {
    this.#calls.end(call)
    return call.number === undefined ? [] : [{ do: 'ended', call: call.number, reply: undefined }]
  }
}

const ANSWERS = { ping: 'pong', findnode: 'nodes', talkreq: 'talkresp' } as const

function isRequest(body: RequestBody | ResponseBody): body is RequestBody {
  return body.type in ANSWERS
}

function faulty(what: string, from: UdpEndpoint): ExchangeEffect[] {
  return [{ do: 'fault', fault: { fault: `discv5/${what}` }, from }]
}

function keyOf(id: NodeId, { ip, port }: UdpEndpoint): string {
  return `${id} ${ip} ${port}`
}

/** Exact: 48 bits. */
function requestNumber(requestId: Uint8Array): number {
  let number = 0
  for (const byte of requestId) number = number * 256 + byte
  return number
}

function idBytes(id: NodeId): Uint8Array {
  return Buffer.from(id, 'hex')
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}
