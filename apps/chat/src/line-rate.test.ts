import { expect, test } from 'vitest'
import { LineRate } from './line-rate.ts'

test('takes a burst, then twenty lines a second', () => {
  const rate = new LineRate()
  let now = 1_000_000
  let burst = 1
  while (rate.take(now) === 0) burst++
  expect(burst).toBe(300)
  for (let line = 0; line < 100; line++) {
    now += 50
    expect(rate.take(now)).toBe(50)
  }
  // Ten seconds later two hundred are free again.
  now += 10_000
  for (let line = 0; line < 199; line++) expect(rate.take(now)).toBe(0)
  expect(rate.take(now)).toBe(50)
})
