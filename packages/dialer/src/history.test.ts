import { expect, test } from 'vitest'
import { DialHistory } from './history.ts'

test('a node that is dialed again is remembered from then on', () => {
  const history = new DialHistory(100)
  history.add('a', 0)
  history.add('b', 10)
  history.add('a', 50)
  expect([history.deadline, history.expiry('a')]).toEqual([110, 150])
  history.expire(110)
  expect([history.size, history.deadline]).toEqual([1, 150])
  history.expire(150)
  expect([history.size, history.deadline]).toEqual([0, Number.POSITIVE_INFINITY])
})

test('the oldest goes when there are too many', () => {
  const history = new DialHistory(100)
  for (let i = 0; i < 5000; i++) history.add(`${i}`, i)
  expect([history.size, history.expiry('903'), history.expiry('904')]).toEqual([4096, undefined, 1004])
})
