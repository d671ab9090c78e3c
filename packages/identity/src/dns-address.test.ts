import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { dnsNameOf, NAME_IPS_MAX, resolveAddress } from './dns-address.ts'
import { registerRlpx } from './rlpx-multiaddr.ts'
import { systemLookup } from './system-lookup.ts'

registerRlpx()
const PEER = '16Uiu2HAmVMkyiB7uFCQZsVS3vB8gVTfuFTGbHVLVmJhWUMmNVEgr'

test.each([
  ['/dns/a.test/tcp/1', { name: 'a.test', family: 0 }],
  [`/dns4/a.test/tcp/1/rlpx/p2p/${PEER}`, { name: 'a.test', family: 4 }],
  ['/dns6/a.test/udp/1/quic-v1', { name: 'a.test', family: 6 }],
  ['/ip4/1.2.3.4/tcp/1', undefined],
  ['/dnsaddr/a.test', undefined],
  [`/dns4/a.test/tcp/1/p2p/${PEER}/p2p-circuit`, undefined],
  [`/p2p/${PEER}`, undefined],
])('%s has the name %o', (text, name) => {
  expect(dnsNameOf(multiaddr(text))).toEqual(name)
})

test.each([
  [`/dns/a.test/tcp/1/rlpx/p2p/${PEER}`, ['/ip4/10.0.0.1', '/ip6/2001:db8::1'].map((ip) => `${ip}/tcp/1/rlpx/p2p/${PEER}`)],
  ['/dns/a.test/tcp/443/tls/ws', ['/dns/a.test/tcp/443/tls/ws', '/dns/a.test/tcp/443/tls/ws']],
  ['/ip4/1.2.3.4/tcp/1', ['/ip4/1.2.3.4/tcp/1']],
])('%s is dialed as %j', async (text, wanted) => {
  const resolved = await resolveAddress(multiaddr(text), async () => ['::ffff:10.0.0.1', '2001:db8::1', 'nonsense'])
  expect(resolved.map(({ address }) => address.toString())).toEqual(wanted)
  expect(resolved.every(({ place }) => dnsNameOf(place) === undefined)).toBe(true)
})

test('a name with thousands of IPs has a bound', async () => {
  const ips = Array.from({ length: 5000 }, (_, i) => `10.0.${i >> 8}.${i & 255}`)
  expect(await resolveAddress(multiaddr('/dns4/a.test/tcp/1'), async () => ips)).toHaveLength(NAME_IPS_MAX)
})

test('a name is looked up as the system does it', async () => {
  expect(await systemLookup('localhost', 4)).toEqual(['127.0.0.1'])
})
