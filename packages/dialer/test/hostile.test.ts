import type { Lookup } from '@kumiko/identity'
import { sleep } from '@kumiko/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'
import type { ResolveTxt } from '../src/system-txt.ts'
import { FakeNode } from './fake-node.ts'
import { peer } from './nodes.ts'
import { address, after, full, running } from './running.ts'

describe('addresses that others tell of a peer', () => {
  test('have us look up 16 names of a kind, however many there are', async () => {
    const asked: string[] = []
    const lookup: Lookup = async (name) => {
      asked.push(name)
      return ['10.0.0.1']
    }
    const resolveTxt: ResolveTxt = async (name) => {
      asked.push(name)
      return Array.from({ length: 32 }, (_, i) => [`dnsaddr=/dns4/${i}.${name.slice(9)}/tcp/1/p2p/${peer(1)}`])
    }
    const fake = new FakeNode()
    const names = Array.from({ length: 64 }, (_, i) => (i % 2 === 0 ? `/dnsaddr/a${i}.test` : `/dns4/b${i}.test/tcp/1`))
    fake.stored.set(peer(1).toString(), names)
    running(fake, { lookup, resolveTxt })
      .dial(peer(1))
      .catch(() => {})
    await fake.clock.advance(100)
    expect(asked).toHaveLength(32)
    expect(new Set(asked).size).toBe(32)
    expect(asked.filter((name) => name.startsWith('_dnsaddr.'))).toHaveLength(16)
    expect(fake.called.length).toBeGreaterThan(0)
  })

  test('lead nowhere that a rule forbids by another spelling', async () => {
    const fake = new FakeNode()
    fake.filter = ({ ip }) => (ip === '127.0.0.1' || ip === '::1' ? 'deny' : undefined)
    const part = running(fake, { lookup: async () => ['0.0.0.0'] })
    const why = { cause: { errors: [{ context: { why: 'net-restricted' } }] } }
    for (const place of ['/ip4/0.0.0.0', '/ip6/::', '/ip6/::ffff:0.0.0.0', '/ip6/::ffff:127.0.0.1', '/dns4/a.test']) {
      await expect(after(fake, 0, part.dial(`${place}/tcp/1/p2p/${peer(1)}`))).rejects.toMatchObject(why)
    }
    expect(fake.calls).toEqual([])
  })

  test('lead to no socket in our file system, unless our caller names it', async () => {
    const socket = '/unix/%2Frun%2Fadmin.sock'
    const fake = new FakeNode()
    fake.stored.set(peer(1).toString(), [socket, '/dnsaddr/a.test'])
    const part = running(fake, { resolveTxt: async () => [[`dnsaddr=${socket}/p2p/${peer(1)}`]] })
    await expect(after(fake, 100, part.dial(peer(1)))).rejects.toMatchObject({ code: 'dialer/no-addresses' })
    expect(fake.calls).toEqual([])
    part.dial(`${socket}/p2p/${peer(1)}`).catch(() => {})
    await fake.clock.advance(10)
    expect(fake.calls).toHaveLength(1)
  })

  test('are tried once where a name that is found late is one of them', async () => {
    const fake = new FakeNode().at(address(1), { does: 'fails' })
    const slowly: Lookup = async () => {
      await sleep(fake.clock, 400)
      return ['10.0.0.1', '10.0.0.2']
    }
    const dial = running(fake, { lookup: slowly }).dial([multiaddr(full(1)), multiaddr(`/dns4/a.test/tcp/30303/p2p/${peer(1)}`)])
    dial.catch(() => {})
    await fake.clock.advance(500)
    expect(fake.called).toEqual([`50 ${address(1)}`, `400 ${address(2)}`])
  })
})

test('a static node that fails at once is not dialed without end, even with no history', async () => {
  const fake = new FakeNode().at(address(1), { does: 'fails' })
  running(fake, { static: [full(1)], historyMs: 0 })
  await fake.clock.advance(1000)
  expect(fake.calls.length).toBeGreaterThan(5)
  expect(fake.calls.length).toBeLessThan(20)
})
