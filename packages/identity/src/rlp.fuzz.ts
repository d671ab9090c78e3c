import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeRlp, decodeRlpPrefix, encodeRlp, type RlpItem, rlpBigUint } from './rlp.ts'

const { item } = fc.letrec<{ item: RlpItem }>((tie) => ({
  item: fc.oneof({ depthSize: 'small', maxDepth: 8 }, fc.uint8Array({ maxLength: 300 }), fc.array(tie('item'), { maxLength: 8 })),
}))

/** Bytes that look like RLP more often than chance would have it. */
const bytes = fc
  .array(fc.oneof(fc.nat(255), fc.constantFrom(0x80, 0x81, 0xb7, 0xb8, 0xbf, 0xc0, 0xc1, 0xf7, 0xf8, 0xff)))
  .map((all) => Uint8Array.from(all))

test('what is encoded is decoded', () => {
  fc.assert(
    fc.property(item, (value) => {
      expect(decodeRlp(encodeRlp(value))).toEqual(value)
    }),
  )
})

test('any bytes are an item in its only form, or a fault', () => {
  fc.assert(
    fc.property(bytes, (input) => {
      expect(() => decodeRlpPrefix(input)).not.toThrow()
      const value = decodeRlp(input)
      if (isFault(value)) expect(value.fault).toBe('identity/bad-rlp')
      else expect(encodeRlp(value)).toEqual(input)
    }),
    { numRuns: 5000 },
  )
})

test('integers are read as they are written', () => {
  fc.assert(
    fc.property(fc.bigInt({ min: 0n, max: 2n ** 256n - 1n }), (value) => {
      expect(rlpBigUint(decodeRlp(encodeRlp(value)), 32)).toBe(value)
    }),
  )
})
