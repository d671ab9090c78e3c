import { createIdentity, curve, nodeFromParts } from '@kumiko/identity'
import type { Fault, Identity, NodeRecord } from '@kumiko/interface'
import {
  seeded,
  type VirtualClock,
  type VirtualNetwork,
  type VirtualNetworkOptions,
  virtualClock,
  virtualNetwork,
  virtualUdp,
} from '@kumiko/testkit'
import type { ComponentLogger } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { type Discv4, type Discv4Options, discv4 } from '../src/discv4.ts'
import { decodePacket, encodePacket, hashOf, type Packet, signerOf } from '../src/packet.ts'

export const PORT = 30303

/** A node of ours on a virtual network. */
export interface TestNode {
  readonly identity: Identity
  readonly ip: string
  readonly discovery: Discv4
  readonly faults: Fault[]
  /** What it wrote to its log as errors. */
  readonly errors: string[]
  /** As others know it without its record. */
  readonly enode: NodeRecord
  start(): Promise<void>
  stop(): Promise<void>
}

/** A virtual network, its clock, and nodes on it. */
export class TestNetwork {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly #seeded: ReturnType<typeof seeded>
  readonly #nodes: TestNode[] = []
  #count = 0

  constructor(options: Partial<VirtualNetworkOptions> = {}, seed?: number) {
    this.#seeded = seeded(seed)
    // A time of today: expirations are wall-clock time.
    this.clock = virtualClock(1_800_000_000_000)
    this.network = virtualNetwork({ clock: this.clock, seeded: this.#seeded, ...options })
  }

  /** A node that has not been started. @param ip - Default: one of its own in a network of its own. */
  async make(
    options: Partial<Discv4Options> = {},
    components: { datastore?: unknown; secretKey?: Uint8Array; ip?: string } = {},
  ): Promise<TestNode> {
    const index = ++this.#count
    const ip = components.ip ?? `5.${index >> 8}.${index & 0xff}.1`
    const secretKey = components.secretKey ?? this.key()
    const identity = await createIdentity({ secretKey, clock: this.clock })
    identity.record.setFallback(4, ip)
    identity.record.setPorts(4, { tcp: PORT })
    const faults: Fault[] = []
    const errors: string[] = []
    const udp = virtualUdp(this.network, { ips: [ip], port: PORT })
    const { datastore } = components
    const discovery = discv4({ udp, onFault: (fault) => faults.push(fault), ...options })({
      logger: loggerInto(errors),
      privateKey: identity.privateKey,
      identity,
      clock: this.clock,
      random: this.#seeded.random,
      datastore,
    })
    const node: TestNode = {
      identity,
      ip,
      discovery,
      faults,
      errors,
      enode: nodeFromParts({ publicKey: identity.publicKey, endpoints: [{ host: ip, udp: PORT, tcp: PORT }] }),
      async start() {
        await discovery.start()
        await discovery.afterStart?.()
      },
      async stop() {
        await discovery.stop()
      },
    }
    this.#nodes.push(node)
    return node
  }

  async started(
    options: Partial<Discv4Options> = {},
    components: { datastore?: unknown; secretKey?: Uint8Array; ip?: string } = {},
  ): Promise<TestNode> {
    const node = await this.make(options, components)
    await node.start()
    return node
  }

  /** A bootnode, and so many nodes that know nobody else. */
  async neighbours(count: number): Promise<TestNode[]> {
    const bootnode = await this.started()
    const others = await Promise.all(Array.from({ length: count - 1 }, () => this.started({ bootnodes: [bootnode.enode] })))
    return [bootnode, ...others]
  }

  key(): Uint8Array {
    return this.#seeded.bytes(32)
  }

  /** Lets time pass until the work is done. */
  async during<T>(work: Promise<T>, forMs = 60_000): Promise<T> {
    let isDone = false
    const watched = work.finally(() => {
      isDone = true
    })
    watched.catch(() => {})
    for (let passed = 0; passed < forMs && !isDone; passed += 50) await this.clock.advance(50)
    return await watched
  }

  async end(): Promise<void> {
    for (const node of this.#nodes) await node.stop()
  }
}

/** A logger whose errors are written down, as they are formatted. */
function loggerInto(errors: string[]): ComponentLogger {
  const logger = defaultLogger()
  return {
    forComponent: (name) => Object.assign(logger.forComponent(name), { error: (formatter: string) => errors.push(formatter) }),
  }
}

/** A remote made of bare packets: it says what it is told to, and writes down what it hears. */
export class BareNode {
  readonly secretKey: Uint8Array
  readonly ip: string
  readonly heard: { readonly packet: Packet; readonly hash: Uint8Array; readonly bytes: Uint8Array }[] = []
  readonly #test: TestNetwork
  readonly #socket: ReturnType<VirtualNetwork['bind']>
  #to: TestNode

  constructor(test: TestNetwork, to: TestNode, ip = '6.6.6.6', secretKey: Uint8Array = test.key()) {
    this.#test = test
    this.#to = to
    this.ip = ip
    this.secretKey = secretKey
    this.#socket = test.network.bind({ host: ip, port: PORT }, (bytes) => {
      const packet = decodePacket(bytes)
      if ('type' in packet) this.heard.push({ packet, hash: hashOf(bytes).slice(), bytes })
    })
  }

  get publicKey(): Uint8Array {
    return curve.publicKey(this.secretKey)
  }

  get types(): string[] {
    return this.heard.map(({ packet }) => packet.type)
  }

  get expiration(): number {
    return Math.floor(this.#test.clock.now() / 1000) + 20
  }

  ping(change: Partial<Extract<Packet, { type: 'ping' }>> = {}): Uint8Array {
    const from = { ip: this.ip, udp: PORT, tcp: PORT }
    const to = { ip: this.#to.ip, udp: PORT, tcp: 0 }
    return this.say({ type: 'ping', version: 4, from, to, expiration: this.expiration, enrSeq: undefined, ...change })
  }

  /** Answers the last ping that was heard. */
  pong(pingHash: Uint8Array | undefined = this.heard.findLast(({ packet }) => packet.type === 'ping')?.hash): void {
    if (pingHash === undefined) throw new Error('no ping was heard')
    this.say({ type: 'pong', to: { ip: this.#to.ip, udp: PORT, tcp: 0 }, pingHash, expiration: this.expiration, enrSeq: undefined })
  }

  findnode(target: Uint8Array, expiration = this.expiration): void {
    this.say({ type: 'findnode', target, expiration })
  }

  say(packet: Packet): Uint8Array {
    const bytes = encodePacket(packet, this.secretKey)
    this.send(bytes)
    return bytes
  }

  send(bytes: Uint8Array): void {
    this.#socket.send(bytes, { host: this.#to.ip, port: PORT })
  }

  /** Proves where it is, and forgets what it heard. */
  async bond(): Promise<void> {
    this.ping()
    await this.#test.clock.advance(100)
    this.pong()
    await this.#test.clock.advance(100)
    this.heard.length = 0
  }

  signers(): (Uint8Array | undefined)[] {
    return this.heard.map(({ bytes }) => signerOf(bytes))
  }

  close(): void {
    this.#socket.close()
  }
}
