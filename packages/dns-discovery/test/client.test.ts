import { encodeRlp, nodeFromEnr, signEnr } from '@kumiko/identity'
import { type Fault, isFault, type NodeRecord } from '@kumiko/interface'
import { seeded, type VirtualClock, virtualClock } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { DnsClient, type DnsClientOptions } from '../src/client.ts'
import { entryHash, parseEntry } from '../src/entry.ts'
import { readTreeUrl } from '../src/tree.ts'
import { makeNodes, publish, secretKey, Zones } from './nodes.ts'

interface Bench {
  readonly clock: VirtualClock
  readonly client: DnsClient
  readonly faults: string[]
}

function bench(zones: Pick<Zones, 'resolve'>, options: DnsClientOptions = {}): Bench {
  const clock = virtualClock()
  const faults: string[] = []
  const onFault = ({ fault }: Fault): void => void faults.push(fault.replace('dns-discovery/', ''))
  return { clock, faults, client: new DnsClient({ clock, random: seeded().random, resolve: zones.resolve, onFault, ...options }) }
}

/** Moves the clock until a promise has settled. */
async function within<T>(clock: VirtualClock, maxMs: number, promise: Promise<T>): Promise<T> {
  let isSettled = false
  const settled = promise.finally(() => {
    isSettled = true
  })
  settled.catch(() => {})
  for (let passedMs = 0; !isSettled; passedMs += 250) {
    if (passedMs > maxMs) throw new Error(`not settled within ${maxMs} ms`)
    await clock.advance(250)
  }
  return await settled
}

/** Takes nodes until each of the ids was seen. */
async function takeAll(nodes: AsyncIterator<NodeRecord>, wanted: readonly NodeRecord[]): Promise<number> {
  const missing = new Set(wanted.map(({ nodeId }) => nodeId))
  let taken = 0
  while (missing.size > 0) {
    const { value, done } = await nodes.next()
    if (done) throw new Error(`ended with ${missing.size} missing`)
    taken += 1
    missing.delete(value.nodeId)
  }
  return taken
}

const MINUTE = 60_000

describe('DnsClient.sync', () => {
  it('SyncTree: reads a whole tree, three lookups a second', async () => {
    const nodes = makeNodes(30)
    const published = publish('n.test', nodes, [publish('m.test', []).url], 7n)
    const zones = new Zones(published)
    const { client, clock } = bench(zones)
    const startMs = clock.now()
    const tree = await within(clock, MINUTE, client.sync(published.url))
    if (isFault(tree)) throw new Error(tree.detail)
    expect(new Set(tree.records.map(({ nodeId }) => nodeId))).toEqual(new Set(nodes.map(({ nodeId }) => nodeId)))
    expect([tree.seq, tree.urls.map(({ domain }) => domain)]).toEqual([7n, ['m.test']])
    expect(zones.asked.length).toBe(published.zone.size)
    // Ten at once, then three a second.
    expect(clock.now() - startMs).toBeGreaterThanOrEqual(((published.zone.size - 10) / 3) * 1000)
  })

  it('asks for nothing that is known already, and takes what is known wrongly from DNS', async () => {
    const published = publish('n.test', makeNodes(30))
    const zones = new Zones(published)
    const { client, clock } = bench(zones)
    const [wrong = '', missing = ''] = [...published.tree.entries.keys()]
    const known = new Map(published.tree.entries).set(wrong, published.tree.entries.get(missing) ?? '')
    known.delete(missing)
    const told: string[] = []
    const tree = await within(clock, MINUTE, client.sync(published.url, { known, onEntry: ({ hash }) => told.push(hash) }))
    expect(isFault(tree) ? tree : tree.entries).toEqual(published.tree.entries)
    expect(zones.asked.toSorted()).toEqual(['n.test', `${wrong}.n.test`, `${missing}.n.test`].sort())
    expect(told.toSorted()).toEqual([...published.tree.entries.keys()].sort())
  })

  it('tells of what it has before it is stopped', async () => {
    const published = publish('n.test', makeNodes(30))
    const { client, clock } = bench(new Zones(published))
    const controller = new AbortController()
    const known = new Map<string, string>()
    const sync = client.sync(published.url, { signal: controller.signal, onEntry: ({ hash, text }) => known.set(hash, text) })
    sync.catch(() => {})
    await clock.advance(3000)
    controller.abort(new Error('enough'))
    await expect(sync).rejects.toThrow('enough')
    expect(known.size).toBeGreaterThan(10)
    for (const [hash, text] of known) expect(published.tree.entries.get(hash)).toBe(text)
    expect(clock.pending).toBe(0)
  })

  it('SyncTreeBadNode: tells what is wrong, and where', async () => {
    const published = publish('n.test', makeNodes(3))
    const zones = new Zones(published)
    const bad = [...published.zone.keys()].at(-1)!
    zones.texts.set(bad, 'enr:-----')
    const { client, clock } = bench(zones)
    expect(await within(clock, MINUTE, client.sync(published.url))).toEqual({ fault: 'dns-discovery/hash-mismatch', detail: bad })
    zones.texts.delete(bad)
    expect(await within(clock, MINUTE, client.sync(published.url))).toEqual({ fault: 'dns-discovery/no-entry', detail: bad })
  })

  it('RejectsUndecodablePort: a record whose port is no number of 16 bits', async () => {
    for (const key of ['tcp', 'udp', 'tcp6', 'udp6']) {
      const enr = signEnr(secretKey(1), 1n, { [key]: encodeRlp(Uint8Array.of(1, 0, 0)) })
      const published = publish('n.test', [nodeFromEnr(enr)])
      const { client, clock } = bench(new Zones(published))
      expect(await within(clock, MINUTE, client.sync(published.url))).toMatchObject({ fault: 'dns-discovery/bad-enr' })
    }
  })

  it('takes a root of another key for a bad one', async () => {
    const published = publish('n.test', makeNodes(3))
    const { client, clock } = bench(new Zones(published))
    const other = publish('n.test', [], [], 1n, 60_001).url
    expect(await within(clock, MINUTE, client.sync(other))).toEqual({ fault: 'dns-discovery/bad-signature', detail: 'n.test' })
  })

  it('does not take an entry of the one half for one of the other', async () => {
    const { url } = publish('m.test', [])
    const { zone, url: own } = publish('n.test', makeNodes(1))
    // The same hash for both halves: the links are nodes.
    const { tree } = publish('n.test', makeNodes(1))
    const { signRoot, formatRoot } = await import('../src/root.ts')
    zone.set('n.test', formatRoot(signRoot({ seq: 1n, nodes: tree.nodes, links: tree.nodes }, secretKey(60_000))))
    const { client, clock } = bench(new Zones({ zone }))
    expect(await within(clock, MINUTE, client.sync(own))).toMatchObject({ fault: 'dns-discovery/misplaced-entry' })
    expect(url).toContain('m.test')
  })
})

describe('DnsClient.walk', () => {
  it('Iterator: finds every node of several trees, mixed', async () => {
    const [a, b] = [publish('a.test', makeNodes(40)), publish('b.test', makeNodes(40, 100))]
    const { client, clock, faults } = bench(new Zones(a, b))
    const nodes = client.walk([a.url, b.url])
    const first = await within(
      clock,
      MINUTE,
      (async () => {
        const ids: string[] = []
        while (ids.length < 20) ids.push((await nodes.next()).value.nodeId)
        return ids
      })(),
    )
    const ofA = new Set(makeNodes(40).map(({ nodeId }) => nodeId))
    const share = first.filter((id) => ofA.has(id)).length
    expect(share).toBeGreaterThan(3)
    expect(share).toBeLessThan(17)
    await within(clock, 2 * MINUTE, takeAll(nodes, [...makeNodes(40), ...makeNodes(40, 100)]))
    await nodes.return(undefined)
    expect([faults, clock.pending]).toEqual([[], 0])
  })

  it('goes through a tree again without a lookup, and in another order', async () => {
    const published = publish('n.test', makeNodes(10))
    const zones = new Zones(published)
    const { client, clock } = bench(zones)
    const nodes = client.walk([published.url])
    const pass = async (): Promise<string[]> => {
      const ids: string[] = []
      while (ids.length < 10) ids.push((await nodes.next()).value.nodeId)
      return ids
    }
    const first = await within(clock, MINUTE, pass())
    const asked = zones.asked.length
    const second = await within(clock, MINUTE, pass())
    expect(new Set(second)).toEqual(new Set(first))
    expect(second).not.toEqual(first)
    expect([zones.asked.length, client.cached]).toEqual([asked, published.zone.size - 1])
    await nodes.return(undefined)
  })

  it('keeps no more entries than it may', async () => {
    const published = publish('n.test', makeNodes(40))
    const { client, clock } = bench(new Zones(published), { cacheMax: 5 })
    const nodes = client.walk([published.url])
    await within(clock, 10 * MINUTE, takeAll(nodes, makeNodes(40)))
    expect(client.cached).toBe(5)
    await nodes.return(undefined)
  })

  it('asks for nothing while no node is taken', async () => {
    const published = publish('n.test', makeNodes(40))
    const zones = new Zones(published)
    const { client, clock } = bench(zones)
    const nodes = client.walk([published.url])
    await clock.advance(MINUTE)
    expect(zones.asked).toEqual([])
    await within(clock, MINUTE, nodes.next())
    const asked = zones.asked.length
    await clock.advance(60 * MINUTE)
    expect([zones.asked.length, clock.pending]).toEqual([asked, 0])
  })

  it('CloseWithoutNext, Close: ends with the signal in the middle of a lookup, and leaves nothing', async () => {
    const never = { resolve: () => new Promise<string[][]>(() => {}) }
    const { client, clock, faults } = bench(never)
    const { url } = publish('n.test', [])
    const controller = new AbortController()
    await client.walk([url]).return(undefined)
    const pending = client.walk([url], { signal: controller.signal }).next()
    await clock.advance(1)
    expect(clock.pending).toBe(1)
    controller.abort()
    expect([(await pending).done, clock.pending, faults]).toEqual([true, 0, []])
  })

  it('Links: follows links to other trees, and their links back, each tree once', async () => {
    const urls = ['a', 'b', 'c'].map((name) => publish(`${name}.test`, []).url)
    const trees = ['a', 'b', 'c'].map((name, i) => publish(`${name}.test`, makeNodes(5, 1 + 10 * i), [urls[(i + 1) % 3]!, urls[i]!]))
    const zones = new Zones(...trees)
    const { client, clock, faults } = bench(zones)
    const nodes = client.walk([urls[0]!])
    await within(
      clock,
      5 * MINUTE,
      takeAll(
        nodes,
        [0, 1, 2].flatMap((i) => makeNodes(5, 1 + 10 * i)),
      ),
    )
    expect(zones.asked.filter((name) => name.split('.').length === 2).sort()).toEqual(['a.test', 'b.test', 'c.test'])
    expect(faults).toEqual([])
    await nodes.return(undefined)
  })

  it('LinkCache: follows 64 trees and no more, however many there are', async () => {
    const urls = Array.from({ length: 100 }, (_, i) => publish(`t${i}.test`, []).url)
    const zones = new Zones(...urls.map((_, i) => publish(`t${i}.test`, makeNodes(1, i + 1), urls.slice(i + 1, i + 3))))
    const { client, clock, faults } = bench(zones, { requestsPerSecond: 1000 })
    const nodes = client.walk([urls[0]!], { repeats: false })
    const pending = (async () => {
      const ids = new Set<string>()
      for await (const { nodeId } of { [Symbol.asyncIterator]: () => nodes }) ids.add(nodeId)
      return ids
    })()
    for (let second = 0; second < 1200; second++) {
      await clock.advance(1000)
      await new Promise(setImmediate)
    }
    expect(zones.asked.filter((name) => name.split('.').length === 2).length).toBe(64)
    expect(faults).toContain('too-many-trees')
    void pending
  })

  it('NodeUpdates: finds what is added, and no more what is removed, once the root is asked for again', async () => {
    const before = publish('n.test', makeNodes(10), [], 1n)
    const zones = new Zones(before)
    const { client, clock } = bench(zones)
    const nodes = client.walk([before.url])
    await within(clock, MINUTE, takeAll(nodes, makeNodes(10)))
    zones.put(publish('n.test', makeNodes(10, 5), [], 2n))
    await clock.advance(30 * MINUTE)
    const seen = await within(
      clock,
      5 * MINUTE,
      (async () => {
        const ids = new Set<string>()
        for (let i = 0; i < 20; i++) ids.add((await nodes.next()).value.nodeId)
        return ids
      })(),
    )
    expect(seen).toEqual(new Set(makeNodes(10, 5).map(({ nodeId }) => nodeId)))
    await nodes.return(undefined)
  })

  it('does not go back to an older root', async () => {
    const newer = publish('n.test', makeNodes(3), [], 5n)
    const zones = new Zones(newer)
    const { client, clock, faults } = bench(zones)
    const nodes = client.walk([newer.url])
    await within(clock, MINUTE, takeAll(nodes, makeNodes(3)))
    zones.put(publish('n.test', makeNodes(3, 50), [], 4n))
    await clock.advance(31 * MINUTE)
    const ids: string[] = []
    for (let i = 0; i < 6; i++) ids.push((await nodes.next()).value.nodeId)
    expect(new Set(ids)).toEqual(new Set(makeNodes(3).map(({ nodeId }) => nodeId)))
    expect(faults).toEqual(['old-root'])
    await nodes.return(undefined)
  })

  it('RootRecheckOnFail: a tree that was replaced altogether is found before its root is due', async () => {
    const before = publish('n.test', makeNodes(20), [], 1n)
    const zones = new Zones(before)
    const { client, clock, faults } = bench(zones)
    const nodes = client.walk([before.url])
    await within(clock, MINUTE, nodes.next())
    zones.texts.clear()
    zones.put(publish('n.test', makeNodes(20, 100), [], 2n))
    await within(clock, 3 * MINUTE, takeAll(nodes, makeNodes(20, 100)))
    expect(new Set(faults)).toEqual(new Set(['no-entry']))
    await nodes.return(undefined)
  })

  it('EmptyTree: rests until the root is due, and then finds what came', async () => {
    const empty = publish('n.test', [], [], 1n)
    const zones = new Zones(empty)
    const { client, clock } = bench(zones)
    const pending = client.walk([empty.url]).next()
    await clock.advance(29 * MINUTE)
    // Root, and the two empty branches, which are the same entry.
    expect(zones.asked.length).toBe(2)
    const [node] = makeNodes(1)
    zones.put(publish('n.test', [node!], [], 2n))
    expect((await within(clock, 3 * MINUTE, pending)).value.nodeId).toBe(node!.nodeId)
  })

  it('rests where the filter refuses every node, and takes the few that it does not', async () => {
    const published = publish('n.test', makeNodes(20))
    const zones = new Zones(published)
    let isOpen = false
    const [chosen] = makeNodes(1, 7)
    const { client, clock } = bench(zones, { filter: ({ nodeId }) => isOpen && nodeId === chosen!.nodeId })
    const pending = client.walk([published.url]).next()
    await clock.advance(29 * MINUTE)
    const asked = zones.asked.length
    expect(asked).toBeLessThanOrEqual(published.zone.size)
    isOpen = true
    expect((await within(clock, 3 * MINUTE, pending)).value.nodeId).toBe(chosen!.nodeId)
  })

  it('LinkUpdates: a tree that is linked no more is walked no more', async () => {
    const [b, c] = [publish('b.test', makeNodes(3, 10)), publish('c.test', makeNodes(3, 20))]
    const a = publish('a.test', [], [b.url], 1n)
    const zones = new Zones(a, b, c)
    const { client, clock } = bench(zones)
    const nodes = client.walk([a.url])
    await within(clock, MINUTE, takeAll(nodes, makeNodes(3, 10)))
    zones.put(publish('a.test', [], [c.url], 2n))
    await clock.advance(30 * MINUTE)
    await within(clock, 5 * MINUTE, takeAll(nodes, makeNodes(3, 20)))
    const ids: string[] = []
    for (let i = 0; i < 9; i++) ids.push((await within(clock, MINUTE, nodes.next())).value.nodeId)
    expect(new Set(ids)).toEqual(new Set(makeNodes(3, 20).map(({ nodeId }) => nodeId)))
    await nodes.return(undefined)
  })

  it('passes over entries that fail or are tampered with, counts them, and finds them once they are mended', async () => {
    const published = publish('n.test', makeNodes(12))
    const zones = new Zones(published)
    const leaves = [...published.zone].filter(([, text]) => text.startsWith('enr:')).map(([name]) => name)
    const wrongs = [undefined, 'fail', published.zone.get(leaves[5]!), 'no entry'] as const
    for (const [i, wrong] of wrongs.entries()) {
      if (wrong === undefined) zones.texts.delete(leaves[i]!)
      else zones.texts.set(leaves[i]!, wrong)
    }
    const { client, clock, faults } = bench(zones)
    const nodes = client.walk([published.url])
    const found = new Set<string>()
    for (let i = 0; i < 8; i++) found.add((await within(clock, MINUTE, nodes.next())).value.nodeId)
    expect(found.size).toBe(8)
    // The second pass begins with the four passed over, so that each was asked for.
    await within(clock, MINUTE, nodes.next())
    expect(faults.toSorted()).toEqual(['hash-mismatch', 'lookup-failed', 'no-entry', 'no-entry'])
    zones.put(published)
    await clock.advance(2 * MINUTE)
    await within(clock, MINUTE, takeAll(nodes, makeNodes(12)))
    await nodes.return(undefined)
  })

  it('gives a lookup up after 5 s, and asks again', async () => {
    const published = publish('n.test', makeNodes(1))
    const zones = new Zones(published)
    let isMute = true
    const resolve = (name: string): Promise<string[][]> => (isMute ? new Promise(() => {}) : zones.resolve(name))
    const { client, clock, faults } = bench({ resolve })
    const pending = client.walk([published.url]).next()
    await clock.advance(4999)
    expect(faults).toEqual([])
    await clock.advance(1)
    expect(faults).toEqual(['lookup-failed'])
    isMute = false
    expect((await within(clock, MINUTE, pending)).done).toBe(false)
  })

  it('visits an entry once a pass, however often branches name it', async () => {
    // Each branch names the next one 13 times: 13^12 ways to the node.
    const leaf = publish('n.test', makeNodes(1))
    const { zone, tree } = leaf
    let hash = tree.nodes
    for (let depth = 0; depth < 12; depth++) {
      const text = `enrtree-branch:${Array.from({ length: 13 }, () => hash).join(',')}`
      expect(isFault(parseEntry(text))).toBe(false)
      hash = entryHash(text)
      zone.set(`${hash}.n.test`, text)
    }
    const { signRoot, formatRoot } = await import('../src/root.ts')
    zone.set('n.test', formatRoot(signRoot({ seq: 1n, nodes: hash, links: tree.links }, secretKey(60_000))))
    const zones = new Zones({ zone })
    const { client, clock } = bench(zones)
    const nodes = client.walk([leaf.url])
    await within(clock, MINUTE, nodes.next())
    expect(zones.asked.length).toBe(zone.size)
    await nodes.return(undefined)
  })

  it('does not go deeper than 16', async () => {
    const leaf = publish('n.test', makeNodes(1))
    const { zone, tree } = leaf
    let hash = tree.nodes
    for (let depth = 0; depth < 17; depth++) {
      const text = `enrtree-branch:${hash}`
      hash = entryHash(text)
      zone.set(`${hash}.n.test`, text)
    }
    const { signRoot, formatRoot } = await import('../src/root.ts')
    zone.set('n.test', formatRoot(signRoot({ seq: 1n, nodes: hash, links: tree.links }, secretKey(60_000))))
    const { client, clock, faults } = bench(new Zones({ zone }))
    const controller = new AbortController()
    const pending = client.walk([leaf.url], { signal: controller.signal }).next()
    await clock.advance(MINUTE)
    expect(faults).toEqual(['too-large'])
    controller.abort()
    expect((await pending).done).toBe(true)
  })

  it('refuses options that are none, and what is no URL', async () => {
    expect(() => new DnsClient({ requestsPerSecond: 0 })).toThrow(expect.objectContaining({ code: 'dns-discovery/bad-option' }))
    expect(() => readTreeUrl('enrtree://x@n')).toThrow(expect.objectContaining({ code: 'dns-discovery/bad-url' }))
    await expect(new DnsClient().walk(['n.test']).next()).rejects.toMatchObject({ code: 'dns-discovery/bad-url' })
  })
})
