import type { Host } from '@kumiko/interface'
import { echo } from '@libp2p/echo'
import { identify, identifyPush } from '@libp2p/identify'
import type { IdentifyResult, Libp2p } from '@libp2p/interface'
import { ping } from '@libp2p/ping'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, test } from 'vitest'
import { addressOf, libp2pParts, startHost } from './nodes.ts'

const running: { stop(): void | Promise<void> }[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
})

const services = () => ({ identify: identify(), identifyPush: identifyPush({ debounce: 10 }), ping: ping(), echo: echo() })

async function pair() {
  const ours = await startHost({ services: services() })
  const theirs = await createLibp2p({ ...libp2pParts(), services: services() })
  running.push(ours, theirs)
  return { ours, theirs }
}

/** Waits until a node has heard who the other is. */
function identified(node: Pick<Libp2p, 'addEventListener'>): Promise<IdentifyResult> {
  const { promise, resolve } = Promise.withResolvers<IdentifyResult>()
  node.addEventListener('peer:identify', (event) => resolve(event.detail), { once: true })
  return promise
}

test('a Host is a Libp2p', async () => {
  const host: Host = await startHost()
  running.push(host)
  const libp2p: Libp2p = host
  expect([libp2p.status, libp2p.peerId.equals(host.identity.peerId)]).toEqual(['started', true])
})

test.each(['outbound', 'inbound'] as const)('identify, ping and echo with a vanilla node, %s', async (direction) => {
  const { ours, theirs } = await pair()
  const both = Promise.all([identified(ours), identified(theirs)])
  if (direction === 'outbound') await ours.dial(addressOf(theirs))
  else await theirs.dial(addressOf(ours))
  const [them, us] = await both
  expect(ours.getConnections().map((connection) => [connection.direction, connection.encryption, connection.multiplexer])).toEqual([
    [direction, '/noise', '/yamux/1.0.0'],
  ])
  expect([them.peerId.toString(), us.peerId.toString()]).toEqual([theirs.peerId.toString(), ours.peerId.toString()])
  expect(us.agentVersion).toMatch(/^kumiko\/\d/)
  expect(us.protocols).toEqual(ours.getProtocols())
  expect(us.signedPeerRecord?.addresses.map(String)).toEqual([
    addressOf(ours)
      .toString()
      .replace(/\/p2p\/.*/, ''),
  ])
  expect(await ours.services.ping.ping(theirs.peerId)).toBeGreaterThanOrEqual(0)
  expect(await theirs.services.ping.ping(ours.peerId)).toBeGreaterThanOrEqual(0)
  const data = Uint8Array.from({ length: 100_000 }, (_, index) => index)
  expect((await ours.services.echo.echo(theirs.peerId, data)).subarray()).toEqual(data)
  expect((await theirs.services.echo.echo(ours.peerId, data)).subarray()).toEqual(data)
  expect(ours.getConnections()).toHaveLength(1)
})

test('a new handler is pushed to a vanilla node, and its own to us', async () => {
  const { ours, theirs } = await pair()
  const both = Promise.all([identified(ours), identified(theirs)])
  await ours.dial(addressOf(theirs))
  await both
  await ours.handle('/ours/1', () => {})
  await theirs.handle('/theirs/1', () => {})
  await expect.poll(async () => (await theirs.peerStore.get(ours.peerId)).protocols).toContain('/ours/1')
  await expect.poll(async () => (await ours.peerStore.get(theirs.peerId)).protocols).toContain('/theirs/1')
})

test('topologies hear of a vanilla node coming and going; the event of its discovery comes once', async () => {
  const { ours, theirs } = await pair()
  const calls: string[] = []
  ours.addEventListener('peer:discovery', (event) => calls.push(`discovery ${event.detail.id}`))
  await ours.register('/ipfs/ping/1.0.0', {
    onConnect: (peer) => void calls.push(`connect ${peer}`),
    onDisconnect: (peer) => void calls.push(`disconnect ${peer}`),
  })
  await theirs.dial(addressOf(ours))
  await expect.poll(() => calls).toEqual([`discovery ${theirs.peerId}`, `connect ${theirs.peerId}`])
  await ours.hangUp(theirs.peerId)
  await expect.poll(() => calls.slice(2)).toEqual([`disconnect ${theirs.peerId}`])
})

test('a protocol is recorded once a connection, not once a stream', async () => {
  const { ours, theirs } = await pair()
  const recorded: (string[] | undefined)[] = []
  const merge = ours.peerStore.merge.bind(ours.peerStore)
  ours.peerStore.merge = async (peer, data, options) => {
    if (data.protocols?.includes('/twice/1') === true) recorded.push(data.protocols)
    return await merge(peer, data, options)
  }
  await theirs.handle('/twice/1', () => {})
  const connection = await ours.dial(addressOf(theirs))
  for (let count = 0; count < 3; count++) await connection.newStream('/twice/1')
  expect(recorded).toEqual([['/twice/1']])
})

test('each stream is limited, and passes its middleware', async () => {
  const { ours, theirs } = await pair()
  const seen: string[] = []
  const stay = async (): Promise<void> => {}
  await ours.handle('/limited/1', stay, {
    maxInboundStreams: 2,
    middleware: [
      (stream, connection, next) => {
        seen.push(stream.protocol)
        next(stream, connection)
      },
    ],
  })
  const connection = await theirs.dial(addressOf(ours))
  const streams = await Promise.all([connection.newStream('/limited/1'), connection.newStream('/limited/1')])
  const third = await connection.newStream('/limited/1')
  await expect.poll(() => third.status).toBe('reset')
  expect([streams.map((stream) => stream.status), seen]).toEqual([
    ['open', 'open'],
    ['/limited/1', '/limited/1'],
  ])
  const back = await ours.dial(theirs.peerId)
  await theirs.handle('/many/1', stay)
  await back.newStream('/many/1', { maxOutboundStreams: 1 })
  await expect(back.newStream('/many/1', { maxOutboundStreams: 1 })).rejects.toMatchObject({ name: 'TooManyOutboundProtocolStreamsError' })
  await expect(back.newStream('/nobody/1')).rejects.toMatchObject({ name: 'UnsupportedProtocolError' })
})
