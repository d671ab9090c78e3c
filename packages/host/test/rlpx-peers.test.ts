import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { connectionManager } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import type { HostOptions } from '@kumiko/host'
import { curve } from '@kumiko/identity'
import { type Capability, disconnectReasons, type Host, KumikoError, type Peer, type PeerEvent } from '@kumiko/interface'
import { Initiator, randomBytes, type StreamNetwork } from '@kumiko/rlpx'
import { type VirtualClock, type VirtualNetwork, type VirtualStream, virtualClock, virtualNetwork } from '@kumiko/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { networkAt, startVirtualHost } from './virtual-hosts.ts'

let clock: VirtualClock
let network: VirtualNetwork
const running: Host[] = []

beforeEach(() => {
  clock = virtualClock()
  network = virtualNetwork({ clock })
})

afterEach(async () => {
  await during(Promise.all(running.splice(0).map((host) => host.stop())))
  expect(network.connections).toBe(0)
})

/** Moves the clock on until a promise is settled; at most 100 s. */
async function during<T>(promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settle = (): void => {
    isSettled = true
  }
  promise.then(settle, settle)
  for (let step = 0; step < 10_000 && !isSettled; step++) await clock.advance(10)
  return await promise
}

/** Answers code 0 by code 1, and keeps each peer that it served. */
function echo(served: Peer[] = []): Capability {
  return {
    name: 'echo',
    version: 1,
    length: 2,
    run: async (channel, peer) => {
      served.push(peer)
      for await (const { code, payload } of channel) if (code === 0) channel.send(1, payload)
    },
  }
}

async function start(ip: string, capability: Capability, options: Omit<HostOptions, 'transports'> = {}): Promise<Host> {
  const host = await during(startVirtualHost(network, ip, capability, { clock, ...options }))
  running.push(host)
  return host
}

/** How a peer's connection ended, as its capability was told. */
function endOf(peer: Peer | undefined): unknown {
  return peer?.signal.reason.context
}

/** What a dial was refused with, by us or by the remote. */
async function refusedWith(dial: Promise<unknown>): Promise<unknown> {
  const error: unknown = await during(dial).catch((reason: unknown) => reason)
  return reasonIn(error) ?? error
}

/** The disconnect reason in an error, in its causes, or in the errors that it sums up. */
function reasonIn(error: unknown): unknown {
  if (!(error instanceof Error)) return undefined
  const own = error instanceof KumikoError ? error.context.reason : undefined
  return own ?? reasonIn(error instanceof AggregateError ? error.errors[0] : error.cause)
}

/** Dials, and waits until both ends serve the connection. */
async function connect(from: Host, to: Host): Promise<void> {
  await during(from.dial(to.identity.enode))
  await clock.advance(100)
}

test('a connection is seen with its peer, its traffic and its events at both ends', async () => {
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  const asking: Capability = {
    ...echo(),
    run: async (channel) => {
      await told
      channel.send(0, new Uint8Array(100))
      await channel.read()
      await channel.read()
    },
  }
  const managed = { connectionManager: connectionManager({ enableMsgEvents: true }) }
  const [a, b] = [await start('10.0.0.1', asking, managed), await start('10.0.0.2', echo(), managed)]
  const events: PeerEvent[] = []
  b.connectionManager.subscribe((event) => events.push(event))
  await connect(a, b)
  tell()
  await clock.advance(100)
  const counted = { bytesReceived: 100, bytesSent: 100, messagesReceived: 1, messagesSent: 1 }
  for (const [host, other, direction] of [
    [a, b, 'outbound'],
    [b, a, 'inbound'],
  ] as const) {
    const [peer] = host.connectionManager.peers()
    expect(peer).toMatchObject({ isTrusted: false, isStatic: false, traffic: { capabilities: { 'echo/1': counted } } })
    expect(peer?.peerId.equals(other.peerId)).toBe(true)
    expect(peer?.connections).toMatchObject([{ stack: 'rlpx', direction, protocols: ['/echo/1'] }])
    expect(host.connectionManager.traffic()).toEqual(peer?.traffic)
  }
  expect(b.connectionManager.traffic().bytesReceived).toBe(a.connectionManager.traffic().bytesSent)
  await during(a.connectionManager.disconnect(b.peerId))
  await clock.advance(100)
  const message = { peerId: a.peerId, capability: { name: 'echo', version: 1 }, sizeBytes: 100 }
  expect(events).toMatchObject([
    { type: 'add', peerId: a.peerId, stack: 'rlpx', direction: 'inbound' },
    { type: 'msgrecv', code: 0, ...message },
    { type: 'msgsend', code: 1, ...message },
    { type: 'drop', peerId: a.peerId },
  ])
})

test('a message that comes right behind Hello is told of after its peer', async () => {
  const hasty: Capability = {
    ...echo(),
    run: async (channel) => {
      channel.send(0, new Uint8Array(1))
      await channel.read()
    },
  }
  const managed = { connectionManager: connectionManager({ enableMsgEvents: true }) }
  const [a, b] = [await start('10.0.0.1', hasty), await start('10.0.0.2', echo(), managed)]
  const events: string[] = []
  b.connectionManager.subscribe(({ type }) => events.push(type))
  await connect(a, b)
  expect(events.slice(0, 3)).toEqual(['add', 'msgrecv', 'msgsend'])
})

test.each(disconnectReasons())('the remote hears of a disconnect: %s', async (reason) => {
  const served: Peer[] = []
  const [a, b] = [await start('10.0.0.1', echo()), await start('10.0.0.2', echo(served))]
  await connect(a, b)
  await during(a.connectionManager.disconnect(b.peerId, reason))
  await clock.advance(100)
  expect(endOf(served[0])).toEqual({ by: 'remote', reason })
  expect([a, b].map((host) => host.connectionManager.peers().length)).toEqual([0, 0])
})

test.each([
  ['throws', 'subprotocol-error'],
  ['returns', 'requested'],
] as const)('a capability that %s ends the connection: %s', async (how, reason) => {
  const served: Peer[] = []
  const { promise: told, resolve: tell } = Promise.withResolvers<void>()
  const run = async (): Promise<void> => {
    await told
    if (how === 'throws') throw new Error('broken')
  }
  const [a, b] = [await start('10.0.0.1', { ...echo(), run }), await start('10.0.0.2', echo(served))]
  await connect(a, b)
  tell()
  await clock.advance(100)
  expect(endOf(served[0])).toEqual({ by: 'remote', reason })
})

test('a Host that stops tells its peers that it quits', async () => {
  const served: Peer[] = []
  const [a, b] = [await start('10.0.0.1', echo()), await start('10.0.0.2', echo(served))]
  await connect(a, b)
  await during(Promise.resolve(a.stop()))
  await clock.advance(100)
  expect(endOf(served[0])).toEqual({ by: 'remote', reason: 'client-quitting' })
  expect(network.connections).toBe(0)
})

test('a banned peer is dropped, is refused for as long as the ban lasts, and may come back then', async () => {
  const served: Peer[] = []
  const [a, b] = [await start('10.0.0.1', echo(served)), await start('10.0.0.2', echo())]
  await connect(a, b)
  b.connectionManager.ban(a.peerId, { durationMs: 60_000 })
  await clock.advance(100)
  expect(endOf(served[0])).toEqual({ by: 'remote', reason: 'useless-peer' })
  expect(await refusedWith(a.dial(b.identity.enode))).toBe('useless-peer')
  await clock.advance(60_000)
  await connect(a, b)
  expect(b.connectionManager.peers()).toHaveLength(1)
})

test('inbound peers are capped below the limit; a trusted one passes it', async () => {
  const trusted = await start('10.0.1.9', echo())
  const hub = await start('10.0.0.1', echo(), { connectionManager: connectionManager({ maxPeers: 3, trusted: [trusted.identity.enode] }) })
  const [first, second, third, fourth] = [
    await start('10.0.1.1', echo()),
    await start('10.0.1.2', echo()),
    await start('10.0.1.3', echo()),
    await start('10.0.1.4', echo()),
  ]
  await during(Promise.all([first, second].map((host) => host.dial(hub.identity.enode))))
  expect(await refusedWith(third.dial(hub.identity.enode))).toBe('too-many-peers')
  await during(hub.dial(third.identity.enode))
  expect(hub.connectionManager.peers()).toHaveLength(3)
  expect(await refusedWith(hub.dial(fourth.identity.enode))).toBe('too-many-peers')
  await connect(trusted, hub)
  expect(hub.connectionManager.peers().map(({ isTrusted }) => isTrusted)).toEqual([false, false, false, true])
})

test('every refusal gives its slots back, at both ends', async () => {
  const one = () => ({ connectionManager: connectionManager({ maxPeers: 2, maxPendingPeers: 1 }) })
  const a = await start('10.0.0.1', echo(), one())
  const b = await start('10.0.0.2', echo(), one())
  const useless = await start('10.0.0.3', { ...echo(), name: 'other' }, one())
  const [, , host, port] = /enode:\/\/(.*)@(.*):(.*)\?/.exec(b.identity.enode) ?? []
  const misnamed = `enode://${useless.identity.enode.slice(8, 136)}@${host}:${port}`
  expect(await refusedWith(a.dial(useless.identity.enode))).toBe('useless-peer')
  expect(await refusedWith(useless.dial(a.identity.enode))).toBe('useless-peer')
  await expect(during(a.dial(misnamed))).rejects.toThrow()
  await expect(during(a.dial(a.identity.enode))).rejects.toMatchObject({ code: 'dialer/self' })
  await expect(during(a.dial(b.identity.enode.replace(`:${port}?`, ':1?')))).rejects.toThrow()
  for (let round = 0; round < 2; round++) {
    await connect(a, b)
    expect(await refusedWith(b.dial(a.identity.enode, { force: true }))).toBe('already-connected')
    expect([a, b, useless].map((host) => host.connectionManager.peers().length)).toEqual([1, 1, 0])
    await during(a.hangUp(b.peerId))
    await clock.advance(100)
  }
})

test('a static node is dialed again when it is lost, with growing pauses while it is away', async () => {
  const b = await start('10.0.0.2', echo())
  const a = await start('10.0.0.1', echo(), { dialer: dialer({ static: [b.identity.enode] }) })
  const events: string[] = []
  a.connectionManager.subscribe(({ type }) => events.push(type))
  await clock.advance(1000)
  expect(a.connectionManager.peers()).toMatchObject([{ isStatic: true }])
  network.cut()
  await clock.advance(60_000)
  expect(a.connectionManager.peers()).toMatchObject([{ isStatic: true }])
  expect(events).toEqual(['add', 'drop', 'add'])
  await during(Promise.resolve(b.stop()))
  await clock.advance(300_000)
  expect(a.connectionManager.peers()).toEqual([])
  expect(events).toEqual(['add', 'drop', 'add', 'drop'])
})

test('200 peers whose network is cut: nothing is left after the stop, and the process ends by itself', async () => {
  const script = fileURLToPath(new URL('./network-lost.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@kumiko/source', script], { timeout: 120_000 })
  expect(JSON.parse(stdout)).toEqual({ unstarted: [], connected: [200, 200], timers: true, left: [], peers: 0 })
})

test('who went without leaving an address is forgotten; who is tagged, or came back, is not', async () => {
  const [a, b, c] = [await start('10.0.0.1', echo()), await start('10.0.0.2', echo()), await start('10.0.0.3', echo())]
  const left: string[] = []
  await a.register('/echo/1', { onDisconnect: (peerId) => void left.push(peerId.toString()) })
  for (const host of [b, c]) await during(host.dial(a.identity.enode))
  await clock.advance(100)
  await a.peerStore.merge(c.peerId, { tags: { friend: { value: 1 } } })
  const known = async (): Promise<boolean[]> => await Promise.all([b, c].map((host) => a.peerStore.has(host.peerId)))
  expect(await known()).toEqual([true, true])
  for (const host of [b, c]) await during(host.hangUp(a.peerId))
  await clock.advance(5000)
  expect(await known()).toEqual([false, true])
  expect(left).toEqual([b, c].map(({ peerId }) => peerId.toString()))
  await during(b.dial(a.identity.enode, { force: true }))
  await clock.advance(100)
  expect(await known()).toEqual([true, true])
})

test('of remotes that are refused and do not close, 256 are given time, and no more', async () => {
  let cut = 0
  const base = networkAt('10.0.0.1', network)
  const listen: StreamNetwork['listen'] = (host, port, onStream) =>
    base.listen(host, port, (stream) => {
      const destroy = stream.destroy.bind(stream)
      stream.destroy = () => {
        cut++
        destroy()
      }
      onStream(stream)
    })
  const host = await startVirtualHost(network, '10.0.0.1', echo(), {
    clock,
    connectionManager: connectionManager({ maxPeers: 0, maxPendingPeers: 300 }),
    rlpx: { network: { ...base, listen } },
  })
  running.push(host)
  const publicKey = curve.expand(host.identity.publicKey) ?? expect.unreachable()
  const knock = async (n: number): Promise<VirtualStream> => {
    const secretKey = Uint8Array.from({ length: 32 }, (_, i) => 1 + ((n >> (i % 2 === 0 ? 8 : 0)) % 200))
    const remote = new Initiator({ curve, randomBytes, secretKey, publicKey: curve.publicKey(secretKey) }, publicKey)
    const stream = await network.connect('10.0.0.9', { host: '10.0.0.1', port: 30303 })
    stream.handler = { onData: () => {}, onDrain: () => {}, onClose: () => {} }
    stream.pause()
    stream.write(remote.auth)
    return stream
  }
  const remotes = await during(Promise.all(Array.from({ length: 300 }, (_, n) => knock(n))))
  await clock.advance(100)
  expect(host.connectionManager.failures().refusals).toEqual({ 'connection-manager/too-many-peers': 300 })
  expect(cut).toBe(44)
  for (const remote of remotes) remote.destroy()
  await clock.advance(5000)
})

test('what goes wrong is counted by code, and a drop is told with the reason that the remote gave', async () => {
  const a = await start('10.0.0.1', echo())
  const b = await start('10.0.0.2', echo())
  const c = await start('10.0.0.3', { ...echo(), name: 'other' })
  const drops: PeerEvent[] = []
  a.connectionManager.subscribe((event) => event.type === 'drop' && drops.push(event))
  expect(a.connectionManager.failures()).toEqual({ faults: {}, refusals: {} })
  const stranger = await during(network.connect('10.0.0.9', { host: '10.0.0.1', port: 30303 }))
  stranger.handler = { onData: () => {}, onDrain: () => {}, onClose: () => {} }
  stranger.write(new Uint8Array(500).fill(1))
  await refusedWith(c.dial(a.identity.enode))
  await connect(b, a)
  await during(b.connectionManager.disconnect(a.peerId, 'too-many-peers'))
  await clock.advance(3000)
  expect(a.connectionManager.failures()).toEqual({
    faults: { 'rlpx/bad-auth': 1 },
    refusals: { 'connection-manager/useless-peer': 1 },
  })
  expect(drops).toMatchObject([{ type: 'drop', peerId: b.peerId, detail: 'too-many-peers' }])
})
