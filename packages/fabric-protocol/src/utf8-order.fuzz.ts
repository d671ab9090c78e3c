import fc from 'fast-check'
import { expect, it } from 'vitest'
import { compareUtf8 } from './utf8-order.ts'

it('orders any text as its UTF-8 bytes', () => {
  const text = fc.string({ unit: 'binary', maxLength: 6 })
  fc.assert(
    fc.property(text, text, text, (prefix, a, b) => {
      const [left, right] = [prefix + a, prefix + b]
      expect(Math.sign(compareUtf8(left, right))).toBe(Buffer.compare(Buffer.from(left), Buffer.from(right)))
    }),
    { numRuns: 2000 },
  )
})
