import { createIdentity } from '@kumiko/identity'
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
import type { Libp2pEvents } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { TypedEventEmitter } from 'main-event'
import { type Discv5, type Discv5Options, discv5 } from '../src/discv5.ts'

export const PORT = 30303

/** A node on a virtual network. */
export interface TestNode {
  readonly identity: Identity
  readonly ips: readonly string[]
  readonly discovery: Discv5
  readonly faults: Fault[]
  /** As others know it now. */
  readonly record: NodeRecord
  start(): Promise<void>
  stop(): Promise<void>
}

/** What a {@link TestNode} may have otherwise than by default. */
export interface TestNodeOptions extends Partial<Discv5Options> {
  readonly ips?: readonly string[]
  readonly secretKey?: Uint8Array
  readonly datastore?: unknown
}

/** A virtual network, its clock, and nodes on it. */
export class TestNetwork {
  readonly clock: VirtualClock
  readonly network: VirtualNetwork
  readonly #seeded: ReturnType<typeof seeded>
  readonly #nodes: TestNode[] = []

  constructor(options: Partial<VirtualNetworkOptions> = {}, seed?: number) {
    this.#seeded = seeded(seed)
    this.clock = virtualClock()
    this.network = virtualNetwork({ clock: this.clock, seeded: this.#seeded, ...options })
  }

  /** A node that has not been started, by default in an IPv4 network of its own. */
  async make({ ips, secretKey, datastore, ...options }: TestNodeOptions = {}): Promise<TestNode> {
    const index = this.#nodes.length + 1
    const at = ips ?? [`5.${index >> 8}.${index & 0xff}.1`]
    const identity = await createIdentity({ secretKey: secretKey ?? this.#seeded.bytes(32), clock: this.clock })
    for (const ip of at) identity.record.setPorts(ip.includes(':') ? 6 : 4, { tcp: PORT })
    const faults: Fault[] = []
    const udp = virtualUdp(this.network, { ips: at, port: PORT })
    const discovery = discv5({ udp, onFault: (fault) => faults.push(fault), ...options })({
      logger: defaultLogger(),
      privateKey: identity.privateKey,
      transportManager: { getAddrs: () => [], listenTransportForMultiaddr: (address) => ({ address }) as never },
      events: new TypedEventEmitter<Libp2pEvents>(),
      identity,
      clock: this.clock,
      random: this.#seeded.random,
      datastore,
    })
    const node: TestNode = {
      identity,
      ips: at,
      discovery,
      faults,
      get record() {
        return identity.record.node
      },
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

  /** Nodes that know the first of them and run. */
  async form(count: number, options: TestNodeOptions = {}): Promise<TestNode[]> {
    const bootnode = await this.make(options)
    await bootnode.start()
    const nodes = [bootnode]
    while (nodes.length < count) nodes.push(await this.make({ ...options, bootnodes: [bootnode.record] }))
    await Promise.all(nodes.slice(1).map((node) => node.start()))
    return nodes
  }

  /** What comes of a promise while time goes on. */
  async result<T>(promise: Promise<T>, withinMs = 60_000): Promise<T> {
    let isSettled = false
    const settle = (): void => {
      isSettled = true
    }
    promise.then(settle, settle)
    for (let passed = 0; passed < withinMs; passed += 50) {
      await this.clock.advance(50)
      if (isSettled) break
    }
    if (!isSettled) throw new Error(`nothing came of it within ${withinMs} ms`)
    return await promise
  }

  /** Stops all nodes. */
  async stop(): Promise<void> {
    await this.result(Promise.all(this.#nodes.map((node) => node.stop())))
  }
}
