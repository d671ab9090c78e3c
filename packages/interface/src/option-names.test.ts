import { expect, test } from 'vitest'
import { checkOptionNames } from './option-names.ts'

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
