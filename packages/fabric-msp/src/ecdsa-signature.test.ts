import { generateKeyPairSync, sign } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { encodeSignature, fromP1363, isLowS, readSignature, readStrictSignature, toLowS, toP1363 } from './ecdsa-signature.ts'

const signature = (...bytes: number[]): Uint8Array => Uint8Array.from(bytes)
const ONE_TWO = { r: signature(1), s: signature(2) }

describe('readSignature', () => {
  it('ignores what follows, within and behind, as Go does; the strict one does not', () => {
    const plain = signature(0x30, 6, 2, 1, 1, 2, 1, 2)
    const within = signature(0x30, 8, 2, 1, 1, 2, 1, 2, 5, 0)
    const behind = signature(0x30, 6, 2, 1, 1, 2, 1, 2, 9)
    expect([plain, within, behind].map(readSignature)).toEqual([ONE_TWO, ONE_TWO, ONE_TWO])
    expect([plain, within, behind].map(readStrictSignature)).toEqual([ONE_TWO, undefined, undefined])
  })

  it('refuses numbers that are not positive, or not in their shortest form', () => {
    const wrong = [
      signature(),
      signature(0x30, 0),
      signature(0x30, 3, 2, 1, 1),
      signature(0x30, 6, 2, 1, 0, 2, 1, 2),
      signature(0x30, 6, 2, 1, 1, 2, 1, 0),
      signature(0x30, 6, 2, 1, 0x81, 2, 1, 2),
      signature(0x30, 7, 2, 2, 0, 1, 2, 1, 2),
      signature(0x30, 0x81, 6, 2, 1, 1, 2, 1, 2),
      signature(0x31, 6, 2, 1, 1, 2, 1, 2),
      signature(0x30, 6, 4, 1, 1, 2, 1, 2),
      signature(0x30, 7, 2, 1, 1, 2, 1, 2),
    ]
    expect(wrong.map(readSignature)).toEqual(wrong.map(() => undefined))
    expect(wrong.map(readStrictSignature)).toEqual(wrong.map(() => undefined))
  })
})

describe('low s', () => {
  it('is at most half of the order', () => {
    const half = new Uint8Array(Buffer.from('7fffffff800000007fffffffffffffffde737d56d38bcf4279dce5617e3192a8', 'hex'))
    const above = half.with(31, half[31]! + 1)
    expect([isLowS('P-256', half), isLowS('P-256', above), isLowS('P-256', signature(1))]).toEqual([true, false, true])
    expect(isLowS('P-256', new Uint8Array(33).fill(1))).toBe(false)
    expect(toLowS('P-256', { r: signature(1), s: above })).toEqual({ r: signature(1), s: half })
  })

  it('is found for each curve, and may be both ways', () => {
    for (const curve of ['P-224', 'P-256', 'P-384', 'P-521'] as const) {
      const { privateKey } = generateKeyPairSync('ec', {
        namedCurve: { 'P-224': 'secp224r1', 'P-256': 'prime256v1', 'P-384': 'secp384r1', 'P-521': 'secp521r1' }[curve],
      })
      for (let i = 0; i < 8; i++) {
        const p1363 = new Uint8Array(sign('sha256', signature(i), { key: privateKey, dsaEncoding: 'ieee-p1363' }))
        const numbers = fromP1363(p1363)
        expect(toP1363(curve, numbers)).toEqual(p1363)
        expect(readStrictSignature(encodeSignature(numbers))).toEqual(numbers)
        const low = toLowS(curve, numbers)
        expect(isLowS(curve, low.s)).toBe(true)
        expect(toLowS(curve, low)).toEqual(low)
      }
    }
  })

  it('of too many bytes has no fixed form', () => {
    expect(toP1363('P-256', { r: new Uint8Array(33).fill(1), s: signature(1) })).toBeUndefined()
  })
})
