import { clockContract } from '@kumiko/interface/testing'
import { describe, expect, it } from 'vitest'
import { virtualClock } from './clock.ts'

clockContract({ describe, it }, () => {
  const clock = virtualClock()
  return { clock, pass: (durationMs) => clock.advance(durationMs) }
})

describe('virtualClock', () => {
  it('calls what comes due in order of deadline, then of registration', async () => {
    const clock = virtualClock(0)
    const calls: string[] = []
    clock.at(20, () => calls.push('late'))
    clock.at(10, () => calls.push('first'))
    clock.at(10, () => calls.push('second'))
    clock.at(21, () => calls.push('never'))
    await clock.advance(20)
    expect(calls).toEqual(['first', 'second', 'late'])
    expect(clock.now()).toBe(20)
    expect(clock.pending).toBe(1)
  })

  it('shows each callback its own deadline as now', async () => {
    const clock = virtualClock(0)
    const seen: number[] = []
    clock.at(5, () => {
      seen.push(clock.now())
      clock.at(clock.now() + 5, () => seen.push(clock.now()))
    })
    await clock.advance(100)
    expect(seen).toEqual([5, 10])
  })

  it('never calls back before `at` has returned, and catches up with a deadline that is past', async () => {
    const clock = virtualClock(100)
    let calls = 0
    clock.at(50, () => calls++)
    expect(calls).toBe(0)
    await clock.advance(0)
    expect([calls, clock.now()]).toEqual([1, 100])
  })

  it('forgets what is cancelled, also in the same round', async () => {
    const clock = virtualClock(0)
    const calls: string[] = []
    const cancel = clock.at(10, () => calls.push('cancelled'))
    clock.at(5, () => cancel())
    clock.at(10, () => calls.push('kept'))
    await clock.advance(10)
    cancel()
    expect(calls).toEqual(['kept'])
    expect(clock.pending).toBe(0)
  })

  it('lets promises run to their end between callbacks', async () => {
    const clock = virtualClock(0)
    const order: string[] = []
    clock.at(1, async () => {
      for (let turn = 0; turn < 100; turn++) await undefined
      order.push('a hundred turns')
    })
    clock.at(2, () => order.push('next callback'))
    await clock.advance(2)
    expect(order).toEqual(['a hundred turns', 'next callback'])
  })

  it('refuses to move twice at once', async () => {
    const clock = virtualClock()
    const first = clock.advance(1)
    await expect(clock.advance(1)).rejects.toThrow('moving already')
    await first
  })
})
