import { describe, expect, it } from 'vitest'
import { compareBytes, compareUtf8, equalBytes } from './utf8-order.ts'

describe('compareUtf8', () => {
  it('puts U+FFFF before U+10000, where JavaScript does not', () => {
    const [low, high] = ['\uffff', '\u{10000}']
    expect(low < high).toBe(false)
    expect(compareUtf8(low, high)).toBeLessThan(0)
    expect(['\u{1f600}', 'b', '\ue000', 'é', '', 'a', '\u{10000}'].sort(compareUtf8)).toEqual([
      '',
      'a',
      'b',
      'é',
      '\ue000',
      '\u{10000}',
      '\u{1f600}',
    ])
  })

  it('puts a prefix first, and finds equals equal', () => {
    expect(compareUtf8('ab', 'abc')).toBeLessThan(0)
    expect(compareUtf8('abc', 'ab')).toBeGreaterThan(0)
    expect(compareUtf8('\0a', '\0a')).toBe(0)
  })
})

describe('compareBytes', () => {
  it('goes by unsigned bytes, then by length', () => {
    expect(compareBytes(Uint8Array.of(0x7f), Uint8Array.of(0x80))).toBeLessThan(0)
    expect(compareBytes(Uint8Array.of(1), Uint8Array.of(1, 0))).toBeLessThan(0)
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 2))).toBe(true)
    expect(equalBytes(Uint8Array.of(1, 2), Uint8Array.of(1, 3))).toBe(false)
  })
})
