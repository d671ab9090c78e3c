import { describe, expect, it } from 'vitest'
import { Contacts } from './contacts.ts'

const NOW = 1_000_000

/** No jitter. */
function contacts(areNamed = false): Contacts {
  return new Contacts({ random: () => 0, areNamed })
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
    all.reached('a', NOW)
    all.refused('a', NOW)
    let now = NOW + 600_000
    all.found('a', now)
    const delays: number[] = []
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
    const all = new Contacts({ random: () => 0.5 })
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
    const all = contacts(true)
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
      // Strangers are called one in two seconds.
      const called = all.expire(NOW + peer * 2_000)
      expect(called).not.toContain('one too many')
      if (called.includes('new')) return
    }
    expect.unreachable('the new one was not called')
  })

  it('calls a stranger four times, and no more than 64 strangers at once and 30 a minute, whoever names them', () => {
    const all = contacts()
    let named = 0
    let calls = 0
    let most = 0
    for (let now = NOW; now < NOW + 600_000; now = Math.max(now + 1, Math.min(all.deadline, now + 1_000))) {
      for (let i = 0; i < 8; i++) all.found(`bogus ${named++}`, now)
      for (let called = all.expire(now); called.length > 0; called = all.expire(now)) {
        calls += called.length
        for (const peer of called) all.failed(peer, now)
      }
      if (now === NOW) most = calls
    }
    expect(most).toBeLessThanOrEqual(64)
    expect(calls).toBeGreaterThan(300)
    expect(calls).toBeLessThanOrEqual(64 + 300)
    // A friend that is lost does not wait for them.
    all.reached('friend', NOW + 600_000)
    all.failed('friend', NOW + 600_000)
    expect(all.expire(NOW + 601_000)[0]).toBe('friend')
    const one = contacts()
    one.found('a', NOW)
    let tries = 0
    for (let now = NOW; now < Number.POSITIVE_INFINITY; now = one.deadline) {
      tries += one.expire(now).length
      one.failed('a', now)
    }
    expect(tries).toBe(4)
  })

  it('remembers no more of those who come and go than of those it finds', () => {
    const all = contacts()
    for (let peer = 0; peer < 2_000; peer++) {
      all.reached(`${peer}`, NOW)
      all.failed(`${peer}`, NOW)
    }
    let due = 0
    for (let called = all.expire(NOW + 1_000); called.length > 0; called = all.expire(NOW + 1_000)) {
      due += called.length
      for (const peer of called) all.refused(peer, NOW)
    }
    expect(due).toBe(512)
  })
})
