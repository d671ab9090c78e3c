import { createIdentity, generateSecretKey, registerRlpx } from '@kumiko/identity'
import { virtualClock } from '@kumiko/testkit'
import type { Libp2pEvents, PeerId, PeerStore } from '@libp2p/interface'
import { TypedEventEmitter } from '@libp2p/interface'
import type { TransportManager } from '@libp2p/interface-internal'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { expect, test } from 'vitest'
import { AddressManager, type AddressManagerInit, OBSERVED_MAX } from './address-manager.ts'

registerRlpx()

interface Setup {
  readonly addresses: AddressManager
  readonly clock: ReturnType<typeof virtualClock>
  readonly peerStore: PeerStore
  readonly peerId: PeerId
  /** As if a listener had come up or gone. */
  listen(...listening: string[]): void
}

async function setup(init: Partial<Record<Exclude<keyof AddressManagerInit, 'announceFilter'>, string[]>> = {}): Promise<Setup> {
  const { peerId } = await createIdentity({ secretKey: generateSecretKey() })
  const events = new TypedEventEmitter<Libp2pEvents>()
  const logger = defaultLogger()
  const clock = virtualClock()
  let bound: Multiaddr[] = []
  // Of the transport manager only its addresses are used.
  const transportManager = { getAddrs: () => bound } as TransportManager
  const peerStore = persistentPeerStore({ peerId, events, logger, datastore: new MemoryDatastore() })
  const read = (texts: string[] = []): Multiaddr[] => texts.map((text) => multiaddr(text))
  const addresses = new AddressManager(
    { peerId, peerStore, transportManager, events, logger, clock },
    {
      listen: read(init.listen),
      announce: read(init.announce),
      appendAnnounce: read(init.appendAnnounce),
      noAnnounce: read(init.noAnnounce),
      announceFilter: (all) => all,
    },
  )
  const listen = (...listening: string[]): void => {
    bound = read(listening)
    events.safeDispatchEvent('transport:listening', { detail: undefined })
  }
  return { addresses, clock, peerStore, peerId, listen }
}

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

test('an observed address is told once it is confirmed, until that ends', async () => {
  const host = await setup()
  const seen = multiaddr('/ip4/8.8.8.8/tcp/4001')
  host.addresses.confirmObservedAddr(seen)
  expect(told(host)).toEqual([])
  host.addresses.addObservedAddr(seen)
  expect([told(host), host.addresses.getObservedAddrs().map(String)]).toEqual([[], ['/ip4/8.8.8.8/tcp/4001']])
  host.addresses.confirmObservedAddr(seen, { ttl: 1000 })
  expect(told(host)).toEqual(['/ip4/8.8.8.8/tcp/4001/p2p/us'])
  await host.clock.advance(1000)
  expect(told(host)).toEqual([])
  host.addresses.confirmObservedAddr(seen)
  host.addresses.removeObservedAddr(seen)
  expect([told(host), host.addresses.getObservedAddrs()]).toEqual([[], []])
})

test('remembers a bounded number of observed addresses', async () => {
  const { addresses } = await setup()
  for (let port = 1; port <= OBSERVED_MAX + 5; port++) addresses.addObservedAddr(multiaddr(`/ip4/8.8.8.8/tcp/${port}`))
  expect(addresses.getObservedAddrs()).toHaveLength(OBSERVED_MAX)
  expect(addresses.getObservedAddrs()[0]?.toString()).toBe('/ip4/8.8.8.8/tcp/6')
})

test('mapped ports and names are told once they are confirmed', async () => {
  const host = await setup()
  host.listen('/ip4/192.168.1.2/tcp/4001')
  host.addresses.addPublicAddressMapping('192.168.1.2', 4001, '8.8.8.8', 5001)
  host.addresses.addDNSMapping('node.example', ['8.8.8.8'])
  const metadata = host.addresses.getAddressesWithMetadata().map(({ multiaddr, type, verified }) => [multiaddr.toString(), type, verified])
  expect(metadata).toEqual([
    ['/ip4/192.168.1.2/tcp/4001', 'transport', true],
    ['/ip4/8.8.8.8/tcp/5001', 'ip-mapping', false],
    ['/dns4/node.example/tcp/5001', 'dns-mapping', false],
  ])
  host.addresses.confirmObservedAddr(multiaddr('/ip4/8.8.8.8/tcp/5001'))
  host.addresses.confirmObservedAddr(multiaddr('/dns4/node.example/tcp/5001'))
  expect(told(host).slice(1)).toEqual(['/ip4/8.8.8.8/tcp/5001/p2p/us', '/dns4/node.example/tcp/5001/p2p/us'])
  host.addresses.removePublicAddressMapping('192.168.1.2', 4001, '8.8.8.8', 5001)
  expect(told(host)).toEqual(['/ip4/192.168.1.2/tcp/4001/p2p/us'])
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
