import { describe, expect, it } from 'vitest'
import { decodeOrderPreservingVarint, encodeOrderPreservingVarint } from './order-preserving-varint.ts'

describe('order-preserving varints', () => {
  it.each([
    [0n, '00'],
    [1n, '0101'],
    [255n, '01ff'],
    [256n, '020100'],
    [0xffff_ffffn, '04ffffffff'],
    [0x1_0000_0000n, '050100000000'],
    [0x12_3456_789a_bcden, '07123456789abcde'],
    [0xfedc_ba98_7654_3210n, '08fedcba9876543210'],
    [2n ** 64n - 1n, '08ffffffffffffffff'],
  ])('%d is %s', (value, hex) => {
    const bytes = encodeOrderPreservingVarint(value)
    expect(Buffer.from(bytes).toString('hex')).toBe(hex)
    expect(decodeOrderPreservingVarint(bytes)).toEqual({ value, next: bytes.length })
  })

  it('are read amid others', () => {
    expect(decodeOrderPreservingVarint(Uint8Array.of(1, 5, 2, 1, 0, 9), 2)).toEqual({ value: 256n, next: 5 })
  })

  it.each([[[]], [[9, 1, 1, 1, 1, 1, 1, 1, 1, 1]], [[2, 1]]])('refuses %j', (bytes) => {
    expect(decodeOrderPreservingVarint(Uint8Array.from(bytes))).toMatchObject({ fault: 'fabric-protocol/bad-varint' })
  })
})
