import { describe, expect, it } from 'vitest'
import { seeded } from './random.ts'

describe('seeded', () => {
  it('gives the same run for the same seed, and another for another', () => {
    const draw = (seed: number): number[] => Array.from({ length: 8 }, seeded(seed).random)
    expect(draw(7)).toEqual(draw(7))
    expect(draw(7)).not.toEqual(draw(8))
  })

  it('stays in its bounds and reaches all of them', () => {
    const { below, bytes, pick } = seeded(1)
    expect([...new Set(Array.from({ length: 500 }, () => below(5)))].sort()).toEqual([0, 1, 2, 3, 4])
    expect(new Set(bytes(10_000)).size).toBe(256)
    expect([...new Set(Array.from({ length: 100 }, () => pick(['a', 'b'])))].sort()).toEqual(['a', 'b'])
    expect(() => pick([])).toThrow('nothing to pick from')
  })
})
