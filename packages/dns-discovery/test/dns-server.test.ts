import { isFault, type NodeRecord } from '@kumiko/interface'
import { type NodeSourceSubject, nodeSourceContract, type PeerDiscoverySubject, peerDiscoveryContract } from '@kumiko/interface/testing'
import { type DnsServer, dnsServer } from '@kumiko/testkit'
import { defaultLogger } from '@libp2p/logger'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p } from 'libp2p'
import { describe, expect, it } from 'vitest'
import { DnsClient, type DnsClientOptions } from '../src/client.ts'
import { type DnsDiscovery, type DnsDiscoveryOptions, dnsDiscovery } from '../src/dns-discovery.ts'
import { dnsResolver } from '../src/resolver.ts'
import { readTreeUrl } from '../src/tree.ts'
import { makeNodes, type Published, publish } from './nodes.ts'

const EAGER = { requestsPerSecond: 1000, timeoutMs: 10_000 }

function clientOf({ address }: DnsServer, options: DnsClientOptions = {}): DnsClient {
  return new DnsClient({ ...EAGER, resolve: dnsResolver([address]), ...options })
}

function idsOf(nodes: readonly NodeRecord[]): Set<string> {
  return new Set(nodes.map(({ nodeId }) => nodeId))
}

describe('against a DNS server on loopback', () => {
  it('reads a signed tree of 100 nodes as it was made', async () => {
    const published = publish('nodes.test', makeNodes(100), [publish('other.test', []).url], 9n)
    await using server = await dnsServer(published.zone)
    const tree = await clientOf(server).sync(published.url)
    if (isFault(tree)) throw new Error(tree.detail)
    expect([tree.seq, idsOf(tree.records), tree.urls.map(({ domain }) => domain)]).toEqual([9n, idsOf(makeNodes(100)), ['other.test']])
    // Every entry of a tree fits into one packet.
    expect(server.queries.filter(({ over }) => over === 'tcp')).toEqual([])
    expect(server.queries).toHaveLength(published.zone.size)
  })

  it('comes again over TCP for what does not fit into a packet, and finds the root among other records', async () => {
    const published = publish('nodes.test', makeNodes(3))
    await using server = await dnsServer(published.zone)
    const others = Array.from({ length: 20 }, (_, i) => `v=other${i} ${'x'.repeat(300)}`)
    for (const [name, text] of published.zone) server.answers.set(name.toLowerCase(), [...others, text])
    const tree = await clientOf(server).sync(published.url)
    expect(isFault(tree) ? tree : idsOf(tree.records)).toEqual(idsOf(makeNodes(3)))
    const names = [...server.answers.keys()].sort()
    for (const over of ['udp', 'tcp'])
      expect(
        server.queries
          .filter((query) => query.over === over)
          .map(({ name }) => name)
          .sort(),
      ).toEqual(names)
  })

  it('tells a name that does not exist from a server that fails, and from one that is silent', async () => {
    const published = publish('nodes.test', makeNodes(3))
    await using server = await dnsServer(published.zone)
    const client = clientOf(server, { timeoutMs: 300 })
    const url = readTreeUrl(published.url)
    expect(await client.root({ ...url, domain: 'nowhere.test' })).toEqual({ fault: 'dns-discovery/no-root', detail: 'nowhere.test' })
    server.answers.set('nodes.test', [])
    expect(await client.root(url)).toEqual({ fault: 'dns-discovery/no-root', detail: 'nodes.test' })
    server.answers.set('nodes.test', 'servfail')
    expect(await client.root(url)).toMatchObject({ fault: 'dns-discovery/lookup-failed', detail: expect.stringContaining('ESERVFAIL') })
    server.answers.set('nodes.test', 'mute')
    expect(await client.root(url)).toEqual({ fault: 'dns-discovery/lookup-failed', detail: 'nodes.test: no answer within 300 ms' })
    server.publish(published.zone)
    expect(await client.root(url)).toMatchObject({ seq: 1n, nodes: published.tree.nodes })
  })

  it('gives a lookup up with its signal, and begins none under one that is aborted', async () => {
    await using server = await dnsServer()
    server.answers.set('nodes.test', 'mute')
    const controller = new AbortController()
    const lookup = dnsResolver([server.address])('nodes.test', { signal: controller.signal })
    await expect.poll(() => server.queries).toHaveLength(1)
    controller.abort()
    await expect(lookup).rejects.toMatchObject({ code: 'ECANCELLED' })
    await expect(dnsResolver([server.address])('nodes.test', { signal: controller.signal })).rejects.toBe(controller.signal.reason)
    expect(server.queries).toHaveLength(1)
  })

  it('finds all other nodes where names in the middle do not exist, fail or hold something else', async () => {
    const published = publish('nodes.test', makeNodes(40))
    await using server = await dnsServer(published.zone)
    const names = [...published.zone].filter(([, text]) => text.startsWith('enr:')).map(([name]) => name.toLowerCase())
    server.answers.delete(names[0] ?? '')
    server.answers.set(names[1] ?? '', 'servfail')
    server.answers.set(names[2] ?? '', server.answers.get(names[3] ?? '') ?? 'mute')
    const faults: string[] = []
    const nodes = clientOf(server, { onFault: ({ fault }) => faults.push(fault) }).walk([published.url])
    const found = new Set<string>()
    // The second pass begins when the first has asked for everything.
    for await (const { nodeId } of nodes) {
      if (found.has(nodeId)) break
      found.add(nodeId)
    }
    expect(found.size).toBe(37)
    expect(faults.sort()).toEqual(['dns-discovery/hash-mismatch', 'dns-discovery/lookup-failed', 'dns-discovery/no-entry'])
    // A tree that is read as a whole is whole, or not read.
    expect(await clientOf(server).sync(published.url)).toMatchObject({
      fault: expect.stringMatching(/no-entry|lookup-failed|hash-mismatch/),
    })
  })
})

interface Found {
  readonly published: Published
  readonly server: DnsServer
  readonly discovery: DnsDiscovery
}

async function discoveryOf(options: Partial<DnsDiscoveryOptions> = {}): Promise<Found> {
  const published = publish('nodes.test', makeNodes(5))
  const server = await dnsServer(published.zone)
  const trees = [published.url]
  return {
    published,
    server,
    discovery: dnsDiscovery({ trees, ...EAGER, resolve: dnsResolver([server.address]), ...options })({ logger: defaultLogger() }),
  }
}

describe('dnsDiscovery as a NodeSource', () => {
  nodeSourceContract({ describe, it }, async (): Promise<NodeSourceSubject> => {
    const { server, discovery } = await discoveryOf()
    await discovery.start()
    return {
      source: discovery,
      begun: () => discovery.status().lookups,
      held: () => discovery.status().walks,
      free: async () => {
        await discovery.stop()
        await server[Symbol.asyncDispose]()
      },
    }
  })
})

describe('dnsDiscovery as a PeerDiscovery', () => {
  peerDiscoveryContract({ describe, it }, async (): Promise<PeerDiscoverySubject> => {
    const { server, discovery } = await discoveryOf({ recheckMs: 20 })
    let seq = 1n
    return {
      discovery,
      provoke: async () => {
        const [node] = makeNodes(1, 100 + Number(seq))
        const { promise, resolve } = Promise.withResolvers<void>()
        discovery.addEventListener('peer', ({ detail }) => detail.id.equals(node?.peerId) && resolve())
        seq += 1n
        server.publish(publish('nodes.test', node === undefined ? [] : [node], [], seq).zone)
        if (discovery.status().walks > 0) await promise
      },
      free: async () => {
        await discovery.stop()
        await server[Symbol.asyncDispose]()
      },
    }
  })
})

it('finds peers for a vanilla js-libp2p node', async () => {
  const nodes = makeNodes(5)
  const published = publish('nodes.test', nodes)
  await using server = await dnsServer(published.zone)
  const libp2p = await createLibp2p({
    start: false,
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    peerDiscovery: [dnsDiscovery({ trees: [published.url], ...EAGER, resolve: dnsResolver([server.address]) })],
  })
  const found = new Set<string>()
  libp2p.addEventListener('peer:discovery', ({ detail }) => found.add(detail.id.toString()))
  await libp2p.start()
  try {
    await expect.poll(() => found).toEqual(new Set(nodes.map(({ peerId }) => peerId.toString())))
    for (const { peerId, addresses } of nodes) {
      const { addresses: kept } = await libp2p.peerStore.get(peerId)
      expect(kept.map(({ multiaddr }) => multiaddr.toString())).toEqual(addresses.map((each) => each.decapsulate('/p2p').toString()))
    }
  } finally {
    await libp2p.stop()
  }
})
