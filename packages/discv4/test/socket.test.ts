import { createHost } from '@kumiko/host'
import { createIdentity } from '@kumiko/identity'
import type { Capability, Host, NodeRecord } from '@kumiko/interface'
import { type PeerDiscoverySubject, peerDiscoveryContract } from '@kumiko/interface/testing'
import { rlpx } from '@kumiko/rlpx'
import { udpSocket } from '@kumiko/udp'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { defaultLogger } from '@libp2p/logger'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { createLibp2p, type Libp2p } from 'libp2p'
import { afterEach, describe, expect, it } from 'vitest'
import { type Discv4, type Discv4Options, discv4 } from '../src/discv4.ts'

const running: { stop(): Promise<void> | void }[] = []

afterEach(async () => {
  for (const each of running.splice(0)) await each.stop()
  await expect.poll(() => process.getActiveResourcesInfo().filter((name) => name.startsWith('UDP'))).toEqual([])
})

interface LoopbackNode {
  readonly discovery: Discv4
  readonly node: () => NodeRecord
}

async function loopbackNode(options: Partial<Discv4Options> = {}, hosts = ['127.0.0.1']): Promise<LoopbackNode> {
  const identity = await createIdentity()
  identity.record.setPorts(4, { tcp: 30303 })
  const udp = udpSocket({ port: 0, hosts })
  const discovery = discv4({ udp, ...options })({ logger: defaultLogger(), privateKey: identity.privateKey, identity })
  await discovery.start()
  await discovery.afterStart?.()
  running.push({ stop: async () => await discovery.stop() })
  return { discovery, node: () => identity.record.node }
}

const idsOf = (nodes: readonly NodeRecord[]): string[] => nodes.map(({ nodeId }) => nodeId).sort()

describe('on loopback sockets', () => {
  it('nodes that know one bootnode find each other', async () => {
    const bootnode = await loopbackNode()
    const nodes = [bootnode]
    for (let count = 0; count < 4; count++) nodes.push(await loopbackNode({ bootnodes: [bootnode.node()] }))
    const all = idsOf(nodes.map(({ node }) => node()))
    for (const { discovery, node } of nodes) {
      await expect.poll(async () => idsOf([...(await discovery.lookup(node().publicKey)), node()]), { interval: 200 }).toEqual(all)
    }
  })

  it('a node is asked over IPv6, too', async () => {
    const [one, other] = [await loopbackNode({}, ['::1']), await loopbackNode({}, ['::1', '127.0.0.1'])]
    expect(one.node().endpoints).toMatchObject([{ host: '::1' }])
    expect(await other.discovery.ping(one.node())).toMatchObject({ endpoint: { ip: '::1' } })
    expect((await other.discovery.requestEnr(one.node()))?.nodeId).toBe(one.node().nodeId)
  })

  it('a busy port is told by its name, and nothing is left', async () => {
    const identity = await createIdentity()
    const taken = udpSocket({ port: 0, hosts: ['127.0.0.1'] })
    const share = await taken.open(() => true)
    running.push({ stop: () => share.close() })
    const udp = udpSocket({ port: share.local(4)?.port ?? 0, hosts: ['127.0.0.1'] })
    const discovery = discv4({ udp })({ logger: defaultLogger(), privateKey: identity.privateKey, identity })
    await expect(Promise.resolve(discovery.start())).rejects.toMatchObject({ code: 'udp/listen-failed' })
    expect(discovery.status().isRunning).toBe(false)
    await discovery.stop()
  })
})

describe('Hosts', () => {
  const echo = (): Capability => ({
    name: 'echo',
    version: 1,
    length: 1,
    run: async (channel) => {
      for await (const _ of channel);
    },
  })

  async function host(bootnodes: readonly NodeRecord[]): Promise<Host> {
    const made = await createHost({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'] },
      transports: [rlpx({ capabilities: [echo()] })],
      discovery: [discv4({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }), bootnodes })],
      start: true,
    })
    running.push(made)
    return made
  }

  it('that are given one bootnode find and dial each other', async () => {
    const bootnode = await loopbackNode()
    const [one, other] = [await host([bootnode.node()]), await host([bootnode.node()])]
    expect(one.identity.record.node.endpoints[0]).toMatchObject({ host: '127.0.0.1', tcp: expect.any(Number), udp: expect.any(Number) })
    for (const [each, peer] of [
      [one, other],
      [other, one],
    ] as const) {
      await expect.poll(() => each.connectionManager.peers().map(({ peerId }) => peerId.toString())).toEqual([peer.peerId.toString()])
    }
  })
})

describe('in vanilla js-libp2p', () => {
  const vanilla = async (options: Partial<Discv4Options>, type: 'secp256k1' | 'Ed25519' = 'secp256k1'): Promise<Libp2p> =>
    await createLibp2p({
      privateKey: await generateKeyPair(type),
      transports: [tcp()],
      connectionEncrypters: [noise()],
      streamMuxers: [yamux()],
      services: { discv4: discv4({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }), ...options }) },
    })

  it('it tells of the nodes that it finds', async () => {
    const other = await loopbackNode()
    const found: string[] = []
    const node = await vanilla({ bootnodes: [other.node()] })
    running.push(node)
    node.addEventListener('peer:discovery', ({ detail }) => found.push(detail.id.toString()))
    await expect.poll(() => found).toEqual([other.node().peerId.toString()])
    expect((await node.peerRouting.findPeer(other.node().peerId)).multiaddrs.map(String)).toEqual(other.node().addresses.map(String))
  })

  it('it says which key it wants', async () => {
    await expect(vanilla({}, 'Ed25519')).rejects.toMatchObject({ code: 'discv4/no-identity' })
  })
})

describe('as a libp2p discovery', () => {
  peerDiscoveryContract({ describe, it }, async (): Promise<PeerDiscoverySubject> => {
    const identity = await createIdentity()
    const discovery = discv4({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }) })({
      logger: defaultLogger(),
      privateKey: identity.privateKey,
      identity,
    })
    return {
      discovery,
      async provoke() {
        // A node that pings it is in its reach, if it runs.
        const other = await loopbackNode()
        if (discovery.status().isRunning) await bothMet(discovery, other, identity.record.node)
      },
      free: async () => await discovery.stop(),
    }
  })

  async function bothMet(discovery: Discv4, other: LoopbackNode, self: NodeRecord): Promise<void> {
    await other.discovery.ping(self)
    await expect.poll(() => discovery.status().nodes).toBe(1)
  }
})
