import { createHost } from '@kumiko/host'
import { enrTextOf } from '@kumiko/identity'
import type { Capability, Host } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { udpSocket } from '@kumiko/udp'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import type { Multiaddr } from '@multiformats/multiaddr'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { type Discv5, discv5 } from '../src/discv5.ts'

const cleanups: (() => Promise<void>)[] = []
afterEach(async () => {
  await Promise.all(cleanups.splice(0).map(async (cleanup) => await cleanup()))
})

const idle: Capability = {
  name: 'idle',
  version: 1,
  length: 1,
  run: async (channel) => {
    for await (const _ of channel);
  },
}

async function startHost(bootnodes: readonly string[]): Promise<Host> {
  const host = await createHost({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'] },
    transports: [rlpx({ capabilities: [idle] })],
    discovery: [discv5({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }), bootnodes })],
    start: true,
  })
  cleanups.push(async () => await host.stop())
  return host
}

async function startBootnode(): Promise<Host> {
  const host = await createHost({ discovery: [discv5({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }) })], start: true })
  cleanups.push(async () => await host.stop())
  return host
}

/** Resolves when it holds; the test's own timeout is the limit. */
async function until(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((resolve) => setTimeout(resolve, 20))
}

const withoutPeer = (address: Multiaddr): string => address.toString().replace(/\/p2p\/.*$/, '')

describe('discv5 in a Host', () => {
  it('lets two find each other by a bootnode, and connect over RLPx', async () => {
    const bootnode = await startBootnode()
    const one = await startHost([bootnode.identity.enr])
    const other = await startHost([bootnode.identity.enr])
    await until(() => one.getPeers().some((peer) => peer.equals(other.peerId)))
    expect(one.getConnections(other.peerId)[0]?.remoteAddr.toString()).toContain('/rlpx')
  })
})

describe('discv5 in a vanilla js-libp2p node', () => {
  /** It is both a discovery and a router: js-libp2p takes either from a service. */
  async function startLibp2p(bootnodes: readonly string[]): Promise<Libp2p<{ discv5: Discv5 }>> {
    const node = await createLibp2p({
      privateKey: await generateKeyPair('secp256k1'),
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { discv5: discv5({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }), bootnodes }) },
    })
    cleanups.push(async () => await node.stop())
    return node
  }

  it('finds others with their TCP addresses, and is a router', async () => {
    const bootnode = await startBootnode()
    const one = await startLibp2p([bootnode.identity.enr])
    const found = new Map<string, string[]>()
    one.addEventListener('peer:discovery', ({ detail }) => void found.set(detail.id.toString(), detail.multiaddrs.map(withoutPeer)))
    const other = await startLibp2p([enrTextOf(one.services.discv5.self() ?? bootnode.identity.record.node) ?? ''])
    expect(one.services.discv5.self()?.peerId.equals(one.peerId)).toBe(true)
    const addresses = other.getMultiaddrs()
    // Without a dialer of ours nobody looks for nodes all the time.
    for await (const node of one.services.discv5.nodes()) if (node.peerId.equals(other.peerId)) break
    await one.dial(other.peerId)
    expect(one.getConnections(other.peerId)).toHaveLength(1)
    await expect.poll(() => found.get(other.peerId.toString())).toEqual(addresses.map(withoutPeer))
    expect((await one.peerRouting.findPeer(other.peerId, { useCache: false })).multiaddrs.map(String)).toEqual(addresses.map(String))
  })

  it('is a discovery by option, too', async () => {
    const part = discv5({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }) })
    const node = await createLibp2p({ privateKey: await generateKeyPair('secp256k1'), peerDiscovery: [part] })
    await node.stop()
  })

  it('needs a secp256k1 key, and says so', async () => {
    const part = discv5({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }) })
    const started = createLibp2p({ privateKey: await generateKeyPair('Ed25519'), peerDiscovery: [part] })
    await expect(started).rejects.toMatchObject({ code: 'discv5/no-identity' })
  })
})
