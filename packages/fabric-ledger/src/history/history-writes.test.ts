import { KVRWSet, type ReadWriteSet, ValidationCode } from '@kumiko/fabric-protocol'
import { expect, it } from 'vitest'
import { historyWrites } from './history-writes.ts'

function setOf(namespace: string, ...keys: readonly string[]): ReadWriteSet {
  const keyValue = KVRWSet.create({
    reads: [{ key: 'read', version: undefined }],
    writes: keys.map((key, index) => ({ key, isDelete: index > 0, value: Uint8Array.of(1) })),
    metadataWrites: [{ key: 'metadata', entries: [] }],
  })
  return { namespaces: [{ namespace, keyValue, collections: [] }] }
}

it('are what transactions write that are valid in the end, deletions too, but not the configuration', () => {
  const sets = [setOf('', 'CHANNEL_CONFIG_ENV_BYTES'), setOf('cc', 'a'), setOf('cc', 'b', 'c'), undefined]
  const transactions = sets.map((set) => ({ code: ValidationCode.valid, set }))
  expect(historyWrites(transactions, Uint8Array.of(0, ValidationCode.mvccReadConflict, 0, 0))).toEqual([
    { namespace: 'cc', key: 'b', transactionNumber: 2 },
    { namespace: 'cc', key: 'c', transactionNumber: 2 },
  ])
})
