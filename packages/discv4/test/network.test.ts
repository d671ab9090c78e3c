import { afterEach, describe, expect, it } from 'vitest'
import { TestNetwork, type TestNode } from './nodes.ts'

let test: TestNetwork

afterEach(async () => {
  await test.end()
  expect([test.clock.pending, test.network.connections]).toEqual([0, 0])
})

const idsOf = (nodes: readonly { nodeId: string }[]): string[] => nodes.map(({ nodeId }) => nodeId).sort()
const others = (nodes: readonly TestNode[], self: TestNode): string[] =>
  nodes
    .filter((node) => node !== self)
    .map(({ identity }) => identity.nodeId)
    .sort()

describe('a small network', () => {
  it('forms from one bootnode: each finds all others, by their records', async () => {
    test = new TestNetwork({ jitterMs: 20 })
    const nodes = await test.neighbours(10)
    await test.clock.advance(150_000)
    for (const node of nodes) {
      const found = await test.during(node.discovery.lookup(node.identity.publicKey))
      expect(idsOf(found)).toEqual(others(nodes, node))
      expect(found.every(({ seq }) => seq > 0n)).toBe(true)
    }
  })
})
