import { expect, test } from 'vitest'
import { checkOptionNames, checkOptionNumbers } from './option-names.ts'

test('names the option that is none, and those that there are', () => {
  const known = { maxPeers: true, filters: true } as const
  const check = (options: { maxPeers?: number; filters?: [] }): void => checkOptionNames('x/bad-option', 'x', options, known)
  check({})
  check({ maxPeers: 3, filters: [] })
  expect(() => check({ maxPeers: 3, maxConnections: 3 } as object)).toThrow(
    expect.objectContaining({ code: 'x/bad-option', message: 'maxConnections is no option of x: want maxPeers, filters' }),
  )
  expect(() => check({ toString: 1 } as object)).toThrow('toString is no option')
})

test('names the number that cannot be meant', () => {
  const check = (options: { pingMs?: number; name?: string }): void => checkOptionNumbers('x/bad-option', 'x', options, { pingMs: 1 })
  for (const options of [{}, { pingMs: 1 }, { pingMs: Number.POSITIVE_INFINITY }, { name: 'a' }]) check(options)
  for (const pingMs of [0, -1, Number.NaN, '5' as unknown as number]) {
    expect(() => check({ pingMs })).toThrow(
      expect.objectContaining({ code: 'x/bad-option', message: `x has pingMs ${pingMs}: want a number, 1 or more` }),
    )
  }
})
