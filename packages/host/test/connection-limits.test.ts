import { type ConnectionManagerOptions, connectionManager, pruneByValue } from '@kumiko/connection-manager'
import { createHost } from '@kumiko/host'
import type { Host } from '@kumiko/interface'
import type { Connection, Libp2pEvents, Stream } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { noise } from '@libp2p/noise'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { afterEach, expect, test } from 'vitest'

const HOLD = '/hold/1.0.0'
const PEERS = 12
const hosts: Host[] = []

afterEach(async () => {
  await Promise.all(hosts.splice(0).map((host) => host.stop()))
})

/** A Host in this process that keeps every stream open which it is sent. */
async function start(name: string, options: ConnectionManagerOptions = {}): Promise<Host> {
  const host = await createHost({
    addresses: { listen: [`/memory/${name}`] },
    transports: [memory()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionManager: connectionManager(options),
    start: true,
  })
  hosts.push(host)
  await host.handle(HOLD, () => {})
  return host
}

/** Counts what is open at each moment, by the events that tell of it, and keeps what pruning claims. */
function watch(host: Host): { most: number; open: number; readonly pruned: Connection[] } {
  const seen = { most: 0, open: 0, pruned: [] as Connection[] }
  const on = <K extends keyof Libp2pEvents>(event: K, listener: (event: Libp2pEvents[K]) => void): void => {
    host.components.events.addEventListener(event, listener)
  }
  on('connection:open', () => {
    seen.open++
    seen.most = Math.max(seen.most, seen.open, host.getConnections().length)
  })
  on('connection:close', () => seen.open--)
  on('connection:prune', ({ detail }) => {
    for (const connection of detail) expect(['closed', 'aborted', 'reset']).toContain(connection.status)
    seen.pruned.push(...detail)
  })
  return seen
}

async function until(claim: () => boolean): Promise<void> {
  while (!claim()) await new Promise((resolve) => setTimeout(resolve, 5))
}

test.each([{ atLimit: 'refuse' as const }, { atLimit: 'prune' as const, prune: pruneByValue }])(
  'with maxConnections 4 there are never more, with 12 peers dialed and dialing and a stream open to each: %o',
  async (options) => {
    const hub = await start(`hub-${options.atLimit}`, { maxPeers: 4, limits: { total: 4 }, ...options })
    const seen = watch(hub)
    const peers = await Promise.all(Array.from({ length: PEERS }, (_, n) => start(`peer-${options.atLimit}-${n}`)))
    const meet = async (from: Host, to: Host): Promise<void> => {
      const [address] = to.getMultiaddrs()
      const connection = await from.dial(multiaddr(`${address}`))
      await connection.newStream(HOLD)
    }
    const meetings = await Promise.allSettled(peers.flatMap((peer) => [meet(hub, peer), meet(peer, hub)]))
    await until(() => hub.getConnections().length === seen.open)
    expect(seen.most).toBe(4)
    expect(meetings.some(({ status }) => status === 'fulfilled')).toBe(true)
    expect(hub.getConnections().some(({ streams }) => streams.some(({ protocol }) => protocol === HOLD))).toBe(true)
    if (options.atLimit === 'refuse') expect(seen.pruned).toEqual([])

    const before = seen.pruned.length
    hub.connectionManager.setMaxConnections(2)
    await until(() => hub.getConnections().length === 2 && seen.open === 2)
    await until(() => seen.pruned.length === before + 2)
  },
)

test('a limit of a protocol holds over all connections, and a stream that ends makes room', async () => {
  const hub = await start('hub-streams', { limits: { perProtocol: { [HOLD]: 3 } } })
  const peers = await Promise.all(Array.from({ length: 6 }, (_, n) => start(`peer-streams-${n}`)))
  const held = (): Stream[] =>
    hub.getConnections().flatMap(({ streams }) => streams.filter((each) => each.protocol === HOLD && each.status === 'open'))
  const connections = await Promise.all(peers.map((peer) => peer.dial(multiaddr(`${hub.getMultiaddrs()[0]}`))))
  let [open, most] = [0, 0]
  const onStream = (stream: Stream): void => {
    open++
    most = Math.max(most, open)
    stream.addEventListener('close', () => open--)
  }
  await hub.handle(HOLD, onStream, { force: true })
  await Promise.allSettled(connections.map((connection) => connection.newStream(HOLD)))
  const refusals = (): number => hub.connectionManager.failures().refusals['connection-manager/limit-reached'] ?? 0
  await until(() => refusals() === 3 && held().length === 3)
  for (const stream of held().slice(0, 1)) stream.abort(new Error('enough'))
  await until(() => held().length === 2)
  await Promise.allSettled(connections.slice(0, 2).map((connection) => connection.newStream(HOLD)))
  await until(() => refusals() === 4 && held().length === 3)
  expect(most).toBe(3)
})
