import { isFault } from '@kumiko/interface'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readPrivateReadWriteSet, readReadWriteSet, writePrivateReadWriteSet, writeReadWriteSet } from './read-write-set.ts'
import { buildReadWriteSets, type SimulatedCollection, type SimulatedNamespace } from './read-write-set-builder.ts'

const key = fc.string({ unit: 'binary', maxLength: 4 })
const value = fc.option(fc.uint8Array({ maxLength: 3 }), { nil: undefined })
const height = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const version = fc.option(fc.record({ blockNumber: height, transactionNumber: height }), { nil: undefined })
const metadataWrite = fc.record({
  key,
  metadata: fc.array(fc.tuple(key, fc.uint8Array({ maxLength: 2 })), { maxLength: 2 }).map((entries) => new Map(entries)),
})
const byKey = { selector: (entry: { readonly key: string }) => entry.key, maxLength: 4 }
const collection: fc.Arbitrary<SimulatedCollection> = fc.record({
  collection: key,
  reads: fc.uniqueArray(fc.record({ key, version }), byKey),
  writes: fc.uniqueArray(fc.record({ key, value }), byKey),
  metadataWrites: fc.uniqueArray(metadataWrite, byKey),
})
const namespace: fc.Arbitrary<SimulatedNamespace> = fc.record({
  namespace: key,
  reads: fc.uniqueArray(fc.record({ key, version }), byKey),
  rangeQueries: fc.constant([]),
  writes: fc.uniqueArray(fc.record({ key, value }), byKey),
  metadataWrites: fc.uniqueArray(metadataWrite, byKey),
  collections: fc.uniqueArray(collection, { selector: (each) => each.collection, maxLength: 3 }),
})
const namespaces = fc.uniqueArray(namespace, { selector: (each) => each.namespace, maxLength: 3 })

/** The same with all lists turned round. */
function turned(all: readonly SimulatedNamespace[]): SimulatedNamespace[] {
  return all.toReversed().map((each) => ({
    ...each,
    reads: each.reads.toReversed(),
    writes: each.writes.toReversed(),
    metadataWrites: each.metadataWrites.map((write) => ({ ...write, metadata: new Map([...write.metadata].reverse()) })).reverse(),
    collections: each.collections
      .toReversed()
      .map((hidden) => ({ ...hidden, reads: hidden.reads.toReversed(), writes: hidden.writes.toReversed() })),
  }))
}

it('encodes the same bytes in whatever order a simulation came to them, and they decode to what was built', () => {
  fc.assert(
    fc.property(namespaces, (all) => {
      const [one, two] = [buildReadWriteSets(all), buildReadWriteSets(turned(all))]
      const bytes = writeReadWriteSet(one.public)
      expect(writeReadWriteSet(two.public)).toEqual(bytes)
      expect(readReadWriteSet(bytes)).toEqual(one.public)
      expect(two.private).toEqual(one.private)
      if (one.private !== undefined) expect(readPrivateReadWriteSet(writePrivateReadWriteSet(one.private))).toEqual(one.private)
    }),
    { numRuns: 300 },
  )
})

it('makes a set or a fault of any bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 60 }), (bytes) => {
      for (const read of [readReadWriteSet(bytes), readPrivateReadWriteSet(bytes)]) {
        if (isFault(read)) expect(read.fault).toBe('fabric-protocol/bad-read-write-set')
      }
    }),
    { numRuns: 1000 },
  )
})
