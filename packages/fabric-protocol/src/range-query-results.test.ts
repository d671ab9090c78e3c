import { describe, expect, it } from 'vitest'
import { sha256 } from './hash.ts'
import { RANGE_QUERY_DEGREE_MAX, RangeQueryResults, rangeQueryInfo } from './range-query-results.ts'
import { type KVRead, QueryReads } from './read-write-set.ts'

const reads = (count: number): KVRead[] =>
  Array.from({ length: count }, (_, index) => ({ key: `key${index}`, version: { blockNumber: 1n, transactionNumber: BigInt(index) } }))
const summarise = (all: readonly KVRead[], degree?: number) => {
  const results = new RangeQueryResults(degree)
  for (const read of all) results.add(read)
  return results.finish()
}
const leaf = (...kvReads: KVRead[]): Uint8Array => sha256(QueryReads.encode({ kvReads }))

describe('RangeQueryResults', () => {
  it('keeps up to 50 reads as they are, and hashes from 51 on', () => {
    expect(summarise(reads(50))).toEqual({ rawReads: reads(50) })
    expect(summarise(reads(51))).toEqual({
      readsMerkleHashes: { maxDegree: RANGE_QUERY_DEGREE_MAX, maxLevel: 1, maxLevelHashes: [leaf(...reads(51))] },
    })
  })

  it('lifts a lone hash as it is, hashes several, and hashes a level that grew too long at the end', () => {
    const [a, b, c, d, e, f, g, h, i, j] = reads(10) as [KVRead, KVRead, KVRead, KVRead, KVRead, KVRead, KVRead, KVRead, KVRead, KVRead]
    const top = sha256(leaf(a, b, c), leaf(d, e, f), leaf(g, h, i))
    expect(summarise([a, b, c, d], 2)).toEqual({
      readsMerkleHashes: { maxDegree: 2, maxLevel: 1, maxLevelHashes: [leaf(a, b, c), leaf(d)] },
    })
    expect(summarise([a, b, c, d, e, f, g, h, i, j], 2)).toEqual({
      readsMerkleHashes: { maxDegree: 2, maxLevel: 2, maxLevelHashes: [top, leaf(j)] },
    })
  })

  it('records nothing where nothing was read', () => {
    const range = { startKey: 'a', endKey: 'b', itrExhausted: true }
    expect(rangeQueryInfo(range, summarise([]))).toEqual({ ...range, rawReads: undefined, readsMerkleHashes: undefined })
    expect(rangeQueryInfo(range, summarise(reads(1)))).toEqual({ ...range, rawReads: { kvReads: reads(1) }, readsMerkleHashes: undefined })
    expect(rangeQueryInfo(range, summarise(reads(60)))).toMatchObject({ rawReads: undefined, readsMerkleHashes: { maxLevel: 1 } })
  })

  it('refuses a degree below 2', () => {
    expect(() => new RangeQueryResults(1)).toThrow(expect.objectContaining({ code: 'fabric-protocol/bad-degree' }))
  })
})
