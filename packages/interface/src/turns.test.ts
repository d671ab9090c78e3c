import { describe, expect, it } from 'vitest'
import { Turns } from './turns.ts'

describe('Turns', () => {
  it('runs one after the other, also after a failure, which only its caller hears of', async () => {
    const turns = new Turns()
    const told: string[] = []
    const slow = Promise.withResolvers<void>()
    const first = turns.take(async () => {
      await slow.promise
      told.push('first')
      throw new Error('no')
    })
    const second = turns.take(() => {
      told.push('second')
      return 2
    })
    const settled = turns.settled().then(() => told.push('settled'))
    await new Promise(setImmediate)
    expect(told).toEqual([])
    slow.resolve()
    await expect(first).rejects.toThrow('no')
    expect(await second).toBe(2)
    await settled
    expect(told).toEqual(['first', 'second', 'settled'])
  })
})
