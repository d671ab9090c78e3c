import { expect, it } from 'vitest'
import { DerReader, derElement, TAG } from './der.ts'
import { readTime } from './time.ts'

const read = (tag: number, text: string): number | undefined => {
  const reader = new DerReader(derElement(tag, new TextEncoder().encode(text)))
  const time = readTime(reader, 'time')
  return reader.failure === undefined ? time : undefined
}

it('reads UTCTime of 1950 to 2049', () => {
  expect(read(TAG.utcTime, '700101000000Z')).toBe(0)
  expect(read(TAG.utcTime, '491231235959Z')).toBe(Date.UTC(2049, 11, 31, 23, 59, 59) / 1000)
  expect(read(TAG.utcTime, '500101000000Z')).toBe(Date.UTC(1950, 0, 1) / 1000)
  expect(read(TAG.utcTime, '2611210243Z')).toBe(Date.UTC(2026, 10, 21, 2, 43) / 1000)
  expect(read(TAG.utcTime, '261121024300+0130')).toBe(Date.UTC(2026, 10, 21, 1, 13) / 1000)
})

it('reads GeneralizedTime of all years', () => {
  for (const [year, month, day] of [
    [1600, 2, 29],
    [1900, 3, 1],
    [1969, 12, 31],
    [2000, 2, 29],
    [2100, 2, 28],
    [9999, 12, 31],
  ] as const) {
    const digits = `${year}${String(month).padStart(2, '0')}${String(day).padStart(2, '0')}`
    expect(read(TAG.generalizedTime, `${digits}010203Z`)).toBe(Date.UTC(year, month - 1, day, 1, 2, 3) / 1000)
  }
  expect(read(TAG.generalizedTime, '00000301000000Z')).toBe(Date.parse('0000-03-01T00:00:00Z') / 1000)
})

it('refuses what is no time, or not in its only form', () => {
  const texts = ['', '700101000000', '700101000060Z', '701301000000Z', '700132000000Z', '700229000000Z', '700101240000Z', '7001010000000Z']
  for (const text of [...texts, '700101000000+0000', '700101000000-0000', '700101000000.5Z', ' 700101000000Z']) {
    expect([text, read(TAG.utcTime, text)]).toEqual([text, undefined])
  }
  for (const text of ['197001010000Z', '19700101000000.0Z', '19000229000000Z', '19700101000000']) {
    expect([text, read(TAG.generalizedTime, text)]).toEqual([text, undefined])
  }
  expect(read(TAG.utf8String, '700101000000Z')).toBeUndefined()
})
