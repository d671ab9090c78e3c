import type { RlpInput, RlpItem } from '@kumiko/identity'
import { curve, decodeRlpPrefix, encodeRlp, formatEnode, ipBytes, isRlpBytes, isRlpList, keccak256, rlpBigUint } from '@kumiko/identity'
import type { UdpEndpoint } from '@kumiko/interface'
import { ADDRESSES, type Bench, FENCE_TRIES, QUIET_MS, WAIT_MS } from './bench.ts'
import { demand, pause } from './demand.ts'
import type { TesterSocket } from './tester-socket.ts'

/** @see discv4.md § Wire Protocol: packet-type */
export const PACKET = { ping: 1, pong: 2, findnode: 3, neighbors: 4, enrRequest: 5, enrResponse: 6 } as const

const NAMES: ReadonlyMap<number, string> = new Map(Object.entries(PACKET).map(([name, type]) => [type, name.toUpperCase()]))

/** hash ‖ signature ‖ type. */
const HASH_BYTES = 32
const SIGNATURE_BYTES = 65
export const HEAD_BYTES: number = HASH_BYTES + SIGNATURE_BYTES + 1

/** A packet of the target: its hash and signature hold, and its data is a list. */
export interface Received {
  readonly type: number
  /** For messages. */
  readonly name: string
  readonly data: readonly RlpItem[]
  /** 32 bytes. */
  readonly hash: Uint8Array
  readonly sizeBytes: number
  readonly from: UdpEndpoint
}

/** What is unusual about a ping. */
export interface PingForm {
  readonly from?: RlpInput
  readonly to?: RlpInput
  readonly expiration?: number | bigint
  /** Elements behind the last one. */
  readonly extra?: readonly RlpInput[]
}

/** A node without a mind of its own: it speaks discv4 with the target as a check bids. */
export class Discv4Tester {
  readonly key: Uint8Array
  readonly socket: TesterSocket
  readonly #bench: Bench

  constructor(bench: Bench, key: Uint8Array, socket: TesterSocket) {
    this.#bench = bench
    this.key = key
    this.socket = socket
  }

  /** A new node. */
  static async open(bench: Bench, ip: string = ADDRESSES[0]): Promise<Discv4Tester> {
    return new Discv4Tester(bench, bench.key(), await bench.socket(ip))
  }

  /** The same node at another address. */
  async alsoAt(ip: string): Promise<Discv4Tester> {
    return new Discv4Tester(this.#bench, this.key, await this.#bench.socket(ip))
  }

  /** 64 bytes. */
  get publicKey(): Uint8Array {
    return curve.publicKey(this.key)
  }

  get enode(): string {
    const { ip, port } = this.socket.endpoint
    return formatEnode({ publicKey: curve.compress(this.publicKey), host: ip, udp: port, tcp: port })
  }

  /** Sends packet data of any type, signed. @returns The packet's hash. */
  send(type: number, data: readonly RlpInput[]): Uint8Array {
    return this.sendRaw(seal(type, encodeRlp(data), this.key))
  }

  /** @returns Its first 32 bytes. */
  sendRaw(bytes: Uint8Array): Uint8Array {
    this.socket.send(bytes, this.#bench.endpoint)
    return bytes.slice(0, HASH_BYTES)
  }

  /** @returns The packet's hash. */
  ping(form: PingForm = {}): Uint8Array {
    return this.send(PACKET.ping, this.pingData(form))
  }

  /** What a ping says. */
  pingData({ from, to, expiration = soon(), extra = [] }: PingForm = {}): RlpInput[] {
    return [4, from ?? endpointItem(this.socket.endpoint), to ?? endpointItem(this.#bench.endpoint), expiration, ...extra]
  }

  pong(pingHash: Uint8Array): void {
    this.send(PACKET.pong, [endpointItem(this.#bench.endpoint), pingHash, soon()])
  }

  /** @param target - 64 bytes. */
  findnode(target: Uint8Array, expiration: number | bigint = soon()): void {
    this.send(PACKET.findnode, [target, expiration])
  }

  /** The endpoint proof in both directions. */
  async bond(): Promise<void> {
    const hash = this.ping()
    const [pong, ping] = await this.greeting()
    this.checkPong(pong, hash)
    this.pong(ping.hash)
  }

  /** What must answer the first ping: one PONG and one PING, in any order, and nothing else before both are there. */
  async greeting(): Promise<[pong: Received, ping: Received]> {
    const [first, second] = [await this.next(), await this.next()]
    const packets = [first, second].filter((packet) => packet !== undefined)
    const [pong, ping] = [packets.find(({ type }) => type === PACKET.pong), packets.find(({ type }) => type === PACKET.ping)]
    demand(pong !== undefined && ping !== undefined, `want PONG and PING, got ${namesOf(packets)}`)
    return [pong, ping]
  }

  /** A PONG must name our ping, be addressed to where we are, and hold still. */
  checkPong({ name, data: [to, pingHash, expiration] }: Received, hash: Uint8Array): void {
    demand(name === 'PONG', `want PONG, got ${name}`)
    demand(isRlpBytes(pingHash) && sameBytes(pingHash, hash), `PONG names another ping: ${shown(pingHash)}`)
    const { ip, port } = this.socket.endpoint
    const want = encodeRlp([ipBytes(ip) ?? new Uint8Array(), port])
    const got = encodeRlp(isRlpList(to) ? to.slice(0, 2) : [])
    demand(sameBytes(want, got), `PONG is to ${shown(got)}, want ${ip} and port ${port}: ${shown(want)}`)
    const at = rlpBigUint(expiration, 8) ?? 0n
    demand(BigInt.asIntN(64, at) * 1000n > Date.now(), `PONG has expired: ${at}`)
  }

  /** The target's next packet, whatever it is. */
  async next(waitMs: number = WAIT_MS): Promise<Received | undefined> {
    const datagram = await this.socket.next(waitMs)
    return datagram === undefined ? undefined : this.#open(datagram.bytes, datagram.from)
  }

  /** The target's next packet, which must be of a type. */
  async need(type: number): Promise<Received> {
    const packet = await this.next()
    demand(packet?.type === type, `want ${NAMES.get(type)} next, got ${packet?.name ?? 'nothing'}`)
    return packet
  }

  /** All that comes: the target has then answered what somebody else asked later. */
  async rest(): Promise<Received[]> {
    await fence(this.#bench)
    await pause(QUIET_MS)
    const packets: Received[] = []
    for (let packet = await this.next(0); packet !== undefined; packet = await this.next(0)) packets.push(packet)
    return packets
  }

  #open(bytes: Uint8Array, from: UdpEndpoint): Received {
    demand(bytes.length > HEAD_BYTES && bytes.length <= 1280, `a packet of ${bytes.length} bytes`)
    const hash = bytes.subarray(0, HASH_BYTES)
    demand(sameBytes(hash, keccak256(bytes.subarray(HASH_BYTES))), 'a packet whose hash is wrong')
    const signature = bytes.subarray(HASH_BYTES, HASH_BYTES + SIGNATURE_BYTES)
    const signer = curve.recover(keccak256(bytes.subarray(HASH_BYTES + SIGNATURE_BYTES)), signature)
    demand(signer !== undefined && sameBytes(signer, this.#bench.publicKey), 'a packet that somebody else has signed')
    const type = bytes[HEAD_BYTES - 1] ?? 0
    const data = decodeRlpPrefix(bytes.subarray(HEAD_BYTES))
    demand(isRlpList(data), `type ${type} without a list`)
    return { type, name: NAMES.get(type) ?? `type ${type}`, data, hash, sizeBytes: bytes.length, from }
  }
}

/** A signed packet of any type and data. */
export function seal(type: number, data: Uint8Array, key: Uint8Array): Uint8Array {
  const typed = Uint8Array.of(type, ...data)
  return withHash(Uint8Array.of(...curve.sign(keccak256(typed), key), ...typed))
}

/** Puts the hash in front. */
export function withHash(signed: Uint8Array): Uint8Array {
  return Uint8Array.of(...keccak256(signed), ...signed)
}

/** Sees to it that the target has read all that was sent before. @throws CheckFailure where it answers nobody any more. */
export async function fence(bench: Bench): Promise<void> {
  for (let tries = 0; tries < FENCE_TRIES; tries++) {
    const tester = await Discv4Tester.open(bench)
    tester.ping()
    for (let packet = await tester.next(); packet !== undefined; packet = await tester.next()) if (packet.type === PACKET.pong) return
  }
  demand(false, 'the node does not answer pings any more')
}

/** The nodes that NEIGHBORS tells of. */
export function neighborsOf({ data: [nodes] }: Received): { readonly udp: number; readonly publicKey: Uint8Array }[] {
  demand(isRlpList(nodes), 'NEIGHBORS without a list')
  return nodes.map((node) => {
    const [, udp, , publicKey] = isRlpList(node) ? node : []
    demand(isRlpBytes(publicKey) && publicKey.length === 64, 'a neighbor without a public key')
    return { udp: Number(rlpBigUint(udp, 2) ?? 0n), publicKey }
  })
}

/** 20 s from now, as a ping's expiration; negative: that long ago. */
export function soon(offsetS = 20): number {
  return Math.floor(Date.now() / 1000) + offsetS
}

/** ip, udp, tcp. @param ip - Bytes as they are, or an address. */
export function endpointItem({ ip, port }: { readonly ip: string | Uint8Array; readonly port: number }): RlpInput[] {
  return [typeof ip === 'string' ? (ipBytes(ip) ?? new Uint8Array()) : ip, port, 0]
}

export function namesOf(packets: readonly { readonly name: string }[]): string {
  return packets.length === 0 ? 'nothing' : packets.map(({ name }) => name).join(', ')
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}

function shown(item: RlpItem | undefined): string {
  return isRlpBytes(item) ? Buffer.from(item).toString('hex') : 'not bytes'
}
