import fc from 'fast-check'
import { expect, it } from 'vitest'
import { encodeSignature, readSignature, readStrictSignature } from './ecdsa-signature.ts'

const number = fc.uint8Array({ minLength: 1, maxLength: 130 }).filter(([first = 0]) => first > 0)
const change = fc.tuple(fc.nat(270), fc.nat(255))

it('a signature is read as the strict reader reads it, or has more bytes than its numbers need', () => {
  fc.assert(
    fc.property(fc.record({ r: number, s: number }), fc.array(change, { maxLength: 3 }), fc.nat(270), (numbers, changes, end) => {
      const written = encodeSignature(numbers)
      expect(readSignature(written)).toEqual(numbers)
      for (const [at, byte] of changes) if (at < written.length) written[at] = byte
      const bytes = written.slice(0, end < 200 ? undefined : end)
      const [lenient, strict] = [readSignature(bytes), readStrictSignature(bytes)]
      if (strict !== undefined || (lenient !== undefined && encodeSignature(lenient).length >= bytes.length))
        expect(lenient).toEqual(strict)
    }),
    { numRuns: 2000 },
  )
})
