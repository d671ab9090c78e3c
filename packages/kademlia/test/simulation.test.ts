import type { NodeRecord } from '@kumiko/interface'
import { expect, test } from 'vitest'
import { BUCKET_SIZE, SUBNET_MAX } from '../src/table.ts'
import { measure, network, restart, type Tally } from './network.ts'
import { idAt } from './nodes.ts'

const MINUTE_MS = 60_000

/** One after another, so that the machine has the memory of one. */
function calm(count: number): Tally {
  const net = network({ count, loss: 0 })
  net.run(1.5 * MINUTE_MS)
  return measure(net, 300)
}

test('1000 nodes from one bootnode, 10 % loss, 20 % restarting: 99 % of lookups find the nearest node, in few hops', () => {
  const net = network({ count: 1000, loss: 0.1 })
  net.run(20_000)
  restart(net, 0.2)
  net.run(100_000)
  const tally = measure(net, 500)
  expect(tally.found).toBeGreaterThanOrEqual(0.99)
  expect(tally.hops).toBeLessThan(Math.log2(1000) / 4)
  expect(tally.queries).toBeLessThan(2 * BUCKET_SIZE)
})

test('hops grow with the logarithm of the number of nodes', () => {
  const [small, large] = [calm(40), calm(400)]
  expect(small.found).toBe(1)
  expect(large.found).toBe(1)
  expect(large.hops).toBeGreaterThan(small.hops)
  expect(large.hops - small.hops).toBeLessThan(Math.log2(400 / 40) / 2)
})

test('an attacker with one /24 has no more of a table than its share, and lookups find their way', () => {
  const net = network({ count: 100, loss: 0 })
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
