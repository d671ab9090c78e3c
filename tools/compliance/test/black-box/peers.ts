import { generateKeyPair, publicKeyToProtobuf } from '@libp2p/crypto/keys'
import type { ContentRouting, PeerId, PeerRouting } from '@libp2p/interface'
import { contentRoutingSymbol, peerRoutingSymbol } from '@libp2p/interface'
import { peerIdFromPrivateKey, peerIdFromString } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { CID } from 'multiformats/cid'
import { type Check, check, errorOf, pause, until } from './check.ts'
import { router, stranger } from './parts.ts'
import { addressOf, bytes, roleOf, text } from './stage.ts'

const KEY = bytes('/test/tea')
const TEA = CID.parse('bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy')

async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = []
  for await (const item of items) found.push(item)
  return found
}

/** A content router that writes down what it is asked. */
function shelf(
  asked: string[],
  providers: Awaited<ReturnType<ContentRouting['findProviders']>> extends AsyncIterable<infer P> ? P[] : never = [],
): () => ContentRouting {
  return () => ({
    provide: async () => void asked.push('provide'),
    cancelReprovide: async () => void asked.push('cancelReprovide'),
    findProviders: async function* () {
      asked.push('findProviders')
      yield* providers
    },
    put: async () => void asked.push('put'),
    get: async () => {
      asked.push('get')
      return bytes('Assam')
    },
  })
}

/** An RSA peer id that does not hold its key. */
async function rsa(): Promise<{ bare: PeerId; whole: PeerId }> {
  const whole = peerIdFromPrivateKey(await generateKeyPair('RSA', 2048))
  return { bare: peerIdFromString(whole.toString()), whole }
}

export const PEERS: readonly Check[] = [
  check('peer store: what is not there', ['NotFoundError', false], async (stage) => {
    const [node, peer] = [await stage.node(), await stranger()]
    return [await errorOf(node.peerStore.get(peer)), await node.peerStore.has(peer)]
  }),

  check('peer store: merge adds, patch replaces, delete removes', [2, 1, false], async (stage) => {
    const [node, peer] = [await stage.node(), await stranger()]
    await node.peerStore.merge(peer, { multiaddrs: [multiaddr(stage.place())] })
    const merged = await node.peerStore.merge(peer, { multiaddrs: [multiaddr(stage.place())] })
    const patched = await node.peerStore.patch(peer, { multiaddrs: [multiaddr(stage.place())] })
    await node.peerStore.delete(peer)
    return [merged.addresses.length, patched.addresses.length, await node.peerStore.has(peer)]
  }),

  check('peer store: tags last as long as they are said to', [['long', 'short'], ['long']], async (stage) => {
    const [node, peer] = [await stage.node(), await stranger()]
    const tags = async (): Promise<string[]> => [...(await node.peerStore.get(peer)).tags.keys()].sort()
    await node.peerStore.merge(peer, { multiaddrs: [multiaddr(stage.place())], tags: { long: { value: 1 }, short: { value: 1, ttl: 60 } } })
    const before = await tags()
    await pause(100)
    return [before, await tags()]
  }),

  check('peer store: is asked by filter and order', ['/memory/b', '/memory/a'], async (stage) => {
    const node = await stage.node()
    for (const place of ['/memory/a', '/memory/b', '/memory/c'])
      await node.peerStore.merge(await stranger(), { multiaddrs: [multiaddr(place)] })
    const placeOf = (peer: Awaited<ReturnType<typeof node.peerStore.get>>): string => String(peer.addresses[0]?.multiaddr)
    const found = await node.peerStore.all({
      filters: [(peer) => placeOf(peer) !== '/memory/c'],
      orders: [(x, y) => (placeOf(x) > placeOf(y) ? -1 : 1)],
    })
    return found.map(placeOf)
  }),

  check(
    'peer store: is kept in the datastore, for the next node',
    { addresses: 1, protocols: ['/tea/1.0.0'], tag: 7, dialed: 'b' },
    async (stage) => {
      const datastore = new MemoryDatastore()
      const privateKey = await generateKeyPair('secp256k1')
      const [first, b] = [await stage.node({ datastore, privateKey }), await stage.listener()]
      await first.peerStore.merge(b.peerId, { multiaddrs: b.getMultiaddrs(), protocols: ['/tea/1.0.0'], tags: { tea: { value: 7 } } })
      await first.stop()
      const second = await stage.node({ datastore, privateKey })
      const { addresses, protocols, tags } = await second.peerStore.get(b.peerId)
      const { remotePeer } = await second.dial(b.peerId)
      return { addresses: addresses.length, protocols, tag: tags.get('tea')?.value, dialed: roleOf(remotePeer, { b }) }
    },
  ),

  check('peer store: what it holds outlives a restart', 1, async (stage) => {
    const [node, peer] = [await stage.node(), await stranger()]
    await node.peerStore.merge(peer, { multiaddrs: [multiaddr(stage.place())] })
    await node.stop()
    await node.start()
    return (await node.peerStore.get(peer)).addresses.length
  }),

  check('getPublicKey: from the peer id', true, async (stage) => {
    const [node, peer] = [await stage.node(), await stranger()]
    const key = await node.getPublicKey(peer)
    return peer.publicKey !== undefined && key.equals(peer.publicKey)
  }),

  check('getPublicKey: from the peer store', 'RSA', async (stage) => {
    const [node, { bare, whole }] = [await stage.node(), await rsa()]
    if (whole.publicKey === undefined) throw new Error('no key')
    await node.peerStore.merge(bare, { publicKey: whole.publicKey })
    return (await node.getPublicKey(bare)).type
  }),

  check('getPublicKey: from content routing, and it is kept', ['RSA', true], async (stage) => {
    const { bare, whole } = await rsa()
    const key = whole.publicKey
    if (key === undefined) throw new Error('no key')
    const node = await stage.node({ contentRouters: [() => ({ ...shelf([])(), get: async () => publicKeyToProtobuf(key) })] })
    const found = await node.getPublicKey(bare)
    return [found.type, (await node.peerStore.get(bare).catch(() => undefined))?.id.publicKey !== undefined]
  }),

  check('getPublicKey: a key that is not the peer’s is refused', 'InvalidPublicKeyError', async (stage) => {
    const { bare } = await rsa()
    const other = (await generateKeyPair('secp256k1')).publicKey
    const node = await stage.node({ contentRouters: [() => ({ ...shelf([])(), get: async () => publicKeyToProtobuf(other) })] })
    return await errorOf(node.getPublicKey(bare))
  }),

  check('peer routing: without routers', ['NoPeerRoutersError', 'NoPeerRoutersError'], async (stage) => {
    const [node, peer] = [await stage.node(), await stranger()]
    return [await errorOf(node.peerRouting.findPeer(peer)), await errorOf(all(node.peerRouting.getClosestPeers(KEY)))]
  }),

  check('peer routing: ourselves', 'QueriedForSelfError', async (stage) => {
    const node = await stage.node({ peerRouters: [router([]) as never] })
    return await errorOf(node.peerRouting.findPeer(node.peerId))
  }),

  check('peer routing: what no router knows', 'NotFoundError', async (stage) => {
    const node = await stage.node({ peerRouters: [router([]) as never] })
    return await errorOf(node.peerRouting.findPeer(await stranger()))
  }),

  check('peer routing: what one of several knows, and it is kept', [true, 1], async (stage) => {
    const id = await stranger()
    const node = await stage.node({ peerRouters: [router([]) as never, router([{ id, multiaddrs: [multiaddr(stage.place())] }]) as never] })
    const found = await node.peerRouting.findPeer(id)
    return [found.id.equals(id), (await node.peerStore.get(id)).addresses.length]
  }),

  check('peer routing: the closest of all routers, each once', 2, async (stage) => {
    const [one, two] = [await stranger(), await stranger()]
    const know = (...ids: PeerId[]): never => router(ids.map((id) => ({ id, multiaddrs: [multiaddr(stage.place())] }))) as never
    const node = await stage.node({ peerRouters: [know(one), know(two, one)] })
    return (await all(node.peerRouting.getClosestPeers(KEY))).length
  }),

  check('peer routing: a service may be a router', true, async (stage) => {
    const id = await stranger()
    const routing = router([{ id, multiaddrs: [multiaddr(stage.place())] }])() as PeerRouting
    const node = await stage.node({ services: { routing: () => ({ [peerRoutingSymbol]: routing }) } })
    return (await node.peerRouting.findPeer(id)).id.equals(id)
  }),

  check('content routing: without routers', ['NoContentRoutersError', 'NoContentRoutersError', 'NoContentRoutersError'], async (stage) => {
    const { contentRouting } = await stage.node()
    return [
      await errorOf(contentRouting.provide(TEA)),
      await errorOf(all(contentRouting.findProviders(TEA))),
      await errorOf(contentRouting.cancelReprovide(TEA)),
    ]
  }),

  check(
    'content routing: each router is asked to provide, and to put',
    ['provide', 'provide', 'put', 'put', 'cancelReprovide', 'cancelReprovide'],
    async (stage) => {
      const asked: string[] = []
      const { contentRouting } = await stage.node({ contentRouters: [shelf(asked), shelf(asked)] })
      await contentRouting.provide(TEA)
      await contentRouting.put(KEY, bytes('Assam'))
      await contentRouting.cancelReprovide(TEA)
      return asked
    },
  ),

  check('content routing: one answer is enough', 'Assam', async (stage) => {
    const broken = {
      get: async () => {
        throw new Error('no tea')
      },
    }
    const { contentRouting } = await stage.node({ contentRouters: [() => broken as never, shelf([])] })
    return text(await contentRouting.get(KEY))
  }),

  check('content routing: providers of all routers, each once, and they are kept', [2, true], async (stage) => {
    const [one, two] = [await stranger(), await stranger()]
    const provider = (id: PeerId): never => ({ id, multiaddrs: [multiaddr(stage.place())], routing: 'shelf' }) as never
    const node = await stage.node({ contentRouters: [shelf([], [provider(one)]), shelf([], [provider(one), provider(two)])] })
    const found = await all(node.contentRouting.findProviders(TEA))
    return [found.length, await node.peerStore.has(two)]
  }),

  check('content routing: a service may be a router', ['provide'], async (stage) => {
    const asked: string[] = []
    const node = await stage.node({ services: { shelf: () => ({ [contentRoutingSymbol]: shelf(asked)() }) } })
    await node.contentRouting.provide(TEA)
    return asked
  }),

  check('content routing: a stopped node neither puts nor gets', ['NotStartedError', 'NotStartedError'], async (stage) => {
    const { contentRouting } = await stage.node({ start: false, contentRouters: [shelf([])] })
    return [await errorOf(contentRouting.put(KEY, KEY)), await errorOf(contentRouting.get(KEY))]
  }),

  check('peer store: a peer that is dialed by address alone is known afterwards', true, async (stage) => {
    const [a, b] = [await stage.node(), await stage.listener()]
    await a.dial(addressOf(b))
    await until('it is known', async () => await a.peerStore.has(b.peerId))
    return true
  }),
]
