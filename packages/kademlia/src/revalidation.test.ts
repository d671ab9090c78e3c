import type { NodeRecord } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { beforeEach, describe, expect, test } from 'vitest'
import { idAt, node, randomId } from '../test/nodes.ts'
import { Revalidation } from './revalidation.ts'
import { BUCKET_SIZE, Table } from './table.ts'

const chance = seeded()
const SELF = randomId(chance)
const at = (distance: number, shape = {}): NodeRecord => node(idAt(SELF, distance, chance), shape)

let table: Table
let revalidation: Revalidation
let now: number

beforeEach(() => {
  table = new Table({ self: SELF, random: chance.random })
  revalidation = new Revalidation(table, chance.random)
  now = 0
})

function add(each: NodeRecord): void {
  revalidation.observe(table.add(each, 'found', now), now)
}

/** Goes on until a check is due, and gives it. */
function nextCheck(): NodeRecord {
  for (;;) {
    now = revalidation.deadline
    const [effect] = revalidation.expire(now)
    if (effect !== undefined) return effect.node
  }
}

/** Goes on until this node is checked; all others answer. */
function check(id: string): void {
  for (let each = nextCheck(); each.nodeId !== id; each = nextCheck()) revalidation.answered(each.nodeId, undefined, now)
}

test('an empty table has nothing to check', () => {
  expect(revalidation.deadline).toBe(Number.POSITIVE_INFINITY)
  expect(revalidation.expire(1e9)).toEqual([])
})

test('a new node is checked within 3 s, then within 9 s, and within 3 s again once it is silent', () => {
  const one = at(256)
  add(one)
  for (let i = 0; i < 4; i++) {
    expect(revalidation.sizes).toEqual(i === 0 ? { fast: 1, slow: 0 } : { fast: 0, slow: 1 })
    const before = now
    expect(nextCheck()).toBe(one)
    expect(now - before).toBeLessThanOrEqual(i === 0 ? 3000 : 9000)
    revalidation.answered(one.nodeId, undefined, now)
  }
  expect(table.isVerified(one.nodeId)).toBe(true)
  nextCheck()
  expect(revalidation.unanswered(one.nodeId, now)).toEqual([])
  expect(revalidation.sizes).toEqual({ fast: 1, slow: 0 })
})

test('a node that is being checked is not checked again, and what was not asked for is not heard', () => {
  const one = at(256)
  add(one)
  expect(revalidation.answered(one.nodeId, undefined, now)).toEqual([])
  expect(table.isVerified(one.nodeId)).toBe(false)
  nextCheck()
  for (let i = 0; i < 20; i++) {
    now = revalidation.deadline
    expect(revalidation.expire(now)).toEqual([])
  }
  expect(revalidation.unanswered(one.nodeId, now)).toEqual([{ do: 'removed', node: one }])
  expect(revalidation.unanswered(one.nodeId, now)).toEqual([])
})

describe.each([
  { newAnswers: true, lastAnswers: true },
  { newAnswers: false, lastAnswers: true },
  { newAnswers: true, lastAnswers: false },
  { newAnswers: false, lastAnswers: false },
])('pingReplace: new answers: $newAnswers, last answers: $lastAnswers', ({ newAnswers, lastAnswers }) => {
  test('only silence of the old makes room', () => {
    const old = Array.from({ length: BUCKET_SIZE }, () => at(256))
    for (const each of old) add(each)
    const late = at(256)
    add(late)
    const last = old[BUCKET_SIZE - 1]!
    check(last.nodeId)
    if (lastAnswers) revalidation.answered(last.nodeId, undefined, now)
    else {
      expect(revalidation.unanswered(last.nodeId, now)).toEqual([
        { do: 'removed', node: last },
        { do: 'added', node: late },
      ])
      check(late.nodeId)
      if (newAnswers) revalidation.answered(late.nodeId, undefined, now)
      else revalidation.unanswered(late.nodeId, now)
    }
    expect([table.get(last.nodeId) === last, table.get(late.nodeId) === late]).toEqual([lastAnswers, !lastAnswers && newAnswers])
    expect(revalidation.sizes.fast + revalidation.sizes.slow).toBe(table.size)
  })
})

test('revalidateSyncRecord: a newer record that comes with the answer is kept', () => {
  const one = at(256, { seq: 1n })
  add(one)
  nextCheck()
  const newer = node(one.nodeId, { seq: 2n })
  expect(revalidation.answered(one.nodeId, newer, now)).toEqual([{ do: 'updated', node: newer, isMoved: false }])
  expect(table.get(one.nodeId)).toBe(newer)
  expect(revalidation.sizes).toEqual({ fast: 0, slow: 1 })
})

test('nodeRemoved: a node that went while it was checked does not come back, and does not count when it is new', () => {
  const one = at(256)
  add(one)
  nextCheck()
  revalidation.observe(table.remove(one.nodeId), now)
  expect(revalidation.deadline).toBe(Number.POSITIVE_INFINITY)
  add(one)
  revalidation.answered(one.nodeId, undefined, now)
  expect(table.isVerified(one.nodeId)).toBe(false)
  expect(revalidation.sizes).toEqual({ fast: 1, slow: 0 })
})

test('endpointUpdate: a node that has moved is on the fast list, unverified', () => {
  const one = at(256, { seq: 1n })
  add(one)
  nextCheck()
  revalidation.answered(one.nodeId, undefined, now)
  nextCheck()
  const moved = node(one.nodeId, { host: '127.0.0.2', seq: 2n })
  expect(revalidation.answered(one.nodeId, moved, now)).toEqual([{ do: 'updated', node: moved, isMoved: true }])
  expect(table.isVerified(one.nodeId)).toBe(false)
  expect(revalidation.sizes).toEqual({ fast: 1, slow: 0 })
})

test('a record of another node that comes with an answer is passed over', () => {
  const [one, other] = [at(256), at(256, { seq: 9n })]
  add(one)
  nextCheck()
  expect(revalidation.answered(one.nodeId, other, now)).toEqual([])
  expect([...table.nodes()]).toEqual([one])
})

test('five nodes are all checked within a minute', () => {
  const five = Array.from({ length: 5 }, () => at(256))
  for (const each of five) add(each)
  const seen = new Set<string>()
  while (now < 60_000) {
    const { nodeId } = nextCheck()
    seen.add(nodeId)
    revalidation.answered(nodeId, undefined, now)
  }
  expect(seen.size).toBe(5)
})
