import assert from 'node:assert/strict'
import type { NodeRecord, NodeSource } from '../node.ts'
import { type Subject, type SubjectFactory, type TestRunner, testWith, turns } from './runner.ts'

/** A started source that finds nodes without end, or at least three. */
export interface NodeSourceSubject extends Subject {
  readonly source: NodeSource
  /** How many pieces of work (lookups, requests) the source has begun so far. */
  begun(): number
  /** What it holds for those who take nodes now: lookups under way, timers, listeners. 0 when nobody does. */
  held(): number
}

/** What holds for every {@link NodeSource}: what a discovery gives the dialer. */
export function nodeSourceContract(runner: TestRunner, factory: SubjectFactory<NodeSourceSubject>): void {
  const test = testWith(runner, factory)
  runner.describe('the contract of a NodeSource', () => {
    test('has a name for logs and metrics', ({ source }) => assert.match(source.name, /^[a-z0-9][a-z0-9-]*$/))

    test('gives well-formed nodes, repeats allowed', async ({ source }) => {
      for (const node of await take(source, 3)) assertNode(node)
    })

    test('looks for nothing until a node is asked for', async ({ source, begun }) => {
      const before = begun()
      const nodes = source.nodes()[Symbol.asyncIterator]()
      await turns()
      assert.equal(begun(), before)
      await nodes.return?.()
    })

    test('looks for nothing more while no further node is asked for', async ({ source, begun }) => {
      const nodes = source.nodes()[Symbol.asyncIterator]()
      await nodes.next()
      const before = begun()
      await turns()
      assert.equal(begun(), before)
      await nodes.return?.()
    })

    test('frees what it holds on `return`, and has ended then', async ({ source, held }) => {
      const nodes = source.nodes()[Symbol.asyncIterator]()
      await nodes.next()
      await nodes.return?.()
      assert.equal(held(), 0)
      assert.equal((await nodes.next()).done, true)
    })

    test('ends with the signal and frees what it holds', async ({ source, held }) => {
      const controller = new AbortController()
      const nodes = source.nodes({ signal: controller.signal })[Symbol.asyncIterator]()
      await nodes.next()
      controller.abort(new Error('enough'))
      assert.equal(await hasEnded(nodes), true)
      assert.equal(held(), 0)
    })

    test('begins nothing under a signal that is aborted already', async ({ source, begun, held }) => {
      const before = begun()
      const nodes = source.nodes({ signal: AbortSignal.abort(new Error('before')) })[Symbol.asyncIterator]()
      assert.equal(await hasEnded(nodes), true)
      assert.deepEqual([begun() - before, held()], [0, 0])
    })

    test('serves several at once: the end of one is not the end of another', async ({ source }) => {
      const [one, other] = [source.nodes()[Symbol.asyncIterator](), source.nodes()[Symbol.asyncIterator]()]
      await Promise.all([one.next(), other.next()])
      await one.return?.()
      assert.notEqual((await other.next()).done, true)
      await other.return?.()
    })
  })
}

async function take(source: NodeSource, count: number): Promise<NodeRecord[]> {
  const taken: NodeRecord[] = []
  for await (const node of source.nodes()) {
    taken.push(node)
    if (taken.length === count) return taken
  }
  throw new Error(`the source ended after ${taken.length} nodes; the suite needs ${count}`)
}

/** Ended, or rejected, both say that no node follows. */
async function hasEnded(nodes: AsyncIterator<NodeRecord>): Promise<boolean> {
  try {
    return (await nodes.next()).done === true
  } catch {
    return true
  }
}

function assertNode(node: NodeRecord): void {
  assert.match(node.nodeId, /^[0-9a-f]{64}$/)
  assert.equal(node.publicKey.length, 33)
  assert.ok(node.seq >= 0n)
  for (const { host, tcp, udp } of node.endpoints) {
    assert.notEqual(host, '')
    for (const port of [tcp, udp]) assert.ok(port === undefined || (port >= 1 && port <= 65_535))
  }
}
