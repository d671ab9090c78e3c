import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readJson, readJsonBytes } from './json.ts'

it('never throws, and reads what it has written as the same', () => {
  const pieces = fc.array(
    fc.oneof(fc.string({ unit: 'binary' }), fc.constantFrom('{', '}', '[', ']', '"', ':', ',', '\\', '1e9', 'null', '-0')),
  )
  fc.assert(
    fc.property(pieces, fc.constantFrom('nearest' as const, 'as-written' as const), (parts, numbers) => {
      const json = readJson(parts.join(''), numbers)
      if (json !== undefined) expect(readJson(json.text, numbers)).toEqual(readJson(parts.join(''), numbers))
    }),
    { numRuns: 2000 },
  )
})

it('takes any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 40 }), (bytes) => {
      const quoted = Uint8Array.of(0x22, ...bytes.filter((byte) => byte >= 0x20 && byte !== 0x22 && byte !== 0x5c), 0x22)
      expect(readJsonBytes(quoted, 'nearest')?.kind).toBe('string')
      readJsonBytes(bytes, 'as-written')
    }),
    { numRuns: 2000 },
  )
})

it('reads what JSON.parse reads', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const json = readJson(text, 'nearest')
      expect(json).toBeDefined()
      expect(JSON.parse(json?.text ?? '')).toEqual(JSON.parse(text))
    }),
    { numRuns: 1000 },
  )
})
