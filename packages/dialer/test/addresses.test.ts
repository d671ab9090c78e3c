import type { Lookup } from '@kumiko/identity'
import { sleep } from '@kumiko/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { describe, expect, test } from 'vitest'

import { rankBySorter } from '../src/rank.ts'
import type { ResolveTxt } from '../src/system-txt.ts'
import { FakeNode } from './fake-node.ts'
import { numberOf, peer } from './nodes.ts'
import { address, after, full, running } from './running.ts'

/** TXT records by name. */
function zone(records: Readonly<Record<string, readonly string[]>>): ResolveTxt {
  return async (name) => (records[name] ?? []).map((record) => [record])
}

describe('a /dnsaddr', () => {
  const resolveTxt = zone({
    '_dnsaddr.boot.test': [`dnsaddr=${full(1)}`, `dnsaddr=${full(2)}`, `dnsaddr=${address(3)}`, 'dnsaddr=/nonsense'],
  })

  test('leads to the peer that it names', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects' })
    const part = running(fake, { resolveTxt })
    const connection = await after(fake, 0, part.dial(`/dnsaddr/boot.test/p2p/${peer(1)}`))
    expect(numberOf(connection.remotePeer)).toBe(1)
    expect(fake.calls.map((call) => call.address)).toEqual([full(1)])
  })

  test('that names no peer leads to any, and each must be who its record says', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', answers: peer(9) }).at(address(2), { does: 'connects' })
    const part = running(fake, { resolveTxt })
    const connection = await after(fake, 0, part.dial('/dnsaddr/boot.test'))
    expect(numberOf(connection.remotePeer)).toBe(2)
    expect(fake.called.slice(0, 2)).toEqual([`0 ${address(1)}`, `0 ${address(2)}`])
  })

  test('leads nowhere that the rules deny', async () => {
    const fake = new FakeNode()
    fake.banned.add(full(1))
    fake.gater.denyDialMultiaddr = (denied) => denied.toString() === full(2)
    const part = running(fake, { resolveTxt, netRestrict: ['10.0.0.1', '10.0.0.2'] })
    await expect(after(fake, 0, part.dial('/dnsaddr/boot.test'))).rejects.toMatchObject({
      code: 'dialer/no-addresses',
      cause: {
        errors: [
          { context: { address: full(1), why: 'banned' } },
          { context: { address: full(2), why: 'denied' } },
          { context: { address: address(3), why: 'net-restricted' } },
        ],
      },
    })
    expect(fake.calls).toEqual([])
  })

  test('may lead to names, which are looked up, and judged again', async () => {
    const lookup: Lookup = async () => ['10.0.0.1', '11.0.0.1']
    const named = zone({ '_dnsaddr.boot.test': ['dnsaddr=/dns4/a.test/tcp/30303'] })
    const fake = new FakeNode().at(address(1), { does: 'connects' })
    const part = running(fake, { resolveTxt: named, lookup, netRestrict: ['10.0.0.0/8'] })
    await after(fake, 0, part.dial('/dnsaddr/boot.test'))
    expect(fake.called).toEqual([`0 ${address(1)}`])
  })

  test('that does not answer costs 50 ms where another address is known, else 5 s', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects' })
    const part = running(fake, { resolveTxt: async () => await new Promise<never>(() => {}) })
    const connection = part.dial([multiaddr(`/dnsaddr/boot.test/p2p/${peer(1)}`), multiaddr(full(1))])
    await after(fake, 50, connection)
    // The history's: the lookup has let go of its own.
    expect(fake.clock.pending).toBe(1)
    await expect(after(fake, 5000, part.dial('/dnsaddr/boot.test'))).rejects.toMatchObject({ code: 'dialer/no-addresses' })
  })

  test("is asked of the node's component dns", async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects' })
    const asked: unknown[] = []
    fake.dns = {
      query: async (name, { types }) => {
        asked.push([name, types])
        return { Answer: [5, 16].map((type) => ({ type, data: `"dnsaddr=${full(type === 16 ? 1 : 2)}"` })) }
      },
    }
    const part = running(fake)
    await after(fake, 0, part.dial('/dnsaddr/boot.test'))
    expect([asked, fake.called]).toEqual([[['_dnsaddr.boot.test', 16]], [`0 ${address(1)}`]])
  })

  test('of the system that is not there leads nowhere', async () => {
    const fake = new FakeNode()
    const part = running(fake, { resolveTxt: async () => await Promise.reject(new Error('ENOTFOUND')) })
    await expect(after(fake, 0, part.dial('/dnsaddr/boot.test'))).rejects.toMatchObject({
      cause: { errors: [{ context: { why: 'unresolved' } }] },
    })
  })
})

describe('a name that is found late', () => {
  /** Looked up in 400 ms. */
  const slowly = (fake: FakeNode): Lookup => {
    return async () => {
      await sleep(fake.clock, 400)
      return ['10.0.0.1']
    }
  }
  const named = `/dns4/a.test/tcp/30303/p2p/${peer(1)}`

  test('joins the race of the other addresses', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects' })
    const part = running(fake, { lookup: slowly(fake) })
    const told: string[] = []
    const onProgress = ({ type }: { type: string }) => void told.push(type)
    await after(fake, 400, part.dial([multiaddr(named), multiaddr(full(1, 1))], { onProgress }))
    expect(fake.called).toEqual([`50 ${address(1, 1)}`, `400 ${address(1)}`])
    expect(told.filter((type) => type === 'dial-queue:calculated-addresses')).toHaveLength(2)
  })

  test('is waited for where the others fail, and is of no harm where it leads nowhere', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects' }).at(address(1, 1), { does: 'fails' })
    const part = running(fake, { lookup: slowly(fake) })
    await after(fake, 400, part.dial([multiaddr(named), multiaddr(full(1, 1))]))
    fake.drop(peer(1))
    fake.banned.add(address(1))
    fake.banned.add(full(1))
    const failed = after(fake, 400, part.dial([multiaddr(named), multiaddr(full(1, 1))]))
    await expect(failed).rejects.toMatchObject({ code: 'dialer/failed' })
  })
})

describe('an address without a peer', () => {
  test('that was dialed finds its connection again, also by its name', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', answers: peer(1) })
    const part = running(fake, { lookup: async () => ['10.0.0.1'] })
    const first = await after(fake, 0, part.dial('/dns4/a.test/tcp/30303'))
    expect(await part.dial('/dns4/a.test/tcp/30303')).toBe(first)
    fake.drop(peer(1))
    expect(await after(fake, 0, part.dial('/dns4/a.test/tcp/30303'))).not.toBe(first)
    expect(fake.calls).toHaveLength(2)
  })

  test('is dialed once by two who ask at the same time', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', answers: peer(1), afterMs: 10 })
    const part = running(fake, { lookup: async () => ['10.0.0.1'] })
    const [one, two] = await after(fake, 10, Promise.all([part.dial('/dns4/a.test/tcp/30303'), part.dial('/dns4/a.test/tcp/30303')]))
    expect(one).toBe(two)
    expect(fake.calls).toHaveLength(1)
  })
})

test('who asks by a name and by its IP at the same time has one connection', async () => {
  const fake = new FakeNode().at(address(1), { does: 'connects', answers: peer(1), afterMs: 10 })
  const part = running(fake, { lookup: async () => ['10.0.0.1'] })
  const [one, two] = await after(fake, 20, Promise.all([part.dial('/dns4/a.test/tcp/30303'), part.dial(address(1))]))
  expect([one === two, one.status]).toEqual([true, 'open'])
  expect(fake.connections.filter(({ status }) => status === 'open')).toHaveLength(1)
})

test('a relayed connection is not reused where a direct address is given', async () => {
  const fake = new FakeNode().at(address(1), { does: 'connects' })
  const part = running(fake)
  const relayed = fake.open(peer(1), multiaddr(`${full(2)}/p2p-circuit/p2p/${peer(1)}`))
  expect(await part.dial(peer(1))).toBe(relayed)
  const direct = await after(fake, 0, part.dial(full(1)))
  expect(direct).not.toBe(relayed)
})

describe('the back-off of an address', () => {
  const [bad, good] = ['/ip4/8.0.0.1/tcp/1', '/ip4/9.0.0.1/tcp/1']

  test('puts it last where it failed, until it ends', async () => {
    const fake = new FakeNode().at(bad, { does: 'fails' }).at(good, { does: 'connects' })
    const part = running(fake)
    const both = [bad, good].map((each) => multiaddr(`${each}/p2p/${peer(1)}`))
    await after(fake, 0, part.dial(both))
    fake.drop(peer(1))
    fake.at(good, { does: 'stays silent' }).at(bad, { does: 'connects' })
    await after(fake, 500, part.dial(both))
    expect(fake.called).toEqual([`0 ${bad}`, `0 ${good}`, `0 ${good}`, `500 ${bad}`])
  })

  test('does not count where the dial is forced, nor where it is the only one', async () => {
    const fake = new FakeNode().at(bad, { does: 'fails' })
    const part = running(fake)
    const both = [bad, good].map((each) => multiaddr(`${each}/p2p/${peer(1)}`))
    await expect(after(fake, 0, part.dial(`${bad}/p2p/${peer(1)}`))).rejects.toMatchObject({ code: 'dialer/failed' })
    await expect(after(fake, 0, part.dial(`${bad}/p2p/${peer(1)}`))).rejects.toMatchObject({ code: 'dialer/failed' })
    fake.at(good, { does: 'connects' })
    await after(fake, 0, part.dial(both, { force: true }))
    expect(fake.called).toEqual([`0 ${bad}`, `0 ${bad}`, `0 ${bad}`, `0 ${good}`])
  })

  test('is not for one that lost, or was given up: it may be a good one', async () => {
    const fake = new FakeNode().at(good, { does: 'connects' })
    const part = running(fake)
    const both = [bad, good].map((each) => multiaddr(`${each}/p2p/${peer(1)}`))
    await after(fake, 250, part.dial(both))
    fake.drop(peer(1))
    const controller = new AbortController()
    const givenUp = part.dial(`${bad}/p2p/${peer(1)}`, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(after(fake, 0, givenUp)).rejects.toThrow('enough')
    const others = [bad, '/ip4/9.0.0.2/tcp/1'].map((each) => multiaddr(`${each}/p2p/${peer(1)}`))
    part.dial(others).catch(() => {})
    await fake.clock.advance(0)
    expect(fake.called.at(-1)).toBe(`250 ${bad}`)
  })

  test('ends with a success: that address goes first', async () => {
    const fake = new FakeNode().at(bad, { does: 'connects' }).at(good, { does: 'stays silent' })
    const part = running(fake)
    await after(fake, 0, part.dial(`${bad}/p2p/${peer(1)}`))
    fake.drop(peer(1))
    await after(fake, 0, part.dial([good, bad].map((each) => multiaddr(`${each}/p2p/${peer(1)}`))))
    expect(fake.called).toEqual([`0 ${bad}`, `0 ${bad}`])
  })
})

test("the ranking may be one's own, and what it leaves out is not tried", async () => {
  const fake = new FakeNode()
  const part = running(fake, { rank: (all) => all.slice(0, 2).map((each, i) => ({ ...each, delayMs: i === 0 ? 70 : Number.NaN })) })
  part.dial([1, 2, 3].map((port) => multiaddr(full(1, port)))).catch(() => {})
  await fake.clock.advance(1000)
  expect(fake.called).toEqual([`0 ${address(1, 2)}`, `70 ${address(1, 1)}`])
})

test("the ranking may be js-libp2p's addressSorter", async () => {
  const fake = new FakeNode()
  const part = running(fake, { rank: rankBySorter((a, b) => (a.multiaddr.toString() > b.multiaddr.toString() ? -1 : 1)) })
  part.dial([1, 2, 3].map((port) => multiaddr(full(1, port)))).catch(() => {})
  await fake.clock.advance(600)
  expect(fake.called).toEqual([`0 ${address(1, 3)}`, `250 ${address(1, 2)}`, `500 ${address(1, 1)}`])
})

test('no more addresses are tried at the same time than may be', async () => {
  const fake = new FakeNode()
  const part = running(fake, { maxParallelAddresses: 2, addressTimeoutMs: 3000 })
  part.dial([1, 2, 3].map((port) => multiaddr(full(1, port)))).catch(() => {})
  await fake.clock.advance(3000)
  expect(fake.called).toEqual([`0 ${address(1, 1)}`, `30 ${address(1, 2)}`, `3000 ${address(1, 3)}`])
})

describe('the progress of a dial', () => {
  test('is told to each who waits for it', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', afterMs: 10 })
    const part = running(fake)
    const told: string[][] = [[], [], []]
    const follow = (i: number) => ({ onProgress: ({ type }: { type: string }) => void told[i]?.push(type) })
    const first = part.dial(full(1), follow(0))
    const second = part.dial(full(1), follow(1))
    await after(fake, 10, Promise.all([first, second]))
    await part.dial(full(1), follow(2))
    expect(told).toEqual([
      ['connection:open', 'dial-queue:add-to-dial-queue', 'dial-queue:start-dial', 'dial-queue:calculated-addresses', 'connection:opened'],
      ['connection:open', 'dial-queue:already-in-dial-queue', 'dial-queue:calculated-addresses', 'connection:opened'],
      ['connection:open', 'dial-queue:already-connected', 'connection:opened'],
    ])
  })

  test('is of no harm where a listener throws', async () => {
    const fake = new FakeNode().at(address(1), { does: 'connects', afterMs: 10 })
    const part = running(fake)
    let isAngry = false
    const angry = part.dial(full(1), {
      onProgress: () => {
        if (isAngry) throw new Error('no')
      },
    })
    angry.catch(() => {})
    isAngry = true
    const calm = part.dial(full(1))
    expect((await after(fake, 10, calm)).status).toBe('open')
    await expect(angry).rejects.toThrow('no')
  })
})

test('the queue tells the addresses that a dial tries, and is no longer than it may be', async () => {
  const fake = new FakeNode()
  fake.stored.set(peer(1).toString(), [address(1, 1), address(1, 2)])
  const part = running(fake, { maxActiveDials: 1, maxDialQueueLength: 1 })
  for (const number of [1, 2]) part.dial(peer(number)).catch(() => {})
  await fake.clock.advance(0)
  expect(part.getDialQueue()).toEqual([
    { id: 'dial-1', status: 'active', peerId: peer(1), multiaddrs: [multiaddr(full(1, 1)), multiaddr(full(1, 2))] },
    { id: 'dial-2', status: 'queued', peerId: peer(2), multiaddrs: [] },
  ])
  await expect(part.dial(peer(3))).rejects.toMatchObject({ code: 'dialer/queue-full' })
})
