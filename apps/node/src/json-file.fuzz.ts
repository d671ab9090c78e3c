import fc from 'fast-check'
import { expect, test } from 'vitest'
import { jsonFaultAt } from './json-file.ts'

function isJson(text: string): boolean {
  try {
    JSON.parse(text)
    return true
  } catch {
    return false
  }
}

test('a text is JSON where no fault is found, and up to a fault it can be the beginning of JSON', () => {
  const piece = fc.constantFrom(...'{}[],:" \n\\0-1.eE', 'true', 'TRUE', 'null', '"a"', '"\\u00Ff"', '"\\x"', '1.5e+3', '01')
  const texts = [fc.array(piece, { maxLength: 12 }).map((pieces) => pieces.join('')), fc.json(), fc.json().map((text) => text.slice(0, -1))]
  fc.assert(
    fc.property(fc.oneof(...texts), (text) => {
      const at = jsonFaultAt(text)
      expect(at === undefined).toBe(isJson(text))
      if (at !== undefined) expect(jsonFaultAt(text.slice(0, at)) ?? at).toBe(at)
    }),
    { numRuns: 3000 },
  )
})

test.each([
  ['{"a": 1,}', 8],
  ['{"a" 1}', 5],
  ['[1 2]', 3],
  ['{"a": 1', 7],
  ['{} x', 3],
  ['', 0],
])('%j', (text, at) => expect(jsonFaultAt(text)).toBe(at))
