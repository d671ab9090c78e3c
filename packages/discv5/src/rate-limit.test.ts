import { expect, it } from 'vitest'
import { RateLimit } from './rate-limit.ts'

it('lets a burst through, and then so many a second', () => {
  const limit = new RateLimit({ perSecond: 2, burst: 3 })
  expect([0, 0, 0, 0, 499, 500, 501, 10_000, 10_000, 10_000, 10_000].map((now) => limit.take('a', now))).toEqual([
    ...[true, true, true, false],
    ...[false, true, false],
    ...[true, true, true, false],
  ])
  expect(limit.take('b', 10_000)).toBe(true)
})

it('remembers a bounded number of keys', () => {
  const limit = new RateLimit({ perSecond: 1, burst: 1 })
  for (let i = 0; i < 10_000; i++) limit.take(`${i}`, 0)
  expect(limit.size).toBe(4096)
})

it('may have no limit', () => {
  const limit = new RateLimit({ perSecond: Number.POSITIVE_INFINITY, burst: Number.POSITIVE_INFINITY })
  expect(Array.from({ length: 100 }, () => limit.take('a', 0))).not.toContain(false)
})
