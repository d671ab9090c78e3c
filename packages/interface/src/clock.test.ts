import { setTimeout } from 'node:timers/promises'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { systemClock } from './clock.ts'
import { clockContract } from './testing/clock.ts'

const DAY_MS = 86_400_000

clockContract({ describe, it }, () => ({ clock: systemClock, pass: (durationMs) => setTimeout(durationMs + 5) }))

describe('systemClock', () => {
  it('tells Unix time', () => {
    expect(Math.abs(systemClock.now() - Date.now())).toBeLessThan(60_000)
  })
})

describe('systemClock over days', () => {
  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('waits beyond the 24.8 days that a timer can count', () => {
    let calls = 0
    systemClock.at(systemClock.now() + 30 * DAY_MS, () => calls++)
    vi.advanceTimersByTime(30 * DAY_MS - 1)
    expect(calls).toBe(0)
    vi.advanceTimersByTime(2)
    expect(calls).toBe(1)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('can be cancelled on the way', () => {
    const cancel = systemClock.at(systemClock.now() + 60 * DAY_MS, () => expect.unreachable())
    vi.advanceTimersByTime(30 * DAY_MS)
    cancel()
    expect(vi.getTimerCount()).toBe(0)
  })

  it('holds no timer for Infinity', () => {
    systemClock.at(Number.POSITIVE_INFINITY, () => expect.unreachable())
    expect(vi.getTimerCount()).toBe(0)
  })
})

describe("systemClock where the machine's time is set", () => {
  it('follows it forward, as after a sleep, and never back', async () => {
    vi.useFakeTimers({ toFake: ['Date', 'performance'] })
    try {
      vi.resetModules()
      const { systemClock: clock } = await import('./clock.ts')
      const start = clock.now()
      vi.setSystemTime(Date.now() + DAY_MS)
      expect(clock.now() - start).toBeGreaterThanOrEqual(DAY_MS - 1000)
      expect(Math.abs(clock.now() - Date.now())).toBeLessThan(1)
      const later = clock.now()
      vi.setSystemTime(Date.now() - 2 * DAY_MS)
      expect(clock.now()).toBe(later)
      vi.advanceTimersByTime(5000)
      expect(clock.now()).toBeCloseTo(later + 5000, 3)
    } finally {
      vi.useRealTimers()
    }
  })
})
