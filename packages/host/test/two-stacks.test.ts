import { connectionManager } from '@kumiko/connection-manager'
import { discv5 } from '@kumiko/discv5'
import { createHost, type HostOptions } from '@kumiko/host'
import { MULTIADDRS_KEY, registerRlpx, stackOf } from '@kumiko/identity'
import type { Capability, Host } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { udpSocket } from '@kumiko/udp'
import { identify, identifyPush } from '@libp2p/identify'
import type { IdentifyResult, Libp2p, PeerStore } from '@libp2p/interface'
import { type Ping, ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, describe, expect, test } from 'vitest'
import { libp2pParts } from './nodes.ts'

const PING = '/ipfs/ping/1.0.0'
const GREET = '/greet/1'

registerRlpx()

const running: { stop(): void | Promise<void> }[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
})

/** Says hello to each peer. */
const greet: Capability = {
  name: 'greet',
  version: 1,
  length: 1,
  run: async (channel) => {
    channel.send(0, new TextEncoder().encode('hello'))
    for await (const _ of channel);
  },
}

const services = () => ({ identify: identify(), identifyPush: identifyPush({ debounce: 10 }), ping: ping() })

type BothHost = Host<{ ping: Ping; identify: object; identifyPush: object }>

/** A Host on both stacks. */
async function startBoth(options: Pick<HostOptions, 'connectionManager' | 'discovery'> = {}, capability = greet): Promise<BothHost> {
  const { transports, ...libp2p } = libp2pParts()
  const host = await createHost({
    ...libp2p,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx', '/ip4/127.0.0.1/tcp/0'] },
    transports: [rlpx({ capabilities: [capability] }), ...transports],
    services: services(),
    start: true,
    ...options,
  })
  running.push(host)
  return host
}

async function startVanilla(): Promise<Libp2p<{ ping: Ping; identify: object; identifyPush: object }>> {
  const node = await createLibp2p({ ...libp2pParts(), services: services() })
  running.push(node)
  return node
}

/** A Host's addresses of one stack. */
const addressesOf = (host: Host, stack: 'rlpx' | 'libp2p'): string[] =>
  host
    .getMultiaddrs()
    .filter((address) => stackOf(address) === stack)
    .map(String)

/** The stacks over which two are connected. */
const stacksTo = (host: Host, other: Host): string[] =>
  host
    .getConnections(other.peerId)
    .map(({ remoteAddr }) => stackOf(remoteAddr))
    .sort()

async function know(host: Host, other: Host, stack: 'rlpx' | 'libp2p'): Promise<void> {
  await host.peerStore.merge(other.peerId, { multiaddrs: addressesOf(other, stack).map((text) => multiaddr(text)) })
}

describe('a peer over RLPx and libp2p', () => {
  test('is one: one entry, one place, one event when it comes and one when it goes', async () => {
    // One for dials, one for who comes in.
    const full = connectionManager({ maxPeers: 2 })
    const [a, b] = [await startBoth({ connectionManager: full }), await startBoth({ connectionManager: full })]
    const events: string[] = []
    for (const host of [a, b]) {
      host.addEventListener('peer:connect', () => events.push('connect'))
      host.addEventListener('peer:disconnect', () => events.push('disconnect'))
    }
    await a.dial(b.identity.enode)
    await a.dial(multiaddr(addressesOf(b, 'libp2p')[0]))
    await expect
      .poll(() => [stacksTo(a, b), stacksTo(b, a)])
      .toEqual([
        ['libp2p', 'rlpx'],
        ['libp2p', 'rlpx'],
      ])
    for (const host of [a, b]) {
      expect(host.connectionManager.peers().map(({ connections }) => connections.length)).toEqual([2])
      expect(host.getPeers()).toHaveLength(1)
    }
    expect(events).toEqual(['connect', 'connect'])
    await a.getConnections(b.peerId)[0]?.close()
    await expect.poll(() => [a.getConnections().length, b.getConnections().length]).toEqual([1, 1])
    expect([events, a.getPeers().length]).toEqual([['connect', 'connect'], 1])
    await a.hangUp(b.peerId)
    await expect.poll(() => events.slice(2)).toEqual(['disconnect', 'disconnect'])
  })

  // The line of the plan by its name.
  test('a stream opened by peer id and protocol succeeds when the same peer is connected over RLPx only but has a libp2p address known', async () => {
    const [a, b] = [await startBoth(), await startBoth()]
    await a.dial(b.identity.enode)
    expect(stacksTo(a, b)).toEqual(['rlpx'])
    await know(a, b, 'libp2p')
    const stream = await a.dialProtocol(b.peerId, PING)
    expect([stream.protocol, stacksTo(a, b)]).toEqual([PING, ['libp2p', 'rlpx']])
    await stream.close()
    expect(await a.services.ping.ping(b.peerId)).toBeGreaterThanOrEqual(0)
    expect(stacksTo(a, b)).toEqual(['libp2p', 'rlpx'])
  })

  test('over RLPx only, and with no libp2p address known, a libp2p protocol is refused, and RLPx stays', async () => {
    const [a, b] = [await startBoth(), await startBoth()]
    await a.dial(b.identity.enode)
    await expect(a.dialProtocol(b.peerId, PING)).rejects.toMatchObject({ code: expect.stringMatching(/^dialer\//) })
    expect(stacksTo(a, b)).toEqual(['rlpx'])
  })

  test('over libp2p only, a capability is dialed at its RLPx address', async () => {
    const [a, b] = [await startBoth({}, { name: 'greet', version: 1, length: 1 }), await startBoth()]
    await a.dial(multiaddr(addressesOf(b, 'libp2p')[0]))
    await know(a, b, 'rlpx')
    expect(stacksTo(a, b)).toEqual(['libp2p'])
    const stream = await a.dialProtocol(b.peerId, GREET)
    for await (const message of stream) {
      expect(new TextDecoder().decode(message.subarray(1))).toBe('hello')
      break
    }
    expect([stream.protocol, stacksTo(a, b)]).toEqual([GREET, ['libp2p', 'rlpx']])
  })

  test('its RLPx address outlives the addresses that it tells by identify, and no part that is plugged in sees it', async () => {
    const [a, b] = [await startBoth(), await startBoth()]
    await know(a, b, 'rlpx')
    const identified = new Promise((resolve) => a.addEventListener('peer:identify', resolve))
    await a.dial(multiaddr(addressesOf(b, 'libp2p')[0]))
    await identified
    const known = (store: PeerStore) => async () =>
      (await store.get(b.peerId)).addresses.map(({ multiaddr }) => stackOf(multiaddr)).toSorted()
    await expect.poll(known(a.peerStore)).toEqual(['libp2p', 'rlpx'])
    const unstarted = await createHost<{ spy: { peerStore: PeerStore } }>({ services: { spy: ({ peerStore }) => ({ peerStore }) } })
    await know(unstarted, b, 'rlpx')
    await know(unstarted, b, 'libp2p')
    expect(await known(unstarted.services.spy.peerStore)()).toEqual(['libp2p'])
  })

  test('known by its ENR, either stack is dialed for its protocols', async () => {
    const [a, b] = [await startBoth({}, { name: 'greet', version: 1, length: 1 }), await startBoth()]
    expect((await a.dialProtocol(b.identity.enr, PING)).protocol).toBe(PING)
    expect(stacksTo(a, b)).toEqual(['libp2p'])
    expect((await a.dialProtocol(b.identity.enr, GREET)).protocol).toBe(GREET)
    expect(stacksTo(a, b)).toEqual(['libp2p', 'rlpx'])
  })
})

describe('our node record', () => {
  test('tells both stacks’ addresses, and libp2p’s own tell nothing of RLPx', async () => {
    const host = await startBoth()
    const { node } = host.identity.record
    expect(node.addresses.map(String)).toEqual([...addressesOf(host, 'rlpx'), ...addressesOf(host, 'libp2p')])
    const self = await host.peerStore.get(host.peerId)
    expect(self.protocols.toSorted()).toEqual(['/ipfs/id/1.0.0', '/ipfs/id/push/1.0.0', PING])
    expect(self.addresses.map((address) => address.multiaddr.toString())).toEqual(
      addressesOf(host, 'libp2p').map((address) => address.replace(/\/p2p\/.*/, '')),
    )
  })

  test('follows what libp2p listens on', async () => {
    const host = await startBoth()
    const { seq } = host.identity.record
    await host.components.transportManager.listen([multiaddr('/ip4/127.0.0.1/tcp/0')])
    await expect.poll(() => host.identity.record.node.addresses.length).toBe(3)
    expect(host.identity.record.seq).toBeGreaterThan(seq)
    await host.components.transportManager.remove('@libp2p/tcp')
    await expect.poll(() => host.identity.record.node.entry(MULTIADDRS_KEY)).toBe(undefined)
  })
})

/** What a vanilla node hears of who others are, identify's pushes included. */
function identifications(node: Libp2p): IdentifyResult[] {
  const heard: IdentifyResult[] = []
  node.addEventListener('peer:identify', (event) => void heard.push(event.detail))
  return heard
}

describe.each(['inbound', 'outbound'] as const)('a vanilla node that is connected %s', (direction) => {
  test('is told of no capability and no RLPx address, by identify or by its push', async () => {
    const host = await startBoth()
    const [vanilla, peer] = [await startVanilla(), await startBoth()]
    await host.dial(peer.identity.enode)
    const heard = identifications(vanilla)
    const ours = new Promise<IdentifyResult>((resolve) => {
      host.addEventListener('peer:identify', ({ detail }) => {
        if (detail.peerId.equals(vanilla.peerId)) resolve(detail)
      })
    })
    if (direction === 'inbound') await vanilla.dial(multiaddr(addressesOf(host, 'libp2p')[0]))
    else await host.dial(vanilla.getMultiaddrs())
    expect((await ours).agentVersion).toMatch(/^js-libp2p/)
    await expect.poll(() => heard.length).toBe(1)
    await host.components.transportManager.listen([multiaddr('/ip4/127.0.0.1/tcp/0/rlpx'), multiaddr('/ip4/127.0.0.1/tcp/0')])
    await host.handle('/pushed/1', () => {})
    await expect.poll(() => heard.at(-1)?.protocols.includes('/pushed/1') === true && heard.at(-1)?.listenAddrs.length === 2).toBe(true)
    for (const { protocols, listenAddrs, signedPeerRecord } of heard) {
      expect(protocols.filter((protocol) => protocol !== '/pushed/1').toSorted()).toEqual(['/ipfs/id/1.0.0', '/ipfs/id/push/1.0.0', PING])
      expect(signedPeerRecord?.addresses.map(String).toSorted()).toEqual(listenAddrs.map(String).toSorted())
      expect(listenAddrs.filter((address) => stackOf(address) === 'rlpx')).toEqual([])
    }
    const known = await vanilla.peerStore.get(host.peerId)
    expect(known.addresses.map(({ multiaddr, isCertified }) => [multiaddr.toString(), isCertified]).toSorted()).toEqual(
      addressesOf(host, 'libp2p')
        .map((address) => [address.replace(/\/p2p\/.*/, ''), true])
        .toSorted(),
    )
    expect(await vanilla.services.ping.ping(host.peerId)).toBeGreaterThanOrEqual(0)
    expect(await host.services.ping.ping(vanilla.peerId)).toBeGreaterThanOrEqual(0)
    expect(stacksTo(host, peer)).toEqual(['rlpx'])
  })
})

describe('a node that discovery finds', () => {
  const discovering = (...bootnodes: Host[]) => ({
    discovery: [
      discv5({ udp: udpSocket({ port: 0, hosts: ['127.0.0.1'] }), bootnodes: bootnodes.map(({ identity }) => identity.enr) }),
    ] as const,
  })

  test('is dialed over RLPx for its capability, and over libp2p for its protocols, at the address that its ENR tells', async () => {
    const bootnode = await startBoth(discovering())
    const a = await startBoth(discovering(bootnode))
    const b = await startBoth(discovering(bootnode))
    await expect.poll(() => stacksTo(a, b)).toEqual(['rlpx'])
    await expect.poll(async () => (await a.peerStore.get(b.peerId)).addresses.length).toBe(2)
    expect(await a.services.ping.ping(b.peerId)).toBeGreaterThanOrEqual(0)
    expect(stacksTo(a, b)).toEqual(['libp2p', 'rlpx'])
  })

  test('is found by peer id, without RLPx, at its libp2p address', async () => {
    const both = await startBoth(discovering())
    const host = await createHost({ ...libp2pParts(), ...discovering(both), services: services(), start: true })
    running.push(host)
    await expect.poll(() => host.getPeers().map(String)).toEqual([both.peerId.toString()])
    expect(stacksTo(host, both)).toEqual(['libp2p'])
    expect(await host.services.ping.ping(both.peerId)).toBeGreaterThanOrEqual(0)
  })
})
