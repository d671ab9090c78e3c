import { describe, expect, it } from 'vitest'
import { hashKey, sha256 } from './hash.ts'
import { isDeletion, isHashedDeletion, KVRWSet, writePrivateReadWriteSet, writeReadWriteSet } from './read-write-set.ts'
import { buildReadWriteSets, type SimulatedCollection, type SimulatedNamespace } from './read-write-set-builder.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const EMPTY = new Uint8Array()
const nothing = { reads: [], rangeQueries: [], writes: [], metadataWrites: [], collections: [] }
const collection = (name: string, parts: Partial<SimulatedCollection>): SimulatedCollection => ({
  collection: name,
  reads: [],
  writes: [],
  metadataWrites: [],
  ...parts,
})
const namespace = (name: string, parts: Partial<SimulatedNamespace>): SimulatedNamespace => ({ namespace: name, ...nothing, ...parts })

describe('buildReadWriteSets', () => {
  it('orders by UTF-8, lets the last entry of a key count, and the first of a range', () => {
    const range = { startKey: 'a', endKey: 'c', itrExhausted: true, rawReads: undefined, readsMerkleHashes: undefined }
    const other = { ...range, startKey: '' }
    const again = { ...range, rawReads: { kvReads: [] } }
    const { public: open, private: hidden } = buildReadWriteSets([
      namespace('\u{10000}', {}),
      namespace('\uffff', {
        reads: ['b', 'a'].map((key) => ({ key, version: undefined })),
        rangeQueries: [range, other, again],
        writes: [
          { key: 'z', value: text('1') },
          { key: 'y', value: EMPTY },
          { key: 'z', value: undefined },
        ],
        metadataWrites: [
          {
            key: 'k',
            metadata: new Map([
              ['b', text('2')],
              ['a', text('1')],
            ]),
          },
        ],
      }),
    ])
    expect(hidden).toBeUndefined()
    expect(open.namespaces.map((each) => each.namespace)).toEqual(['\uffff', '\u{10000}'])
    expect(open.namespaces[0]?.keyValue).toEqual({
      reads: ['a', 'b'].map((key) => ({ key, version: undefined })),
      rangeQueriesInfo: [range, other],
      writes: ['y', 'z'].map((key) => ({ key, isDelete: true, value: EMPTY })),
      metadataWrites: [
        {
          key: 'k',
          entries: [
            { name: 'a', value: text('1') },
            { name: 'b', value: text('2') },
          ],
        },
      ],
    })
  })

  it('hashes private entries in the order of their plain keys, and the private set as a whole', () => {
    // SHA-256 of 'a' is ca97…, of 'b' 3e23…: the order of hashes would be another.
    const secret = collection('secret', {
      reads: [
        { key: 'b', version: undefined },
        { key: 'a', version: { blockNumber: 1n, transactionNumber: 0n } },
      ],
      writes: [
        { key: 'c', value: undefined, isPurge: true },
        { key: 'b', value: undefined },
        { key: 'a', value: text('1') },
      ],
      metadataWrites: [{ key: 'm', metadata: new Map([['VALIDATION_PARAMETER', text('p')]]) }],
    })
    const readOnly = collection('other', { reads: [{ key: 'r', version: undefined }] })
    const { public: open, private: hidden } = buildReadWriteSets([namespace('cc', { collections: [secret, readOnly] })])
    const keyValue = KVRWSet.create({
      writes: [
        { key: 'a', isDelete: false, value: text('1') },
        { key: 'b', isDelete: true, value: EMPTY },
        { key: 'c', isDelete: true, value: EMPTY },
      ],
      metadataWrites: [{ key: 'm', entries: [] }],
    })
    const bytes = KVRWSet.encode(keyValue)
    expect(hidden).toEqual({ namespaces: [{ namespace: 'cc', collections: [{ collection: 'secret', bytes, keyValue }] }] })
    expect(open.namespaces[0]?.collections).toEqual([
      {
        collection: 'other',
        hashed: { hashedReads: [{ keyHash: hashKey('r'), version: undefined }], hashedWrites: [], metadataWrites: [] },
        privateHash: EMPTY,
      },
      {
        collection: 'secret',
        hashed: {
          hashedReads: [
            { keyHash: hashKey('a'), version: { blockNumber: 1n, transactionNumber: 0n } },
            { keyHash: hashKey('b'), version: undefined },
          ],
          hashedWrites: [
            { keyHash: hashKey('a'), isDelete: false, valueHash: sha256(text('1')), isPurge: false },
            { keyHash: hashKey('b'), isDelete: true, valueHash: EMPTY, isPurge: false },
            { keyHash: hashKey('c'), isDelete: true, valueHash: EMPTY, isPurge: true },
          ],
          metadataWrites: [{ keyHash: hashKey('m'), entries: [{ name: 'VALIDATION_PARAMETER', value: text('p') }] }],
        },
        privateHash: sha256(bytes),
      },
    ])
    if (hidden !== undefined) expect(writePrivateReadWriteSet(hidden).length).toBeGreaterThan(bytes.length)
    expect(writeReadWriteSet(open).length).toBeGreaterThan(0)
  })
})

it('deletions are marked, or have an empty value, or its hash', () => {
  expect(isDeletion({ key: 'k', isDelete: true, value: text('v') })).toBe(true)
  expect(isDeletion({ key: 'k', isDelete: false, value: EMPTY })).toBe(true)
  expect(isDeletion({ key: 'k', isDelete: false, value: text('v') })).toBe(false)
  const hashed = { keyHash: EMPTY, isDelete: false, isPurge: false }
  expect(isHashedDeletion({ ...hashed, valueHash: EMPTY })).toBe(true)
  expect(isHashedDeletion({ ...hashed, valueHash: sha256(EMPTY) })).toBe(true)
  expect(isHashedDeletion({ ...hashed, valueHash: sha256(text('v')) })).toBe(false)
})
