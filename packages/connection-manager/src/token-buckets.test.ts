import fc from 'fast-check'
import { expect, it } from 'vitest'
import { TokenBuckets } from './token-buckets.ts'

it('lets a burst pass, then as many as have dripped in', () => {
  const buckets = new TokenBuckets({ count: 2, intervalMs: 100 })
  const passes = [0, 0, 0, 49, 50, 50, 100, 1_000, 1_000, 1_000].map((now) => buckets.take('a', now))
  expect(passes).toEqual([true, true, false, false, true, false, true, true, true, false])
  expect([buckets.has('a', 1_000), buckets.has('b', 1_000)]).toEqual([false, true])
})

it('never, and always', () => {
  const always = new TokenBuckets({ count: Number.POSITIVE_INFINITY, intervalMs: 1 })
  expect([new TokenBuckets({ count: 0, intervalMs: 1 }).take('a', 99), always.take('a', 0), always.has('a', 0), always.size]).toEqual([
    false,
    true,
    true,
    0,
  ])
})

it('passes at most count and what drips in, in any stretch of time, and keeps its bound', () => {
  const steps = fc.array(fc.record({ key: fc.nat({ max: 5 }), waitMs: fc.nat({ max: 60 }) }), { maxLength: 200 })
  fc.assert(
    fc.property(steps, fc.integer({ min: 1, max: 4 }), (list, count) => {
      const buckets = new TokenBuckets({ count, intervalMs: 100 }, 4)
      const roomy = new TokenBuckets({ count, intervalMs: 100 })
      const passed = new Map<number, number[]>()
      let now = 0
      for (const { key, waitMs } of list) {
        now += waitMs
        buckets.take(`${key}`, now)
        expect(buckets.size).toBeLessThanOrEqual(4)
        if (roomy.take(`${key}`, now)) passed.set(key, [...(passed.get(key) ?? []), now])
      }
      for (const times of passed.values()) {
        for (const [i, from] of times.entries()) {
          for (const [more, to] of times.slice(i).entries()) {
            expect(more + 1).toBeLessThanOrEqual(count + ((to - from) * count) / 100 + 1e-6)
          }
        }
      }
    }),
    { numRuns: 200, seed: 20261121 },
  )
})
