import { compareDistance } from '@kumiko/identity'
import type { NodeRecord } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { idAt, node, randomId } from '../test/nodes.ts'
import { LOOKUP_ALPHA, LOOKUP_ASKED_MAX, LOOKUP_SEEN_MAX, Lookup } from './lookup.ts'
import { BUCKET_SIZE, SUBNET_MAX } from './table.ts'

const chance = seeded()
const SELF = randomId(chance)
const TARGET = randomId(chance)
const at = (distance: number, shape = {}): NodeRecord => node(idAt(TARGET, distance, chance), shape)
const many = (count: number, distance: number): NodeRecord[] => Array.from({ length: count }, () => at(distance))
const nearestOf = (nodes: readonly NodeRecord[]): NodeRecord[] =>
  nodes.toSorted((a, b) => compareDistance(TARGET, a.nodeId, b.nodeId)).slice(0, BUCKET_SIZE)

/** Runs a lookup to its end; undefined: the node does not answer. */
function run(lookup: Lookup, answer: (node: NodeRecord) => readonly NodeRecord[] | undefined): NodeRecord[] {
  const asked: NodeRecord[] = []
  for (let next = lookup.next(); next.length > 0; next = lookup.next()) {
    asked.push(...next)
    for (const each of next) {
      const nodes = answer(each)
      if (nodes === undefined) lookup.failed(each.nodeId)
      else lookup.answered(each.nodeId, nodes)
    }
  }
  expect(lookup.isDone).toBe(true)
  expect(lookup.asked).toBe(asked.length)
  return asked
}

test('who knows nobody is done at once', () => {
  const lookup = new Lookup({ target: TARGET, self: SELF, start: [] })
  expect([lookup.isDone, lookup.next(), lookup.closest, lookup.hops]).toEqual([true, [], [], 0])
})

test('three are asked at a time, the nearest first, and another with each answer', () => {
  const start = nearestOf(many(8, 250))
  const lookup = new Lookup({ target: TARGET, self: SELF, start: start.toReversed() })
  expect(lookup.next()).toEqual(start.slice(0, LOOKUP_ALPHA))
  expect(lookup.next()).toEqual([])
  const nearer = at(240)
  expect(lookup.answered(start[1]!.nodeId, [start[7]!, nearer, nearer])).toEqual([nearer])
  expect(lookup.next()).toEqual([nearer])
  lookup.failed(start[0]!.nodeId)
  expect(lookup.next()).toEqual([start[3]])
  expect(lookup.isDone).toBe(false)
})

test('every one of the 16 nearest is asked, once, and nobody beyond', () => {
  const all = many(60, 250)
  const lookup = new Lookup({ target: TARGET, self: SELF, start: all.slice(0, 3) })
  const asked = run(lookup, () => [...all.slice(0, 15), node(SELF)].concat())
  expect(new Set(asked).size).toBe(asked.length)
  expect(lookup.closest).toEqual(nearestOf(all.slice(0, 15)))
  expect(lookup.answering).toEqual(lookup.closest)

  const big = new Lookup({ target: TARGET, self: SELF, start: all.slice(0, 3) })
  run(big, () => (chance.below(2) === 0 ? all.slice(0, 16) : all.slice(44)))
  expect(big.closest).toHaveLength(BUCKET_SIZE)
})

test('those that fail are told apart, and the next nearest are asked in their place', () => {
  const all = nearestOf(many(16, 250))
  const far = many(16, 256)
  const lookup = new Lookup({ target: TARGET, self: SELF, start: [...all, ...far] })
  const asked = run(lookup, (each) => (all.includes(each) ? undefined : []))
  expect(asked).toHaveLength(32)
  expect(lookup.closest).toEqual(all)
  expect(lookup.answering).toEqual(nearestOf(far))
})

test('hops: how many answers led to the nearest', () => {
  const path = [at(256), at(250), at(240), at(230)]
  const lookup = new Lookup({ target: TARGET, self: SELF, start: path.slice(0, 1) })
  run(lookup, (each) => path.slice(path.indexOf(each) + 1, path.indexOf(each) + 2))
  expect([lookup.hops, lookup.closest[0]]).toEqual([3, path[3]])
})

test('an answer that nobody waits for is not heard', () => {
  const [one, two, liar] = [at(250), at(251), at(252)]
  const lookup = new Lookup({ target: TARGET, self: SELF, start: [one] })
  expect(lookup.answered(one.nodeId, [two])).toEqual([])
  lookup.next()
  expect(lookup.answered(liar.nodeId, [liar])).toEqual([])
  expect(lookup.answered(one.nodeId, [two])).toEqual([two])
  expect(lookup.answered(one.nodeId, [liar])).toEqual([])
  lookup.failed(one.nodeId)
  expect(lookup.answering).toEqual([one])
})

test('we, and nodes without an endpoint, are passed over', () => {
  const one = at(250)
  const lookup = new Lookup({ target: TARGET, self: SELF, start: [node(SELF), one, at(240, { host: '0.0.0.0' })] })
  expect(run(lookup, () => [node(SELF), at(239, { host: 'name.example' })])).toEqual([one])
})

test('of an answer 16 nodes are read', () => {
  const one = at(256)
  const lookup = new Lookup({ target: TARGET, self: SELF, start: [one] })
  lookup.next()
  expect(lookup.answered(one.nodeId, many(1000, 255))).toHaveLength(BUCKET_SIZE)
})

test('liars that always know someone nearer do not hold us for ever', () => {
  const lookup = new Lookup({ target: TARGET, self: SELF, start: [at(256)] })
  let distance = 256
  run(lookup, () => many(16, Math.max(1, distance--)))
  expect(lookup.asked).toBe(LOOKUP_ASKED_MAX)
})

test('what is heard is bounded', () => {
  const lookup = new Lookup({ target: TARGET, self: SELF, start: many(LOOKUP_SEEN_MAX + 100, 256) })
  const [first] = lookup.next()
  expect(lookup.answered(first!.nodeId, [at(1)])).toEqual([])
})

test('one network has ten candidates at most, its nearest', () => {
  const honest = many(3, 256)
  const sybils = Array.from({ length: 64 }, (_, i) => at(200 - i, { host: `172.0.1.${i}` }))
  const lookup = new Lookup({ target: TARGET, self: SELF, start: honest })
  const asked = run(lookup, (each) => sybils.slice(Math.max(0, sybils.indexOf(each)), Math.max(0, sybils.indexOf(each)) + 16))
  expect(honest.every((each) => asked.includes(each))).toBe(true)
  expect(lookup.closest.filter((each) => sybils.includes(each))).toEqual(sybils.slice(-SUBNET_MAX.table).reverse())
})
