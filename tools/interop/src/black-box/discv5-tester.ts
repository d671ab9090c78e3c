import type { RlpInput, RlpItem } from '@kumiko/identity'
import {
  curve,
  decodeRlp,
  type Enr,
  encodeRlp,
  formatEnr,
  ipBytes,
  isRlpBytes,
  isRlpList,
  keccak256,
  rlpUint,
  signEnr,
} from '@kumiko/identity'
import type { UdpEndpoint } from '@kumiko/interface'
import { type Bench, FENCE_TRIES, QUIET_MS, WAIT_MS } from './bench.ts'
import { demand, pause } from './demand.ts'
import {
  type Agreement,
  agree,
  concat,
  decrypt,
  encrypt,
  FLAG,
  handshakeAuthdata,
  headerOf,
  identityHash,
  maskPacket,
  type OpenPacket,
  openPacket,
  readHandshake,
} from './discv5-packet.ts'
import type { TesterSocket } from './tester-socket.ts'

/** @see discv5-wire.md § Protocol Messages: message-type */
export const MESSAGE = { ping: 1, pong: 2, findnode: 3, nodes: 4, talkRequest: 5, talkResponse: 6 } as const

const NAMES: ReadonlyMap<number, string> = new Map(
  Object.entries({ PING: 1, PONG: 2, FINDNODE: 3, NODES: 4, TALKREQ: 5, TALKRESP: 6 }).map(([name, type]) => [type, name]),
)

/** A WHOAREYOU of the target. */
export interface Whoareyou {
  readonly kind: 'whoareyou'
  readonly name: string
  /** Of the packet that it answers. */
  readonly nonce: Uint8Array
  readonly challengeData: Uint8Array
}

/** A message of the target that we can read. */
export interface Message {
  readonly kind: 'message'
  readonly name: string
  readonly type: number
  readonly requestId: Uint8Array
  /** What is behind the request id. */
  readonly data: readonly RlpItem[]
}

/** A message of the target that we have no keys for. */
export interface Unreadable {
  readonly kind: 'unreadable'
  readonly name: string
  readonly nonce: Uint8Array
}

export type Received = Whoareyou | Message | Unreadable

/** The tester's keys with the target: one pair, wherever it speaks from. */
interface Keys {
  write: Uint8Array | undefined
  read: Uint8Array | undefined
  /** Of the WHOAREYOU that we sent. */
  challengeData: Uint8Array | undefined
}

/** What is unusual about a handshake. */
export interface HandshakeForm {
  /** Who signs. Default: the node itself. */
  readonly signer?: Uint8Array
  /** Default: its own. */
  readonly record?: Uint8Array
}

/** A node without a mind of its own: it speaks discv5 with the target as a check bids. */
export class Discv5Tester {
  readonly key: Uint8Array
  readonly socket: TesterSocket
  readonly #bench: Bench
  readonly #keys: Keys
  /** Whether its record tells where it is. */
  readonly #isAnnounced: boolean

  private constructor(bench: Bench, key: Uint8Array, socket: TesterSocket, isAnnounced: boolean, keys: Keys) {
    this.#bench = bench
    this.key = key
    this.socket = socket
    this.#isAnnounced = isAnnounced
    this.#keys = keys
  }

  /** A new node. @param options - `announced`: its record tells where it is, so that others can ask it. Default: not. */
  static async open(bench: Bench, { announced = false, key = bench.key() } = {}): Promise<Discv5Tester> {
    return new Discv5Tester(bench, key, await bench.socket(), announced, { write: undefined, read: undefined, challengeData: undefined })
  }

  /** The same node with the same keys at another address. */
  async alsoAt(ip: string): Promise<Discv5Tester> {
    return new Discv5Tester(this.#bench, this.key, await this.#bench.socket(ip), this.#isAnnounced, this.#keys)
  }

  get record(): Enr {
    const { ip, port } = this.socket.endpoint
    const place = { ip: encodeRlp(ipBytes(ip) ?? new Uint8Array()), udp: encodeRlp(port) }
    return signEnr(this.key, 1n, this.#isAnnounced ? place : {})
  }

  get recordText(): string {
    return formatEnr(this.record)
  }

  /** The node id, 32 bytes. */
  get id(): Uint8Array {
    return keccak256(curve.publicKey(this.key))
  }

  /** Sends a message: with our keys, or as a random packet where we have none. @returns The packet's nonce. */
  send(type: number, fields: readonly RlpInput[]): Uint8Array {
    const header = headerOf(FLAG.message, this.#bench.bytes(16), this.#bench.bytes(12), this.id)
    const nonce = header.slice(25, 37)
    const message = messageOf(type, fields)
    const { write } = this.#keys
    this.sendRaw(header, write === undefined ? this.#bench.bytes(44) : encrypt(write, nonce, message, header))
    return nonce
  }

  /** Answers a WHOAREYOU with new keys, and a message. @returns The datagram. */
  handshake(
    { challengeData }: Pick<Whoareyou, 'challengeData'>,
    type: number,
    fields: readonly RlpInput[],
    form: HandshakeForm = {},
  ): Uint8Array {
    const { signer = this.key, record = this.record.bytes } = form
    const agreement: Agreement = { challengeData, initiator: this.id, recipient: this.#targetId }
    const secret = this.#bench.key()
    const ephemeralKey = curve.compress(curve.publicKey(secret))
    const signature = curve.sign(identityHash(agreement, ephemeralKey), signer).subarray(0, 64)
    const [write, read] = agree(secret, this.#bench.node.publicKey, agreement)
    Object.assign(this.#keys, { write, read })
    const nonce = this.#bench.bytes(12)
    const header = headerOf(FLAG.handshake, this.#bench.bytes(16), nonce, handshakeAuthdata(this.id, signature, ephemeralKey, record))
    return this.sendRaw(header, encrypt(write, nonce, messageOf(type, fields), header))
  }

  /** "Who are you?" @param nonce - Of the packet that we cannot read. */
  challenge(nonce: Uint8Array): void {
    const authdata = concat(this.#bench.bytes(16), new Uint8Array(8))
    const header = headerOf(FLAG.whoareyou, this.#bench.bytes(16), nonce, authdata)
    this.#keys.challengeData = header
    this.sendRaw(header, new Uint8Array(0))
  }

  /** @returns The datagram. */
  sendRaw(header: Uint8Array, sealed: Uint8Array): Uint8Array {
    const datagram = maskPacket(header, sealed, this.#targetId)
    this.socket.send(datagram, this.#bench.endpoint)
    return datagram
  }

  /**
   * Asks, shakes hands where that is demanded, and passes over what the target asks meanwhile; its pings are answered.
   *
   * @param requestId - Default: a fresh one of 8 bytes.
   */
  async ask(type: number, fields: readonly RlpInput[], answer: number, requestId: Uint8Array = this.#bench.bytes(8)): Promise<Message> {
    const nonce = this.send(type, [requestId, ...fields])
    for (let hands = 0; ; ) {
      const packet = await this.next()
      demand(packet !== undefined, `want ${NAMES.get(answer)}, got nothing`)
      if (packet.kind === 'whoareyou') {
        demand(hands++ === 0 && same(packet.nonce, nonce), 'a WHOAREYOU that answers nothing')
        this.handshake(packet, type, [requestId, ...fields])
      } else if (packet.kind === 'message' && packet.type === answer && same(packet.requestId, requestId)) return packet
      else this.#heed(packet, answer)
    }
  }

  /** A PONG must tell where we are: 4 bytes of address, and the port. */
  checkPong({ data: [, ip, port] }: Message): void {
    const { endpoint } = this.socket
    const got = `${isRlpBytes(ip) ? [...ip].join('.') : 'no address'}:${rlpUint(port, 2)}`
    demand(got === `${endpoint.ip}:${endpoint.port}`, `PONG tells ${got}, want ${endpoint.ip}:${endpoint.port}`)
  }

  async next(waitMs: number = WAIT_MS): Promise<Received | undefined> {
    const datagram = await this.socket.next(waitMs)
    return datagram === undefined ? undefined : this.#open(datagram.bytes)
  }

  /** All that comes: the target has then answered what somebody else asked later. */
  async rest(): Promise<Received[]> {
    await fence(this.#bench)
    await pause(QUIET_MS)
    const packets: Received[] = []
    for (let packet = await this.next(0); packet !== undefined; packet = await this.next(0)) packets.push(packet)
    return packets
  }

  async needWhoareyou(): Promise<Whoareyou> {
    const packet = await this.next()
    demand(packet?.kind === 'whoareyou', `want WHOAREYOU next, got ${packet?.name ?? 'nothing'}`)
    return packet
  }

  get #targetId(): Uint8Array {
    return new Uint8Array(Buffer.from(this.#bench.node.nodeId, 'hex'))
  }

  /** What came while we wait for an answer: a question is in order. */
  #heed(packet: Message | Unreadable, answer: number): void {
    const isQuestion = packet.kind === 'message' && packet.type % 2 === 1
    demand(isQuestion, `want ${NAMES.get(answer)}, got ${packet.name}${packet.kind === 'message' ? ' with another request id' : ''}`)
    if (packet.type === MESSAGE.ping) this.send(MESSAGE.pong, pongFields(packet, this.#bench.endpoint))
  }

  #open(datagram: Uint8Array): Received {
    demand(datagram.length >= 63 && datagram.length <= 1280, `a packet of ${datagram.length} bytes`)
    const packet = openPacket(datagram, this.id)
    demand(packet !== undefined, 'a datagram that is no packet to us')
    if (packet.flag === FLAG.whoareyou) {
      demand(packet.authdata.length === 24 && packet.sealed.length === 0, 'a WHOAREYOU of another size')
      return { kind: 'whoareyou', name: 'WHOAREYOU', nonce: packet.nonce, challengeData: packet.header }
    }
    demand(same(packet.authdata.subarray(0, 32), this.#targetId), 'a packet with the source of somebody else')
    if (packet.flag === FLAG.handshake) this.#accept(packet)
    const plain = this.#keys.read === undefined ? undefined : decrypt(this.#keys.read, packet)
    return plain === undefined ? { kind: 'unreadable', name: 'a packet with other keys', nonce: packet.nonce } : readMessage(plain)
  }

  /** The target answers our WHOAREYOU. */
  #accept({ authdata }: OpenPacket): void {
    const { challengeData } = this.#keys
    const handshake = readHandshake(authdata)
    demand(challengeData !== undefined && handshake !== undefined, 'a handshake that nobody asked for, or of other sizes')
    const agreement: Agreement = { challengeData, initiator: this.#targetId, recipient: this.id }
    const isSigned = curve.verify(identityHash(agreement, handshake.ephemeralKey), handshake.signature, this.#bench.publicKey)
    demand(isSigned, "a handshake without the target's signature")
    const [read, write] = agree(this.key, handshake.ephemeralKey, agreement)
    Object.assign(this.#keys, { write, read, challengeData: undefined })
  }
}

/** Sees to it that the target has read all that was sent before. @throws CheckFailure where it answers nobody any more. */
export async function fence(bench: Bench): Promise<void> {
  for (let tries = 0; tries < FENCE_TRIES; tries++) {
    const tester = await Discv5Tester.open(bench)
    tester.send(MESSAGE.ping, [])
    if ((await tester.next())?.kind === 'whoareyou') return
  }
  demand(false, 'the node does not answer strangers any more')
}

/** The answer to a ping. @param from - Where it came from. */
export function pongFields({ requestId }: Message, from: UdpEndpoint): RlpInput[] {
  return [requestId, 1, ipBytes(from.ip) ?? new Uint8Array(), from.port]
}

export function namesOf(packets: readonly Received[]): string {
  return packets.length === 0 ? 'nothing' : packets.map(({ name }) => name).join(', ')
}

export function same(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function messageOf(type: number, fields: readonly RlpInput[]): Uint8Array {
  return concat(Uint8Array.of(type), encodeRlp(fields))
}

function readMessage(plain: Uint8Array): Message {
  const items = decodeRlp(plain.subarray(1))
  const type = plain[0] ?? 0
  demand(isRlpList(items), `message type ${type} without a list`)
  const [requestId, ...data] = items
  demand(isRlpBytes(requestId) && requestId.length <= 8, `message type ${type} with a bad request id`)
  return { kind: 'message', name: NAMES.get(type) ?? `message type ${type}`, type, requestId, data }
}
