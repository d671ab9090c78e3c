import { sleep } from '@kumiko/interface'
import type { PeerId, PeerStore } from '@libp2p/interface'
import { defaultLogger } from '@libp2p/logger'
import { persistentPeerStore } from '@libp2p/peer-store'
import { multiaddr } from '@multiformats/multiaddr'
import { MemoryDatastore } from 'datastore-core'
import { describe, expect, test } from 'vitest'
import type { DialerPart } from '../src/dialer.ts'
import type { DialerOptions } from '../src/options.ts'
import { FakeNode } from './fake-node.ts'
import { numberOf, peer } from './nodes.ts'
import { address, full, running } from './running.ts'

/** A fake node with js-libp2p's own peer store. */
class StoringNode extends FakeNode {
  readonly peerStore: PeerStore = persistentPeerStore({
    peerId: peer(0),
    datastore: new MemoryDatastore(),
    events: this.events,
    logger: defaultLogger(),
  })

  override components(): ReturnType<FakeNode['components']> {
    return { ...super.components(), peerStore: this.peerStore }
  }

  /** Someone found a peer, and says what of it. */
  async found(number: number, tags: Readonly<Record<string, number>> = {}, protocols: readonly string[] = []): Promise<void> {
    const tagged = Object.fromEntries(Object.entries(tags).map(([tag, value]) => [tag, { value }]))
    await this.peerStore.merge(peer(number), { multiaddrs: [multiaddr(address(number))], tags: tagged, protocols: [...protocols] })
  }

  get dialed(): number[] {
    return this.calls.map(({ peerId }) => numberOf(peerId ?? peer(63)))
  }

  get connected(): number[] {
    return this.connections.filter(({ status }) => status === 'open').map(({ remotePeer }) => numberOf(remotePeer))
  }
}

/** A node to whose peers with these numbers one can connect. */
function nodeOf(...numbers: readonly number[]): StoringNode {
  const fake = new StoringNode()
  for (const number of numbers) fake.at(address(number), { does: 'connects', afterMs: 10 })
  return fake
}

/** Lets time pass in small steps, so that the peer store, which is not on virtual time, comes along. */
async function pass(fake: FakeNode, durationMs: number): Promise<void> {
  const until = fake.clock.now() + durationMs
  while (fake.clock.now() < until) {
    await fake.clock.advance(Math.min(500, until - fake.clock.now()))
    await new Promise((resolve) => setImmediate(resolve))
  }
}

/** What a promise has come to after so long. */
async function during<T>(fake: FakeNode, durationMs: number, promise: Promise<T>): Promise<T> {
  promise.catch(() => {})
  await pass(fake, durationMs)
  return await promise
}

function autoDialing(fake: FakeNode, autoDial: DialerOptions['autoDial'] & {}, more: DialerOptions = {}): DialerPart {
  return running(fake, { autoDial, ...more })
}

describe('peers tagged keep-alive', () => {
  test('are dialed at the start, and again when they drop', async () => {
    const fake = nodeOf(1, 2)
    await fake.found(1, { 'keep-alive-mine': 1 })
    await fake.found(2, { friend: 100 })
    running(fake, { keepAlive: true })
    await pass(fake, 40_000)
    expect(fake.dialed).toEqual([1])
    fake.drop(peer(1))
    await pass(fake, 1000)
    expect([fake.dialed, fake.connected]).toEqual([[1, 1], [1]])
  })

  test('are kept from the moment that they are tagged until they are so no more', async () => {
    const fake = nodeOf(1)
    running(fake, { keepAlive: true })
    await fake.found(1, { 'keep-alive': 1 })
    await pass(fake, 1000)
    expect(fake.connected).toEqual([1])
    await fake.peerStore.merge(peer(1), { tags: { 'keep-alive': undefined } })
    fake.drop(peer(1))
    await pass(fake, 10_000)
    expect(fake.connected).toEqual([])
  })

  test('lose the tag after six dials in vain, and whoever listens is told', async () => {
    const fake = new StoringNode().at(address(1), { does: 'fails' }) as StoringNode
    const failures: PeerId[] = []
    fake.events.addEventListener('peer:reconnect-failure', ({ detail }) => failures.push(detail))
    await fake.found(1, { 'keep-alive-mine': 1, friend: 5 })
    running(fake, { keepAlive: true })
    await pass(fake, 30_000)
    expect([fake.dialed.length, failures.length]).toEqual([5, 0])
    await pass(fake, 10_000)
    await expect.poll(() => failures.map(numberOf)).toEqual([1])
    expect([...(await fake.peerStore.get(peer(1))).tags.keys()]).toEqual(['friend'])
    await pass(fake, 100_000)
    expect(fake.dialed).toHaveLength(6)
  })

  test('are searched for where no address is known', async () => {
    const fake = nodeOf(1)
    fake.routed.set(peer(1).toString(), [address(1)])
    await fake.peerStore.merge(peer(1), { tags: { 'keep-alive': { value: 1 } } })
    running(fake, { keepAlive: true })
    await pass(fake, 1000)
    expect(fake.connected).toEqual([1])
  })

  test('are not tried at an address in back-off while another is left', async () => {
    const silent = '/ip4/10.0.0.1/tcp/2'
    const fake = new StoringNode().at(address(1), { does: 'fails' }) as StoringNode
    const part = running(fake, { keepAlive: true })
    await expect(during(fake, 1000, part.dial(full(1)))).rejects.toMatchObject({ code: 'dialer/failed' })
    await fake.peerStore.merge(peer(1), {
      multiaddrs: [address(1), silent].map((each) => multiaddr(each)),
      tags: { 'keep-alive': { value: 1 } },
    })
    await pass(fake, 2000)
    expect(fake.called).toEqual([`0 ${address(1)}`, `1000 ${silent}`])
  })

  test("are left to js-libp2p's connection manager where the node has that one", async () => {
    const fake = nodeOf(1)
    await fake.found(1, { 'keep-alive': 1 })
    running(fake)
    await pass(fake, 10_000)
    expect(fake.dialed).toEqual([])
  })
})

describe('auto-dial', () => {
  test('keeps so many peers connected as are wanted, those with the highest tags first', async () => {
    const fake = nodeOf(1, 2, 3, 4)
    for (const number of [1, 2, 3, 4]) await fake.found(number, { liked: 10 * number })
    autoDialing(fake, { wanted: 2 })
    await pass(fake, 2000)
    expect(fake.connected.toSorted()).toEqual([3, 4])
    fake.drop(peer(4))
    await pass(fake, 2000)
    expect(fake.connected.toSorted()).toEqual([2, 3])
    await pass(fake, 60_000)
    expect(fake.dialed).toHaveLength(3)
  })

  test('dials what a discovery puts into the peer store, when it does', async () => {
    const fake = nodeOf(1)
    autoDialing(fake, { wanted: 1 })
    await pass(fake, 5000)
    await fake.found(1)
    await pass(fake, 1000)
    expect(fake.connected).toEqual([1])
  })

  test('looks again where a peer became known while it was looking, once it has rested ten times as long', async () => {
    const fake = nodeOf(1)
    const all = fake.peerStore.all.bind(fake.peerStore)
    let reads = 0
    fake.peerStore.all = async (query) => {
      reads++
      const found = await all(query)
      await sleep(fake.clock, 600)
      return found
    }
    autoDialing(fake, { wanted: 1, intervalMs: 1 }, { keepAlive: false })
    await pass(fake, 500)
    await fake.found(1)
    await pass(fake, 6000)
    expect(reads).toBe(1)
    await pass(fake, 2000)
    expect([reads, fake.connected]).toEqual([2, [1]])
  })

  test('dials 16 a second at most, and 2 of one public IP, whoever fills the peer store', async () => {
    const fake = new StoringNode()
    for (let number = 1; number < 60; number++) {
      const place = number < 20 ? `/ip4/8.8.8.8/tcp/${number}` : `/ip4/9.9.9.${number}/tcp/1`
      fake.at(place, { does: 'fails' })
      await fake.peerStore.merge(peer(number), { multiaddrs: [multiaddr(place)] })
    }
    fake.maxPeers = 100
    autoDialing(fake, { wanted: 50, intervalMs: 1 }, { maxActiveDials: 100 })
    await pass(fake, 500)
    expect(fake.dialed).toHaveLength(16)
    expect(fake.called.filter((call) => call.includes('8.8.8.8')).length).toBeLessThanOrEqual(2)
    await pass(fake, 1000)
    expect(fake.dialed).toHaveLength(32)
  })

  test('is joined by who asks for the peer, for whom it is searched where that fails', async () => {
    const fake = new StoringNode().at(address(1), { does: 'fails', afterMs: 1000 }) as StoringNode
    fake.at(address(2), { does: 'connects' })
    await fake.found(1)
    const part = autoDialing(fake, { wanted: 1 })
    await pass(fake, 500)
    expect(fake.dialed).toEqual([1])
    const dial = part.dial(peer(1), { protocol: '/chat/1' })
    await fake.peerStore.merge(peer(1), { multiaddrs: [multiaddr(address(2))] })
    await during(fake, 2000, dial)
    expect(fake.connected).toEqual([1])
  })

  test('counts those who came by themselves', async () => {
    const fake = nodeOf(1)
    await fake.found(1)
    fake.open(peer(2))
    autoDialing(fake, { wanted: 1 })
    await pass(fake, 20_000)
    expect(fake.dialed).toEqual([])
    fake.drop(peer(2))
    await pass(fake, 1000)
    expect(fake.connected).toEqual([1])
  })

  test('keeps peers with a tag', async () => {
    const fake = nodeOf(1, 2, 3)
    await fake.found(1, { relay: 1 })
    await fake.found(2, { other: 100 })
    await fake.found(3, { relay: 2 })
    autoDialing(fake, { perTag: { relay: 1 } })
    await pass(fake, 5000)
    expect(fake.connected).toEqual([3])
    fake.drop(peer(3))
    await pass(fake, 2000)
    expect(fake.connected).toEqual([1])
  })

  test('keeps peers that serve a protocol, and asks those of which nothing is known when no others are left', async () => {
    const fake = nodeOf(1, 2, 3)
    await fake.found(1, {}, ['/other/1'])
    await fake.found(2)
    await fake.found(3, {}, ['/chat/1'])
    autoDialing(fake, { perProtocol: { '/chat/1': 2 } })
    await pass(fake, 5000)
    expect(fake.connected.toSorted()).toEqual([2, 3])
    await fake.found(2, {}, ['/chat/1'])
    await pass(fake, 60_000)
    expect(fake.dialed).toHaveLength(2)
  })

  test('goes on to the next where one fails, and leaves that alone until its back-off ends', async () => {
    const fake = nodeOf(2)
    fake.at(address(1), { does: 'fails' })
    await fake.found(1, { liked: 100 })
    await fake.found(2)
    autoDialing(fake, { wanted: 2 })
    await pass(fake, 5000)
    expect([fake.dialed, fake.connected]).toEqual([[1, 2], [2]])
    await pass(fake, 30_000)
    expect(fake.dialed).toEqual([1, 2])
    await pass(fake, 15_000)
    expect(fake.dialed).toEqual([1, 2, 1])
  })

  test('never dials more than maxPeers, banned peers, ourselves, or those without an address', async () => {
    const fake = nodeOf(0, 1, 2, 3, 4)
    for (const number of [0, 1, 2, 3, 4]) await fake.found(number)
    await fake.peerStore.merge(peer(5), { tags: { liked: { value: 100 } } })
    fake.banned.add(peer(1).toString())
    fake.maxPeers = 2
    autoDialing(fake, { wanted: 10 })
    await pass(fake, 60_000)
    expect(fake.connected).toHaveLength(2)
    expect(fake.dialed.every((number) => number > 1 && number < 5)).toBe(true)
  })

  test('dials nothing where dialing is off, and nothing once stopped', async () => {
    const fake = nodeOf(1)
    await fake.found(1, { 'keep-alive': 1 })
    const part = autoDialing(fake, { wanted: 1 }, { noDial: true, keepAlive: true })
    await pass(fake, 10_000)
    await part.stop()
    await fake.found(1)
    await pass(fake, 10_000)
    expect([fake.dialed, fake.clock.pending]).toEqual([[], 0])
  })

  test('starts again after a stop', async () => {
    const fake = nodeOf(1)
    await fake.found(1)
    const part = autoDialing(fake, { wanted: 1 })
    await pass(fake, 1000)
    await part.stop()
    fake.drop(peer(1))
    await pass(fake, 40_000)
    expect(fake.connected).toEqual([])
    part.start()
    part.afterStart()
    await pass(fake, 2000)
    expect(fake.connected).toEqual([1])
  })
})

test('where a peer was reached is written into the peer store, and known after a restart', async () => {
  const fake = nodeOf(1)
  const [dead, good] = ['/ip6/2600::1/tcp/1', '/ip4/9.0.0.1/tcp/1']
  fake.at(good, { does: 'connects' })
  const first = running(fake)
  await during(fake, 1000, first.dial([dead, good].map((each) => multiaddr(`${each}/p2p/${peer(1)}`))))
  await first.stop()
  fake.drop(peer(1))
  const { metadata, addresses } = await fake.peerStore.get(peer(1))
  expect(addresses.map(({ multiaddr: each }) => each.toString())).toEqual([good])
  expect(Number(new TextDecoder().decode(metadata.get('last-dial-success')))).toBe(1_000_250)
  await fake.peerStore.merge(peer(1), { multiaddrs: [multiaddr(dead)] })
  const called = fake.called.length
  await during(fake, 500, running(fake).dial(peer(1)))
  expect(fake.called.slice(called)).toEqual([`1000 ${good}`])
})

test.each([{ wanted: -1 }, { perTag: { relay: Number.NaN } }, { perProtocol: { '/a': -1 } }, { want: 1 } as object])(
  'autoDial %o cannot be meant',
  (autoDial) => {
    expect(() => running(new FakeNode(), { autoDial })).toThrow(expect.objectContaining({ code: 'dialer/bad-option' }))
  },
)
