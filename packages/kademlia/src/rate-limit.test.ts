import { describe, expect, it } from 'vitest'
import { networkOf, RateLimit } from './rate-limit.ts'

describe('RateLimit', () => {
  it('lets two seconds of events pass at once, then so many a second', () => {
    const limit = new RateLimit(10)
    const passed = (count: number, now: number): number => Array.from({ length: count }, () => limit.take('a', now)).filter(Boolean).length
    expect(passed(100, 0)).toBe(20)
    expect(passed(100, 1000)).toBe(10)
    expect(passed(100, 60_000)).toBe(20)
    expect(limit.take('b', 60_000)).toBe(true)
  })

  it('lets at least one pass, however slow, and all without a limit', () => {
    const slow = new RateLimit(0.1)
    expect([slow.take('a', 0), slow.take('a', 9000), slow.take('a', 10_000)]).toEqual([true, false, true])
    const free = new RateLimit(Number.POSITIVE_INFINITY)
    expect([free.take('a', 0), free.size]).toEqual([true, 0])
  })

  it('tells beforehand when one more is too many', () => {
    const limit = new RateLimit(1)
    expect([limit.isSpent('a', 0), limit.take('a', 0), limit.take('a', 0), limit.isSpent('a', 0)]).toEqual([false, true, true, true])
    expect([limit.isSpent('a', 1000), limit.size]).toEqual([false, 1])
  })

  it('remembers so many keys and no more', () => {
    const limit = new RateLimit(1)
    for (let i = 0; i < 50_000; i++) limit.take(`${i}`, 0)
    expect(limit.size).toBe(4096)
  })
})

it('an IPv4 address counts for itself, an IPv6 address as its /64', () => {
  expect(networkOf('192.0.2.1')).toBe('192.0.2.1')
  expect(networkOf('2001:db8::1')).toBe(networkOf('2001:db8:0:0:ffff::'))
  expect(networkOf('2001:db8::1')).not.toBe(networkOf('2001:db8:0:1::1'))
})
