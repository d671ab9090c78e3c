import { registerRlpx } from '@kumiko/identity'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { rankAddresses } from './rank.ts'

registerRlpx()

function ranked(...addresses: string[]): string[] {
  return rankAddresses(addresses.map((address) => multiaddr(address))).map(String)
}

test('IPv6 goes first, then the families by turns', () => {
  expect(ranked('/ip4/1.1.1.1/tcp/1', '/ip4/1.1.1.2/tcp/1', '/dns/a.org/tcp/1', '/ip6/2600::1/tcp/1', '/ip6/2600::2/tcp/1')).toEqual([
    '/ip6/2600::1/tcp/1',
    '/ip4/1.1.1.1/tcp/1',
    '/dns/a.org/tcp/1',
    '/ip6/2600::2/tcp/1',
    '/ip4/1.1.1.2/tcp/1',
  ])
})

test('public goes before private, and relays last', () => {
  const relayed = '/ip4/1.1.1.1/tcp/1/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC/p2p-circuit'
  expect(ranked(relayed, '/ip6/fe80::1/tcp/1', '/ip4/127.0.0.1/tcp/1', '/ip4/8.8.8.8/tcp/30303/rlpx', '/ip4/10.0.0.1/tcp/1')).toEqual([
    '/ip4/8.8.8.8/tcp/30303/rlpx',
    '/ip6/fe80::1/tcp/1',
    '/ip4/127.0.0.1/tcp/1',
    '/ip4/10.0.0.1/tcp/1',
    relayed,
  ])
})

test('what comes twice is tried once', () => {
  expect(ranked('/ip4/1.1.1.1/tcp/1', '/ip4/1.1.1.1/tcp/1')).toEqual(['/ip4/1.1.1.1/tcp/1'])
})
