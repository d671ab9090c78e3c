import { createIdentity, generateSecretKey, registerRlpx } from '@kumiko/identity'
import { virtualClock } from '@kumiko/testkit'
import type { Libp2pEvents, Listener, PeerId, PeerStore } from '@libp2p/interface'
import { TypedEventEmitter } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { expect, test } from 'vitest'
import { AddressManager } from './address-manager.ts'
import { type AddressOptions, readAddresses } from './address-options.ts'

registerRlpx()

interface Setup {
  readonly addresses: AddressManager
  readonly clock: ReturnType<typeof virtualClock>
  readonly peerStore: PeerStore
  readonly peerId: PeerId
  /** As if a listener had come up or gone. */
  listen(...listening: string[]): void
}

async function setup(options: AddressOptions = {}): Promise<Setup> {
  const { peerId } = await createIdentity({ secretKey: generateSecretKey() })
  const events = new TypedEventEmitter<Libp2pEvents>()
  const logger = defaultLogger()
  const clock = virtualClock()
  let bound: Multiaddr[] = []
  const updateAnnounceAddrs = (announced: Multiaddr[]): void => {
    for (const [index, address] of announced.entries()) if (isQuic(address)) announced[index] = address.encapsulate('/webtransport')
  }
  // Of the transport manager only its addresses and listeners are used.
  const transportManager = {
    getAddrs: () => bound,
    getListeners: () => bound.map((address) => ({ getAddrs: () => [address], updateAnnounceAddrs }) as unknown as Listener),
  } as TransportManager
  const peerStore = persistentPeerStore({ peerId, events, logger, datastore: new MemoryDatastore() })
  const addresses = new AddressManager({ peerId, peerStore, transportManager, events, logger, clock }, readAddresses(options))
  const listen = (...listening: string[]): void => {
    bound = listening.map((text) => multiaddr(text))
    events.safeDispatchEvent('transport:listening', { detail: undefined })
  }
  return { addresses, clock, peerStore, peerId, listen }
}

const isQuic = (address: Multiaddr): boolean => address.toString().endsWith('/quic-v1')

const told = ({ addresses, peerId }: Setup): string[] =>
  addresses.getAddresses().map((address) => address.toString().replace(`/p2p/${peerId}`, '/p2p/us'))

test('tells what we listen on, with our peer id, and RLPx never', async () => {
  const host = await setup()
  host.listen('/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/tcp/30303/rlpx')
  expect(told(host)).toEqual(['/ip4/127.0.0.1/tcp/4001/p2p/us'])
})

test('announce replaces, appendAnnounce adds, noAnnounce hides', async () => {
  const announced = await setup({ announce: ['/ip4/1.2.3.4/tcp/1', '/ip4/1.2.3.4/tcp/2/rlpx'], appendAnnounce: ['/dns4/a.example/tcp/3'] })
  announced.listen('/ip4/127.0.0.1/tcp/4001')
  expect(told(announced)).toEqual(['/ip4/1.2.3.4/tcp/1/p2p/us', '/dns4/a.example/tcp/3/p2p/us'])
  const hidden = await setup({ noAnnounce: ['/ip4/127.0.0.1/tcp/4001'] })
  hidden.listen('/ip4/127.0.0.1/tcp/4001', '/ip4/10.0.0.1/tcp/4001')
  expect(told(hidden)).toEqual(['/ip4/10.0.0.1/tcp/4001/p2p/us'])
})

test('announce stands for all that is found out, and transports complete it', async () => {
  const host = await setup({ announce: ['/ip4/1.2.3.4/udp/1/quic-v1'] })
  host.listen('/ip4/127.0.0.1/tcp/4001')
  const seen = multiaddr('/ip4/8.8.8.8/tcp/4001')
  host.addresses.addObservedAddr(seen)
  host.addresses.confirmObservedAddr(seen)
  expect(told(host)).toEqual(['/ip4/1.2.3.4/udp/1/quic-v1/webtransport/p2p/us'])
})

test('announceFilter picks, addressFactory has the last word, but RLPx is never told', async () => {
  const host = await setup({
    announceFilter: (addresses) => addresses.filter((address) => address.toString().includes('/tcp/')),
    addressFactory: (addresses) => [...addresses, multiaddr('/dns4/a.example/tcp/1'), multiaddr('/ip4/1.2.3.4/tcp/2/rlpx')],
  })
  host.listen('/ip4/127.0.0.1/tcp/4001', '/ip4/127.0.0.1/udp/4001/quic-v1')
  expect(told(host)).toEqual(['/ip4/127.0.0.1/tcp/4001/p2p/us', '/dns4/a.example/tcp/1/p2p/us'])
})

test('an observed address is told once it is confirmed, and no more once it is refuted', async () => {
  const host = await setup()
  const seen = multiaddr('/ip4/8.8.8.8/tcp/4001')
  host.addresses.confirmObservedAddr(seen)
  expect(told(host)).toEqual([])
  host.addresses.addObservedAddr(seen)
  for (const useless of ['/ip4/10.0.0.1/tcp/4001', '/dns4/a.example/tcp/1', '/ip4/8.8.8.8/tcp/1/rlpx']) {
    host.addresses.addObservedAddr(multiaddr(useless))
  }
  expect([told(host), host.addresses.getObservedAddrs().map(String)]).toEqual([[], ['/ip4/8.8.8.8/tcp/4001']])
  host.addresses.confirmObservedAddr(seen.encapsulate(`/p2p/${host.peerId}`), { ttl: 1000 })
  const [metadata] = host.addresses.getAddressesWithMetadata()
  expect(metadata).toMatchObject({ type: 'observed', verified: true, lastVerified: host.clock.now(), expires: host.clock.now() + 1000 })
  expect(told(host)).toEqual(['/ip4/8.8.8.8/tcp/4001/p2p/us'])
  host.addresses.removeObservedAddr(seen)
  expect([told(host), host.addresses.getObservedAddrs()]).toEqual([[], []])
  host.addresses.confirmObservedAddr(seen, { type: 'observed' })
  expect(told(host)).toEqual(['/ip4/8.8.8.8/tcp/4001/p2p/us'])
})

test('a public address that we listen on is told until it proves not to be reached', async () => {
  const host = await setup({ addressVerificationRetry: 500 })
  const listening = multiaddr('/ip4/8.8.8.8/tcp/4001')
  host.listen(listening.toString())
  expect(host.addresses.getAddressesWithMetadata()).toMatchObject([{ type: 'transport', verified: true, expires: 0 }])
  host.addresses.removeObservedAddr(listening)
  expect(host.addresses.getAddressesWithMetadata()).toMatchObject([{ verified: false, expires: host.clock.now() + 500 }])
  host.addresses.confirmObservedAddr(listening)
  expect(told(host)).toEqual(['/ip4/8.8.8.8/tcp/4001/p2p/us'])
})

test('remembers a bounded number of observed addresses', async () => {
  const { addresses } = await setup({ maxObservedAddresses: 3 })
  for (let port = 1; port <= 5; port++) addresses.addObservedAddr(multiaddr(`/ip4/8.8.8.8/tcp/${port}`))
  expect(addresses.getObservedAddrs().map(String)).toEqual([3, 4, 5].map((port) => `/ip4/8.8.8.8/tcp/${port}`))
})

test('whoever tells of many addresses pushes out none that is confirmed', async () => {
  const host = await setup({ maxObservedAddresses: 3 })
  const [seen, ...others] = [1, 2, 3, 4, 5, 6].map((port) => multiaddr(`/ip4/8.8.8.8/tcp/${port}`)) as [Multiaddr, ...Multiaddr[]]
  host.addresses.addObservedAddr(seen)
  host.addresses.confirmObservedAddr(seen)
  for (const address of others) host.addresses.addObservedAddr(address)
  expect(told(host)).toEqual(['/ip4/8.8.8.8/tcp/1/p2p/us'])
  expect(host.addresses.getObservedAddrs().map(String)).toEqual(['/ip4/8.8.8.8/tcp/1', '/ip4/8.8.8.8/tcp/5', '/ip4/8.8.8.8/tcp/6'])
})

test('what a router tells that is no address is mapped to nothing', async () => {
  const host = await setup()
  host.listen('/ip4/10.0.0.1/tcp/4001')
  expect(() => host.addresses.addPublicAddressMapping('10.0.0.1', 4001, '?')).toThrow('IPv4')
  expect(told(host)).toEqual(['/ip4/10.0.0.1/tcp/4001/p2p/us'])
})

test('a filter that throws lets nothing be told, and is heard again later', async () => {
  let isBroken = true
  const host = await setup({
    announceFilter: (addresses) => {
      if (isBroken) throw new Error('broken')
      return addresses
    },
  })
  host.addresses.start()
  host.listen('/ip4/127.0.0.1/tcp/1')
  expect(told(host)).toEqual([])
  // Waits for what is to be stored.
  await host.addresses.stop()
  isBroken = false
  host.listen('/ip4/127.0.0.1/tcp/2')
  await host.addresses.stop()
  expect((await host.peerStore.get(host.peerId)).addresses.map(({ multiaddr }) => multiaddr.toString())).toEqual(['/ip4/127.0.0.1/tcp/2'])
})

test('mapped ports are told once they are confirmed, and replace what was observed of them', async () => {
  const host = await setup()
  host.listen('/ip4/192.168.1.2/tcp/4001')
  host.addresses.addObservedAddr(multiaddr('/ip4/8.8.8.8/tcp/5001'))
  host.addresses.addPublicAddressMapping('192.168.1.2', 4001, '8.8.8.8', 5001)
  const metadata = host.addresses.getAddressesWithMetadata().map(({ multiaddr, type, verified }) => [multiaddr.toString(), type, verified])
  expect(metadata).toEqual([
    ['/ip4/192.168.1.2/tcp/4001', 'transport', true],
    ['/ip4/8.8.8.8/tcp/5001', 'ip-mapping', false],
  ])
  host.addresses.confirmObservedAddr(multiaddr('/ip4/8.8.8.8/tcp/5001'))
  expect(told(host).slice(1)).toEqual(['/ip4/8.8.8.8/tcp/5001/p2p/us'])
  host.addresses.removePublicAddressMapping('192.168.1.2', 4001, '8.8.8.8', 5001)
  expect(told(host)).toEqual(['/ip4/192.168.1.2/tcp/4001/p2p/us'])
})

test('an address of TLS is told with the name of its certificate, a public one once it is confirmed', async () => {
  const host = await setup()
  host.listen('/ip4/192.168.1.2/tcp/4001/tls/ws', '/ip4/192.168.1.2/tcp/4002')
  host.addresses.addPublicAddressMapping('192.168.1.2', 4001, '8.8.8.8', 443)
  host.addresses.addDNSMapping('node.example', ['192.168.1.2', '8.8.8.8'])
  expect(told(host)).toEqual(['/ip4/192.168.1.2/tcp/4001/tls/sni/node.example/ws/p2p/us', '/ip4/192.168.1.2/tcp/4002/p2p/us'])
  host.addresses.confirmObservedAddr(multiaddr('/ip4/8.8.8.8/tcp/443/tls/sni/node.example/ws'))
  expect(told(host)[2]).toBe('/ip4/8.8.8.8/tcp/443/tls/sni/node.example/ws/p2p/us')
  host.addresses.removeDNSMapping('node.example')
  expect(told(host)).toEqual(['/ip4/192.168.1.2/tcp/4001/tls/ws/p2p/us', '/ip4/192.168.1.2/tcp/4002/p2p/us'])
})

test('an observed address that can only stand for one listener becomes its mapping', async () => {
  const host = await setup()
  host.listen('/ip4/192.168.1.2/tcp/4001', '/ip4/192.168.1.2/tcp/4002/ws')
  const seen = multiaddr('/ip4/8.8.8.8/tcp/5001')
  host.addresses.addObservedAddr(seen)
  host.addresses.confirmObservedAddr(seen)
  expect(host.addresses.getAddressesWithMetadata()[2]).toMatchObject({ multiaddr: seen, type: 'ip-mapping', verified: true })
  const ambiguous = await setup()
  ambiguous.listen('/ip4/192.168.1.2/tcp/4001', '/ip4/192.168.1.3/tcp/4001')
  ambiguous.addresses.addObservedAddr(seen)
  ambiguous.addresses.confirmObservedAddr(seen)
  expect(ambiguous.addresses.getAddressesWithMetadata()[2]).toMatchObject({ multiaddr: seen, type: 'observed', verified: true })
})

test('our entry in the peer store follows, until we are about to stop', async () => {
  const host = await setup()
  const stored = async (): Promise<string[]> => {
    const { addresses } = await host.peerStore.get(host.peerId)
    return addresses.map(({ multiaddr }) => multiaddr.toString())
  }
  host.addresses.start()
  host.listen('/ip4/127.0.0.1/tcp/4001')
  await expect.poll(stored).toEqual(['/ip4/127.0.0.1/tcp/4001'])
  host.listen('/ip4/127.0.0.1/tcp/4002')
  await expect.poll(stored).toEqual(['/ip4/127.0.0.1/tcp/4002'])
  host.addresses.beforeStop()
  host.listen()
  await host.addresses.stop()
  expect(await stored()).toEqual(['/ip4/127.0.0.1/tcp/4002'])
})
