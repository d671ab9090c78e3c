import { createIdentity } from '@kumiko/identity'
import { virtualClock } from '@kumiko/testkit'
import { type Libp2pEvents, type PeerId, type PeerStore, TypedEventEmitter } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import type { Key } from 'interface-datastore'
import { expect, test } from 'vitest'
import { CachedPeerStore, cacheLifetimeOf } from './cached-peer-store.ts'

const [TCP, OTHER] = [multiaddr('/ip4/1.2.3.4/tcp/4001'), multiaddr('/ip4/1.2.3.4/tcp/4002')]
const KNOWN = {
  addresses: [{ multiaddr: TCP, isCertified: true }],
  protocols: ['/a/1', '/b/1'],
  metadata: { AgentVersion: Uint8Array.of(1) },
  peerRecordEnvelope: Uint8Array.of(2),
}

class CountingDatastore extends MemoryDatastore {
  gets = 0
  puts = 0
  override get(key: Key): ReturnType<MemoryDatastore['get']> {
    this.gets += 1
    return super.get(key)
  }
  override put(key: Key, value: Uint8Array): ReturnType<MemoryDatastore['put']> {
    this.puts += 1
    return super.put(key, value)
  }
}

interface Setup {
  readonly self: PeerId
  readonly peer: PeerId
  readonly datastore: CountingDatastore
  readonly beneath: PeerStore
  readonly store: PeerStore
  readonly clock: ReturnType<typeof virtualClock>
  readonly updates: string[]
}

async function setup(isFiltered = false): Promise<Setup> {
  const [{ peerId: self }, { peerId: peer }] = [await createIdentity(), await createIdentity()]
  const [datastore, clock, events] = [new CountingDatastore(), virtualClock(), new TypedEventEmitter<Libp2pEvents>()]
  const updates: string[] = []
  events.addEventListener('peer:update', ({ detail }) => updates.push(detail.peer.protocols.join()))
  const beneath = persistentPeerStore({ peerId: self, datastore, events, logger: defaultLogger() })
  const store = new CachedPeerStore(beneath, { self, clock, isFiltered: () => isFiltered, lifetimeMs: 10_000 })
  return { self, peer, datastore, beneath, store, clock, updates }
}

test('what was written or read is read from memory, for ten seconds, and is the caller’s own', async () => {
  const { peer, store, datastore, beneath, clock } = await setup()
  await store.patch(peer, KNOWN)
  const before = datastore.gets
  const read = await store.get(peer)
  expect(read).toEqual(await store.get(peer))
  read.protocols.push('/mine/1')
  read.metadata.clear()
  read.addresses.length = 0
  expect([await store.has(peer), (await store.getInfo(peer)).multiaddrs.map(String), datastore.gets]).toEqual([true, [`${TCP}`], before])
  expect(await store.get(peer)).toEqual(await beneath.get(peer))
  await beneath.merge(peer, { protocols: ['/c/1'] })
  expect((await store.get(peer)).protocols).toEqual(['/a/1', '/b/1'])
  await clock.advance(10_000)
  expect((await store.get(peer)).protocols).toEqual(['/a/1', '/b/1', '/c/1'])
})

test('what changes nothing is not written again, and tells nobody', async () => {
  const { peer, store, datastore, updates, clock } = await setup()
  const publicKey = peer.publicKey ?? expect.unreachable()
  await store.patch(peer, KNOWN)
  const before = datastore.puts
  const results = [
    await store.patch(peer, KNOWN),
    await store.patch(peer, { ...KNOWN, publicKey }),
    await store.merge(peer, { protocols: ['/b/1'] }),
    await store.merge(peer, { metadata: new Map([['AgentVersion', Uint8Array.of(1)]]) }),
    await store.merge(peer, { addresses: KNOWN.addresses }),
  ]
  expect([datastore.puts - before, updates]).toEqual([0, ['/a/1,/b/1']])
  for (const result of results) expect(result).toEqual(await store.get(peer))
  await clock.advance(10_000)
  await store.patch(peer, KNOWN)
  expect([datastore.puts - before, updates.length]).toEqual([1, 1])
})

test.each([
  ['patch', { protocols: ['/a/1'] }],
  ['patch', { protocols: [] }],
  ['patch', { addresses: [{ multiaddr: TCP, isCertified: false }] }],
  ['patch', { multiaddrs: [] }],
  ['patch', { metadata: {} }],
  ['patch', { tags: {} }],
  ['patch', { peerRecordEnvelope: Uint8Array.of(3) }],
  ['merge', { protocols: ['/c/1'] }],
  ['merge', { multiaddrs: [OTHER] }],
  ['merge', { metadata: { AgentVersion: Uint8Array.of(2) } }],
  ['merge', { metadata: { AgentVersion: undefined } }],
  ['merge', { tags: { friend: { value: 5 } } }],
  ['save', KNOWN],
] as const)('a %s of %j is written', async (how, data) => {
  const { peer, store, datastore, beneath } = await setup()
  await store.patch(peer, KNOWN)
  const before = datastore.puts
  await store[how](peer, data as Parameters<PeerStore['patch']>[1])
  expect(datastore.puts).toBe(before + 1)
  expect(await store.get(peer)).toEqual(await beneath.get(peer))
})

test('addresses are written again where a filter may drop them', async () => {
  const { peer, store, datastore } = await setup(true)
  await store.patch(peer, KNOWN)
  const before = datastore.puts
  await store.patch(peer, KNOWN)
  await store.merge(peer, { protocols: ['/a/1'] })
  expect(datastore.puts).toBe(before + 1)
})

test('who is deleted is gone, whoever reads it meanwhile', async () => {
  const { peer, store } = await setup()
  await store.patch(peer, KNOWN)
  const [, read] = await Promise.allSettled([store.delete(peer), store.get(peer)])
  expect([read.status, await store.has(peer)]).toEqual(['rejected', false])
  await Promise.allSettled([store.patch(peer, KNOWN), store.get(peer), store.delete(peer)])
  expect(await store.has(peer)).toBe(false)
  await expect(store.get(peer)).rejects.toThrow(expect.objectContaining({ name: 'NotFoundError' }))
})

test('our own entry is read as the store has it, and each write to it is done', async () => {
  const { self, store, datastore, beneath } = await setup()
  await store.patch(self, KNOWN)
  await store.patch(self, KNOWN)
  expect(datastore.puts).toBe(2)
  await store.get(self)
  const before = datastore.gets
  expect(await store.get(self)).toEqual(await store.get(self))
  expect(datastore.gets).toBe(before)
  await store.merge(self, { protocols: ['/c/1'] })
  expect((await store.get(self)).protocols).toEqual((await beneath.get(self)).protocols)
})

test('a peer with a tag that ends is read each time, and a signal ends what memory could answer', async () => {
  const { peer, store, datastore } = await setup()
  await store.merge(peer, { ...KNOWN, tags: { soon: { value: 1, ttl: 60_000 } } })
  const before = datastore.gets
  await store.get(peer)
  await store.get(peer)
  expect(datastore.gets).toBe(before + 2)
  await store.patch(peer, { tags: {} })
  const signal = AbortSignal.abort(new Error('too late'))
  await expect(store.get(peer, { signal })).rejects.toThrow('too late')
  await expect(store.merge(peer, { protocols: ['/a/1'] }, { signal })).rejects.toThrow('too late')
})

test('holds no more than 256 peers, and for less than ten seconds where they come of age soon', async () => {
  const { peer, store, datastore } = await setup()
  await store.patch(peer, KNOWN)
  for (let i = 0; i < 256; i++) await store.patch((await createIdentity()).peerId, { protocols: ['/a/1'] })
  const before = datastore.gets
  await store.get(peer)
  expect(datastore.gets).toBe(before + 1)
  expect([cacheLifetimeOf({}), cacheLifetimeOf({ maxAddressAge: 1_000 }), cacheLifetimeOf({ maxPeerAge: 0 })]).toEqual([10_000, 10, 0])
})
