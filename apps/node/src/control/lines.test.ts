import fc from 'fast-check'
import { expect, test } from 'vitest'
import { Lines } from './lines.ts'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

test('lines come whole, however the bytes are cut', () => {
  fc.assert(
    fc.property(fc.array(fc.stringMatching(/^[a-zäß€]{1,8}$/)), fc.integer({ min: 1, max: 9 }), (texts, size) => {
      const all = bytes(texts.map((text) => `${text}\r\n`).join('\n'))
      const lines = new Lines(64)
      const got: string[] = []
      for (let at = 0; at < all.length; at += size) got.push(...(lines.push(all.slice(at, at + size)) ?? ['too long']))
      expect(got).toEqual(texts)
    }),
  )
})

test('a line that is too long ends it, whether it has an end or not', () => {
  const lines = new Lines(4)
  expect(lines.push(bytes('abcd\nab'))).toEqual(['abcd'])
  expect(lines.push(bytes('cde'))).toBeUndefined()
  expect(lines.push(bytes('\n'))).toBeUndefined()
  expect(new Lines(4).push(bytes('abcde\n'))).toBeUndefined()
})
