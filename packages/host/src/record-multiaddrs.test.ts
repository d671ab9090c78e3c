import { createIdentity, generateSecretKey } from '@kumiko/identity'
import type { Identity } from '@kumiko/interface'
import { type VirtualClock, virtualClock } from '@kumiko/testkit'
import type { Libp2pEvents } from '@libp2p/interface'
import { TypedEventEmitter } from '@libp2p/interface'
import type { AddressManager } from '@libp2p/interface-internal'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { RecordMultiaddrs } from './record-multiaddrs.ts'

const RELAY = '12D3KooWPjceQrSwdWXPyLLeABRXmuqt69Rg3sBYbU1Nft9HyQ6X'

interface Setup {
  readonly identity: Identity
  readonly clock: VirtualClock
  readonly part: RecordMultiaddrs
  tell(...addresses: string[]): void
  /** What the record tells. */
  told(): string[]
}

async function setup(): Promise<Setup> {
  const clock = virtualClock()
  const identity = await createIdentity({ secretKey: generateSecretKey(), clock })
  const events = new TypedEventEmitter<Libp2pEvents>()
  let addresses: Multiaddr[] = []
  const addressManager = { getAddresses: () => addresses } as AddressManager
  const part = new RecordMultiaddrs({ identity, addressManager, events, clock })
  part.start()
  const tell = (...texts: string[]): void => {
    addresses = texts.map((text) => multiaddr(`${text}/p2p/${identity.peerId}`))
    events.safeDispatchEvent('transport:listening', { detail: undefined })
  }
  const told = (): string[] => identity.record.node.addresses.map((address) => address.toString().replace(`/p2p/${identity.peerId}`, ''))
  return { identity, clock, part, tell, told }
}

test.each([
  ['public ones only, if there are any', ['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1', '/ip4/1.2.3.4/tcp/1'], ['/ip4/1.2.3.4/tcp/1']],
  ['private ones where there is no public one', ['/ip4/127.0.0.1/tcp/1', '/ip4/10.0.0.1/tcp/1'], ['/ip4/10.0.0.1/tcp/1']],
  ['loopback where there is nothing else', ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/2'], ['/ip4/127.0.0.1/tcp/1', '/ip6/::1/tcp/2']],
  ['names as public', ['/dns4/a.example/tcp/443/tls/ws', '/ip4/10.0.0.1/tcp/1'], ['/dns4/a.example/tcp/443/tls/ws']],
  [
    'relays last, and shorter ones first',
    [`/ip4/1.1.1.1/tcp/1/p2p/${RELAY}/p2p-circuit`, '/ip6/2600::1/tcp/1', '/ip4/1.2.3.4/tcp/1'],
    ['/ip4/1.2.3.4/tcp/1', '/ip6/2600::1/tcp/1', `/ip4/1.1.1.1/tcp/1/p2p/${RELAY}/p2p-circuit`],
  ],
  ['a relay that is private as private', [`/ip4/127.0.0.1/tcp/1/p2p/${RELAY}/p2p-circuit`, '/ip4/1.2.3.4/tcp/1'], ['/ip4/1.2.3.4/tcp/1']],
])('the record tells %s', async (_, addresses, expected) => {
  const { tell, told } = await setup()
  tell(...addresses)
  expect(told()).toEqual(expected)
})

test('what is gone is not told any more, and what stays is no new record', async () => {
  const { identity, tell, told } = await setup()
  tell('/ip4/1.2.3.4/tcp/1', '/ip4/10.0.0.1/tcp/1')
  const { seq } = identity.record
  tell('/ip4/1.2.3.4/tcp/1', '/ip4/10.0.0.2/tcp/1')
  expect(identity.record.seq).toBe(seq)
  tell()
  expect(told()).toEqual([])
})

test('addresses that come and go are written eight times a minute, and the last ones in the end', async () => {
  const { identity, clock, tell, told } = await setup()
  const { seq } = identity.record
  const tick = async (port: number): Promise<void> => {
    tell(`/ip4/1.2.3.4/tcp/${port}`)
    await clock.advance(1_000)
  }
  for (let port = 1; port <= 50; port++) await tick(port)
  expect([identity.record.seq, told()]).toEqual([seq + 8n, ['/ip4/1.2.3.4/tcp/8']])
  await clock.advance(10_000)
  expect([identity.record.seq, told()]).toEqual([seq + 9n, ['/ip4/1.2.3.4/tcp/50']])
  expect(clock.pending).toBe(0)
})

test('a stopped one leaves the record alone, and no timer behind; it may be started again', async () => {
  const { clock, part, tell, told } = await setup()
  for (let port = 1; port <= 9; port++) tell(`/ip4/1.2.3.4/tcp/${port}`)
  expect(clock.pending).toBe(1)
  part.beforeStop()
  tell()
  expect([clock.pending, told()]).toEqual([0, ['/ip4/1.2.3.4/tcp/8']])
  part.start()
  await clock.advance(60_000)
  tell('/ip4/1.2.3.4/tcp/10')
  expect(told()).toEqual(['/ip4/1.2.3.4/tcp/10'])
})
