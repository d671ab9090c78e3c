import { isMultiaddr, multiaddr } from '@multiformats/multiaddr'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { peer } from '../test/nodes.ts'
import { DNSADDR_QUERIES_MAX, DNSADDR_RECORDS_MAX, dnsaddrNameOf, readDnsaddr, resolveDnsaddr } from './dnsaddr.ts'

const part = fc.constantFrom(
  'ip4',
  'ip6',
  'dnsaddr',
  'dns4',
  'tcp',
  'udp',
  'p2p',
  'p2p-circuit',
  'quic-v1',
  'certhash',
  '1.1.1.1',
  '::1',
  '1',
  '99999',
  'a.test',
  'b.test',
  peer(1).toString(),
  '',
  '%00',
  'é',
)
const address = fc.array(part, { maxLength: 12 }).map((parts) => `/${parts.join('/')}`)
const record = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.string().map((text) => `dnsaddr=${text}`),
  fc.tuple(fc.constantFrom('dnsaddr=', '"dnsaddr=', 'dnsaddr==', 'x=dnsaddr='), address).map((parts) => parts.join('')),
  fc.constant('dnsaddr=/dnsaddr/a.test/p2p/bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy'),
  fc.constantFrom('a', 'b').map((name) => `dnsaddr=/dnsaddr/${name}.test`),
)

test('any TXT record is an address or none', () => {
  fc.assert(
    fc.property(record, (text) => {
      const found = readDnsaddr(text)
      expect(found === undefined || (isMultiaddr(found) && found.getComponents().length > 0)).toBe(true)
    }),
    { seed: 42, numRuns: 3000 },
  )
})

test('whatever a zone holds, the names asked for and the addresses found are bounded', async () => {
  const zone = fc.array(fc.array(record, { maxLength: 60 }), { minLength: 1, maxLength: 6 })
  const start = fc.constantFrom('/dnsaddr/a.test', `/dnsaddr/a.test/p2p/${peer(1)}`, `/dnsaddr/a.test/tcp/1/p2p/${peer(1)}/p2p-circuit`)
  await fc.assert(
    fc.asyncProperty(zone, start, async (names, from) => {
      let asked = 0
      const found = await resolveDnsaddr(multiaddr(from), async () => names[asked++ % names.length] ?? [])
      expect(asked).toBeLessThanOrEqual(DNSADDR_QUERIES_MAX)
      expect(found.length).toBeLessThanOrEqual(DNSADDR_RECORDS_MAX)
      expect(found.filter((each) => dnsaddrNameOf(each) !== undefined)).toEqual([])
    }),
    { seed: 42, numRuns: 500 },
  )
})
