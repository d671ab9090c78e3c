import { describe, expect, it } from 'vitest'
import { Contacts } from './contacts.ts'

const NOW = 1_000_000

/** No jitter. */
function contacts(failuresMax = 8): Contacts {
  return new Contacts({ random: () => 0, failuresMax })
}

describe('contacts', () => {
  it('calls whoever is found, once', () => {
    const all = contacts()
    all.found('a', NOW)
    all.found('a', NOW)
    expect(all.deadline).toBe(NOW)
    expect(all.expire(NOW)).toEqual(['a'])
    expect(all.expire(NOW)).toEqual([])
    all.reached('a', NOW)
    all.found('a', NOW + 1)
    expect(all.deadline).toBe(Number.POSITIVE_INFINITY)
  })

  it('calls again, less and less often, then leaves it alone for a while', () => {
    const all = contacts()
    all.found('a', NOW)
    const delays: number[] = []
    let now = NOW
    for (let call = 0; call < 9; call++) {
      expect(all.expire(now)).toEqual(['a'])
      all.failed('a', now)
      delays.push((all.deadline - now) / 1000)
      if (all.deadline < Number.POSITIVE_INFINITY) now = all.deadline
    }
    expect(delays).toEqual([1, 2, 4, 8, 16, 32, 60, 60, Number.POSITIVE_INFINITY])
    all.found('a', now + 599_999)
    expect(all.expire(now + 599_999)).toEqual([])
    all.found('a', now + 600_000)
    expect(all.expire(now + 600_000)).toEqual(['a'])
  })

  it('spreads calls', () => {
    const all = new Contacts({ random: () => 0.5, failuresMax: 8 })
    all.found('a', NOW)
    all.expire(NOW)
    all.failed('a', NOW)
    expect(all.deadline).toBe(NOW + 1250)
  })

  it('calls whoever is lost: at once where it was there for long, later where it comes and goes', () => {
    const all = contacts()
    all.reached('a', NOW)
    all.failed('a', NOW + 10)
    expect(all.deadline).toBe(NOW + 1010)
    all.reached('a', NOW + 1010)
    all.failed('a', NOW + 1020)
    expect(all.deadline).toBe(NOW + 3020)
    all.reached('a', NOW + 3020)
    all.failed('a', NOW + 63_020)
    expect(all.deadline).toBe(NOW + 64_020)
  })

  it('leaves alone who wants no part of us, unless it calls', () => {
    const all = contacts()
    all.found('a', NOW)
    all.expire(NOW)
    all.refused('a', NOW)
    all.failed('a', NOW)
    all.found('a', NOW + 1)
    expect(all.deadline).toBe(Number.POSITIVE_INFINITY)
    all.reached('a', NOW + 2)
    all.failed('a', NOW + 3)
    expect(all.deadline).toBe(NOW + 1003)
  })

  it('never gives a bootstrap up', () => {
    const all = contacts(Number.POSITIVE_INFINITY)
    all.found('a', NOW)
    for (let call = 0; call < 50; call++) {
      expect(all.expire(NOW + call * 90_000)).toEqual(['a'])
      all.failed('a', NOW + call * 90_000)
    }
  })

  it('has bounds: 8 calls at once, 512 contacts, of whom those left alone go first', () => {
    const all = contacts()
    for (let peer = 0; peer < 600; peer++) all.found(`${peer}`, NOW)
    expect(all.expire(NOW)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7'])
    expect(all.deadline).toBe(Number.POSITIVE_INFINITY)
    all.refused('0', NOW)
    expect(all.expire(NOW)).toEqual(['8'])
    all.found('new', NOW)
    all.found('one too many', NOW)
    for (let peer = 1; peer < 512; peer++) {
      all.reached(`${peer}`, NOW)
      const called = all.expire(NOW)
      expect(called).not.toContain('one too many')
      if (called.includes('new')) return
    }
    expect.unreachable('the new one was not called')
  })
})
