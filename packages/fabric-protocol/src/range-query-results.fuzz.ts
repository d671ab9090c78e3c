import fc from 'fast-check'
import { expect, it } from 'vitest'
import { sha256 } from './hash.ts'
import { RangeQueryResults, type RangeQuerySummary } from './range-query-results.ts'
import { type KVRead, QueryReads } from './read-write-set.ts'

/** All reads at hand: level by level, groups of `degree + 1`, until a level is short enough. */
function model(reads: readonly KVRead[], degree: number): RangeQuerySummary {
  if (reads.length <= degree) return { rawReads: reads }
  let hashes = groups(reads, degree + 1).map((kvReads) => sha256(QueryReads.encode({ kvReads })))
  let level = 1
  for (; hashes.length > degree; level++)
    hashes = groups(hashes, degree + 1).map((group) => (group.length === 1 ? (group[0] as Uint8Array) : sha256(...group)))
  return { readsMerkleHashes: { maxDegree: degree, maxLevel: level, maxLevelHashes: hashes } }
}

function groups<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) => items.slice(index * size, (index + 1) * size))
}

it('comes to what hashing all at once comes to', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 300 }), fc.integer({ min: 2, max: 6 }), (count, degree) => {
      const reads: KVRead[] = Array.from({ length: count }, (_, index) => ({ key: String(index), version: undefined }))
      const results = new RangeQueryResults(degree)
      for (const read of reads) results.add(read)
      expect(results.finish()).toEqual(model(reads, degree))
    }),
    { numRuns: 300 },
  )
})
