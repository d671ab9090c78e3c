import { deadline } from '@kumiko/interface'
import { virtualClock } from '@kumiko/testkit'
import { expect, test } from 'vitest'

test('aborts in time, unless it is cleared', async () => {
  const clock = virtualClock()
  const late = deadline(clock, 100)
  const cleared = deadline(clock, 100)
  cleared.clear()
  await clock.advance(99)
  expect(late.aborted).toBe(false)
  await clock.advance(1)
  expect([late.aborted, late.reason?.name, cleared.aborted]).toEqual([true, 'TimeoutError', false])
})

test('aborts with its parent, and lets it go when cleared', () => {
  const clock = virtualClock()
  const parent = new AbortController()
  const child = deadline(clock, 100, parent.signal)
  const cleared = deadline(clock, 100, parent.signal)
  cleared.clear()
  parent.abort(new Error('why'))
  expect([child.reason?.message, cleared.aborted]).toEqual(['why', false])
  expect(deadline(clock, 100, parent.signal).aborted).toBe(true)
})
