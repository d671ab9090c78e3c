import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createIdentity, nodeFromParts } from '@kumiko/identity'
import type { NodeId, NodeRecord } from '@kumiko/interface'
import { seeded, virtualClock } from '@kumiko/testkit'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { NodeSet } from '../node-set.ts'
import { type CrawlOptions, type CrawlProgress, crawl, type Inquiry } from './crawl.ts'

let folder = ''
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-'))
})
afterEach(async () => {
  await rm(folder, { recursive: true })
})

async function someNodes(count: number): Promise<NodeRecord[]> {
  const { bytes } = seeded()
  const made: NodeRecord[] = []
  while (made.length < count) {
    const { publicKey } = await createIdentity({ secretKey: bytes(32) })
    made.push(nodeFromParts({ publicKey, endpoints: [{ host: '127.0.0.1', udp: 30_000 + made.length }] }))
  }
  return made
}

/** Each node knows the next two; `silent` ones answer nothing. */
class Ring implements Inquiry {
  readonly name = 'ring'
  readonly asked: NodeRecord[] = []
  readonly silent = new Set<NodeId>()
  readonly nodes: readonly NodeRecord[]
  onAsk: () => void = () => {}

  constructor(nodes: readonly NodeRecord[]) {
    this.nodes = nodes
  }

  async check(node: NodeRecord): Promise<NodeRecord | undefined> {
    this.asked.push(node)
    this.onAsk()
    return this.silent.has(node.nodeId) ? undefined : node
  }

  async neighbours(node: NodeRecord): Promise<readonly NodeRecord[]> {
    const at = this.nodes.findIndex(({ nodeId }) => nodeId === node.nodeId)
    return [1, 2].flatMap((step) => this.nodes[(at + step) % this.nodes.length] ?? [])
  }
}

async function go(ring: Ring, rest: Partial<CrawlOptions> = {}): Promise<{ progress: CrawlProgress; set: NodeSet }> {
  const set = await NodeSet.open(join(folder, 'nodes.json'))
  const progress = await crawl({
    inquiries: [ring],
    self: '00'.repeat(32),
    start: ring.nodes.slice(0, 1),
    set,
    clock: virtualClock(),
    signal: new AbortController().signal,
    onProgress: () => {},
    ...rest,
  })
  return { progress, set }
}

test('asks everyone once, and keeps who answered', async () => {
  const ring = new Ring(await someNodes(40))
  for (const index of [3, 7]) ring.silent.add(ring.nodes[index]?.nodeId ?? '')
  const { progress, set } = await go(ring)
  expect(progress).toEqual({ heard: 40, alive: 38, silent: 2, waiting: 0 })
  expect(ring.asked).toHaveLength(40)
  expect(new Set(ring.asked)).toEqual(new Set(ring.nodes))
  expect(set.size).toBe(38)
})

test('goes on where it was interrupted', async () => {
  const ring = new Ring(await someNodes(40))
  const controller = new AbortController()
  ring.onAsk = () => {
    if (ring.asked.length === 20) controller.abort()
  }
  const first = await go(ring, { signal: controller.signal })
  expect(first.progress.waiting).toBeGreaterThan(0)
  const before = ring.asked.length
  expect(before).toBeLessThan(40)
  const { progress, set } = await go(ring)
  expect(progress).toEqual({ heard: 40, alive: 40, silent: 0, waiting: 0 })
  expect(ring.asked.length).toBe(40)
  expect([...set.entries()].every(({ score }) => score === 1)).toBe(true)
})

test('after a whole crawl everyone is asked again; silence costs half of the points', async () => {
  const ring = new Ring(await someNodes(5))
  for (let i = 0; i < 4; i++) await go(ring)
  const [gone] = ring.nodes
  if (gone === undefined) throw new Error('there is a first node')
  ring.silent.add(gone.nodeId)
  const { set } = await go(ring)
  expect(set.get(gone.nodeId)?.score).toBe(2)
  for (let i = 0; i < 2; i++) await go(ring)
  expect((await NodeSet.load(join(folder, 'nodes.json'))).get(gone.nodeId)).toBeUndefined()
})
