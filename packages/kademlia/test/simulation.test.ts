import { compareDistance } from '@kumiko/identity'
import type { NodeId, NodeRecord } from '@kumiko/interface'
import { expect, test } from 'vitest'
import type { Lookup } from '../src/lookup.ts'
import { BUCKET_SIZE, SUBNET_MAX } from '../src/table.ts'
import { idAt, randomId } from './nodes.ts'
import { type SimulatedNode, Simulation } from './simulation.ts'

const MINUTE_MS = 60_000

/** Addresses in as many networks as there are nodes. */
const host = (index: number): string => `${20 + (index >> 16)}.${(index >> 8) & 255}.${index & 255}.7`

/** All nodes know one bootnode, and start within the first ten seconds. */
function network(count: number, loss: number): Simulation {
  const net = new Simulation({ loss })
  const bootnode = net.add(host(0), [])
  bootnode.start()
  for (let i = 1; i < count; i++) {
    const each = net.add(host(i), [bootnode.record])
    net.after(net.random.random() * 10_000, () => each.start())
  }
  return net
}

function nearestUp(net: Simulation, target: NodeId, but: SimulatedNode): NodeId | undefined {
  const up = net.nodes.filter((each) => each.isUp && each !== but).map(({ record }) => record.nodeId)
  return up.reduce((best, id) => (compareDistance(target, id, best) < 0 ? id : best))
}

interface Tally {
  readonly found: number
  readonly hops: number
  readonly asked: number
}

/** Lookups of random targets by random nodes: the share that found the nearest node, and means. */
function measure(net: Simulation, count: number): Tally {
  const ended: { readonly lookup: Lookup; readonly nearest: NodeId | undefined }[] = []
  const ready = net.nodes.filter((each) => each.isUp && each.neighbourhood.isReady)
  for (let i = 0; i < count; i++) {
    const target = randomId(net.random)
    const from = net.random.pick(ready)
    const nearest = nearestUp(net, target, from)
    from.lookup(target, (lookup) => ended.push({ lookup, nearest }))
  }
  net.run(MINUTE_MS / 4)
  expect(ended).toHaveLength(count)
  const mean = (of: (lookup: Lookup) => number): number => ended.reduce((sum, { lookup }) => sum + of(lookup), 0) / count
  const found = ended.filter(({ lookup, nearest }) => lookup.closest.some(({ nodeId }) => nodeId === nearest)).length
  return { found: found / count, hops: mean((lookup) => lookup.hops), asked: mean((lookup) => lookup.asked) }
}

/** One after another, so that the machine has the memory of one. */
function calm(count: number): Tally {
  const net = network(count, 0)
  net.run(1.5 * MINUTE_MS)
  return measure(net, 300)
}

test('1000 nodes from one bootnode, 10 % loss, 20 % restarting: 99 % of lookups find the nearest node, in few hops', () => {
  const net = network(1000, 0.1)
  net.run(20_000)
  for (const each of net.nodes.slice(1, 201)) {
    const goesAtMs = net.random.random() * 10_000
    net.after(goesAtMs, () => each.stop())
    net.after(goesAtMs + 10_000 + net.random.random() * 5000, () => each.start())
  }
  net.run(100_000)
  const tally = measure(net, 500)
  expect(tally.found).toBeGreaterThanOrEqual(0.99)
  expect(tally.hops).toBeLessThan(Math.log2(1000) / 4)
  expect(tally.asked).toBeLessThan(2 * BUCKET_SIZE)
})

test('hops grow with the logarithm of the number of nodes', () => {
  const [small, large] = [calm(40), calm(400)]
  expect(small.found).toBe(1)
  expect(large.found).toBe(1)
  expect(large.hops).toBeGreaterThan(small.hops)
  expect(large.hops - small.hops).toBeLessThan(Math.log2(400 / 40) / 2)
})

test('an attacker with one /24 has no more of a table than its share, and lookups find their way', () => {
  const net = network(100, 0)
  net.run(MINUTE_MS / 2)
  const victims = [...net.nodes]
  const target = victims[50]?.record.nodeId ?? ''
  const attackers = Array.from({ length: 250 }, (_, i) =>
    net.add(`172.0.1.${i}`, [], i % 2 === 0 ? idAt(target, 256 - (i >> 1), net.random) : undefined),
  )
  for (const each of attackers) {
    each.findnode = () =>
      net.random.pick([attackers.slice(0, 16), attackers.slice(100, 116), attackers.slice(234)]).map(({ record }) => record)
    each.start()
    for (const victim of victims) net.after(net.random.random() * MINUTE_MS, () => each.visit(victim))
  }
  net.run(1.5 * MINUTE_MS)

  const isHostile = ({ endpoints: [endpoint] }: NodeRecord): boolean => endpoint?.host.startsWith('172.0.1.') ?? false
  const shares = victims.map(({ neighbourhood: { table } }) => [...table.nodes(), ...table.replacements()].filter(isHostile).length)
  expect(Math.max(...shares)).toBe(SUBNET_MAX.table)
  const ended: boolean[] = []
  for (const from of victims) {
    const to = net.random.pick(victims)
    from.lookup(to.record.nodeId, ({ closest }) => ended.push(from === to || closest.includes(to.record)))
  }
  net.run(MINUTE_MS / 4)
  expect(ended.filter((isFound) => isFound).length).toBe(victims.length)
})
