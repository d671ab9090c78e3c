import type { BlockSource } from '@kumiko/fabric-committer'
import type { Block } from '@kumiko/fabric-protocol'
import { systemClock } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { BlockGate } from './block-gate.ts'

const block = (number: bigint): Block => ({
  header: { number, previousHash: new Uint8Array(), dataHash: new Uint8Array() },
  data: [],
  metadata: [],
})

const source: BlockSource = {
  blocks: async function* (from) {
    for (let number = from; number < 5n; number++) yield { block: block(number) }
  },
}

async function numbers(gate: BlockGate): Promise<bigint[]> {
  const taken: bigint[] = []
  for await (const { block } of gate.guard(source).blocks(2n)) taken.push(block.header.number)
  return taken
}

describe('BlockGate', () => {
  it('lets blocks through, twice where it is told so', async () => {
    const gate = new BlockGate(systemClock)
    expect(await numbers(gate)).toEqual([2n, 3n, 4n])
    gate.duplicate(2)
    expect(await numbers(gate)).toEqual([2n, 2n, 3n, 3n, 4n])
    expect(await numbers(gate)).toEqual([2n, 3n, 4n])
  })

  it('delays each block', async () => {
    const clock = virtualClock()
    const gate = new BlockGate(clock)
    gate.delay(100)
    const blocks = gate.guard(source).blocks(2n)[Symbol.asyncIterator]()
    let taken = 0
    const first = blocks.next().then(() => taken++)
    await clock.advance(99)
    expect(taken).toBe(0)
    await clock.advance(1)
    await first
    expect(taken).toBe(1)
  })

  it('holds blocks back until they are released', async () => {
    const gate = new BlockGate(systemClock)
    gate.hold()
    let isDone = false
    const all = numbers(gate).then((taken) => {
      isDone = true
      return taken
    })
    await new Promise(setImmediate)
    expect(isDone).toBe(false)
    gate.release()
    expect(await all).toEqual([2n, 3n, 4n])
  })

  it('ends by its signal while blocks are held back', async () => {
    const gate = new BlockGate(systemClock)
    gate.hold()
    const stop = new AbortController()
    const next = gate.guard(source).blocks(2n, { signal: stop.signal })[Symbol.asyncIterator]().next()
    stop.abort(new Error('enough'))
    await expect(next).rejects.toThrow('enough')
  })
})
