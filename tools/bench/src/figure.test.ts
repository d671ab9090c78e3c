import { describe, expect, it } from 'vitest'
import { type Figure, median, resultOf } from './figure.ts'

const figure: Figure = { name: 'speed', peer: 'them', unit: '/s', goal: 2, better: 'more', ours: 'a', theirs: 'b' }

describe('median', () => {
  it('takes the middle of an odd number and the mean of the two in the middle of an even one', () => {
    expect(median([3, 1, 2])).toBe(2)
    expect(median([4, 1, 2, 3])).toBe(2.5)
    expect(median([7])).toBe(7)
  })
})

describe('resultOf', () => {
  it('compares round by round, so that a slow round counts for both', () => {
    const rounds = [
      { a: 30, b: 10 },
      { a: 6, b: 2 },
      { a: 40, b: 10 },
    ]
    expect(resultOf(figure, rounds)).toEqual({ figure, ours: 30, theirs: 10, ratio: 3, isReached: true })
  })

  it('says when a goal is missed, from above or from below', () => {
    expect(resultOf(figure, [{ a: 19, b: 10 }])?.isReached).toBe(false)
    expect(resultOf({ ...figure, better: 'less', goal: 1 }, [{ a: 11, b: 10 }])?.isReached).toBe(false)
    expect(resultOf({ ...figure, better: 'less', goal: 1 }, [{ a: 10, b: 10 }])?.isReached).toBe(true)
  })

  it('has no result where one of the two could not be run', () => {
    expect(resultOf(figure, [{ a: 1, b: undefined }])).toBeUndefined()
  })
})
