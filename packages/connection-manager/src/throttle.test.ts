import { expect, it } from 'vitest'
import { Throttle } from './throttle.ts'

it('lets a key pass once a pause, which refusals do not lengthen', () => {
  const throttle = new Throttle(100)
  const passes = [0, 50, 99, 100, 199, 200].map((now) => throttle.pass('a', now))
  expect(passes).toEqual([true, false, false, true, false, true])
  expect(throttle.pass('b', 200)).toBe(true)
})

it('forgets keys whose pause is over', () => {
  const throttle = new Throttle(100)
  for (let i = 0; i < 50; i++) throttle.pass(`${i}`, i)
  expect(throttle.size).toBe(50)
  throttle.pass('new', 120)
  expect(throttle.size).toBe(30)
})

it('keeps its bound by forgetting the oldest', () => {
  const throttle = new Throttle(100, 2)
  for (const key of ['a', 'b', 'c']) throttle.pass(key, 0)
  expect(throttle.size).toBe(2)
  expect([throttle.pass('c', 1), throttle.pass('a', 1)]).toEqual([false, true])
})

it('is off at 0', () => {
  const throttle = new Throttle(0)
  expect([throttle.pass('a', 0), throttle.pass('a', 0), throttle.size]).toEqual([true, true, 0])
})
