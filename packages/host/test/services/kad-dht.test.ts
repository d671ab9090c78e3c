import { registerRlpx } from '@kumiko/identity'
import { identify } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import { connect, KINDS, start, startHost } from './nodes.ts'

registerRlpx()

const PROTOCOL = '/test/kad/1.0.0'

const services = (clientMode = false) => ({
  identify: identify(),
  ping: ping(),
  dht: kadDHT({
    protocol: PROTOCOL,
    clientMode,
    peerInfoMapper: passthroughMapper,
    initialQuerySelfInterval: 10,
    allowQueryWithZeroPeers: true,
    validators: { test: async () => {} },
    selectors: { test: () => 0 },
  }),
})

type Node = Libp2p<{ dht: KadDHT }>

const bytes = (text: string): Uint8Array<ArrayBuffer> => new TextEncoder().encode(text)

async function cidOf(text: string): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(bytes(text)))
}

/** Who provides, as one node is told. */
async function providersOf(node: Libp2p, cid: CID): Promise<string[]> {
  const found = new Set<string>()
  for await (const { id } of node.contentRouting.findProviders(cid, { signal: AbortSignal.timeout(60_000) })) found.add(id.toString())
  return [...found]
}

/** How many servers a node knows. */
async function knownTo(node: Libp2p, servers: readonly Libp2p[]): Promise<number> {
  const peers = await Promise.all(servers.map((server) => node.peerStore.get(server.peerId).catch(() => undefined)))
  return peers.filter((peer) => peer?.protocols.includes(PROTOCOL) === true).length
}

describe.each(KINDS)('kad-dht among a Host and two of %s', (kind) => {
  /** We are in the middle: the others know us only. */
  async function three(): Promise<[Node, Node, Node]> {
    const ours = await startHost({ services: services() })
    const [one, other] = [await start(kind, { services: services() }), await start(kind, { services: services() })]
    await connect(one, ours)
    await connect(other, ours)
    await expect
      .poll(async () => [await knownTo(ours, [one, other]), await knownTo(one, [ours]), await knownTo(other, [ours])])
      .toEqual([2, 1, 1])
    return [one, ours, other]
  }

  test('what one provides, the others find: a rendezvous', async () => {
    const [one, ours, other] = await three()
    const [theirs, mine] = [await cidOf('theirs'), await cidOf('mine')]
    await one.contentRouting.provide(theirs)
    await ours.contentRouting.provide(mine)
    await expect.poll(() => providersOf(ours, theirs)).toEqual([one.peerId.toString()])
    await expect.poll(() => providersOf(other, theirs)).toEqual([one.peerId.toString()])
    await expect.poll(() => providersOf(other, mine)).toEqual([ours.peerId.toString()])
  })

  test('a peer that only we know is found, with its addresses, and dialed', async () => {
    const [one, ours, other] = await three()
    // Vanilla nodes cannot decode it: an answer that holds it is lost.
    await ours.peerStore.merge(other.peerId, { multiaddrs: [multiaddr('/ip4/127.0.0.1/tcp/1/rlpx')] })
    const found = await one.peerRouting.findPeer(other.peerId, { signal: AbortSignal.timeout(60_000) })
    expect(found.multiaddrs.map((address) => address.toString().replace(/\/p2p\/.*/, ''))).toEqual(
      other.getMultiaddrs().map((address) => address.toString().replace(/\/p2p\/.*/, '')),
    )
    await one.dial(other.peerId)
    expect(one.getConnections(other.peerId)).toHaveLength(1)
  })

  test('a value that one puts, the others get', async () => {
    const [one, ours, other] = await three()
    const [key, ourKey] = [bytes('/test/colour'), bytes('/test/ours')]
    await one.contentRouting.put(key, bytes('blue'))
    await ours.contentRouting.put(ourKey, bytes('red'))
    const got = await Promise.all([other.contentRouting.get(key), other.contentRouting.get(ourKey), ours.contentRouting.get(key)])
    expect(got.map((value) => new TextDecoder().decode(value))).toEqual(['blue', 'red', 'blue'])
  })

  test('as a client we ask and are not asked; as a server we are told of again', async () => {
    const ours = await startHost({ services: services(true) })
    const theirs = await start(kind, { services: services() })
    await connect(ours, theirs)
    await expect.poll(() => knownTo(ours, [theirs])).toBe(1)
    expect([ours.services.dht.getMode(), ours.getProtocols().includes(PROTOCOL), await knownTo(theirs, [ours])]).toEqual([
      'client',
      false,
      0,
    ])
    const cid = await cidOf('theirs')
    await theirs.contentRouting.provide(cid).catch(() => {})
    await expect.poll(() => providersOf(ours, cid)).toEqual([theirs.peerId.toString()])
    await ours.services.dht.setMode('server', { force: true })
    expect(ours.getProtocols()).toContain(PROTOCOL)
    const third = await start(kind, { services: services() })
    await connect(third, ours)
    await expect.poll(() => knownTo(third, [ours])).toBe(1)
    await ours.services.dht.setMode('client')
    expect(ours.getProtocols()).not.toContain(PROTOCOL)
  })
})
