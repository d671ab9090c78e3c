import { execFile } from 'node:child_process'
import net from 'node:net'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { createHost, type HostOptions } from '@kumiko/host'
import { createIdentity, generateSecretKey } from '@kumiko/identity'
import { KumikoError, type NodeRecord, type NodeSource, sleep } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { type PeerDiscoveryEvents, peerDiscoverySymbol, serviceDependencies, TypedEventEmitter } from '@libp2p/interface'
import { tcp } from '@libp2p/tcp'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import packageJson from '../package.json' with { type: 'json' }
import { VERSION } from '../src/version.ts'
import { addressOf, libp2pParts, startHost } from './nodes.ts'

/** Sockets that are open. Timers come and go with the test runner: those are seen in start-and-stop.ts. */
const sockets = (): string[] => process.getActiveResourcesInfo().filter((type) => /TCP|UDP/.test(type))

test('the version is that of the package', () => {
  expect(VERSION).toBe(packageJson.version)
})

test('nothing runs before the start, and nothing is left after the stop: the process ends by itself', async () => {
  const script = fileURLToPath(new URL('./start-and-stop.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@kumiko/source', script], { timeout: 120_000 })
  expect(JSON.parse(stdout)).toEqual({ unstarted: [], running: 6, peers: ['/noise', '/noise', 'native'], left: [] })
})

test('Hosts of all our parts start, talk and stop, again and again, and nothing is left', async () => {
  const script = fileURLToPath(new URL('./restart.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@kumiko/source', script], { timeout: 120_000 })
  const round = ['hello', 2, 2]
  expect(JSON.parse(stdout)).toEqual({ said: [round, round, round], left: [] })
})

test('start and stop are idempotent, one after the other in the order in which they were asked for', async () => {
  const host = await createHost(libp2pParts())
  const events: string[] = []
  for (const type of ['start', 'stop'] as const) host.addEventListener(type, () => events.push(type))
  await host.stop()
  await Promise.all([host.start(), host.start()])
  await host.start()
  await Promise.all([host.stop(), host.stop(), host.start(), host.start()])
  expect([events, host.status]).toEqual([['start', 'stop', 'start'], 'started'])
  const last = await Promise.allSettled([host.stop(), host.start(), host.stop()])
  expect(last.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'fulfilled'])
  await host.stop()
  expect([events.slice(3), host.status]).toEqual([['stop', 'start', 'stop'], 'stopped'])
  await expect.poll(sockets).toEqual([])
})

test('a stop does not wait for a part that never starts, and stops those that have', async () => {
  const clock = virtualClock()
  const calls: string[] = []
  const good = { start: () => void calls.push('start'), stop: () => void calls.push('stop') }
  const stuck = { start: () => new Promise<void>(() => {}), stop: () => {} }
  const host = await createHost({ clock, services: { good: () => good, stuck: () => stuck } })
  const started = expect(host.start()).rejects.toMatchObject({ code: 'host/start-failed', cause: { code: 'host/start-abandoned' } })
  const stopped = host.stop()
  await clock.advance(5_000)
  await Promise.all([started, stopped])
  expect([calls, host.status]).toEqual([['start', 'stop'], 'stopped'])
})

test('a stop gives up a start that began late, since it waited for a stop itself', async () => {
  const clock = virtualClock()
  let isStuck = false
  const slow = () => ({
    start: () => (isStuck ? new Promise<void>(() => {}) : undefined),
    stop: () => sleep(clock, 4_000),
  })
  const host = await createHost({ clock, services: { one: slow, other: slow } })
  await host.start()
  isStuck = true
  const changes = Promise.allSettled([host.stop(), host.start(), host.stop()])
  await clock.advance(20_000)
  expect((await changes).map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  expect(host.status).toBe('stopped')
})

test('a stop while starting waits for the start', async () => {
  const host = await createHost(libp2pParts())
  const started = host.start()
  await host.stop()
  await started
  expect([host.status, host.components.transportManager.getAddrs()]).toEqual(['stopped', []])
})

test.each(['beforeStart', 'start', 'afterStart'])('a service that fails in %s leaves nothing behind', async (phase) => {
  const broken = {
    start: () => {},
    stop: () => {},
    [phase]: () => {
      throw new KumikoError('test/broken', 'it is broken')
    },
  }
  const host = await createHost({ ...libp2pParts(), services: { broken: () => broken } })
  await expect(host.start()).rejects.toMatchObject({
    code: 'host/start-failed',
    message: `Could not start services.broken (${phase}): it is broken`,
    cause: { code: 'test/broken' },
  })
  expect([host.status, host.components.transportManager.getAddrs()]).toEqual(['stopped', []])
  await expect.poll(sockets).toEqual([])
  await host.stop()
  broken[phase as 'start'] = () => {}
  await host.start()
  expect([host.status, host.getMultiaddrs().length]).toEqual(['started', 1])
  await host.stop()
})

test('a busy port is named, with the mend, and the other listeners are closed', async () => {
  const server = net.createServer().listen(0, '127.0.0.1')
  await new Promise((resolve) => server.once('listening', resolve))
  const port = (server.address() as net.AddressInfo).port
  const listen = ['/ip4/127.0.0.1/tcp/0', `/ip4/127.0.0.1/tcp/${port}`]
  const host = await createHost({ ...libp2pParts(), addresses: { listen } })
  await expect(host.start()).rejects.toMatchObject({
    code: 'host/start-failed',
    message:
      'Could not start transportManager (afterStart): ' +
      `Cannot listen on /ip4/127.0.0.1/tcp/${port}: EADDRINUSE, the port is in use: choose another port, or 0`,
    cause: { code: 'host/listen-failed', context: { address: `/ip4/127.0.0.1/tcp/${port}`, errno: 'EADDRINUSE' } },
  })
  await new Promise((resolve) => server.close(resolve))
  await expect.poll(sockets).toEqual([])
})

test('a Host that listens listens on all further addresses or on none of them', async () => {
  const host = await startHost()
  const { transportManager } = host.components
  const free = multiaddr('/ip4/127.0.0.1/tcp/0')
  const busy = addressOf(host).decapsulate(`/p2p/${host.peerId}`)
  await expect(transportManager.listen([free, busy])).rejects.toMatchObject({ code: 'host/listen-failed' })
  expect([transportManager.getListeners().length, transportManager.getAddrs().map(String)]).toEqual([1, [busy.toString()]])
  await transportManager.listen([free])
  expect(transportManager.getAddrs()).toHaveLength(2)
  await transportManager.remove('@libp2p/tcp')
  expect([transportManager.getListeners(), transportManager.getTransports()]).toEqual([[], []])
  await host.stop()
})

test('an address that no transport takes is named', async () => {
  const host = await createHost({ ...libp2pParts(), addresses: { listen: ['/ip4/127.0.0.1/udp/1'] } })
  await expect(host.start()).rejects.toMatchObject({ cause: { code: 'host/no-transport', context: { address: '/ip4/127.0.0.1/udp/1' } } })
})

test.each<[string, HostOptions, string, string]>([
  ['a bad address', { addresses: { listen: ['127.0.0.1:4001'] } }, 'host/bad-option', 'addresses.listen[0]'],
  [
    'a setting of addresses that is none',
    { addresses: { lisen: [] } as object },
    'host/bad-option',
    'lisen is no option of addresses: want listen',
  ],
  ['a part that is none', { transports: [{} as never] }, 'host/bad-option', 'transports[0]'],
  ['an option that is none', { privateKeys: {} } as HostOptions, 'host/bad-option', 'privateKeys: is no option of createHost'],
  ['a key that is none', { privateKey: {} as never }, 'host/bad-option', 'privateKey: is no private key'],
  ['a transport given twice', { transports: [tcp(), tcp()] }, 'host/duplicate-transport', '@libp2p/tcp'],
  ['a service with a component’s name', { services: { dialer: () => ({}) } }, 'host/reserved-service', 'dialer'],
  ['a need that is not met', { services: { a: () => ({ [serviceDependencies]: ['b'] }) } }, 'host/unmet-dependency', 'b'],
  ['a part that reads too early', { metrics: ({ dialer }) => dialer as never }, 'host/component-too-early', 'dialer'],
])('%s is refused by name', async (_, options, code, name) => {
  await expect(createHost(options)).rejects.toMatchObject({ code, message: expect.stringContaining(name) })
})

test('the face of a Host: whom it knows, and what it refuses', async () => {
  const [a, b] = [await startHost(), await startHost()]
  await a.dial(addressOf(b))
  expect((await a.getPublicKey(b.peerId)).raw).toEqual(b.identity.publicKey)
  expect(a.getPeers().map(String)).toEqual([b.peerId.toString()])
  expect([await a.isDialable(addressOf(b)), await a.isDialable(multiaddr('/ip4/127.0.0.1/udp/1/quic-v1'))]).toEqual([true, false])
  await expect(a.hangUp(multiaddr('/ip4/127.0.0.1/tcp/1'))).rejects.toMatchObject({ code: 'host/bad-target' })
  await a.hangUp(addressOf(b))
  expect([a.getConnections(), a.getDialQueue()]).toEqual([[], []])
  await Promise.all([a.stop(), b.stop()])
})

test('services see each other and the core, when they are made and later', async () => {
  const seen: unknown[] = []
  const host = await startHost({
    services: {
      first: (components) => {
        seen.push(components.registrar, components.dialer, components.connectionManager)
        return { name: 'first' }
      },
      second: (components: object) => ({ other: () => Reflect.get(components, 'first') }),
    },
  })
  const { registrar, dialer, connectionManager } = host.components
  expect(seen).toEqual([registrar, dialer, connectionManager])
  expect([host.services.second.other(), host.metrics]).toEqual([host.services.first, undefined])
  await host.stop()
})

test('what a libp2p discovery finds is stored, and told once', async () => {
  const { peerId: id } = await createIdentity({ secretKey: generateSecretKey() })
  const discovery = new TypedEventEmitter<PeerDiscoveryEvents>()
  const host = await startHost({ peerDiscovery: [() => ({ [peerDiscoverySymbol]: discovery })] })
  const found: string[] = []
  host.addEventListener('peer:discovery', (event) => found.push(event.detail.id.toString()))
  for (const port of [1, 2]) discovery.safeDispatchEvent('peer', { detail: { id, multiaddrs: [multiaddr(`/ip4/127.0.0.1/tcp/${port}`)] } })
  discovery.safeDispatchEvent('peer', { detail: { id: host.peerId, multiaddrs: [] } })
  await expect.poll(async () => (await host.peerStore.get(id)).addresses.length).toBe(2)
  expect(found).toEqual([id.toString()])
  await host.stop()
})

test('a node source feeds the dialer while the Host runs', async () => {
  const { record } = await createIdentity({ secretKey: generateSecretKey() })
  let isEnded = false
  const source: NodeSource = {
    name: 'test',
    async *nodes(): AsyncGenerator<NodeRecord> {
      try {
        for (;;) yield record.node
      } finally {
        isEnded = true
      }
    },
  }
  const host = await startHost({ discovery: [() => source] })
  await expect.poll(() => host.dialer.status().refused).toMatchObject({ 'no-endpoint': expect.any(Number) })
  await host.stop()
  await expect.poll(() => isEnded).toBe(true)
})
