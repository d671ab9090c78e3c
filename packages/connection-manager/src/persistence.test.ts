import { type BaseDatastore, MemoryDatastore } from 'datastore-core'
import fc from 'fast-check'
import { Key } from 'interface-datastore'
import { describe, expect, it } from 'vitest'
import { addressOf, peer } from '../test/fixture.ts'
import { TestNode } from '../test/node.ts'
import type { ConnectionManagerOptions } from './options.ts'

const FILTERS_KEY = new Key('/kumiko/connection-manager/address-filters')
const BANS_KEY = new Key('/kumiko/connection-manager/bans')
const KEEPING: ConnectionManagerOptions = { addressFilters: { persist: true }, persistBans: true }

async function started(datastore: BaseDatastore, options: ConnectionManagerOptions = KEEPING): Promise<TestNode> {
  const node = new TestNode(options, undefined, [], datastore)
  await node.manager.start()
  return node
}

/** Keeps what was put as soon as it is told to, and not before. */
class SlowDatastore extends MemoryDatastore {
  release: () => void = () => {}

  override async put(key: Key, value: Uint8Array): Promise<Key> {
    await new Promise<void>((resolve) => {
      this.release = resolve
    })
    return super.put(key, value)
  }
}

class BrokenDatastore extends MemoryDatastore {
  isBroken = false

  override put(key: Key, value: Uint8Array): Key {
    if (this.isBroken) throw new Error('disk full')
    return super.put(key, value) as Key
  }

  override has(key: Key): boolean {
    if (this.isBroken) throw new Error('no such disk')
    return super.has(key) as boolean
  }
}

describe('what is kept', () => {
  it('is there after any end, as soon as flush has resolved', async () => {
    const datastore = new MemoryDatastore()
    const { manager } = await started(datastore)
    manager.addressFilters.addFilter('/ip4/10.0.0.0/ipcidr/8', 'deny')
    manager.addressFilters.addFilter('10.1.0.0/16', 'accept')
    manager.addressFilters.addFilter('11.0.0.0/8', 'deny')
    manager.addressFilters.remove('11.0.0.0/8')
    manager.addressFilters.defaultAction = 'none'
    manager.ban(peer(1), { detail: 'spam' })
    manager.ban('192.0.2.7/24', { durationMs: 60_000 })
    manager.ban(peer(2), { durationMs: 5 })
    manager.ban(peer(3))
    manager.unban(peer(3))
    await manager.flush()
    const next = await started(datastore)
    expect([next.manager.addressFilters.filtersFor('deny'), next.manager.addressFilters.filtersFor('accept')]).toEqual([
      ['/ip4/10.0.0.0/ipcidr/8'],
      ['/ip4/10.1.0.0/ipcidr/16'],
    ])
    expect(next.manager.addressFilters.defaultAction).toBe('none')
    await next.clock.advance(5)
    expect([peer(1), peer(2), peer(3), addressOf('192.0.2.9')].map((target) => next.manager.isBanned(target))).toEqual([
      true,
      false,
      false,
      true,
    ])
    await next.clock.advance(60_000)
    expect([peer(1), addressOf('192.0.2.9')].map((target) => next.manager.isBanned(target))).toEqual([true, false])
    expect(next.errors).toEqual([])
  })

  it('is not acknowledged before it is written', async () => {
    const datastore = new SlowDatastore()
    const { manager } = await started(datastore)
    manager.addressFilters.addFilter('10.0.0.0/8', 'deny')
    let isFlushed = false
    const flushed = manager.flush().then(() => {
      isFlushed = true
    })
    await new Promise(setImmediate)
    manager.addressFilters.addFilter('11.0.0.0/8', 'deny')
    datastore.release()
    await new Promise(setImmediate)
    expect(isFlushed).toBe(false)
    datastore.release()
    await flushed
    const text = new TextDecoder().decode(await datastore.get(FILTERS_KEY))
    expect(text).toContain('/ip4/11.0.0.0/ipcidr/8')
  })

  it('takes the place of the options from the first edit on', async () => {
    const datastore = new MemoryDatastore()
    const options: ConnectionManagerOptions = {
      addressFilters: { filters: [{ mask: '10.0.0.0/8', action: 'deny' }], defaultAction: 'deny', persist: true },
    }
    const first = await started(datastore, options)
    await first.manager.stop()
    expect(await datastore.has(FILTERS_KEY)).toBe(false)
    await first.manager.start()
    first.manager.addressFilters.remove('10.0.0.0/8')
    await first.manager.stop()
    const { manager } = await started(datastore, options)
    expect([manager.addressFilters.filtersFor('deny'), manager.addressFilters.defaultAction]).toEqual([[], 'deny'])
  })

  it('is of bans what is known, where some were made or lifted while the node was stopped', async () => {
    const datastore = new MemoryDatastore()
    const { manager } = await started(datastore)
    manager.ban(peer(1))
    manager.ban(peer(2))
    await manager.stop()
    manager.unban(peer(1))
    manager.ban(peer(3), { detail: 'x'.repeat(1_000_000) })
    await manager.start()
    await manager.flush()
    const next = await started(datastore)
    for (const each of [manager, next.manager]) expect([1, 2, 3].map((n) => each.isBanned(peer(n)))).toEqual([false, true, true])
    expect((await datastore.get(BANS_KEY)).length).toBeLessThan(1_000)
  })

  it('is nothing where nobody asked', async () => {
    const datastore = new MemoryDatastore()
    const { manager } = await started(datastore, {})
    manager.addressFilters.addFilter('10.0.0.0/8', 'deny')
    manager.ban(peer(1))
    await manager.flush()
    await manager.stop()
    expect([await datastore.has(FILTERS_KEY), await datastore.has(BANS_KEY)]).toEqual([false, false])
  })

  it('is not edited before the start, but bans are, and join those that are kept', async () => {
    const datastore = new MemoryDatastore()
    const first = await started(datastore)
    first.manager.ban(peer(1))
    await first.manager.stop()
    const second = new TestNode(KEEPING, undefined, [], datastore)
    const edit = (): void => second.manager.addressFilters.addFilter('10.0.0.0/8', 'deny')
    expect(edit).toThrow(expect.objectContaining({ code: 'connection-manager/not-started' }))
    expect(second.manager.addressFilters.filtersFor('deny')).toEqual([])
    second.manager.ban(peer(2))
    await second.manager.start()
    await second.manager.flush()
    const third = await started(datastore)
    expect([1, 2].map((n) => third.manager.isBanned(peer(n)))).toEqual([true, true])
  })
})

describe('a datastore', () => {
  it('that is slow is waited for by the stop', async () => {
    const datastore = new SlowDatastore()
    const { manager } = await started(datastore)
    manager.ban(peer(1))
    let isStopped = false
    const stopping = Promise.resolve(manager.stop()).then(() => {
      isStopped = true
    })
    for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve))
    expect(isStopped).toBe(false)
    datastore.release()
    await stopping
    expect((await started(datastore)).manager.isBanned(peer(1))).toBe(true)
  })

  it('that is still being read when the node stops opens nothing afterwards', async () => {
    const datastore = new MemoryDatastore()
    const reading = Promise.withResolvers<boolean>()
    datastore.has = () => reading.promise as never
    const node = new TestNode(KEEPING, undefined, [], datastore)
    const starting = node.manager.start()
    await node.manager.stop()
    reading.resolve(false)
    await starting
    const { remoteAddr: address } = node.libp2p(peer(1))
    const attempt = { direction: 'inbound', stack: 'libp2p', address } as const
    expect(node.manager.admission.begin(attempt)).toMatchObject({ code: 'connection-manager/stopping' })
  })

  it('that cannot be written fails flush, and is tried again', async () => {
    const datastore = new BrokenDatastore()
    const { manager, errors } = await started(datastore)
    datastore.isBroken = true
    manager.ban(peer(1))
    await expect(manager.flush()).rejects.toMatchObject({ code: 'connection-manager/not-stored', cause: new Error('disk full') })
    expect([manager.isBanned(peer(1)), errors.length > 0]).toEqual([true, true])
    datastore.isBroken = false
    await manager.flush()
    expect((await started(datastore)).manager.isBanned(peer(1))).toBe(true)
  })

  it('that cannot be read fails the start', async () => {
    const datastore = new BrokenDatastore()
    datastore.isBroken = true
    await expect(started(datastore)).rejects.toMatchObject({ code: 'connection-manager/not-loaded' })
  })

  it.each([
    ['no text', new Uint8Array([0xff, 0xfe])],
    ['no JSON', 'nonsense'],
    ['no object', '[]'],
    ['another version', '{"version":2,"defaultAction":"deny","filters":[],"bans":[]}'],
    ['no list', '{"version":1,"defaultAction":"deny","filters":{},"bans":7}'],
    ['no mask', '{"version":1,"defaultAction":"deny","filters":[["x","deny"]],"bans":[["x",null,null]]}'],
    ['no action', '{"version":1,"defaultAction":"deny","filters":[["10.0.0.0/8","drop"]],"bans":[["10.0.0.0/8","soon",null]]}'],
  ])('that holds %s says so once, and sets it aside', async (_, value) => {
    const datastore = new MemoryDatastore()
    const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value
    for (const key of [FILTERS_KEY, BANS_KEY]) await datastore.put(key, bytes)
    const node = await started(datastore, {
      ...KEEPING,
      addressFilters: { persist: true, filters: [{ mask: '9.0.0.0/8', action: 'deny' }] },
    })
    expect(node.errors).toHaveLength(2)
    expect(node.manager.addressFilters.filtersFor('deny')).toEqual(['/ip4/9.0.0.0/ipcidr/8'])
    for (const key of [FILTERS_KEY, BANS_KEY]) {
      expect(await datastore.get(new Key(`${key}.broken-${node.clock.now()}`))).toEqual(bytes)
      expect(await datastore.has(key)).toBe(false)
    }
  })

  it('may hold anything', async () => {
    const text = fc.oneof(
      fc.string(),
      fc.json(),
      fc.json().map((json) => `{"version":1,"defaultAction":"deny","filters":${json},"bans":${json}}`),
    )
    await fc.assert(
      fc.asyncProperty(text, async (value) => {
        const datastore = new MemoryDatastore()
        for (const key of [FILTERS_KEY, BANS_KEY]) await datastore.put(key, new TextEncoder().encode(value))
        const node = await started(datastore)
        await node.manager.stop()
      }),
      { numRuns: 200, seed: 20261121 },
    )
  })
})

it('edited filters hold at once, and drop whom they deny when they are told to', async () => {
  const node = await started(new MemoryDatastore(), {})
  const [denied, other] = [1, 2].map((n) => node.open(node.libp2p(peer(n), 'inbound', `10.0.${n}.1`), []))
  node.manager.addressFilters.addFilter('10.0.1.0/24', 'deny')
  expect(() => node.open(node.rlpx(peer(3), 'inbound', '10.0.1.9'))).toThrow('connection-manager/filtered')
  expect(() => node.open(node.libp2p(peer(3), 'outbound', '10.0.1.9'))).toThrow('connection-manager/filtered')
  expect([denied?.ended, other?.ended]).toEqual([undefined, undefined])
  expect([await node.manager.dropDenied(), await node.manager.dropDenied()]).toEqual([1, 0])
  expect([denied?.ended, other?.ended]).toEqual(['close', undefined])
})
