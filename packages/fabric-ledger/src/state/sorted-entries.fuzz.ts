import fc from 'fast-check'
import { expect, it } from 'vitest'
import { SortedEntries } from './sorted-entries.ts'

interface Entry {
  readonly key: string
  readonly value: number
}

const key = fc.oneof(fc.string({ unit: 'binary', maxLength: 2 }), fc.integer({ min: 0, max: 999 }).map(String))
const change = fc.record({ key, value: fc.option(fc.nat(), { nil: undefined }) })
const changes = fc.uniqueArray(change, { selector: (each) => each.key, maxLength: 700, size: 'max' })
const inUtf8 = (a: Entry, b: Entry): number => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))

it('holds what a map holds, in order, and an older one never changes', () => {
  let piecesMax = 0
  fc.assert(
    fc.property(fc.array(changes, { maxLength: 4 }), key, (rounds, start) => {
      const model = new Map<string, Entry>()
      const kept: { readonly entries: SortedEntries<Entry>; readonly expected: readonly Entry[] }[] = []
      let entries = new SortedEntries<Entry>()
      for (const round of rounds) {
        entries = entries.with(round.map(({ key, value }) => ({ key, entry: value === undefined ? undefined : { key, value } })))
        for (const { key, value } of round) {
          if (value === undefined) model.delete(key)
          else model.set(key, { key, value })
        }
        kept.push({ entries, expected: [...model.values()].sort(inUtf8) })
      }
      for (const { entries, expected } of kept) {
        expect([...entries.from('')]).toEqual(expected)
        const first = { key: start, value: 0 }
        expect([...entries.from(start)]).toEqual(expected.filter((entry) => inUtf8(entry, first) >= 0))
        expect(entries.get(start)).toEqual(expected.find((entry) => entry.key === start))
        expect(expected.every((entry) => entries.get(entry.key)?.value === entry.value)).toBe(true)
        piecesMax = Math.max(piecesMax, expected.length)
      }
    }),
    { numRuns: 60, seed: 20_261_121 },
  )
  expect(piecesMax).toBeGreaterThan(512)
})
