import { dialer } from '@kumiko/dialer'
import { type Discv5, discv5 } from '@kumiko/discv5'
import { dnsDiscovery, makeTree, signTree, toZone, urlOf } from '@kumiko/dns-discovery'
import type { Host } from '@kumiko/interface'
import { udpSocket } from '@kumiko/udp'
import { identify } from '@libp2p/identify'
import { type KadDHT, kadDHT, passthroughMapper } from '@libp2p/kad-dht'
import { type Ping, ping } from '@libp2p/ping'
import { CID } from 'multiformats/cid'
import * as raw from 'multiformats/codecs/raw'
import { sha256 } from 'multiformats/hashes/sha2'
import { describe, expect, test } from 'vitest'
import { startHost } from './nodes.ts'

const PROTOCOL = '/test/kad/1.0.0'

const dht = () =>
  kadDHT({
    protocol: PROTOCOL,
    clientMode: false,
    peerInfoMapper: passthroughMapper,
    initialQuerySelfInterval: 10,
    allowQueryWithZeroPeers: true,
  })

const found = (...bootnodes: Host[]) =>
  discv5({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }), bootnodes: bootnodes.map(({ identity }) => identity.enr) })

type Services = { identify: object; ping: Ping; dht: KadDHT; discv5: Discv5 }

const startNode = (dials: boolean, ...bootnodes: Host[]): Promise<Host<Services>> =>
  startHost<Services>({
    dialer: dialer({ noDial: !dials }),
    services: { identify: identify(), ping: ping(), dht: dht(), discv5: found(...bootnodes) },
  })

async function rendezvous(): Promise<CID> {
  return CID.createV1(raw.code, await sha256.digest(new TextEncoder().encode('coffee')))
}

/** How many servers of the DHT a node knows. */
async function serversKnownTo(node: Host): Promise<number> {
  const peers = await node.peerStore.all()
  return peers.filter(({ id, protocols }) => !id.equals(node.peerId) && protocols.includes(PROTOCOL)).length
}

async function providersOf(node: Host, cid: CID): Promise<string[]> {
  const providers = new Set<string>()
  for await (const { id } of node.contentRouting.findProviders(cid, { signal: AbortSignal.timeout(60_000) })) providers.add(id.toString())
  return [...providers]
}

describe('discovery v5 beside kad-dht', () => {
  test('is its way in: who knows one bootnode’s ENR meets others at a word in the DHT', async () => {
    const bootnode = await startNode(true)
    const [one, other] = [await startNode(true, bootnode), await startNode(true, bootnode)]
    await expect.poll(async () => [(await serversKnownTo(one)) > 0, (await serversKnownTo(other)) > 0]).toEqual([true, true])
    const cid = await rendezvous()
    await one.contentRouting.provide(cid)
    await expect.poll(() => providersOf(other, cid)).toEqual([one.peerId.toString()])
    await other.dial(one.peerId)
    await expect.poll(() => other.services.ping.ping(one.peerId)).toBeGreaterThanOrEqual(0) // the DHT pings too, and there is one ping at once
  })

  test('routes to peers that the DHT does not know: one that is not connected is dialed by its id alone', async () => {
    const bootnode = await startNode(false)
    const [one, other] = [await startNode(false, bootnode), await startNode(false, bootnode)]
    await expect.poll(() => bootnode.services.discv5.known().length).toBeGreaterThanOrEqual(2)
    const { multiaddrs } = await one.peerRouting.findPeer(other.peerId, { signal: AbortSignal.timeout(60_000) })
    expect(multiaddrs.map(String)).toEqual(other.getMultiaddrs().map(String))
    await one.peerStore.delete(other.peerId)
    await expect.poll(() => one.services.ping.ping(other.peerId)).toBeGreaterThanOrEqual(0)
    expect(one.getPeers().map(String)).toEqual([other.peerId.toString()])
  })
})

describe('a DNS tree beside kad-dht', () => {
  test('is its way in: nodes are dialed at the libp2p addresses that their records in the tree tell', async () => {
    const published = await startNode(false)
    const tree = signTree(makeTree([published.identity.record.node], [], 1n), published.identity.secretKey)
    const zone = toZone(tree, 'nodes.test')
    const host = await startHost({
      discovery: [
        dnsDiscovery({
          trees: [urlOf(tree, 'nodes.test')],
          resolve: async (name) => [zone.get(name)?.match(/.{1,255}/g) ?? []],
        }),
      ],
      services: { identify: identify(), ping: ping(), dht: dht() },
    })
    await expect
      .poll(() => host.getConnections().map(({ remoteAddr }) => remoteAddr.toString()))
      .toEqual(published.getMultiaddrs().map(String))
    await expect.poll(async () => [await serversKnownTo(host), await serversKnownTo(published)]).toEqual([1, 1])
    const cid = await rendezvous()
    await published.contentRouting.provide(cid)
    await expect.poll(() => providersOf(host, cid)).toEqual([published.peerId.toString()])
  })
})
