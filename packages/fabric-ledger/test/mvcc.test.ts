import { memoryStateDatabase, prefetch, type TransactionToValidate, type ValidatedReads, validateReads } from '@kumiko/fabric-ledger'
import {
  hashKey,
  KVMetadataWrite,
  KVRWSet,
  type KVWrite,
  QueryReads,
  type RangeQueryInfo,
  sha256,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const version = (block: number, transaction: number) => ({ blockNumber: BigInt(block), transactionNumber: BigInt(transaction) })
const put = (key: string, value: string): KVWrite => ({ key, isDelete: false, value: bytes(value) })
const entries = [{ name: 'VALIDATION_PARAMETER', value: bytes('policy') }]
const metadata = KVMetadataWrite.encode({ key: '', entries })

function transaction(keyValue: Partial<KVRWSet>, code: number = ValidationCode.valid): TransactionToValidate {
  return { code, set: { namespaces: [{ namespace: 'cc', keyValue: KVRWSet.create(keyValue), collections: [] }] } }
}

/** Block 1 on a state where block 0 wrote `keys`, each with metadata. */
async function validate(keys: readonly string[], ...transactions: readonly TransactionToValidate[]): Promise<ValidatedReads> {
  const state = await memoryStateDatabase()('')
  const written = keys.map((key) => ({ namespace: 'cc', key, value: bytes('old'), metadata, version: version(0, 0) }))
  await state.apply(written, 1n)
  return await validateReads(1n, transactions, await prefetch(transactions, state))
}

describe('writes', () => {
  it('of transactions that are not valid count for nothing', async () => {
    const outcome = await validate([], transaction({ writes: [put('a', '1')] }, ValidationCode.endorsementPolicyFailure), {
      code: 0,
      set: undefined,
    })
    expect(outcome).toEqual({ codes: Uint8Array.of(10, 0), updates: [] })
  })

  it('of an empty value delete, in collections too', async () => {
    const hashed = {
      hashedReads: [],
      hashedWrites: [{ keyHash: hashKey('k'), isDelete: false, valueHash: sha256(new Uint8Array()), isPurge: false }],
      metadataWrites: [],
    }
    const collections = [{ collection: 'col', hashed, privateHash: new Uint8Array() }]
    const namespaces = [{ namespace: 'cc', keyValue: KVRWSet.create({ writes: [put('a', '')] }), collections }]
    const gone = { value: undefined, metadata: new Uint8Array(), version: version(1, 0) }
    expect((await validate(['a'], { code: 0, set: { namespaces } })).updates).toEqual([
      {
        namespace: 'cc',
        updates: [{ key: 'a', ...gone }],
        collections: [{ collection: 'col', updates: [{ key: hashKey('k'), ...gone }] }],
      },
    ])
  })

  it('and metadata keep each other, but not past a deletion', async () => {
    const outcome = await validate(
      ['a', 'b', 'c', 'd', 'e'],
      transaction({
        writes: [put('a', 'new'), { key: 'c', isDelete: true, value: new Uint8Array() }, put('d', '')],
        metadataWrites: [
          { key: 'b', entries: [] },
          { key: 'd', entries },
          { key: 'absent', entries },
        ],
      }),
      transaction({ writes: [put('c', 'again')], metadataWrites: [{ key: 'd', entries }] }),
      transaction({ writes: [put('e', 'new')], metadataWrites: [{ key: 'e', entries: [] }] }),
    )
    const none = new Uint8Array()
    expect(outcome.updates[0]?.updates).toEqual([
      { key: 'a', value: bytes('new'), metadata, version: version(1, 0) },
      { key: 'c', value: bytes('again'), metadata: none, version: version(1, 1) },
      { key: 'd', value: undefined, metadata: none, version: version(1, 0) },
      { key: 'b', value: bytes('old'), metadata: none, version: version(1, 0) },
      { key: 'e', value: bytes('new'), metadata: none, version: version(1, 2) },
    ])
  })
})

describe('reads', () => {
  it('fail where the block has deleted the key, even one that was absent', async () => {
    const gone = transaction({ writes: [{ key: 'z', isDelete: true, value: new Uint8Array() }] })
    const read = transaction({ reads: [{ key: 'z', version: undefined }] })
    expect((await validate([], read, gone, read)).codes).toEqual(Uint8Array.of(0, 0, 11))
  })
})

describe('range queries', () => {
  const query = (changes: Partial<RangeQueryInfo>): TransactionToValidate =>
    transaction({
      rangeQueriesInfo: [{ startKey: 'a', endKey: 'c', itrExhausted: true, rawReads: undefined, readsMerkleHashes: undefined, ...changes }],
    })
  const read = (...keys: readonly string[]) => QueryReads.create({ kvReads: keys.map((key) => ({ key, version: version(0, 0) })) })

  it('have their end key only where they did not read to the end', async () => {
    const codes = (
      await validate(
        ['a', 'b', 'c'],
        query({ rawReads: read('a', 'b') }),
        query({ rawReads: read('a', 'b', 'c') }),
        query({ rawReads: read('a', 'b', 'c'), itrExhausted: false }),
        query({ rawReads: read('a', 'b'), itrExhausted: false }),
        query({ rawReads: read('a') }),
        query({}),
        query({ startKey: 'x', endKey: '' }),
      )
    ).codes
    expect(codes).toEqual(Uint8Array.of(0, 12, 0, 12, 12, 12, 0))
  })

  it('see the block’s own insertions and deletions', async () => {
    const insert = transaction({ writes: [put('ab', '1')] })
    const remove = transaction({ writes: [put('ab', '')] })
    const all = query({ rawReads: read('a', 'b') })
    expect((await validate(['a', 'b'], insert, all, remove, all)).codes).toEqual(Uint8Array.of(0, 12, 0, 0))
  })

  it('go by UTF-8, in which U+FFEE comes before U+1F600', async () => {
    const [low, high] = ['\uffee', '\u{1f600}']
    const kvReads = [
      { key: low, version: version(1, 0) },
      { key: high, version: version(0, 0) },
    ]
    const all = query({ startKey: low, endKey: '', rawReads: QueryReads.create({ kvReads }) })
    expect((await validate([high], transaction({ writes: [put(low, '1')] }), all)).codes).toEqual(Uint8Array.of(0, 0))
  })

  it('are refused with hashes of no degree, or of few reads', async () => {
    const hashes = (maxDegree: number) => query({ readsMerkleHashes: { maxDegree, maxLevel: 1, maxLevelHashes: [] } })
    expect((await validate(['a'], hashes(0), hashes(1), hashes(50))).codes).toEqual(Uint8Array.of(12, 12, 12))
  })
})
