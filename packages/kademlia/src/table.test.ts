import type { NodeRecord } from '@kumiko/interface'
import { seeded } from '@kumiko/testkit'
import { expect, test } from 'vitest'
import { idAt, node, randomId } from '../test/nodes.ts'
import { BUCKET_SIZE, REPLACEMENTS_MAX, SUBNET_MAX, Table } from './table.ts'

const chance = seeded()
const SELF = randomId(chance)
const table = (): Table => new Table({ self: SELF, random: chance.random })
const at = (distance: number, shape = {}): NodeRecord => node(idAt(SELF, distance, chance), shape)

/** A table whose farthest bucket is full. */
function fullBucket(): { full: Table; nodes: NodeRecord[] } {
  const full = table()
  const nodes = Array.from({ length: BUCKET_SIZE }, () => at(256))
  for (const each of nodes) full.add(each, 'found', 0)
  return { full, nodes }
}

test('addFoundNode: a new node comes in, unverified; once more, nothing happens; a newer record takes the place of the old', () => {
  const each = table()
  const first = at(250, { seq: 1n })
  expect(each.add(first, 'found', 0)).toEqual([{ do: 'added', node: first }])
  expect([...each.nodes()]).toEqual([first])
  expect([...each.nodes({ verifiedOnly: true })]).toEqual([])
  expect(each.add(first, 'found', 0)).toEqual([])
  const newer = node(first.nodeId, { udp: 99, seq: 2n })
  expect(each.add(newer, 'found', 0)).toEqual([{ do: 'updated', node: newer, isMoved: true }])
  expect(each.add(first, 'found', 0)).toEqual([])
  expect(each.get(first.nodeId)).toBe(newer)
})

test('addInboundNode: it is no more than offered; only what answered us is verified', () => {
  const each = table()
  const [came, answered] = [at(250), at(251)]
  each.add(came, 'inbound', 0)
  each.add(answered, 'verified', 0)
  expect([each.isVerified(came.nodeId), each.isVerified(answered.nodeId)]).toEqual([false, true])
  expect([...each.nodes({ verifiedOnly: true })]).toEqual([answered])
  each.add(came, 'verified', 0)
  expect(each.isVerified(came.nodeId)).toBe(true)
})

test('addInboundNodeUpdateV4Accept: a node without a record that comes from another endpoint has moved, and has to prove itself anew', () => {
  const each = table()
  const first = at(250)
  each.add(first, 'verified', 0)
  const moved = node(first.nodeId, { host: '127.0.0.2' })
  expect(each.add(moved, 'inbound', 0)).toEqual([{ do: 'updated', node: moved, isMoved: true }])
  expect(each.get(first.nodeId)).toBe(moved)
  expect(each.isVerified(first.nodeId)).toBe(false)
  expect(each.unanswered(first.nodeId)).toEqual([{ do: 'removed', node: moved }])
})

test('addFoundNodeV4UpdateReject: what others tell of a node without a record does not move it', () => {
  const each = table()
  const first = at(250)
  each.add(first, 'found', 0)
  expect(each.add(node(first.nodeId, { host: '127.0.0.2' }), 'found', 0)).toEqual([])
  expect(each.get(first.nodeId)).toBe(first)
})

test('a record is not given up for none, whoever brings it', () => {
  const each = table()
  const signed = at(250, { seq: 7n })
  each.add(signed, 'inbound', 0)
  for (const origin of ['found', 'inbound', 'verified'] as const) each.add(node(signed.nodeId, { host: '127.0.0.9' }), origin, 0)
  expect(each.get(signed.nodeId)).toBe(signed)
  expect(each.isVerified(signed.nodeId)).toBe(false)
})

test('ourselves, and what takes no packets, stay out', () => {
  const each = table()
  each.add(node(SELF), 'verified', 0)
  for (const host of ['0.0.0.0', '::', '224.0.0.1', 'node.example']) each.add(at(256, { host }), 'found', 0)
  expect(each.size).toBe(0)
})

test('IPLimit: ten of one /24 in a table', () => {
  const each = table()
  for (let i = 0; i <= SUBNET_MAX.table; i++) each.add(at(256 - i, { host: `172.0.1.${i + 1}` }), 'found', 0)
  expect(each.size).toBe(SUBNET_MAX.table)
  expect(each.add(at(200, { host: '172.0.2.1' }), 'found', 0)).toHaveLength(1)
})

test('BucketIPLimit: two of one /24 in a bucket', () => {
  const each = table()
  for (let i = 1; i <= SUBNET_MAX.bucket + 1; i++) each.add(at(256, { host: `172.0.1.${i}` }), 'found', 0)
  expect(each.size).toBe(SUBNET_MAX.bucket)
})

test('IPv6 is counted by /32', () => {
  const each = table()
  for (let i = 1; i <= 3; i++) each.add(at(256, { host: `2a01:4f8:${i}::1` }), 'found', 0)
  expect(each.size).toBe(SUBNET_MAX.bucket)
  expect(each.add(at(256, { host: '2a01:4f9::1' }), 'found', 0)).toHaveLength(1)
})

test('nobody counts loopback and private networks', () => {
  const each = table()
  for (const host of ['127.0.0.1', '10.0.0.1', '192.168.1.1', '::1', 'fe80::1'])
    for (let i = 0; i < 3; i++) each.add(at(256, { host }), 'found', 0)
  expect(each.size).toBe(15)
})

test('IP limits hold for replacements too, and for a record that moves', () => {
  const { full } = fullBucket()
  for (let i = 1; i <= 3; i++) full.add(at(256, { host: `172.0.1.${i}` }), 'found', 0)
  expect([...full.replacements()]).toHaveLength(SUBNET_MAX.bucket)

  const each = table()
  const mover = at(256, { seq: 1n })
  each.add(mover, 'found', 0)
  for (let i = 1; i <= 2; i++) each.add(at(256, { host: `172.0.1.${i}` }), 'found', 0)
  expect(each.add(node(mover.nodeId, { host: '172.0.1.3', seq: 2n }), 'found', 0)).toEqual([])
  expect(each.get(mover.nodeId)).toBe(mover)
})

test('a replacement that moves is counted where it is', () => {
  const { full } = fullBucket()
  const waiting = at(256, { host: '172.0.1.1', seq: 1n })
  full.add(waiting, 'found', 0)
  full.add(node(waiting.nodeId, { host: '172.0.2.1', seq: 2n }), 'found', 0)
  for (let i = 2; i <= 3; i++) full.add(at(256, { host: `172.0.1.${i}` }), 'found', 0)
  expect([...full.replacements()].map(({ endpoints }) => endpoints[0]?.host)).toEqual(['172.0.1.3', '172.0.1.2', '172.0.2.1'])
})

test('a full bucket keeps its nodes; the last ten that came wait, the oldest of them goes first', () => {
  const { full, nodes } = fullBucket()
  const late = Array.from({ length: REPLACEMENTS_MAX + 1 }, () => at(256))
  for (const each of late) expect(full.add(each, 'verified', 0)).toEqual([])
  expect([...full.nodes()]).toEqual(nodes)
  expect([...full.replacements()]).toEqual(late.slice(1).reverse())
})

test('a replacement that is pushed out is no longer counted', () => {
  const { full } = fullBucket()
  for (let i = 1; i <= 2; i++) full.add(at(256, { host: `172.0.1.${i}` }), 'found', 0)
  for (let i = 0; i < REPLACEMENTS_MAX; i++) full.add(at(256), 'found', 0)
  const late = at(256, { host: '172.0.1.3' })
  full.add(late, 'found', 0)
  expect([...full.replacements()][0]).toBe(late)
})

test('a node that has moved loses its points', () => {
  const each = table()
  const first = at(250, { seq: 1n })
  each.add(first, 'found', 0)
  for (let i = 0; i < 9; i++) each.answered(first.nodeId)
  const moved = node(first.nodeId, { udp: 99, seq: 2n })
  each.add(moved, 'found', 0)
  expect(each.unanswered(first.nodeId)).toEqual([{ do: 'removed', node: moved }])
})

test('who leaves makes room for a replacement picked at random', () => {
  const picked = new Set<number>()
  for (let round = 0; round < 40; round++) {
    const { full, nodes } = fullBucket()
    const late = [at(256), at(256), at(256)]
    for (const each of late) full.add(each, 'found', 0)
    const [removed, added, ...rest] = full.remove(nodes[3]!.nodeId)
    expect(removed).toEqual({ do: 'removed', node: nodes[3] })
    expect(rest).toEqual([])
    picked.add(late.indexOf(added?.node ?? late[0]!))
    expect(full.size).toBe(BUCKET_SIZE)
  }
  expect([...picked].sort()).toEqual([0, 1, 2])
})

test('a replacement can be removed, and a node that nobody knows', () => {
  const { full, nodes } = fullBucket()
  const late = at(256)
  full.add(late, 'found', 0)
  expect(full.remove(late.nodeId)).toEqual([])
  expect(full.remove(late.nodeId)).toEqual([])
  expect([...full.replacements()]).toEqual([])
  expect([...full.nodes()]).toEqual(nodes)
})

test('what is within distance 240 shares a bucket; atDistance keeps it apart', () => {
  const each = table()
  const near = [1, 100, 239, 240].map((distance) => at(distance))
  for (const one of near) each.add(one, 'found', 0)
  for (let i = 0; i < BUCKET_SIZE; i++) each.add(at(200), 'found', 0)
  expect(each.size).toBe(BUCKET_SIZE)
  expect([1, 100, 239, 240].map((distance) => each.atDistance(distance))).toEqual(near.map((one) => [one]))
  expect([0, -1, 257, Number.NaN, 2].flatMap((distance) => each.atDistance(distance))).toEqual([])
  each.answered(near[1]!.nodeId)
  expect([100, 239].flatMap((distance) => each.atDistance(distance, { verifiedOnly: true }))).toEqual([near[1]])
})

test('liveness: a point for each answer, two thirds lost with each silence', () => {
  const each = table()
  const known = at(256)
  each.add(known, 'found', 0)
  for (let i = 0; i < 9; i++) each.answered(known.nodeId)
  expect([each.unanswered(known.nodeId), each.unanswered(known.nodeId)]).toEqual([[], []])
  expect(each.isVerified(known.nodeId)).toBe(true)
  expect(each.unanswered(known.nodeId)).toEqual([{ do: 'removed', node: known }])
  expect(each.unanswered(known.nodeId)).toEqual([])
})

test('who fails five queries in a row goes, unless the bucket has hardly anyone', () => {
  const each = table()
  const nodes = [at(256), at(256), at(256)]
  for (const one of nodes) each.add(one, 'found', 0)
  const bad = nodes[0]!.nodeId
  for (let i = 0; i < 9; i++) expect(each.queried(bad, undefined)).toEqual([])
  expect(each.isVerified(bad)).toBe(false)
  each.queried(bad, 1)
  each.add(at(256), 'found', 0)
  for (let i = 0; i < 4; i++) expect(each.queried(bad, undefined)).toEqual([])
  expect(each.isVerified(bad)).toBe(true)
  expect(each.queried(bad, 0)).toEqual([{ do: 'removed', node: nodes[0] }])
})

test('established: verified, and here for five minutes', () => {
  const each = table()
  const [old, young, mute] = [at(256), at(255), at(254)]
  each.add(old, 'verified', 0)
  each.add(mute, 'found', 0)
  each.add(young, 'verified', 1)
  expect(each.established(300_000)).toEqual([old])
})
