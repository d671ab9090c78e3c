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

/** Routing that finds one new peer for each key, as fast as they are taken; tells of how many were found and ended. */
async function endlessRouting(): Promise<{ routing: PeerRouting; found: PeerInfo[]; ends: () => number }> {
  const found: PeerInfo[] = []
  let ended = 0
  const routing: PeerRouting = {
    findPeer: async () => await info(),
    async *getClosestPeers(_key, { signal } = {}) {
      try {
        for (let count = 0; count < 3; count++) {
          signal?.throwIfAborted()
          const peer = await info()
          found.push(peer)
          yield peer
        }
      } finally {
        ended++
      }
    },
  }
  return { routing, found, ends: () => ended }
}

test('those who walk at a time share one walk, which waits for them and ends with the last', async () => {
  const { routing, found, ends } = await endlessRouting()
  const walk = new RandomWalk({ peerRouting: routing, random: Math.random })
  const [a, b] = [walk.walk(), walk.walk()]
  const [first, same] = await Promise.all([a.next(), b.next()])
  expect(first).toEqual(same)
  await new Promise(setImmediate)
  expect(found.length).toBe(1)
  expect((await a.next()).value).toEqual(found[1])
  await a.return(undefined)
  expect((await b.next()).value).toEqual(found[2])
  expect((await b.next()).value).toEqual(found[3])
  await b.return(undefined)
  await expect.poll(ends).toBe(2)
  const again = walk.walk()
  expect((await again.next()).done).toBe(false)
  await again.return(undefined)
})

test('a walk ends with its signal alone, with what routing throws, and with the node', async () => {
  const { routing } = await endlessRouting()
  const walk = new RandomWalk({ peerRouting: routing, random: Math.random })
  const controller = new AbortController()
  const [a, b] = [walk.walk({ signal: controller.signal }), walk.walk()]
  await Promise.all([a.next(), b.next()])
  controller.abort(new Error('enough'))
  await expect(a.next()).rejects.toThrow('enough')
  expect((await b.next()).done).toBe(false)
  walk.stop()
  await expect(b.next()).rejects.toThrow('stopping')
  walk.start()
  const later = walk.walk()
  expect((await later.next()).done).toBe(false)
  await later.return(undefined)
  const broken = new PeerRouters(await components(), log)
  await expect(new RandomWalk({ peerRouting: broken, random: Math.random }).walk().next()).rejects.toMatchObject({
    code: 'host/no-peer-router',
  })
})

test('a close peer without addresses is looked for, and left out where it is not found', async () => {
  const own = await components()
  const peers = new PeerRouters(own, log)
  const [known, lost] = [await info(), await info()]
  peers.add({
    async *getClosestPeers() {
      yield { ...lost, multiaddrs: [] }
      yield { ...known, multiaddrs: [] }
    },
    findPeer: async (peer) => {
      if (peer.equals(known.id)) return known
      throw new NotFoundError()
    },
  })
  expect(await collect(peers.getClosestPeers(new Uint8Array(32)))).toEqual([known])
})
