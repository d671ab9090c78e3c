import type { NodeRecord } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { node, randomId } from '../test/nodes.ts'
import { REFRESH_MS, SEEDS, Seeding } from './seeding.ts'

const chance = seeded()
const random = chance.random
const some = (shape = {}): NodeRecord => node(randomId(chance), shape)
const LOAD = { do: 'load', seeds: SEEDS.count, ageMaxMs: SEEDS.ageMaxMs, names: [] }

/** Ends the round that is under way. */
function finish(seeding: Seeding, now: number): void {
  for (let i = 0; i < 4; i++) seeding.lookedUp(now)
}

test('a round: seeds and bootnodes, a lookup of ourselves, three at random, and rest', () => {
  const [seed, bootnode] = [some(), some()]
  const seeding = new Seeding({ random, bootnodes: [bootnode] }, 5)
  expect(seeding.deadline).toBe(5)
  expect(seeding.expire(4)).toEqual([])
  expect(seeding.expire(5)).toEqual([LOAD])
  expect([seeding.expire(1e9), seeding.deadline]).toEqual([[], Number.POSITIVE_INFINITY])
  expect(seeding.lookedUp(5)).toEqual([])
  expect(seeding.seeded([seed])).toEqual({ nodes: [seed, bootnode], effects: [{ do: 'lookup', target: 'self' }] })
  expect(seeding.seeded([seed])).toEqual({ nodes: [], effects: [] })
  for (let i = 0; i < 3; i++) expect(seeding.lookedUp(10)).toEqual([{ do: 'lookup', target: 'random' }])
  expect(seeding.isReady).toBe(false)
  expect(seeding.lookedUp(10)).toEqual([])
  expect(seeding.isReady).toBe(true)
  expect(seeding.expire(seeding.deadline)).toEqual([LOAD])
})

test('rounds come after a minute at most, then after twice as long each time, until it is 15 to 30 minutes', () => {
  const seeding = new Seeding({ random }, 0)
  for (const minutes of [1, 2, 4, 8, 16, 30, 30]) {
    const now = seeding.deadline
    seeding.expire(now)
    seeding.seeded([])
    finish(seeding, now)
    expect(seeding.deadline - now).toBeGreaterThanOrEqual(30_000 * minutes)
    expect(seeding.deadline - now).toBeLessThan(60_000 * minutes)
  }
  expect(REFRESH_MS).toBe(30 * 60_000)
})

test('an empty table is filled anew after ten seconds, not sooner', () => {
  const seeding = new Seeding({ random }, 0)
  seeding.expire(0)
  seeding.ranEmpty(0)
  seeding.seeded([])
  finish(seeding, 100)
  seeding.ranEmpty(100)
  seeding.ranEmpty(5000)
  expect(seeding.deadline).toBe(10_100)
})

test('after an empty table rounds come quickly again', () => {
  const seeding = new Seeding({ random }, 0)
  for (let i = 0; i < 8; i++) {
    seeding.expire(seeding.deadline)
    if (i === 7) seeding.ranEmpty(0)
    seeding.seeded([])
    finish(seeding, 0)
  }
  expect(seeding.deadline).toBeLessThan(60_000)
})

test('SetFallbackNodes_DNSHostname: a bootnode known by name is given to be resolved, and not used before', () => {
  const named = some({ host: 'boot.example' })
  const seeding = new Seeding({ random, bootnodes: [named] }, 0)
  expect(seeding.expire(0)).toEqual([{ ...LOAD, names: [named] }])
  const resolved = node(named.nodeId, { host: '172.0.1.1' })
  expect(seeding.seeded([resolved]).nodes).toEqual([resolved])
})

test('no more seeds are taken than were asked for', () => {
  const seeding = new Seeding({ random }, 0)
  seeding.expire(0)
  expect(seeding.seeded(Array.from({ length: 100 }, () => some())).nodes).toHaveLength(SEEDS.count)
})

test('a bootnode without a UDP endpoint, and too many of them, are our caller’s mistake', () => {
  const bad: NodeRecord = {
    ...some(),
    nodeId: randomId(chance),
    endpoints: [{ host: '1.2.3.4', tcp: 1 }],
    peerId: undefined as never,
    entry: () => undefined,
  }
  expect(() => new Seeding({ random, bootnodes: [bad] }, 0)).toThrow(expect.objectContaining({ code: 'kademlia/bad-bootnode' }))
  const bootnodes = Array<NodeRecord>(1025).fill(some())
  expect(() => new Seeding({ random, bootnodes }, 0)).toThrow(expect.objectContaining({ code: 'kademlia/too-many-bootnodes' }))
})
