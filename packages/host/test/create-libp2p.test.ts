import { connectionManager } from '@kumiko/connection-manager'
import { dialer } from '@kumiko/dialer'
import { createHost, createLibp2p, isLibp2p } from '@kumiko/host'
import { createIdentity } from '@kumiko/identity'
import { type Host, optionalComponent } from '@kumiko/interface'
import { rlpx } from '@kumiko/rlpx'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { FaultTolerance } from '@libp2p/interface'
import { memory } from '@libp2p/memory'
import { ping } from '@libp2p/ping'
import { plaintext } from '@libp2p/plaintext'
import { yamux } from '@libp2p/yamux'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p as createVanilla } from 'libp2p'
import { afterEach, expect, test } from 'vitest'
import { addressOf, libp2pParts } from './nodes.ts'

const running: { stop(): unknown }[] = []

afterEach(async () => {
  await Promise.all(running.splice(0).map((node) => node.stop()))
})

async function start(options: Parameters<typeof createLibp2p>[0]): Promise<Host> {
  const node = await createLibp2p({ ...libp2pParts(), ...options })
  running.push(node)
  return node
}

const refused = (option: string) => ({ code: 'host/bad-option', message: expect.stringContaining(option) })

test('a node of js-libp2p’s options is a Host, under the key given, and started', async () => {
  const privateKey = await generateKeyPair('secp256k1')
  const host = await start({ privateKey })
  expect([host.status, host.components.privateKey.equals(privateKey), host.getMultiaddrs().length]).toEqual(['started', true, 1])
  expect(host.identity.privateKey.equals(privateKey)).toBe(true)
  const unstarted = await createLibp2p({ start: false })
  expect([unstarted.status, unstarted.components.privateKey.type]).toEqual(['stopped', 'secp256k1'])
  expect([isLibp2p(host), isLibp2p(unstarted), isLibp2p({ dial: () => {} }), isLibp2p(undefined)]).toEqual([true, true, false, false])
})

test.each(['Ed25519', 'RSA'] as const)('a node with a key of type %s talks libp2p, and has no identity', async (type) => {
  const privateKey = type === 'RSA' ? await generateKeyPair('RSA', 2048) : await generateKeyPair('Ed25519')
  const host = await start({ privateKey })
  const vanilla = await createVanilla({ ...libp2pParts(), services: { ping: ping() } })
  running.push(vanilla)
  await vanilla.dial(addressOf(host))
  expect(vanilla.getConnections()[0]?.remotePeer.publicKey?.equals(privateKey.publicKey)).toBe(true)
  expect(() => host.identity).toThrow(expect.objectContaining({ code: 'host/no-identity', message: expect.stringContaining(type) }))
  expect(optionalComponent(host.components, 'identity')).toBeUndefined()
  expect({ ...host.components }.peerId).toBe(host.peerId)
  await expect(createLibp2p({ privateKey, transports: [rlpx()] })).rejects.toMatchObject({ code: 'rlpx/wrong-key' })
})

test('a key in two forms is refused, and so is what js-libp2p does not know either', async () => {
  const privateKey = await generateKeyPair('Ed25519')
  await expect(createHost({ privateKey, identity: await createIdentity() })).rejects.toMatchObject(refused('privateKey'))
  const unknown: object = { connectionManagers: { maxConnections: 4 } }
  await expect(createLibp2p(unknown)).rejects.toMatchObject(refused('connectionManagers: is no option'))
  const flat: object = { connectionManager: { maxConnection: 4 } }
  await expect(createLibp2p(flat)).rejects.toMatchObject(refused('maxConnection is no option of connectionManager'))
  const peerStore: object = { peerStore: { maxAge: 4 } }
  await expect(createLibp2p(peerStore)).rejects.toMatchObject(refused('maxAge is no option of peerStore'))
})

test('maxConnections is never passed, whatever is in use', async () => {
  const host = await start({ connectionManager: { maxConnections: 2 } })
  const others = await Promise.all(Array.from({ length: 4 }, () => start({})))
  const dials = await Promise.allSettled(others.map((other) => host.dial(addressOf(other))))
  expect(dials.map(({ status }) => status).sort()).toEqual(['fulfilled', 'fulfilled', 'rejected', 'rejected'])
  expect(host.getConnections()).toHaveLength(2)
  const full = await start({ connectionManager: { maxConnections: 2 } })
  await Promise.allSettled(others.map((other) => other.dial(addressOf(full))))
  await expect.poll(() => full.getConnections().length).toBe(2)
})

test('a low bound on connections that come in lets dials wait, not fail', async () => {
  const host = await start({ connectionManager: { maxIncomingPendingConnections: 1 } })
  const others = await Promise.all(Array.from({ length: 4 }, () => start({})))
  await Promise.all(others.map((other) => host.dial(addressOf(other))))
  expect(host.getConnections()).toHaveLength(4)
})

test('nothing is dialed unasked, be the connection manager one’s own, unless the dialer is, too', async () => {
  const own = { connectionManager: connectionManager() }
  const nodes = [await start({}), await start(own), await start({ ...own, dialer: dialer() })]
  expect(nodes.map((node) => node.dialer.dialRatio)).toEqual([0, 0, 3])
})

test('deny keeps networks out, and an address sorter picks the first to be tried', async () => {
  const tried: string[] = []
  const host = await start({
    connectionManager: { deny: ['/ip4/127.0.0.0/ipcidr/8'] },
    connectionGater: { denyDialMultiaddr: (address) => tried.push(address.toString()) < 0 },
  })
  const other = await start({})
  await expect(host.dial(addressOf(other))).rejects.toThrow()
  await expect(other.dial(addressOf(host))).rejects.toThrow()
  const sorted = await start({
    connectionManager: { addressSorter: (a, b) => (a.multiaddr.toString() < b.multiaddr.toString() ? 1 : -1), maxPeerAddrsToDial: 1 },
  })
  const [good, bad] = [addressOf(other), multiaddr(`/ip4/127.0.0.1/tcp/1/p2p/${other.peerId}`)]
  const connection = await sorted.dial(good.toString() > bad.toString() ? [bad, good] : [good, bad]).catch(() => undefined)
  expect(connection?.remoteAddr.equals(good) ?? false).toBe(good.toString() > bad.toString())
})

test('a dialer of one’s own has its settings itself', async () => {
  const options = { dialer: dialer(), connectionManager: { dialTimeout: 1 } }
  await expect(createLibp2p(options)).rejects.toMatchObject(refused('connectionManager.dialTimeout: is the dialer’s'))
})

test('with NO_FATAL a node starts without the addresses that cannot be listened on', async () => {
  const taken = await start({})
  const listen = [addressOf(taken).decapsulate(`/p2p/${taken.peerId}`).toString(), '/ip4/127.0.0.1/tcp/0', '/ip4/127.0.0.1/udp/1']
  await expect(createLibp2p({ ...libp2pParts(), addresses: { listen } })).rejects.toMatchObject({ code: 'host/start-failed' })
  const host = await start({ addresses: { listen }, transportManager: { faultTolerance: FaultTolerance.NO_FATAL } })
  expect([host.getMultiaddrs().length, host.components.transportManager.getListeners().length]).toEqual([1, 1])
})

test('what the peer store is to keep, it is told', async () => {
  const host = await start({ peerStore: { addressFilter: async (_, address) => address.toString().includes('/tcp/2') } })
  const { peerId } = await createIdentity()
  await host.peerStore.merge(peerId, { multiaddrs: [multiaddr('/ip4/127.0.0.1/tcp/1'), multiaddr('/ip4/127.0.0.1/tcp/2')] })
  expect((await host.peerStore.get(peerId)).addresses.map(({ multiaddr }) => multiaddr.toString())).toEqual(['/ip4/127.0.0.1/tcp/2'])
})

test('a resolver of names is a component for those who want it', async () => {
  const dns = { query: async () => ({ Answer: [] }) } as unknown as NonNullable<Host['components']['dns']>
  const [host, plain] = [await createLibp2p({ dns, start: false }), await createLibp2p({ start: false })]
  expect([host.components.dns, plain.components.dns]).toEqual([dns, undefined])
})

test('plaintext is for nodes without a key that asked for it by name', async () => {
  const parts = { transports: [memory()], connectionEncrypters: [plaintext()], streamMuxers: [yamux()] }
  const [a, b] = [await createHost(parts), await createHost({ ...parts, addresses: { listen: ['/memory/plain'] } })]
  running.push(a, b)
  await Promise.all([a.start(), b.start()])
  expect((await a.dial(addressOf(b))).encryption).toBe('/plaintext/2.0.0')
  const denied = { code: 'host/plaintext-with-key', message: expect.stringContaining('noise()') }
  await expect(createHost({ ...parts, privateKey: await generateKeyPair('Ed25519') })).rejects.toMatchObject(denied)
  await expect(createHost({ ...parts, identity: await createIdentity() })).rejects.toMatchObject(denied)
})
