import type { BatchSize } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { BlockCutter, type Ordered } from './block-cutter.ts'

/** What `blockcutter.go` does, step by step. */
function model(sizes: readonly number[], { maxMessageCount, preferredMaxBytes }: BatchSize): Ordered<number>[] {
  let pending: number[] = []
  let pendingBytes = 0
  const cut = (): number[] => {
    const batch = pending
    pending = []
    pendingBytes = 0
    return batch
  }
  return sizes.map((size, item) => {
    const batches: number[][] = []
    if (size > preferredMaxBytes) {
      if (pending.length > 0) batches.push(cut())
      batches.push([item])
      return { batches, isPending: false }
    }
    if (pendingBytes + size > preferredMaxBytes) batches.push(cut())
    pending.push(item)
    pendingBytes += size
    let isPending = true
    if (pending.length >= maxMessageCount) {
      batches.push(cut())
      isPending = false
    }
    return { batches, isPending }
  })
}

describe('BlockCutter', () => {
  it('cuts as Fabric does, and loses, doubles and moves nothing', () => {
    fc.assert(
      fc.property(
        fc.record({ maxMessageCount: fc.integer({ min: 1, max: 5 }), preferredMaxBytes: fc.integer({ min: 1, max: 100 }) }),
        fc.array(fc.integer({ min: 0, max: 130 }), { maxLength: 40 }),
        (limits, sizes) => {
          const batchSize = { ...limits, absoluteMaxBytes: 200 }
          const cutter = new BlockCutter<number>()
          const outcomes = sizes.map((size, item) => cutter.order(item, size, batchSize))
          expect(outcomes).toEqual(model(sizes, batchSize))
          const all = [...outcomes.flatMap(({ batches }) => batches.flat()), ...cutter.cut()]
          expect(all).toEqual(sizes.map((_, item) => item))
          expect(outcomes.flatMap(({ batches }) => batches).every((batch) => batch.length > 0)).toBe(true)
        },
      ),
      { numRuns: 1000 },
    )
  })
})
