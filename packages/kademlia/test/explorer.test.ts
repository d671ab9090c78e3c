import type { NodeDatabase, NodeFacts, NodeRecord } from '@kumiko/interface'
import { sleep } from '@kumiko/interface'
import { nodeSourceContract } from '@kumiko/interface/testing'
import { type Seeded, seeded, type VirtualClock, virtualClock } from '@kumiko/testkit'
import { describe, expect, it, test } from 'vitest'
import { Explorer, type ExplorerOptions, type LookupTarget } from '../src/explorer.ts'
import type { TableChange } from '../src/table.ts'
import { node, randomId } from './nodes.ts'

const LATENCY_MS = 50
const TIMEOUT_MS = 500

/** Explorers that call each other, on virtual time. */
class Village {
  readonly clock: VirtualClock = virtualClock()
  readonly seeded: Seeded = seeded()
  readonly #houses = new Map<string, House>()
  asked = 0

  add(options: Partial<ExplorerOptions<LookupTarget>> = {}): House {
    const record = node(randomId(this.seeded), { udp: 30_000 + this.#houses.size, seq: 1n })
    const house: House = {
      record,
      isUp: true,
      changes: [],
      explorer: new Explorer<LookupTarget>({
        clock: this.clock,
        random: this.seeded.random,
        onChange: (change) => house.changes.push(change),
        protocol: {
          self: { id: record.nodeId },
          randomTarget: () => ({ id: randomId(this.seeded) }),
          ping: (to) => this.#call(record, to, ({ record }) => record),
          findNodes: (to, { id }) => {
            this.asked++
            return this.#call(record, to, ({ explorer }) => explorer.table.closest(id, 16, { verifiedOnly: true }))
          },
        },
        ...options,
      }),
    }
    this.#houses.set(record.nodeId, house)
    return house
  }

  async #call<T>(from: NodeRecord, to: NodeRecord, serve: (there: House) => T): Promise<T | undefined> {
    const there = this.#houses.get(to.nodeId)
    await sleep(this.clock, there?.isUp === true ? LATENCY_MS : TIMEOUT_MS)
    if (there?.isUp !== true) return undefined
    there.explorer.met(from, 'verified')
    return serve(there)
  }
}

interface House {
  readonly record: NodeRecord
  readonly explorer: Explorer<LookupTarget>
  readonly changes: TableChange[]
  isUp: boolean
}

async function settle(village: Village, houses: readonly House[]): Promise<void> {
  for (const { explorer } of houses) explorer.start()
  await village.clock.advance(120_000)
}

/** Twelve that know one of them. */
async function settled(): Promise<{ village: Village; houses: House[] }> {
  const village = new Village()
  const first = village.add()
  const houses = [first, ...Array.from({ length: 11 }, () => village.add({ bootnodes: [first.record] }))]
  await settle(village, houses)
  return { village, houses }
}

async function stopAll(village: Village, houses: readonly House[]): Promise<void> {
  const stopped = Promise.all(houses.map(({ explorer }) => explorer.stop()))
  await village.clock.advance(TIMEOUT_MS)
  await stopped
}

function memory(): NodeDatabase & { readonly noted: Map<string, { node: NodeRecord; facts: NodeFacts }> } {
  const noted = new Map<string, { node: NodeRecord; facts: NodeFacts }>()
  return {
    noted,
    note: (_, node, facts) => void noted.set(node.nodeId, { node, facts }),
    get: async () => undefined,
    seeds: async (_, count) => [...noted.values()].slice(0, count).map(({ node }) => node),
  }
}

test('all find all from one bootnode, by lookups and by the iterator', async () => {
  const { village, houses } = await settled()
  for (const { explorer, record } of houses) {
    expect(explorer.table.size).toBe(11)
    const found = explorer.lookup({ id: houses[3]?.record.nodeId ?? '' })
    await village.clock.advance(2_000)
    const isThird = record === houses[3]?.record
    expect((await found)[0]).toBe(isThird ? explorer.table.closest(record.nodeId, 1)[0] : houses[3]?.record)
  }
  const walked = new Set<NodeRecord>()
  const nodes = houses[1]?.explorer.nodes()[Symbol.asyncIterator]()
  while (nodes !== undefined && walked.size < 11) {
    const next = nodes.next()
    await village.clock.advance(1_000)
    walked.add((await next).value)
  }
  await nodes?.return?.()
  expect(walked).toEqual(new Set(houses.filter((_, i) => i !== 1).map(({ record }) => record)))
  await stopAll(village, houses)
  expect(village.clock.pending).toBe(0)
})

test('a node that went leaves every table', async () => {
  const { village, houses } = await settled()
  const [gone, ...others] = houses
  if (gone === undefined) throw new Error('there is a first house')
  gone.isUp = false
  await village.clock.advance(15 * 60_000)
  for (const { explorer, changes } of others) {
    expect(explorer.table.get(gone.record.nodeId)).toBeUndefined()
    expect(changes).toContainEqual({ do: 'removed', node: gone.record })
  }
  await stopAll(village, houses)
})

test('what is remembered leads back in without a bootnode', async () => {
  const village = new Village()
  const first = village.add()
  const of = memory()
  const second = village.add({ bootnodes: [first.record], database: { protocol: 'discv4', of } })
  await settle(village, [first, second])
  expect([...of.noted.values()]).toEqual([
    { node: first.record, facts: { lastPing: expect.any(Number), lastPong: expect.any(Number), findFailures: 0 } },
  ])
  const again = village.add({ database: { protocol: 'discv4', of } })
  await settle(village, [again])
  expect(again.explorer.table.get(second.record.nodeId)).toBe(second.record)
  await stopAll(village, [first, second, again])
})

test('a network that comes up late is remembered as soon', async () => {
  const village = new Village()
  const late = village.add()
  late.isUp = false
  const of = memory()
  const early = village.add({ bootnodes: [late.record], database: { protocol: 'discv4', of } })
  early.explorer.start()
  await village.clock.advance(65_000)
  late.explorer.start()
  late.isUp = true
  while (early.explorer.table.get(late.record.nodeId) === undefined) await village.clock.advance(100)
  await village.clock.advance(1_500)
  expect([...of.noted.keys()]).toEqual([late.record.nodeId])
  await stopAll(village, [late, early])
})

test('a bootnode that is known by name is resolved; one whose name is not known holds nobody up', async () => {
  const village = new Village()
  const named = node(randomId(village.seeded), { host: 'boot.example' })
  const asked: string[] = []
  const resolve = async (host: string): Promise<string[]> => {
    asked.push(host)
    return await new Promise(() => {})
  }
  const house = village.add({ bootnodes: [named], resolve })
  house.explorer.start()
  await village.clock.advance(11_000)
  expect(asked[0]).toBe('boot.example')
  expect(house.explorer.isReady).toBe(true)
  await stopAll(village, [house])
})

test('a stop ends lookups and iterators, and is waited for', async () => {
  const { village, houses } = await settled()
  const [house] = houses
  const lookup = house?.explorer.lookup({ id: randomId(village.seeded) })
  const next = house?.explorer.nodes()[Symbol.asyncIterator]()
  await next?.next()
  const waiting = expect(lookup).rejects.toMatchObject({ code: 'kademlia/stopped' })
  await stopAll(village, houses)
  await waiting
  expect((await next?.next())?.done).toBe(true)
})

test('a lookup ends with its signal', async () => {
  const { village, houses } = await settled()
  const controller = new AbortController()
  const lookup = houses[0]?.explorer.lookup({ id: randomId(village.seeded) }, { signal: controller.signal })
  controller.abort(new Error('enough'))
  await expect(lookup).rejects.toThrow('enough')
  await stopAll(village, houses)
})

nodeSourceContract({ describe, it }, async () => {
  const { village, houses } = await settled()
  const [house] = houses
  if (house === undefined) throw new Error('there is a first house')
  const alarms = village.clock.pending
  return {
    source: { name: 'discv4', nodes: (options) => house.explorer.nodes(options) },
    begun: () => house.explorer.lookups,
    held: () => village.clock.pending - alarms,
    free: async () => await stopAll(village, houses),
  }
})
