import { createIdentity, generateSecretKey } from '@kumiko/identity'
import type { Libp2pEvents, PeerId, PeerInfo, PeerRouting, PeerStore } from '@libp2p/interface'
import { NotFoundError, TypedEventEmitter } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { expect, test } from 'vitest'
import { RandomWalk } from './random-walk.ts'
import { ContentRouters, PeerRouters } from './routing.ts'

const logger = defaultLogger()
const log = logger.forComponent('test')
const randomPeer = async (): Promise<PeerId> => (await createIdentity({ secretKey: generateSecretKey() })).peerId
const info = async (): Promise<PeerInfo> => ({ id: await randomPeer(), multiaddrs: [multiaddr('/ip4/1.2.3.4/tcp/1')] })

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

async function components(): Promise<{ peerId: PeerId; peerStore: PeerStore }> {
  const peerId = await randomPeer()
  const events = new TypedEventEmitter<Libp2pEvents>()
  return { peerId, peerStore: persistentPeerStore({ peerId, events, logger, datastore: new MemoryDatastore() }) }
}

test('without routers the mend is named', async () => {
  const peers = new PeerRouters(await components(), log)
  const content = new ContentRouters(await components(), log)
  content.start()
  const missing = { code: 'host/no-peer-router', name: 'NoPeerRoutersError' }
  const contentMissing = { code: 'host/no-content-router', name: 'NoContentRoutersError' }
  await expect(peers.findPeer(await randomPeer())).rejects.toMatchObject(missing)
  await expect(peers.getClosestPeers(new Uint8Array(32)).next()).rejects.toMatchObject(missing)
  await expect(content.get(new Uint8Array(1))).rejects.toMatchObject(contentMissing)
  await expect(content.put(new Uint8Array(1), new Uint8Array(1))).rejects.toMatchObject(contentMissing)
})

test('the first answer wins, ends the slower search, and is kept in the peer store', async () => {
  const own = await components()
  const peers = new PeerRouters(own, log)
  const sought = await info()
  let wasTold = false
  peers.add({
    findPeer: async (_peer, options) => {
      const { promise, reject } = Promise.withResolvers<never>()
      options?.signal?.addEventListener('abort', () => {
        wasTold = true
        reject(new Error('told'))
      })
      return await promise
    },
  })
  peers.add({ findPeer: async () => sought })
  peers.add({
    findPeer: async () => {
      throw new Error('broken')
    },
  })
  expect(await peers.findPeer(sought.id)).toBe(sought)
  expect(wasTold).toBe(true)
  expect((await own.peerStore.get(sought.id)).addresses).toHaveLength(1)
})

test('a peer that no router finds is not found', async () => {
  const peers = new PeerRouters(await components(), log)
  peers.add({
    findPeer: async () => {
      throw new Error('broken')
    },
  })
  await expect(peers.findPeer(await randomPeer())).rejects.toBeInstanceOf(NotFoundError)
})

test('peers of all routers come once each, as they come, ourselves left out, and a broken router spoils nothing', async () => {
  const own = await components()
  const peers = new PeerRouters(own, log)
  const [a, b, c] = [await info(), await info(), await info()]
  const source = (...found: PeerInfo[]): Partial<PeerRouting> => ({
    async *getClosestPeers() {
      yield* found
    },
  })
  peers.add(source(a, b, { id: own.peerId, multiaddrs: [] }))
  peers.add({
    async *getClosestPeers() {
      yield c
      throw new Error('broken')
    },
  })
  peers.add(source(b, c))
  const found = (await collect(peers.getClosestPeers(new Uint8Array(32)))).map(({ id }) => id.toString())
  expect(found.sort()).toEqual([a, b, c].map(({ id }) => id.toString()).sort())
})

test('a search that its caller leaves is ended', async () => {
  const peers = new PeerRouters(await components(), log)
  let hasEnded = false
  peers.add({
    async *getClosestPeers() {
      try {
        for (;;) yield await info()
      } finally {
        hasEnded = true
      }
    },
  })
  for await (const _peer of peers.getClosestPeers(new Uint8Array(32))) break
  await expect.poll(() => hasEnded).toBe(true)
})

test('a random walk asks for one random key after the other, and ends when a walk finds nobody', async () => {
  const keys: Uint8Array[] = []
  const peer = await info()
  const peerRouting: PeerRouting = {
    findPeer: async () => peer,
    async *getClosestPeers(key) {
      keys.push(key)
      if (keys.length < 3) yield peer
    },
  }
  let draw = 0
  const walk = new RandomWalk({ peerRouting, random: () => (draw++ % 256) / 256 }).walk()
  expect(await collect(walk)).toEqual([peer, peer])
  expect(keys.map((key) => [key.length, key[0]])).toEqual([
    [32, 0],
    [32, 32],
    [32, 64],
  ])
})
