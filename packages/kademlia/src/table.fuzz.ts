import { compareDistance, distance } from '@kumiko/identity'
import type { NodeId, NodeRecord } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { idAt, node, randomId } from '../test/nodes.ts'
import { Neighbourhood, type NeighbourhoodEffect } from './neighbourhood.ts'
import { BUCKET_SIZE, REPLACEMENTS_MAX, SUBNET_MAX } from './table.ts'

const chance = seeded(7)
const SELF = randomId(chance)
const IDS = Array.from({ length: 90 }, (_, i) => idAt(SELF, i < 60 ? 256 : 226 + i - 60, chance))
const HOSTS = [
  ...Array.from({ length: 24 }, (_, i) => `172.0.${i % 6}.${i}`),
  '2a01:4f8::1',
  '2a01:4f8:1::1',
  '127.0.0.1',
  '10.0.0.1',
  '0.0.0.0',
]

const step = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record({
      do: fc.constant('add' as const),
      index: fc.nat(IDS.length),
      host: fc.constantFrom(...HOSTS),
      seq: fc.nat(3),
      origin: fc.constantFrom('found' as const, 'inbound' as const, 'verified' as const),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('remove' as const), index: fc.nat(IDS.length - 1) }) },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('query' as const), index: fc.nat(IDS.length - 1), found: fc.boolean() }) },
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('check' as const), answers: fc.boolean(), host: fc.option(fc.constantFrom(...HOSTS)) }),
  },
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

class Model {
  readonly subject = new Neighbourhood({ self: SELF, random: seeded(1).random }, 0)
  readonly known = new Map<NodeId, NodeRecord>()
  now = 0

  constructor() {
    this.subject.expire(0)
    this.subject.seeded([], 0)
    for (let i = 0; i < 4; i++) this.subject.lookedUp(0)
  }

  take(effects: readonly NeighbourhoodEffect[]): void {
    for (const effect of effects) {
      if (effect.do === 'added') expect(this.known.has(effect.node.nodeId)).toBe(false)
      if (effect.do === 'added' || effect.do === 'updated') this.known.set(effect.node.nodeId, effect.node)
      if (effect.do === 'removed') expect(this.known.delete(effect.node.nodeId)).toBe(true)
    }
  }

  apply(each: Step): void {
    const { subject, now } = this
    if (each.do === 'check') this.check(each.answers, each.host)
    else {
      const id = IDS[each.index] ?? SELF
      if (each.do === 'remove') this.take(subject.remove(id, now))
      else if (each.do === 'query') this.take(subject.queried(id, each.found ? [node(IDS[0]!)] : undefined, now))
      else this.take(subject.add(node(id, { host: each.host, seq: BigInt(each.seq) }), each.origin, now))
    }
  }

  check(answers: boolean, host: string | null): void {
    this.now = Math.max(this.now, Math.min(this.subject.deadline, this.now + 3000))
    for (const effect of this.subject.expire(this.now)) {
      if (effect.do !== 'ping') continue
      const { nodeId, seq } = effect.node
      expect(this.known.get(nodeId)?.nodeId).toBe(nodeId)
      const record = host === null ? undefined : node(nodeId, { host, seq: seq + 1n })
      this.take(answers ? this.subject.answered(nodeId, record, this.now) : this.subject.unanswered(nodeId, this.now))
    }
  }
}

const bucketOf = ({ nodeId }: NodeRecord): number => Math.max(240, distance(SELF, nodeId))

function subnetOf({ endpoints: [endpoint] }: NodeRecord): string {
  const host = endpoint?.host ?? ''
  if (host.startsWith('127.') || host.startsWith('10.')) return 'lan'
  return host.includes(':') ? host.split(':', 2).join(':') : host.split('.', 3).join('.')
}

function largest(nodes: readonly NodeRecord[], keyOf: (node: NodeRecord) => string | number): number {
  return Math.max(0, ...[...Map.groupBy(nodes, keyOf).values()].map((group) => group.length))
}

function checkBounds({ subject: { table }, known }: Model): void {
  const [live, waiting] = [[...table.nodes()], [...table.replacements()]]
  const all = [...live, ...waiting]
  expect(table.size).toBe(live.length)
  expect(new Map(live.map((each) => [each.nodeId, each.seq]))).toEqual(new Map([...known.values()].map((each) => [each.nodeId, each.seq])))
  expect(new Set(all.map(({ nodeId }) => nodeId)).size).toBe(all.length)
  expect(all.some(({ nodeId }) => nodeId === SELF)).toBe(false)
  expect(largest(live, bucketOf)).toBeLessThanOrEqual(BUCKET_SIZE)
  expect(largest(waiting, bucketOf)).toBeLessThanOrEqual(REPLACEMENTS_MAX)
  for (const each of waiting) expect(live.filter((other) => bucketOf(other) === bucketOf(each))).toHaveLength(BUCKET_SIZE)
  const limited = all.filter((each) => subnetOf(each) !== 'lan')
  expect(largest(limited, subnetOf)).toBeLessThanOrEqual(SUBNET_MAX.table)
  expect(largest(limited, (each) => `${bucketOf(each)} ${subnetOf(each)}`)).toBeLessThanOrEqual(SUBNET_MAX.bucket)
}

/** Nothing is counted that is not there: an emptied table takes as many as a new one. */
function checkEmptied(model: Model): void {
  const { subject } = model
  for (const id of IDS) for (let i = 0; i < 2; i++) subject.remove(id, model.now)
  for (const id of IDS) subject.remove(id, model.now)
  expect(subject.table.size).toBe(0)
  expect([...subject.table.replacements()]).toEqual([])
  for (let net = 0; net < 5; net++)
    for (let i = 0; i < SUBNET_MAX.table; i++) {
      const host = `172.0.${net}.${i}`
      subject.add(node(idAt(SELF, 246 + i, chance), { host }), 'found', model.now)
    }
  expect(subject.table.size).toBe(50)
}

test('no bucket over its size, no network over its limit, in whatever order things happen; and what is told is what is', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 250, size: 'max' }), (steps) => {
      const model = new Model()
      for (const each of steps) {
        model.apply(each)
        checkBounds(model)
      }
      checkEmptied(model)
    }),
    { numRuns: 60 },
  )
})

test('findnodeByID: closest() is what sorting all would give', () => {
  fc.assert(
    fc.property(fc.nat(1e9), fc.nat(40), fc.nat(300), fc.boolean(), (seed, count, size, verifiedOnly) => {
      const random = seeded(seed)
      const subject = new Neighbourhood({ self: SELF, random: random.random }, 0)
      for (let i = 0; i < size; i++)
        subject.table.add(node(idAt(SELF, 256 - random.below(25), random)), i % 3 === 0 ? 'verified' : 'found', 0)
      const target = random.below(8) === 0 ? SELF : idAt(SELF, 256 - random.below(30), random)
      const all = [...subject.table.nodes({ verifiedOnly })].sort((a, b) => compareDistance(target, a.nodeId, b.nodeId))
      expect(subject.table.closest(target, count, { verifiedOnly })).toEqual(all.slice(0, count))
    }),
    { numRuns: 100 },
  )
})
