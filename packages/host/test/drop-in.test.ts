// Code as it is written for js-libp2p, whose import alone is ours. Where its types do not fit, this file does not compile.
import {
  type AddressFilter,
  type AddressManagerInit,
  type ConnectionManagerInit,
  type ConnectionMonitorInit,
  createLibp2p,
  dnsaddrResolver,
  isLibp2p,
  type Libp2p,
  type Libp2pInit,
  type Libp2pOptions,
  type ServiceFactoryMap,
  type TransportManagerInit,
} from '@kumiko/host'
import { type Echo, echo } from '@libp2p/echo'
import { type Identify, identify } from '@libp2p/identify'
import { FaultTolerance, type Libp2p as Libp2pOfInterface, type PeerId, type PrivateKey } from '@libp2p/interface'
import type { ConnectionManager, Registrar } from '@libp2p/interface-internal'
import { type KadDHT, kadDHT } from '@libp2p/kad-dht'
import { defaultLogger } from '@libp2p/logger'
import { noise } from '@libp2p/noise'
import { type Ping, ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { expect, expectTypeOf, test } from 'vitest'

interface Services extends Record<string, unknown> {
  readonly identify: Identify
  readonly ping: Ping
  readonly dht: KadDHT
  readonly names: Names
}

/** A service as users write it: it says what it needs of the node. */
class Names {
  readonly #components: { readonly peerId: PeerId; readonly registrar: Registrar; readonly connectionManager: ConnectionManager }

  constructor(components: { peerId: PeerId; registrar: Registrar; connectionManager: ConnectionManager }) {
    this.#components = components
  }

  own(): string {
    return `${this.#components.peerId} ${this.#components.connectionManager.getMaxConnections()}`
  }
}

const names = () => (components: ConstructorParameters<typeof Names>[0]) => new Names(components)
const onlyTcp: AddressFilter = (addresses) => addresses.filter((address) => address.toString().includes('/tcp/'))
const addresses: AddressManagerInit = { listen: ['/ip4/127.0.0.1/tcp/0'], announceFilter: onlyTcp }
const connectionManager: ConnectionManagerInit = {
  maxConnections: 20,
  maxParallelDials: 10,
  dialTimeout: 5_000,
  inboundConnectionThreshold: 20,
  maxIncomingPendingConnections: 20,
  reconnectRetries: 2,
  deny: ['/ip4/10.0.0.0/ipcidr/8'],
  resolvers: { dnsaddr: dnsaddrResolver },
}
const connectionMonitor: ConnectionMonitorInit = {
  pingInterval: 30_000,
  pingTimeout: { maxTimeout: 20_000 },
  abortConnectionOnPingFailure: false,
}
const transportManager: TransportManagerInit = { faultTolerance: FaultTolerance.NO_FATAL }
const services: ServiceFactoryMap<Services> = {
  identify: identify(),
  ping: ping(),
  dht: kadDHT({ protocol: '/test/kad/1.0.0', clientMode: true }),
  names: names(),
}

async function createNode(privateKey?: PrivateKey): Promise<Libp2p<Services>> {
  const options: Libp2pOptions<Services> = {
    ...(privateKey === undefined ? {} : { privateKey }),
    addresses,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager,
    connectionMonitor,
    transportManager,
    datastore: new MemoryDatastore(),
    peerStore: { maxAddressAge: 60_000 },
    nodeInfo: { userAgent: 'test/1' },
    connectionGater: { denyDialMultiaddr: () => false },
    services,
  }
  return await createLibp2p(options)
}

test('code for js-libp2p compiles, and runs', async () => {
  const [a, b] = [await createNode(), await createNode()]
  try {
    expectTypeOf(a.services.names).toEqualTypeOf<Names>()
    expectTypeOf(a.services.ping.ping).toBeFunction()
    expect([isLibp2p(a), a.status, a.services.names.own()]).toEqual([true, 'started', `${a.peerId} 20`])
    const ofInterface: Libp2pOfInterface<Services> = a
    await ofInterface.dial(b.getMultiaddrs())
    expect(await a.services.ping.ping(b.peerId)).toBeGreaterThanOrEqual(0)
    await b.handle('/hello/1', async (stream, connection) => {
      stream.send(new TextEncoder().encode(`hello ${connection.remotePeer}`))
      await stream.close()
    })
    const stream = await a.dialProtocol(b.peerId, '/hello/1')
    const { promise: heard, resolve } = Promise.withResolvers<string>()
    stream.addEventListener('message', ({ data }) => resolve(new TextDecoder().decode(data.subarray())))
    expect(await heard).toBe(`hello ${a.peerId}`)
    await expect
      .poll(async () => (await a.peerStore.get(b.peerId)).metadata.get('AgentVersion'))
      .toEqual(new TextEncoder().encode('test/1'))
    await a.stop()
    await a.start()
    expect(a.getConnections()).toEqual([])
    expect(await a.services.ping.ping(b.peerId)).toBeGreaterThanOrEqual(0)
  } finally {
    await Promise.all([a.stop(), b.stop()])
  }
})

test('the services of options that stand in the call are inferred', async () => {
  const node = await createLibp2p({ transports: [tcp()], services: { echo: echo(), identify: identify(), names: names() }, start: false })
  expectTypeOf(node.services.echo).toEqualTypeOf<Echo>()
  expectTypeOf(node.services.names.own()).toBeString()
  const init: Libp2pInit = { transports: [tcp()] }
  const plain = await createLibp2p({ ...init, start: false })
  expect([node.status, Object.keys(node.services), Object.keys(plain.services)]).toEqual(['stopped', ['echo', 'identify', 'names'], []])
  await expect(createLibp2p({ connectionManager: { resolvers: { dns4: { ...dnsaddrResolver } } } })).rejects.toMatchObject({
    code: 'host/bad-option',
    message: expect.stringContaining('resolvers.dns4'),
  })
})

test('the resolver of /dnsaddr asks the resolver that it is given', async () => {
  const peer = '12D3KooWEyoppNCUx8Yx66oV9fJnriXwCcXwDDUA2kj6vnc6iDEp'
  const asked: string[] = []
  const data = [`dnsaddr=/ip4/1.2.3.4/tcp/1/p2p/${peer}`, '"dnsaddr=/ip4/5.6.7.8/tcp/1/p2p/QmWATWQ7fVPP2EFGu71UkfnqhYXDYH566qy47CnJDgvs8u"']
  const dns = {
    query: async (name: string) => {
      asked.push(name)
      return { Answer: data.map((text) => ({ type: 16, data: text })) }
    },
  } as unknown as NonNullable<Parameters<typeof dnsaddrResolver.resolve>[1]['dns']>
  const address = multiaddr(`/dnsaddr/a.example/p2p/${peer}`)
  expect([dnsaddrResolver.canResolve(address), dnsaddrResolver.canResolve(multiaddr('/ip4/1.2.3.4/tcp/1'))]).toEqual([true, false])
  expect((await dnsaddrResolver.resolve(address, { dns, log: defaultLogger().forComponent('test') })).map(String)).toEqual([
    `/ip4/1.2.3.4/tcp/1/p2p/${peer}`,
  ])
  expect(asked).toEqual(['_dnsaddr.a.example'])
})
