import { circuitRelayServer, circuitRelayTransport } from '@libp2p/circuit-relay-v2'
import { echo } from '@libp2p/echo'
import { identify, identifyPush } from '@libp2p/identify'
import type { Libp2p } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { connect, heard, KINDS, type Kind, start, startHost } from './nodes.ts'

const PROTOCOL = '/talk/1'

const startRelay = (kind: Kind) => start(kind, { services: { identify: identify(), push: identifyPush(), relay: circuitRelayServer() } })

/** A node that can be reached, or reach others, through a relay; it listens through those that are given. */
function startClient(kind: Kind, ...relays: Libp2p[]) {
  const listen = ['/ip4/127.0.0.1/tcp/0', ...relays.map((relay) => `${relay.getMultiaddrs()[0]}/p2p-circuit`)]
  const options = () => ({
    addresses: { listen },
    transports: [tcp(), circuitRelayTransport()],
    services: { identify: identify(), echo: echo() },
  })
  return kind === 'Host' ? startHost(options()) : start(kind, options())
}

const relayedAddresses = (node: Libp2p) => node.getMultiaddrs().filter((address) => address.toString().includes('/p2p-circuit'))

describe.each([
  ['Host', 'libp2p', 'libp2p'],
  ['libp2p', 'Host', 'libp2p'],
  ['libp2p', 'libp2p', 'Host'],
  ['Host', 'Host', 'Host'],
] as const)('a %s relays between a %s that listens and a %s that dials', (relayKind, listenerKind, dialerKind) => {
  test('a reservation is told of, and a limited connection made of it', async () => {
    const relay = await startRelay(relayKind)
    const listener = await startClient(listenerKind, relay)
    await expect.poll(() => relayedAddresses(listener).length).toBe(1)
    expect([...relay.services.relay.reservations.keys()].map(String)).toEqual([listener.peerId.toString()])
    expect((await relay.peerStore.get(listener.peerId)).tags.size).toBeGreaterThan(0)
    await listener.handle(
      PROTOCOL,
      async (stream) => {
        for await (const data of stream) stream.send(data)
      },
      { runOnLimitedConnection: true },
    )
    const dialing = await startClient(dialerKind)
    const came = heard(listener, 'connection:open', ({ remotePeer }) => remotePeer.equals(dialing.peerId))
    const connection = await dialing.dial(relayedAddresses(listener))
    expect([connection.direct, connection.limits !== undefined, connection.remotePeer.equals(listener.peerId)]).toEqual([false, true, true])
    expect(await came).toMatchObject({ direction: 'inbound', direct: false, limits: {} })
    const stream = await connection.newStream(PROTOCOL, { runOnLimitedConnection: true })
    stream.send(new TextEncoder().encode('through the relay'))
    for await (const data of stream) {
      expect(new TextDecoder().decode(data.subarray())).toBe('through the relay')
      break
    }
    await stream.close()
    await expect(connection.newStream(PROTOCOL)).rejects.toMatchObject({ name: 'LimitedConnectionError' })
  })
})

describe.each(KINDS)('a listener that finds a relay by itself, a %s', (kind) => {
  test('reserves a place, and tells peers of its relayed address', async () => {
    const relay = await startRelay(kind)
    const ours = await startHost({
      addresses: { listen: ['/p2p-circuit'] },
      transports: [tcp(), circuitRelayTransport()],
      services: { identify: identify(), push: identifyPush({ debounce: 10 }) },
    })
    await connect(ours, relay)
    await expect.poll(() => relayedAddresses(ours).map(String)).toEqual([`${relay.getMultiaddrs()[0]}/p2p-circuit/p2p/${ours.peerId}`])
    expect(ours.identity.record.node.addresses.map(String)).toEqual(relayedAddresses(ours).map(String))
    await expect.poll(async () => (await relay.peerStore.get(ours.peerId)).addresses.length).toBe(1)
  })
})

test('a direct connection is preferred to a relayed one, and made beside it', async () => {
  const relay = await startRelay('Host')
  const listener = await startClient('libp2p', relay)
  await expect.poll(() => relayedAddresses(listener).length).toBe(1)
  const ours = await startHost({ transports: [tcp(), circuitRelayTransport()], services: { identify: identify(), echo: echo() } })
  await ours.dial(relayedAddresses(listener))
  expect(ours.getConnections(listener.peerId).map(({ direct }) => direct)).toEqual([false])
  const direct = listener.getMultiaddrs().filter((address) => !address.toString().includes('/p2p-circuit'))
  await ours.peerStore.merge(listener.peerId, { multiaddrs: direct.map((address) => multiaddr(address.toString())) })
  const data = new Uint8Array(1000).fill(7)
  expect(new Uint8Array((await ours.services.echo.echo(listener.peerId, data)).subarray())).toEqual(data)
  expect(
    ours
      .getConnections(listener.peerId)
      .map((connection) => connection.direct)
      .toSorted(),
  ).toEqual([false, true])
})
