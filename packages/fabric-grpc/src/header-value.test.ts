import { describe, expect, it } from 'vitest'
import { percentEncode, readTimeout } from './header-value.ts'
import { PingPolice } from './ping-police.ts'

describe('a timeout', () => {
  it.each<[string, number | undefined]>([
    ['1H', 3_600_000],
    ['2M', 120_000],
    ['3S', 3000],
    ['250m', 250],
    ['1000u', 1],
    ['5000000n', 5],
    ['99999999H', 359_999_996_400_000],
    ['100000000S', undefined],
    ['S', undefined],
    ['-1S', undefined],
    ['1s', undefined],
    ['', undefined],
  ])('%s', (value, expected) => {
    expect(readTimeout(value)).toBe(expected)
  })
})

describe('a message', () => {
  it('is written as it is, where it may be', () => {
    expect(percentEncode('chaincode response 500, no such asset')).toBe('chaincode response 500, no such asset')
    expect(percentEncode('50% of "Ä"')).toBe('50%25 of "%C3%84"')
  })
})

describe('pings', () => {
  it('may come too soon twice, and after what we sent', () => {
    const police = new PingPolice(100)
    expect([0, 10, 20].map((now) => police.allows(now))).toEqual([true, true, true])
    expect(police.allows(30)).toBe(false)
    police.sent()
    expect([40, 50, 60].map((now) => police.allows(now))).toEqual([true, true, true])
    const patient = new PingPolice(100)
    for (let now = 0; now < 2000; now += 100) expect(patient.allows(now)).toBe(true)
  })
})
