import type { NodeRecord } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { idAt, node, randomId } from '../test/nodes.ts'
import { Neighbourhood } from './neighbourhood.ts'

const chance = seeded()
const SELF = randomId(chance)
const at = (distance: number, shape = {}): NodeRecord => node(idAt(SELF, distance, chance), shape)

function begun(bootnodes: readonly NodeRecord[] = []): Neighbourhood {
  const each = new Neighbourhood({ self: SELF, random: chance.random, bootnodes }, 0)
  each.expire(0)
  each.seeded([], 0)
  return each
}

function ready(bootnodes: readonly NodeRecord[] = []): Neighbourhood {
  const each = begun(bootnodes)
  for (let i = 0; i < 4; i++) each.lookedUp(0)
  return each
}

test('who comes by itself is taken when the first round is over', () => {
  const [bootnode, stranger, late] = [at(256), at(255), at(254)]
  const each = begun([bootnode])
  expect(each.add(stranger, 'verified', 0)).toEqual([])
  each.add(bootnode, 'verified', 0)
  expect([...each.table.nodes({ verifiedOnly: true })]).toEqual([bootnode])
  for (let i = 0; i < 3; i++) each.lookedUp(0)
  expect(each.lookedUp(0)).toEqual([{ do: 'added', node: stranger }])
  expect(each.add(late, 'inbound', 0)).toEqual([{ do: 'added', node: late }])
})

test('of many who come before, the last 16 are taken', () => {
  const strangers = Array.from({ length: 100 }, (_, i) => at(200 + (i % 50)))
  const each = begun()
  for (const stranger of strangers) each.add(stranger, 'inbound', 0)
  for (let i = 0; i < 3; i++) each.lookedUp(0)
  expect(each.lookedUp(0)).toEqual(strangers.slice(-16).map((node) => ({ do: 'added', node })))
})

test('nodes that a query found come in, and are checked', () => {
  const [one, two] = [at(256), at(255)]
  const each = ready([one])
  expect(each.queried(one.nodeId, [two], 0)).toEqual([{ do: 'added', node: two }])
  const pinged = new Set<NodeRecord>()
  for (let now = each.deadline; pinged.size < 2; now = each.deadline) {
    for (const effect of each.expire(now)) {
      if (effect.do !== 'ping') continue
      pinged.add(effect.node)
      each.answered(effect.node.nodeId, undefined, now)
    }
  }
  expect([...each.table.nodes({ verifiedOnly: true })]).toHaveLength(2)
})

test('of an answer 16 nodes are read', () => {
  const one = at(256)
  const each = ready([one])
  const flood = Array.from({ length: 1000 }, (_, i) => at(241 + (i % 15)))
  expect(each.queried(one.nodeId, flood, 0)).toHaveLength(16)
})

test('when the last node has gone, bootnodes are tried again soon', () => {
  const bootnode = at(256)
  const each = ready([bootnode])
  each.remove(bootnode.nodeId, 1000)
  expect(each.deadline).toBe(11_000)
  expect(each.expire(11_000)).toMatchObject([{ do: 'load' }])
  expect(each.seeded([], 11_000)).toEqual([
    { do: 'added', node: bootnode },
    { do: 'lookup', target: 'self' },
  ])
})

test('also when there was none ever', () => {
  expect(ready().deadline).toBe(10_000)
})

test('a lookup begins at the nearest nodes of the table', () => {
  const nodes = [at(256), at(250)]
  const each = ready(nodes)
  expect(each.lookup(nodes[0]!.nodeId).closest).toEqual(nodes)
})
