import { createHash } from 'node:crypto'
import { keccak_256 } from '@noble/hashes/sha3.js'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { hasNativeKeccak, keccak256 } from './keccak.ts'

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

describe('keccak256', () => {
  it('hashes nothing as known', () => {
    expect(hex(keccak256(new Uint8Array()))).toBe('c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470')
  })

  it('agrees with another implementation at every length around a block, and in bulk', () => {
    for (const length of [0, 1, 31, 32, 64, 135, 136, 137, 271, 272, 273, 1023, 1024, 1025, 5000]) {
      const bytes = Uint8Array.from({ length }, (_, i) => (i * 7) & 0xff)
      expect(hex(keccak256(bytes)), `${length}`).toBe(hex(keccak_256(bytes)))
    }
  })

  it('hashes parts as one', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 2, maxLength: 4 }), (parts) => {
        expect(hex(keccak256(...parts))).toBe(hex(keccak256(Buffer.concat(parts))))
      }),
    )
  })

  it('finds native keccak by trying it', () => {
    const tryIt = (): boolean => {
      try {
        return createHash('KECCAK-256').update('').digest('hex').startsWith('c5d2')
      } catch {
        return false
      }
    }
    expect(hasNativeKeccak).toBe(tryIt())
  })
})
