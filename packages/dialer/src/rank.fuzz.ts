import { multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type KnownAddress, rankAddresses } from './rank.ts'

const host = fc.oneof(
  fc.ipV4().map((ip) => `/ip4/${ip}`),
  fc.constantFrom(
    '/ip4/10.0.0.1',
    '/ip4/127.0.0.1',
    '/ip6/::1',
    '/ip6/2600::1',
    '/ip6/fd00::1',
    '/dns4/a.org',
    '/dns6/a.org',
    '/dns/a.org',
  ),
)
const rest = fc.constantFrom(
  '/tcp/1',
  '/tcp/2',
  '/tcp/1/ws',
  '/udp/1/quic-v1',
  '/udp/1/quic-v1/webtransport',
  '/udp/1/webrtc-direct',
  '/udp/1',
)
const end = fc.constantFrom('', '', '', '/p2p/QmcgpsyWgH8Y8ajJz1Cu72KnS5uo2Aa2LpzU7kinSupNKC/p2p-circuit')
const known: fc.Arbitrary<KnownAddress> = fc.record({
  multiaddr: fc.tuple(host, rest, end).map((parts) => multiaddr(parts.join(''))),
  isCertified: fc.boolean(),
  lastSuccess: fc.option(fc.nat({ max: 3 }), { nil: undefined }),
  hasFailedLately: fc.boolean(),
})
/** Each address once, so that nothing is merged. */
const addresses = fc.uniqueArray(known, { maxLength: 40, selector: ({ multiaddr: address }) => address.toString() })

function withoutDelay(input: readonly KnownAddress[]): string[] {
  return input.map(({ multiaddr: address }) => address.toString())
}

test('the ranking is a permutation with rising delays', () => {
  fc.assert(
    fc.property(addresses, fc.nat({ max: 1000 }), (input, staggerMs) => {
      const ranked = rankAddresses(input, { staggerMs })
      expect(withoutDelay(ranked).toSorted()).toEqual(withoutDelay(input).toSorted())
      const delays = ranked.map(({ delayMs }) => delayMs)
      expect(delays).toEqual(delays.toSorted((a, b) => a - b))
      expect(delays[0] ?? 0).toBe(0)
      for (const [i, { multiaddr: address, hasFailedLately }] of ranked.entries()) {
        const isRelayed = address.toString().includes('p2p-circuit')
        if (!isRelayed && !hasFailedLately) expect(delays[i]).toBeLessThanOrEqual(4 * staggerMs)
      }
    }),
    { seed: 42, numRuns: 500 },
  )
})

test('the ranking is a total order: ranked again it stays, and each part of it is ranked as in the whole', () => {
  fc.assert(
    fc.property(addresses, fc.nat({ max: 40 }), (input, cut) => {
      const ranked = withoutDelay(rankAddresses(input))
      expect(withoutDelay(rankAddresses(rankAddresses(input)))).toEqual(ranked)
      expect(withoutDelay(rankAddresses(input))).toEqual(ranked)
      expect(withoutDelay(rankAddresses(rankAddresses(input).slice(0, cut)))).toEqual(ranked.slice(0, cut))
    }),
    { seed: 42, numRuns: 500 },
  )
})

test('nothing that failed lately goes before what has not, and no relay before a direct address', () => {
  fc.assert(
    fc.property(addresses, (input) => {
      const resorts = rankAddresses(input).map(({ multiaddr: address, hasFailedLately }) =>
        hasFailedLately === true ? 2 : Number(address.toString().includes('p2p-circuit')),
      )
      expect(resorts).toEqual(resorts.toSorted((a, b) => a - b))
    }),
    { seed: 42, numRuns: 500 },
  )
})
