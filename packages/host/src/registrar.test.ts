import { createIdentity, generateSecretKey, registerRlpx } from '@kumiko/identity'
import type { Connection, Libp2pEvents, PeerId, PeerStore, StreamMiddleware, Topology } from '@libp2p/interface'
import { TypedEventEmitter } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { peerFilter } from '@libp2p/peer-collections'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { expect, test } from 'vitest'
import { Capabilities } from './capabilities.ts'
import { Registrar } from './registrar.ts'

registerRlpx()

interface Setup {
  readonly registrar: Registrar
  readonly capabilities: Capabilities
  readonly peerStore: PeerStore
  readonly peerId: PeerId
  readonly remote: PeerId
  readonly calls: string[]
  /** A topology that writes down what it is told. */
  topology(extra?: Partial<Topology>): Topology
  identify(protocols: string[], connection?: Partial<Connection>): Promise<void>
  disconnect(): void
}

async function setup(): Promise<Setup> {
  const { peerId, record } = await createIdentity({ secretKey: generateSecretKey() })
  const remote = (await createIdentity({ secretKey: generateSecretKey() })).peerId
  const events = new TypedEventEmitter<Libp2pEvents>()
  const logger = defaultLogger()
  const peerStore = persistentPeerStore({ peerId, events, logger, datastore: new MemoryDatastore() })
  const capabilities = new Capabilities(record)
  const registrar = new Registrar({ peerId, peerStore, events, logger, capabilities })
  await registrar.beforeStart()
  registrar.start()
  const calls: string[] = []
  return {
    registrar,
    capabilities,
    peerStore,
    peerId,
    remote,
    calls,
    topology: (extra = {}) => ({
      onConnect: () => void calls.push('connect'),
      onDisconnect: () => void calls.push('disconnect'),
      ...extra,
    }),
    identify: async (protocols, extra = {}) => {
      await peerStore.patch(remote, { protocols })
      // Of the connection only its address and limits are read.
      const connection = { remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1'), ...extra } as Connection
      events.safeDispatchEvent('peer:identify', { detail: { peerId: remote, protocols, listenAddrs: [], connection } })
    },
    disconnect: () => void events.safeDispatchEvent('peer:disconnect', { detail: remote }),
  }
}

test('handlers are stored with our peer, and go with unhandle', async () => {
  const { registrar, peerStore, peerId } = await setup()
  const handler = (): void => {}
  await registrar.handle('/b', handler)
  await registrar.handle('/a', handler, { maxInboundStreams: 3 })
  expect(registrar.getProtocols()).toEqual(['/a', '/b'])
  expect(registrar.getHandler('/a')).toEqual({ handler, options: { maxInboundStreams: 3, maxOutboundStreams: 64 } })
  expect((await peerStore.get(peerId)).protocols).toEqual(['/a', '/b'])
  await expect(registrar.handle('/a', handler)).rejects.toMatchObject({ code: 'host/duplicate-handler' })
  await registrar.handle('/a', () => {}, { force: true })
  await registrar.unhandle('/a')
  expect(() => registrar.getHandler('/a')).toThrow(expect.objectContaining({ code: 'host/unhandled-protocol' }))
  expect((await peerStore.get(peerId)).protocols).toEqual(['/b'])
})

test('middleware outlives a handler, but not what the handler brought', async () => {
  const { registrar } = await setup()
  const [used, brought]: StreamMiddleware[] = [() => {}, () => {}]
  if (used === undefined || brought === undefined) throw new Error('unreachable')
  registrar.use('/a', [used])
  await registrar.handle('/a', () => {}, { middleware: [brought] })
  expect(registrar.getMiddleware('/a')).toEqual([used, brought])
  await registrar.unhandle(['/a'])
  expect(registrar.getMiddleware('/a')).toEqual([used])
  registrar.unuse('/a')
  expect(registrar.getMiddleware('/a')).toEqual([])
})

test('after a restart, handlers are stored again', async () => {
  const { registrar, peerStore, peerId } = await setup()
  registrar.beforeStop()
  await registrar.handle('/a', () => {})
  await registrar.unhandle('/a')
  await registrar.beforeStart()
  expect((await peerStore.get(peerId)).protocols).toEqual([])
})

test('a capability is served but never listed nor stored', async () => {
  const { registrar, capabilities, peerStore, peerId } = await setup()
  capabilities.add({ name: 'eth', version: 69, length: 18 })
  await registrar.handle('/eth/69', () => {})
  await registrar.handle('/eth/68', () => {})
  expect(registrar.getProtocols()).toEqual(['/eth/68'])
  capabilities.add({ name: 'eth', version: 68, length: 17 })
  expect([registrar.getProtocols(), registrar.getHandler('/eth/69').options]).toEqual([
    [],
    { maxInboundStreams: 32, maxOutboundStreams: 64 },
  ])
  await expect.poll(async () => (await peerStore.get(peerId)).protocols).toEqual([])
})

test('a topology hears of a peer that serves its protocol, and of its going', async () => {
  const { registrar, topology, identify, disconnect, calls } = await setup()
  await registrar.register('/a', topology())
  const id = await registrar.register('/b', topology())
  registrar.unregister(id)
  await identify(['/a', '/b'])
  expect(calls).toEqual(['connect'])
  disconnect()
  await expect.poll(() => calls).toEqual(['connect', 'disconnect'])
  expect(registrar.getTopologies('/b')).toEqual([])
})

test('a filter keeps a topology from hearing twice', async () => {
  const { registrar, topology, identify, disconnect, calls } = await setup()
  await registrar.register('/a', topology({ filter: peerFilter(8) }))
  await identify(['/a'])
  await identify(['/a'])
  disconnect()
  await expect.poll(() => calls).toEqual(['connect', 'disconnect'])
  disconnect()
  await identify(['/a'])
  expect(calls).toEqual(['connect', 'disconnect', 'connect'])
})

test('a peer that serves a protocol no more has left its topology', async () => {
  const { registrar, topology, identify, calls } = await setup()
  await registrar.register('/a', topology({ filter: peerFilter(8) }))
  await identify(['/a'])
  await identify(['/b'])
  expect(calls).toEqual(['connect', 'disconnect'])
})

test('limited connections are told of to those that ask for them', async () => {
  const { registrar, topology, identify, calls } = await setup()
  await registrar.register('/a', topology())
  await identify(['/a'], { limits: {} })
  expect(calls).toEqual([])
  await registrar.register('/a', topology({ notifyOnLimitedConnection: true }))
  await identify(['/a'], { limits: {} })
  expect(calls).toEqual(['connect'])
})

test('a capability claimed through identify counts on an RLPx connection only', async () => {
  const { registrar, capabilities, topology, identify, calls } = await setup()
  capabilities.add({ name: 'eth', version: 69, length: 18 })
  await registrar.register('/eth/69', topology())
  await identify(['/eth/69'])
  expect(calls).toEqual([])
  await identify(['/eth/69'], { remoteAddr: multiaddr('/ip4/127.0.0.1/tcp/1/rlpx') })
  expect(calls).toEqual(['connect'])
})

test('a topology that throws spoils nothing', async () => {
  const { registrar, topology, identify, calls } = await setup()
  const onConnect = (): never => {
    throw new Error('broken')
  }
  await registrar.register('/a', topology({ onConnect }))
  await registrar.register('/a', topology())
  await identify(['/a'])
  expect(calls).toEqual(['connect'])
})

test('who is about to stop tells nobody that its handlers go', async () => {
  const { registrar, peerStore, peerId } = await setup()
  await registrar.handle('/a', () => {})
  registrar.beforeStop()
  await registrar.unhandle('/a')
  expect([registrar.getProtocols(), (await peerStore.get(peerId)).protocols]).toEqual([[], ['/a']])
})
