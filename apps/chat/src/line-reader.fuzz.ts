import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { LineReader } from './line-reader.ts'

const MAX = 12
/** Mostly line ends and short runs, so that all limits are met. */
const bytes = fc.uint8Array({ maxLength: 80 }).map((array) => array.map((byte) => (byte < 40 ? 0x0a : byte < 60 ? 0x0d : byte)))

test('any bytes, cut anywhere, give the same lines as all at once', () => {
  fc.assert(
    fc.property(bytes, fc.array(fc.nat({ max: 7 }), { minLength: 1 }), (all, sizes) => {
      expect(read(cut(all, sizes))).toEqual(read([all]))
    }),
    { numRuns: 2000 },
  )
})

test('lines are what a plain split gives, up to the first that is too long', () => {
  fc.assert(
    fc.property(bytes, (all) => {
      const split = Buffer.from(all).toString('latin1').split('\n').slice(0, -1)
      const lines = split.map((line) => line.replace(/\r$/, ''))
      const tooLong = lines.findIndex((line) => line.length > MAX)
      const good = tooLong < 0 ? lines : lines.slice(0, tooLong)
      const { lines: got, isFaulty } = read([all])
      expect(got).toEqual(good.map((line) => new TextDecoder('utf-8', { ignoreBOM: true }).decode(Buffer.from(line, 'latin1'))))
      const rest = all.length - (all.lastIndexOf(0x0a) + 1)
      expect(isFaulty).toBe(tooLong >= 0 || rest > MAX + 1)
    }),
    { numRuns: 2000 },
  )
})

function cut(all: Uint8Array, sizes: readonly number[]): Uint8Array[] {
  const parts: Uint8Array[] = []
  for (let at = 0, index = 0; at < all.length; index++) {
    const size = 1 + (sizes[index % sizes.length] ?? 0)
    parts.push(all.subarray(at, at + size))
    at += size
  }
  return parts
}

/** Takes what is there after each chunk, to the end or the fault. */
function read(chunks: readonly Uint8Array[]): { readonly lines: string[]; readonly isFaulty: boolean } {
  const reader = new LineReader(MAX)
  const lines: string[] = []
  for (const chunk of chunks) {
    reader.push(chunk)
    for (let line = reader.next(); line !== undefined; line = reader.next()) {
      if (isFault(line)) return { lines, isFaulty: true }
      lines.push(line)
    }
  }
  return { lines, isFaulty: false }
}
