import { compareUtf8 } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { compositeKey, compositeKeyRange, plainKeyRange, splitCompositeKey } from './composite-key.ts'

const part = fc.string({ unit: 'binary', maxLength: 4 }).filter((text) => !/[\0\u{10ffff}]/u.test(text))
const type = part.filter((text) => text !== '')

describe('composite keys', () => {
  it("are Fabric's", () => {
    expect(compositeKey('color~name', ['red', 'a'])).toBe('\0color~name\0red\0a\0')
    expect(compositeKey('t', [])).toBe('\0t\0')
    expect(splitCompositeKey('\0t\0\0a\0')).toEqual({ objectType: 't', attributes: ['', 'a'] })
    for (const key of ['', 'a', '\0', '\0a', 'a\0']) expect(splitCompositeKey(key)).toBeUndefined()
  })

  it('refuse what would be taken for other parts', () => {
    for (const bad of ['a\0', '\u{10ffff}', '\ud800']) {
      expect(() => compositeKey('t', [bad])).toThrow(expect.objectContaining({ code: 'fabric-ledger/bad-composite-key' }))
      expect(() => compositeKey(bad, [])).toThrow(expect.objectContaining({ code: 'fabric-ledger/bad-composite-key' }))
    }
    expect(() => compositeKey('', ['a'])).toThrow(expect.objectContaining({ code: 'fabric-ledger/bad-composite-key' }))
    expect(() => plainKeyRange('\0t\0', '')).toThrow(expect.objectContaining({ code: 'fabric-ledger/bad-composite-key' }))
  })

  it('are found by their first parts, and never among plain keys', () => {
    const isWithin = (key: string, { startKey, endKey }: { startKey: string; endKey: string }): boolean =>
      compareUtf8(key, startKey) >= 0 && (endKey === '' || compareUtf8(key, endKey) < 0)
    fc.assert(
      fc.property(type, fc.array(part, { maxLength: 3 }), type, fc.array(part, { maxLength: 3 }), (a, first, b, second) => {
        const key = compositeKey(a, first)
        expect(splitCompositeKey(key)).toEqual({ objectType: a, attributes: first })
        const begins = a === b && second.length <= first.length && second.every((each, index) => each === first[index])
        expect(isWithin(key, compositeKeyRange(b, second))).toBe(begins)
        expect(isWithin(key, plainKeyRange('', ''))).toBe(false)
      }),
      { numRuns: 500, seed: 20_261_121 },
    )
    expect(plainKeyRange('', 'b')).toEqual({ startKey: '\u0001', endKey: 'b' })
    expect(plainKeyRange('a', '')).toEqual({ startKey: 'a', endKey: '' })
  })
})
