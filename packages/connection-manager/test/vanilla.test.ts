import type { ConnectionManager } from '@kumiko/interface'
import type { Libp2p, PendingDial } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { afterEach, expect, it } from 'vitest'
import { connectionManager } from '../src/connection-manager.ts'
import { allowAddresses, denyPeer } from '../src/filters.ts'
import type { ConnectionManagerOptions } from '../src/options.ts'
import { pruneByValue } from '../src/prune.ts'

type Node = Libp2p<{ connectionManager: ConnectionManager; ping: ReturnType<ReturnType<typeof ping>> }>

const nodes: Node[] = []

/** One after another: a js-libp2p connection whose remote goes while it is upgraded takes its whole time limit to close. */
afterEach(async () => {
  for (const node of nodes.splice(0).reverse()) await node.stop()
})

/** A vanilla js-libp2p node whose connection manager is ours. */
async function vanilla(options: ConnectionManagerOptions = {}): Promise<Node> {
  const node = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    connectionMonitor: { enabled: false },
    services: { connectionManager: connectionManager(options), ping: ping() },
  })
  nodes.push(node)
  return node
}

/** Resolves as soon as the claim holds; the test's own time limit bounds it. */
async function until(claim: () => boolean): Promise<void> {
  while (!claim()) await new Promise((resolve) => setTimeout(resolve, 5))
}

const cm = (node: Node): ConnectionManager => node.services.connectionManager

it('connects, serves streams, reuses, and hangs up', async () => {
  const [a, b] = [await vanilla(), await vanilla()]
  const told: string[] = []
  for (const event of ['peer:connect', 'peer:disconnect'] as const) b.addEventListener(event, () => told.push(event))
  const connection = await a.dial(b.getMultiaddrs())
  expect(await a.dial(b.peerId)).toBe(connection)
  expect(await a.services.ping.ping(b.peerId)).toBeGreaterThanOrEqual(0)
  await until(() => b.getConnections().length === 1)
  expect(cm(b).peers()).toMatchObject([{ isTrusted: false, connections: [{ stack: 'libp2p', direction: 'inbound' }] }])
  expect(a.getPeers().map(String)).toEqual([b.peerId.toString()])
  await a.hangUp(b.peerId)
  await until(() => b.getConnections().length === 0)
  expect(told).toEqual(['peer:connect', 'peer:disconnect'])
  expect(a.getConnections()).toEqual([])
})

it('bounds outbound and inbound connections for good, where libp2p itself does not', async () => {
  const [hub, ...others] = [await vanilla({ maxPeers: 2 }), await vanilla(), await vanilla(), await vanilla()]
  for (const other of others.slice(0, 2)) await hub.dial(other.getMultiaddrs())
  const [, , last] = others
  if (last === undefined) throw new Error('four nodes')
  await expect(hub.dial(last.getMultiaddrs())).rejects.toMatchObject({
    code: 'connection-manager/dial-failed',
    cause: { code: 'connection-manager/too-many-peers' },
  })
  await last.dial(hub.getMultiaddrs()).catch(() => undefined)
  await until(() => last.getConnections().length === 0)
  expect(hub.getConnections()).toHaveLength(2)
  cm(hub).setMaxConnections(1)
  await until(() => hub.getConnections().length === 1)
  expect(hub.getPeers().map(String)).toEqual([others[0]?.peerId.toString()])
})

it('gives a pending slot back after each failed upgrade', async () => {
  const [hub, other] = [await vanilla({ maxPendingPeers: 1 }), await vanilla()]
  cm(hub).filters.add(denyPeer(other.peerId))
  for (let i = 0; i < 5; i++) {
    await other.dial(hub.getMultiaddrs()).catch(() => undefined)
    await until(() => other.getConnections().length === 0)
  }
  expect(hub.getConnections()).toEqual([])
  for (const filter of cm(hub).filters.list()) cm(hub).filters.remove(filter)
  await other.dial(hub.getMultiaddrs())
  await until(() => hub.getConnections().length === 1)
})

it('does not dial what is banned or filtered, or itself', async () => {
  const [a, b] = [await vanilla(), await vanilla()]
  cm(a).ban('127.0.0.0/8', { durationMs: 60_000 })
  expect(await cm(a).isDialable(b.getMultiaddrs())).toBe(false)
  await expect(a.dial(b.getMultiaddrs())).rejects.toMatchObject({ code: 'connection-manager/dial-failed' })
  cm(a).unban('127.0.0.0/8')
  expect(await cm(a).isDialable(b.getMultiaddrs())).toBe(true)
  await expect(a.dial(a.getMultiaddrs())).rejects.toMatchObject({ name: 'InvalidPeerIdError' })
  await a.dial(b.getMultiaddrs())
  await until(() => b.getConnections().length === 1)
})

it('heeds masks that are edited while it runs, in both directions, for names and their IPs', async () => {
  const [a, b] = [await vanilla({ addressFilters: { defaultAction: 'deny' }, filters: [allowAddresses('dns4')] }), await vanilla()]
  const [address] = b.getMultiaddrs()
  const named = multiaddr(`${address}`.replace('/ip4/127.0.0.1/', '/dns4/localhost/'))
  const failed = { code: 'connection-manager/dial-failed' }
  for (const target of [b.getMultiaddrs(), named]) await expect(a.dial(target)).rejects.toMatchObject(failed)
  await b.dial(a.getMultiaddrs()).catch(() => undefined)
  await until(() => b.getConnections().length === 0)
  expect(a.getConnections()).toEqual([])
  cm(a).addressFilters.addFilter('/ip4/127.0.0.0/ipcidr/8', 'accept')
  await a.dial(named)
  await until(() => b.getConnections().length === 1)
  cm(a).addressFilters.remove('127.0.0.0/8')
  expect(a.getConnections()).toHaveLength(1)
  expect(await cm(a).dropDenied()).toBe(1)
  await until(() => b.getConnections().length === 0)
})

it('dials a peer by what the peer store knows', async () => {
  const [a, b] = [await vanilla(), await vanilla()]
  await expect(a.dial(b.peerId)).rejects.toMatchObject({ code: 'connection-manager/dial-failed' })
  await a.peerStore.merge(b.peerId, { multiaddrs: b.getMultiaddrs() })
  expect((await a.dial(b.peerId)).remotePeer.toString()).toBe(b.peerId.toString())
  await until(() => b.getConnections().length === 1)
})

it('tells of dials under way, of their progress, and of a connection that is there already', async () => {
  const [a, b] = [await vanilla(), await vanilla()]
  const told: string[] = []
  const queues: PendingDial[] = []
  const onProgress = ({ type }: { readonly type: string }): void => {
    told.push(type)
    queues.push(...cm(a).getDialQueue())
  }
  await a.dial(b.getMultiaddrs(), { onProgress })
  await until(() => b.getConnections().length === 1)
  expect(queues[0]).toMatchObject({ status: 'active', peerId: b.peerId, multiaddrs: b.getMultiaddrs() })
  expect(cm(a).getDialQueue()).toEqual([])
  expect([told[0], told.at(-1)]).toEqual(['connection:open', 'connection:opened'])
  told.length = 0
  await a.dial(b.peerId, { onProgress })
  expect(told).toEqual(['connection:open', 'dial-queue:already-connected', 'connection:opened'])
})

it('holds its limits with 12 peers that it dials and that dial it, and says so of what has closed only', async () => {
  const hub = await vanilla({ maxPeers: 4, limits: { total: 4 }, atLimit: 'prune', prune: pruneByValue })
  const peers = await Promise.all(Array.from({ length: 12 }, () => vanilla()))
  let [most, pruned] = [0, 0]
  hub.addEventListener('connection:open', () => {
    most = Math.max(most, hub.getConnections().length)
  })
  hub.addEventListener('connection:prune', ({ detail }) => {
    pruned += detail.length
    expect(detail.every(({ status }) => status === 'closed' || status === 'aborted')).toBe(true)
  })
  for (const peer of peers.slice(8)) await hub.peerStore.merge(peer.peerId, { tags: { worth: { value: 9 } } })
  for (const peer of peers) {
    await Promise.allSettled([hub.dial(peer.getMultiaddrs()), peer.dial(hub.getMultiaddrs())])
    expect(hub.getConnections().length).toBeLessThanOrEqual(4)
  }
  await until(() => hub.getConnections().every(({ status }) => status === 'open'))
  expect([most <= 4, pruned > 0]).toEqual([true, true])
  expect(cm(hub).peers().length).toBeGreaterThan(1)
  const valued = new Set(peers.slice(8).map(({ peerId }) => peerId.toString()))
  expect(
    cm(hub)
      .peers()
      .every(({ peerId }) => valued.has(peerId.toString())),
  ).toBe(true)
})

it('leaves nothing open when it stops', async () => {
  const [a, b] = [await vanilla(), await vanilla()]
  await a.dial(b.getMultiaddrs())
  await until(() => b.getConnections().length === 1)
  await a.stop()
  await until(() => b.getConnections().length === 0)
  await b.stop()
  await until(() => !process.getActiveResourcesInfo().some((what) => what.startsWith('TCP')))
})
