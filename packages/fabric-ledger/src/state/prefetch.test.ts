import { hashKey, type KVRWSet, KVRWSet as KVRWSets, toHex, ValidationCode } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { memoryStateDatabase } from './memory-state-database.ts'
import { prefetch } from './prefetch.ts'
import type { StateDatabase, StateKey } from './state-database.ts'

const NONE = new Uint8Array()
const version = { blockNumber: 0n, transactionNumber: 0n }
const range = { startKey: 'a', rawReads: undefined, readsMerkleHashes: undefined }
const keyValue: KVRWSet = KVRWSets.create({
  reads: [{ key: 'read', version: undefined }],
  writes: [{ key: 'read', isDelete: false, value: Uint8Array.of(1) }],
  rangeQueriesInfo: [
    { ...range, endKey: 'last', itrExhausted: false },
    { ...range, endKey: 'end', itrExhausted: true },
  ],
  metadataWrites: [{ key: 'metadata', entries: [] }],
})
const hashed = {
  hashedReads: [{ keyHash: hashKey('hidden'), version: undefined }],
  hashedWrites: [{ keyHash: hashKey('written'), isDelete: true, valueHash: NONE, isPurge: false }],
  metadataWrites: [{ keyHash: hashKey('metadata'), entries: [] }],
}
const set = { namespaces: [{ namespace: 'cc', keyValue, collections: [{ collection: 'col', hashed, privateHash: NONE }] }] }

/** Notes what it is asked for. */
async function noting(asked: (readonly StateKey[])[]): Promise<StateDatabase> {
  const memory = await memoryStateDatabase()('')
  const entry = { value: Uint8Array.of(7), metadata: NONE, version }
  await memory.apply(
    ['read', 'zzz'].map((key) => ({ namespace: 'cc', key, ...entry })),
    1n,
  )
  const getMany = memory.getMany.bind(memory)
  memory.getMany = (keys) => {
    asked.push(keys)
    return getMany(keys)
  }
  return memory
}

describe('prefetch', () => {
  it('asks once for each key that valid transactions name', async () => {
    const asked: (readonly StateKey[])[] = []
    const other = { namespaces: [{ namespace: 'other', keyValue, collections: [] }] }
    const transactions = [
      { code: ValidationCode.valid, set },
      { code: ValidationCode.endorsementPolicyFailure, set: other },
      { code: ValidationCode.valid, set: undefined },
      { code: ValidationCode.valid, set },
    ]
    const committed = await prefetch(transactions, await noting(asked))
    expect(asked).toHaveLength(1)
    const hidden = ['hidden', 'written', 'metadata'].map((key) => ({ namespace: 'cc$$hcol', key: toHex(hashKey(key)) }))
    expect(asked[0]).toEqual([...['read', 'metadata', 'last'].map((key) => ({ namespace: 'cc', key })), ...hidden])
    expect(committed.get('cc', 'read')?.value).toEqual(Uint8Array.of(7))
    expect(committed.get('cc', 'last')).toBeUndefined()
    expect(committed.getHashed('cc', 'col', hashKey('hidden'))).toBeUndefined()
  })

  it('knows nothing of other keys, and says so', async () => {
    const committed = await prefetch([{ code: ValidationCode.valid, set }], await noting([]))
    expect(() => committed.get('cc', 'zzz')).toThrow(expect.objectContaining({ code: 'fabric-ledger/not-prefetched' }))
    expect(() => committed.getHashed('cc', 'col', hashKey('zzz'))).toThrow(
      expect.objectContaining({ code: 'fabric-ledger/not-prefetched' }),
    )
    const keys: string[] = []
    for await (const { key } of committed.range('cc', '', '')) keys.push(key)
    expect(keys).toEqual(['read', 'zzz'])
  })
})
