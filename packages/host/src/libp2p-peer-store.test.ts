import { createIdentity, registerRlpx } from '@kumiko/identity'
import { type Libp2pEvents, type PeerId, type PeerStore, TypedEventEmitter } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { expect, test } from 'vitest'
import { Libp2pPeerStore } from './libp2p-peer-store.ts'

registerRlpx()

const [RLPX, TCP, OTHER] = ['/ip4/1.2.3.4/tcp/30303/rlpx', '/ip4/1.2.3.4/tcp/4001', '/ip4/1.2.3.4/tcp/4002']

/** Stands for one: who reads it here does not open it. */
const ENVELOPE = Uint8Array.of(1, 2, 3)

/** A store that knows a peer over both stacks, and what libp2p's modules see of it. */
async function setup(): Promise<{ self: PeerId; peer: PeerId; all: PeerStore; seen: Libp2pPeerStore; stored(): Promise<string[]> }> {
  const [self, { peerId: peer }] = [await createIdentity(), await createIdentity()]
  const all = persistentPeerStore({
    peerId: self.peerId,
    datastore: new MemoryDatastore(),
    events: new TypedEventEmitter<Libp2pEvents>(),
    logger: defaultLogger(),
  })
  await all.merge(peer, { multiaddrs: [RLPX, TCP].map((text) => multiaddr(text)) })
  const stored = async () => (await all.get(peer)).addresses.map((address) => address.multiaddr.toString())
  return { peer, all, seen: new Libp2pPeerStore(all, self.peerId, { envelope: async () => ENVELOPE }), self: self.peerId, stored }
}

test('whoever reads sees no RLPx address', async () => {
  const { peer, seen } = await setup()
  const each: string[] = []
  await seen.forEach(({ addresses }) => void each.push(...addresses.map(String)))
  const found = [await seen.get(peer), ...(await seen.all()), await seen.merge(peer, { protocols: ['/a/1'] })]
  expect(found.map(({ addresses }) => addresses.map((address) => address.multiaddr.toString()))).toEqual([[TCP], [TCP], [TCP]])
  expect((await seen.getInfo(peer)).multiaddrs.map(String)).toEqual([TCP])
  expect([each.length, await seen.has(peer)]).toEqual([1, true])
})

test.each(['patch', 'save'] as const)('a %s of addresses leaves RLPx’s, and one of other data leaves all', async (method) => {
  const { peer, seen, stored } = await setup()
  const result = await seen[method](peer, { addresses: [{ multiaddr: multiaddr(OTHER), isCertified: true }] })
  expect(result.addresses.map((address) => address.multiaddr.toString())).toEqual([OTHER])
  expect((await stored()).toSorted()).toEqual([RLPX, OTHER].toSorted())
  await seen[method](peer, { multiaddrs: [multiaddr(TCP)] })
  expect((await stored()).toSorted()).toEqual([RLPX, TCP].toSorted())
  await seen.patch(peer, { protocols: ['/a/1'] })
  expect((await stored()).toSorted()).toEqual([RLPX, TCP].toSorted())
})

test('a peer that is not known yet, and one that is deleted', async () => {
  const { peer, seen, stored } = await setup()
  await seen.delete(peer)
  expect(await seen.has(peer)).toBe(false)
  await seen.patch(peer, { multiaddrs: [multiaddr(OTHER)] })
  expect(await stored()).toEqual([OTHER])
})

test('our own entry has our signed record, which is not kept; nobody else’s has', async () => {
  const { self, peer, all, seen } = await setup()
  await all.patch(self, { multiaddrs: [multiaddr(TCP)] })
  expect((await seen.get(self)).peerRecordEnvelope).toEqual(ENVELOPE)
  expect([(await all.get(self)).peerRecordEnvelope, (await seen.get(peer)).peerRecordEnvelope]).toEqual([undefined, undefined])
  await seen.patch(self, { peerRecordEnvelope: Uint8Array.of(9) })
  expect((await seen.get(self)).peerRecordEnvelope).toEqual(Uint8Array.of(9))
})
