import { expect, it } from 'vitest'
import { SecondChanceCache } from './second-chance-cache.ts'

it('keeps what was used, forgets the oldest of the others, and never grows', () => {
  const cache = new SecondChanceCache<number>(3)
  for (const [i, key] of ['a', 'b', 'c'].entries()) cache.set(key, i)
  expect(cache.get('a')).toBe(0)
  cache.set('d', 3)
  expect(['a', 'b', 'c', 'd'].map((key) => cache.get(key))).toEqual([0, undefined, 2, 3])
  cache.set('e', 4)
  expect(cache.size).toBe(3)
  expect(cache.get('e')).toBe(4)
})

it('replaces a value under its key', () => {
  const cache = new SecondChanceCache<number>(2)
  cache.set('a', 1)
  cache.set('a', 2)
  cache.set('b', 3)
  expect([cache.size, cache.get('a'), cache.get('b')]).toEqual([2, 2, 3])
})

it('behaves as a plain model of it', () => {
  const cache = new SecondChanceCache<number>(5)
  const everSet = new Map<string, number>()
  for (let i = 0; i < 1000; i++) {
    const key = String((i * 7919) % 13)
    const known = cache.get(key)
    if (known !== undefined) expect(known).toBe(everSet.get(key))
    cache.set(key, i)
    everSet.set(key, i)
    expect(cache.get(key)).toBe(i)
    expect(cache.size).toBeLessThanOrEqual(5)
  }
})
