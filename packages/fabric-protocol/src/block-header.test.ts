import { describe, expect, it } from 'vitest'
import { blockHeaderBytes, dataHash } from './block-header.ts'
import { sha256 } from './hash.ts'

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('blockHeaderBytes', () => {
  // As Go's encoding/asn1 writes them: minimal, and unsigned.
  it.each([
    [0n, '020100'],
    [127n, '02017f'],
    [128n, '02020080'],
    [256n, '02020100'],
    [2n ** 64n - 1n, '020900ffffffffffffffff'],
  ])('writes number %d', (number, integer) => {
    const bytes = blockHeaderBytes({ number, previousHash: new Uint8Array(), dataHash: Uint8Array.of(7) })
    expect(hexOf(bytes)).toBe(`30${(integer.length / 2 + 5).toString(16).padStart(2, '0')}${integer}0400040107`)
  })

  it.each([
    [0x78, '307f'],
    [0x79, '308180'],
    [0x100, '30820109'],
  ])('writes the length of %d bytes and 7', (size, start) => {
    const bytes = blockHeaderBytes({ number: 0n, previousHash: new Uint8Array(size), dataHash: new Uint8Array() })
    expect(hexOf(bytes).startsWith(`${start}0201000`)).toBe(true)
  })
})

describe('dataHash', () => {
  it('is over the items one after the other, few or many', () => {
    const items = Array.from({ length: 40 }, (_, index) => new Uint8Array(200).fill(index))
    expect(dataHash(items)).toEqual(sha256(Uint8Array.from(items.flatMap((item) => [...item]))))
    expect(dataHash([Uint8Array.of(1, 2), Uint8Array.of(3)])).toEqual(sha256(Uint8Array.of(1, 2, 3)))
    expect(dataHash(new Array<Uint8Array>(300_000).fill(Uint8Array.of(7)))).toEqual(sha256(new Uint8Array(300_000).fill(7)))
    expect(hexOf(dataHash([]))).toBe('e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855')
  })
})
