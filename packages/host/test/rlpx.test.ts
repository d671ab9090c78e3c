import { createHost } from '@kumiko/host'
import type { Capability, Host, PeerEvent } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { identify } from '@libp2p/identify'
import { ping } from '@libp2p/ping'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, test } from 'vitest'
import { libp2pParts } from './nodes.ts'

const running: { stop(): void | Promise<void> }[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
})

/** Says hello to each peer, and keeps what it hears. */
function greeter(heard: string[]): Capability {
  return {
    name: 'greet',
    version: 1,
    length: 1,
    attributes: () => ({ greet: Uint8Array.of(0x01) }),
    run: async (channel, peer) => {
      channel.send(0, new TextEncoder().encode(`hello from the ${peer.direction} side`))
      for await (const { payload } of channel) heard.push(new TextDecoder().decode(payload))
    },
  }
}

/** A Host on both stacks. */
async function start(heard: string[] = []): Promise<Host> {
  const { transports, ...libp2p } = libp2pParts()
  const host = await createHost({
    ...libp2p,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx', '/ip4/127.0.0.1/tcp/0'] },
    transports: [rlpx({ capabilities: [greeter(heard)] }), ...transports],
    services: { identify: identify(), ping: ping() },
    start: true,
  })
  running.push(host)
  return host
}

const rlpxPort = (host: Host): number | undefined => {
  const address = host.components.transportManager.getAddrs().find((address) => address.toString().endsWith('/rlpx'))
  return Number(address?.getComponents()[1]?.value)
}

test('the record says where RLPx listens and what it serves; identify is told nothing of it', async () => {
  const host = await start()
  const { node } = host.identity.record
  expect(node.endpoints).toEqual([{ host: '127.0.0.1', tcp: rlpxPort(host) }])
  expect(node.entry('greet')).toEqual(Uint8Array.of(0x01))
  expect(host.identity.enode).toBe(`enode://${host.identity.enode.slice(8, 136)}@127.0.0.1:${rlpxPort(host)}?discport=0`)
  const told = [...host.components.addressManager.getAddresses(), ...host.components.addressManager.getAddressesWithMetadata()]
  expect(told.filter((address) => address.toString().includes('rlpx'))).toEqual([])
  expect(host.getMultiaddrs().map((address) => address.toString().includes('/rlpx/p2p/'))).toEqual([false, true])
  expect(host.getProtocols()).toEqual(['/ipfs/id/1.0.0', '/ipfs/ping/1.0.0'])
})

test.each(['enode', 'enr', 'multiaddr'] as const)('a node dialed by its %s runs the capability with us', async (form) => {
  const heard: [string[], string[]] = [[], []]
  const [a, b] = [await start(heard[0]), await start(heard[1])]
  const events: PeerEvent['type'][] = []
  b.connectionManager.subscribe((event) => events.push(event.type))
  const text = form === 'multiaddr' ? `/ip4/127.0.0.1/tcp/${rlpxPort(b)}/rlpx/p2p/${b.peerId}` : b.identity[form]
  const connection = await a.dial(text)
  expect([connection.encryption, connection.remotePeer.toString()]).toEqual(['native', b.peerId.toString()])
  await expect.poll(() => heard).toEqual([['hello from the inbound side'], ['hello from the outbound side']])
  expect(b.connectionManager.peers().map(({ connections }) => connections.map(({ stack, protocols }) => [stack, protocols]))).toEqual([
    [['rlpx', ['/greet/1']]],
  ])
  await a.hangUp(b.peerId)
  await expect.poll(() => events).toEqual(['add', 'drop'])
  expect(b.connectionManager.peers()).toEqual([])
})

test.each(['enode', 'enr', 'multiaddr', 'record'] as const)('a stream is opened to a node known by its %s', async (form) => {
  const node = (): Promise<Host> =>
    createHost({
      addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'] },
      transports: [rlpx({ capabilities: [{ name: 'talk', version: 1, length: 1 }] })],
      start: true,
    })
  const [a, b] = [await node(), await node()]
  running.push(a, b)
  const { node: record } = b.identity.record
  const target = { enode: b.identity.enode, enr: ` ${b.identity.enr}\n`, multiaddr: String(b.getMultiaddrs()[0]), record }[form]
  const stream = await a.dialProtocol(target, '/talk/1')
  expect(stream.protocol).toBe('/talk/1')
  expect(a.getConnections().map(({ remotePeer }) => remotePeer.toString())).toEqual([b.peerId.toString()])
  for (const none of ['', 'enode://nobody', '/ip4/1']) {
    await expect(a.dialProtocol(none, '/talk/1')).rejects.toMatchObject({ code: 'host/bad-target' })
  }
})

test('a stop leaves the record as it is, and what is announced besides is listed', async () => {
  const appended = '/ip4/1.2.3.4/tcp/30303/rlpx'
  const host = await createHost({
    transports: [rlpx()],
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'], appendAnnounce: [appended] },
    start: true,
  })
  expect(host.getMultiaddrs().map(String)).toContain(`${appended}/p2p/${host.peerId}`)
  const { seq, endpoints } = host.identity.record.node
  expect(endpoints).toEqual([{ host: '1.2.3.4', tcp: 30303 }])
  await host.stop()
  expect(host.identity.record.node).toMatchObject({ seq, endpoints })
})

test('one peer over both stacks: each protocol finds its own connection', async () => {
  const [a, b] = [await start(), await start()]
  await a.dial(b.identity.enode)
  await a.peerStore.merge(b.peerId, { multiaddrs: b.components.addressManager.getAddresses() })
  const stream = await a.dialProtocol(b.peerId, '/ipfs/ping/1.0.0')
  expect(stream.protocol).toBe('/ipfs/ping/1.0.0')
  expect(a.getConnections(b.peerId).map(({ encryption }) => encryption)).toEqual(['native', '/noise'])
  expect(a.getPeers()).toHaveLength(1)
})

test('topologies of a capability hear of its peers', async () => {
  const [a, b] = [await start(), await start()]
  const calls: string[] = []
  await a.register('/greet/1', {
    onConnect: (peer, connection) => void calls.push(`connect ${peer.equals(b.peerId)} ${connection.encryption}`),
    onDisconnect: () => void calls.push('disconnect'),
  })
  await b.dial(a.identity.enode)
  await expect.poll(() => calls).toEqual(['connect true native'])
  await b.hangUp(a.peerId)
  await expect.poll(() => calls).toEqual(['connect true native', 'disconnect'])
})

test('a vanilla node identifies a Host that has RLPx, and is not told of it', async () => {
  const host = await start()
  const vanilla = await createLibp2p({ ...libp2pParts(), services: { identify: identify() } })
  running.push(vanilla)
  const { promise, resolve } = Promise.withResolvers<{ protocols: string[]; listenAddrs: { toString(): string }[] }>()
  vanilla.addEventListener('peer:identify', (event) => resolve(event.detail))
  await vanilla.dial(multiaddr(host.getMultiaddrs()[0]?.toString() ?? ''))
  const { protocols, listenAddrs } = await promise
  expect(protocols).toEqual(['/ipfs/id/1.0.0', '/ipfs/ping/1.0.0'])
  expect(listenAddrs.map(String)).toEqual(
    host.components.addressManager.getAddresses().map((address) => address.toString().split('/p2p/')[0]),
  )
})

test('a peer that stops tells why, and the other has its slot back', async () => {
  const why: unknown[] = []
  const witness: Capability = {
    name: 'witness',
    version: 1,
    length: 1,
    run: async (channel, { signal }) => {
      await channel.read()
      why.push(signal.reason.context)
    },
  }
  const [a, b] = [await start(), await start()]
  for (const host of [a, b]) host.capabilities.add(witness)
  await a.dial(b.identity.enode)
  await expect.poll(() => b.connectionManager.peers().length).toBe(1)
  await a.stop()
  await expect.poll(() => [b.connectionManager.peers().length, b.getConnections().length]).toEqual([0, 0])
  expect(why).toContainEqual(expect.objectContaining({ by: 'remote', reason: 'client-quitting' }))
})

test('a gater that denies an admitted RLPx connection gives its slot back', async () => {
  const { transports, ...libp2p } = libp2pParts()
  const host = await createHost({
    ...libp2p,
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0/rlpx'] },
    transports: [rlpx({ capabilities: [greeter([])] }), ...transports],
    connectionGater: { denyInboundUpgradedConnection: () => true },
    start: true,
  })
  running.push(host)
  const other = await start()
  await other.dial(host.identity.enode).catch(() => {})
  await expect.poll(() => [host.connectionManager.peers().length, other.connectionManager.peers().length]).toEqual([0, 0])
  const again = await host.dial(other.identity.enode)
  expect(again.status).toBe('open')
})

test('a busy RLPx port is named as the system names it, though the transport wraps its error', async () => {
  const port = rlpxPort(await start())
  const second = await createHost({ addresses: { listen: [`/ip4/127.0.0.1/tcp/${port}/rlpx`] }, transports: [rlpx()] })
  await expect(second.start()).rejects.toMatchObject({
    cause: {
      message: `Cannot listen on /ip4/127.0.0.1/tcp/${port}/rlpx: EADDRINUSE, the port is in use: choose another port, or 0`,
      context: { errno: 'EADDRINUSE' },
    },
  })
})
