import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import { peer } from '../test/nodes.ts'
import { DNSADDR_DEPTH_MAX, DNSADDR_QUERIES_MAX, DNSADDR_RECORDS_MAX, readDnsaddr, resolveDnsaddr } from './dnsaddr.ts'

const [ONE, TWO] = [peer(1).toString(), peer(2).toString()]

/** Where an address leads, given the records of each name, and the names that were asked for. */
async function resolved(address: string, zone: Readonly<Record<string, readonly string[]>>): Promise<[string[], string[]]> {
  const asked: string[] = []
  const query = async (name: string): Promise<readonly string[]> => {
    asked.push(name)
    return zone[name] ?? []
  }
  const found = await resolveDnsaddr(multiaddr(address), query)
  return [found.map(String), asked]
}

describe('a TXT record', () => {
  test('is read with and without quotation marks', () => {
    for (const record of ['dnsaddr=/ip4/1.1.1.1/tcp/1', '"dnsaddr=/ip4/1.1.1.1/tcp/1"', " 'dnsaddr=/ip4/1.1.1.1/tcp/1' "]) {
      expect(readDnsaddr(record)?.toString()).toBe('/ip4/1.1.1.1/tcp/1')
    }
  })

  test.each([
    '',
    'v=spf1 -all',
    'dnsaddr=',
    'dnsaddr=/',
    'dnsaddr=/ip4/1.1.1',
    'dnsaddr=example.org',
    'dnsaddr=/nonsense/1',
    'DNSADDR=/ip4/1.1.1.1',
    `dnsaddr=/ip4/1.1.1.1/${'a'.repeat(3000)}`,
  ])('that is none is passed over: %s', (record) => expect(readDnsaddr(record)).toBeUndefined())
})

describe('/dnsaddr', () => {
  const zone = {
    '_dnsaddr.boot.test': [`dnsaddr=/dnsaddr/a.boot.test/p2p/${ONE}`, `dnsaddr=/dnsaddr/b.boot.test/p2p/${TWO}`, 'v=spf1 -all'],
    '_dnsaddr.a.boot.test': [
      `dnsaddr=/ip4/1.1.1.1/tcp/1/p2p/${ONE}`,
      `dnsaddr=/ip4/1.1.1.1/tcp/443/wss/p2p/${ONE}`,
      `dnsaddr=/ip4/6.6.6.6/tcp/1/p2p/${TWO}`,
    ],
    '_dnsaddr.b.boot.test': [`dnsaddr=/ip4/2.2.2.2/tcp/1/p2p/${TWO}`],
  }

  test('leads to the addresses of the peer that it names, and to no others', async () => {
    expect(await resolved(`/dnsaddr/boot.test/p2p/${ONE}`, zone)).toEqual([
      [`/ip4/1.1.1.1/tcp/1/p2p/${ONE}`, `/ip4/1.1.1.1/tcp/443/wss/p2p/${ONE}`],
      ['_dnsaddr.boot.test', '_dnsaddr.a.boot.test'],
    ])
  })

  test('that names no peer leads to all', async () => {
    const [found, asked] = await resolved('/dnsaddr/boot.test', zone)
    expect(found).toHaveLength(3)
    expect(asked).toHaveLength(3)
  })

  test('leads to those that end as it does', async () => {
    const [found] = await resolved(`/dnsaddr/a.boot.test/tcp/1/p2p/${ONE}`, zone)
    expect(found).toEqual([`/ip4/1.1.1.1/tcp/1/p2p/${ONE}`])
  })

  test('of a relay leads through it', async () => {
    const [found] = await resolved(`/dnsaddr/b.boot.test/p2p/${TWO}/p2p-circuit/p2p/${ONE}`, zone)
    expect(found).toEqual([`/ip4/2.2.2.2/tcp/1/p2p/${TWO}/p2p-circuit/p2p/${ONE}`])
  })

  test('that leads in a circle is followed no further', async () => {
    const circle = { '_dnsaddr.a.test': ['dnsaddr=/dnsaddr/b.test'], '_dnsaddr.b.test': ['dnsaddr=/dnsaddr/a.test'] }
    expect(await resolved('/dnsaddr/a.test', circle)).toEqual([[], ['_dnsaddr.a.test', '_dnsaddr.b.test']])
  })

  test('is followed no deeper than three names', async () => {
    const deep = Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`_dnsaddr.${i}.test`, [`dnsaddr=/dnsaddr/${i + 1}.test`]]))
    expect((await resolved('/dnsaddr/0.test', deep))[1]).toHaveLength(DNSADDR_DEPTH_MAX)
  })

  test('leads to 32 records at most, by 16 names at most', async () => {
    const many = Array.from({ length: 1000 }, (_, i) => `dnsaddr=/ip4/1.1.1.1/tcp/${i + 1}`)
    expect((await resolved('/dnsaddr/many.test', { '_dnsaddr.many.test': many }))[0]).toHaveLength(DNSADDR_RECORDS_MAX)
    const names = Array.from({ length: 1000 }, (_, i) => `dnsaddr=/dnsaddr/${i}.test`)
    expect((await resolved('/dnsaddr/names.test', { '_dnsaddr.names.test': names }))[1]).toHaveLength(DNSADDR_QUERIES_MAX)
  })
})
