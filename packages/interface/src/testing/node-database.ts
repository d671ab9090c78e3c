import assert from 'node:assert/strict'
import type { Millis } from '../clock.ts'
import type { NodeRecord } from '../node.ts'
import type { NodeDatabase, RememberedNode } from '../node-database.ts'
import { type Subject, type SubjectFactory, type TestRunner, testWith } from './runner.ts'

/** An empty database that is ready for use. */
export interface NodeDatabaseSubject extends Subject {
  readonly database: NodeDatabase
  /** The time on the database's clock. It may move between two calls, by seconds at most. */
  now(): Millis
  /** A node: another one for each index, and the same one, with another record, for another sequence number of 1 or more. */
  node(index: number, seq: bigint): NodeRecord
}

const HOUR_MS = 3_600_000

/** What holds for every {@link NodeDatabase}. */
export function nodeDatabaseContract(runner: TestRunner, factory: SubjectFactory<NodeDatabaseSubject>): void {
  const test = testWith(runner, factory)
  runner.describe('the contract of a NodeDatabase', () => {
    test('knows nothing of a node that was not noted', async ({ database, node, now }) => {
      database.note('discv4', node(0, 1n), { lastPong: now() })
      assert.equal(await database.get('discv4', node(1, 1n).nodeId), undefined)
    })

    test('tells at once what was noted, times to the millisecond', async ({ database, node, now }) => {
      const noted = node(0, 7n)
      const facts = { lastPing: Math.floor(now()) - 2, lastPong: Math.floor(now()) - 1, findFailures: 3 }
      database.note('discv4', noted, facts)
      assertRemembered(await database.get('discv4', noted.nodeId), noted)
      assert.deepEqual(factsOf(await database.get('discv4', noted.nodeId)), facts)
    })

    test('leaves facts as they are that are not given', async ({ database, node, now }) => {
      const [lastPing, lastPong] = [Math.floor(now()) - 20, Math.floor(now()) - 10]
      database.note('discv5', node(0, 1n), { lastPing })
      assert.deepEqual(factsOf(await database.get('discv5', node(0, 1n).nodeId)), { lastPing })
      database.note('discv5', node(0, 1n), { lastPong, findFailures: 2 })
      database.note('discv5', node(0, 1n), { findFailures: 0 })
      assert.deepEqual(factsOf(await database.get('discv5', node(0, 1n).nodeId)), { lastPing, lastPong, findFailures: 0 })
    })

    test('takes a newer record for an older one, and never the other way', async ({ database, node, now }) => {
      const { nodeId } = node(0, 1n)
      for (const seq of [2n, 9n, 3n]) database.note('discv5', node(0, seq), { lastPong: now() })
      assertRemembered(await database.get('discv5', nodeId), node(0, 9n))
      database.note('discv5', node(0, 10n), {})
      assertRemembered(await database.get('discv5', nodeId), node(0, 10n))
    })

    test('keeps the protocols apart', async ({ database, node, now }) => {
      database.note('discv4', node(0, 1n), { lastPong: now() })
      assert.equal(await database.get('discv5', node(0, 1n).nodeId), undefined)
      assert.deepEqual(await database.seeds('discv5', 10, HOUR_MS), [])
    })

    test('has no seeds while it is empty, and gives none where none is asked for', async ({ database, node, now }) => {
      assert.deepEqual(await database.seeds('discv4', 30, HOUR_MS), [])
      database.note('discv4', node(0, 1n), { lastPong: now() })
      assert.deepEqual(await database.seeds('discv4', 0, HOUR_MS), [])
    })

    test('gives as seeds those that answered, and not too long ago', async ({ database, node, now }) => {
      database.note('discv4', node(0, 1n), { lastPing: now() })
      database.note('discv4', node(1, 1n), { lastPong: now() - 3 * HOUR_MS, lastPing: now() })
      database.note('discv4', node(2, 1n), { lastPong: now() - HOUR_MS })
      const seeds = await database.seeds('discv4', 30, 2 * HOUR_MS)
      assert.equal(seeds.length, 1)
      assertNode(seeds[0], node(2, 1n))
    })

    test('gives each seed once, all of a few, and no more than asked for of many', async ({ database, node, now }) => {
      const nodes = Array.from({ length: 12 }, (_, index) => node(index, 1n))
      for (const each of nodes) database.note('discv5', each, { lastPong: now() })
      const all = await database.seeds('discv5', 30, HOUR_MS)
      assert.deepEqual(all.map(idOf).sort(), nodes.map(idOf).sort())
      const some = await database.seeds('discv5', 5, HOUR_MS)
      assert.equal(some.length, 5)
      assert.equal(new Set(some.map(idOf)).size, 5)
    })

    test('picks seeds at random', async ({ database, node, now }) => {
      for (let index = 0; index < 12; index++) database.note('discv4', node(index, 1n), { lastPong: now() })
      const picked = new Set<string>()
      assert.equal((await database.seeds('discv4', 1, HOUR_MS)).length, 1)
      for (let round = 0; round < 60; round++) for (const seed of await database.seeds('discv4', 1, HOUR_MS)) picked.add(seed.nodeId)
      // By chance fewer than 4 of 12 come up in 60 picks less than once in 10^20 runs, if each is as likely.
      assert.ok(picked.size >= 4, `only ${picked.size} of 12 nodes were picked in 60 rounds`)
    })
  })
}

function idOf(node: NodeRecord): string {
  return node.nodeId
}

function factsOf(remembered: RememberedNode | undefined): object {
  assert.ok(remembered !== undefined, 'the node is not known')
  const { node: _, ...facts } = remembered
  return JSON.parse(JSON.stringify(facts))
}

function assertRemembered(remembered: RememberedNode | undefined, expected: NodeRecord): void {
  assert.ok(remembered !== undefined, 'the node is not known')
  assertNode(remembered.node, expected)
}

function assertNode(node: NodeRecord | undefined, expected: NodeRecord): void {
  assert.ok(node !== undefined)
  assert.deepEqual(shown(node), shown(expected))
}

function shown(node: NodeRecord): object {
  return { nodeId: node.nodeId, publicKey: [...node.publicKey], seq: node.seq, endpoints: node.endpoints }
}
