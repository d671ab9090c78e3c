import {
  compositeKeyRange,
  memoryStateDatabase,
  prefetch,
  readTransactionSet,
  Simulator,
  splitCompositeKey,
  stateChanges,
  type TransactionToValidate,
  validateReads,
  withSnapshots,
} from '@kumiko/fabric-ledger'
import {
  type CollectionHashedReadWriteSet,
  hashKey,
  isHashedDeletion,
  type KVRWSet,
  type NamespacePrivateReadWriteSet,
  readPrivateReadWriteSet,
  readTransactionsFilter,
  toHex,
  ValidationCode,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { goldenJson } from '@kumiko/golden-channel'
import { expect, it } from 'vitest'
import { good, listOf, peerBlocks } from './golden.ts'

const { blocks: privateSets } = goldenJson('private-data.json') as { readonly blocks: Record<string, Record<string, string>> }

/** Keys of the chaincode's collections, and of the approval of its definition. */
const fields = ['Collections', 'EndorsementInfo', 'ValidationInfo', 'Sequence'].map((field) => `namespaces/fields/golden#1/${field}`)
const KEYS = new Map(['s1', 's2', 't1', 'p', 'namespaces/metadata/golden#1', ...fields].map((key) => [toHex(hashKey(key)), key]))

function keyOf(keyHash: Uint8Array): string {
  const key = KEYS.get(toHex(keyHash))
  if (key === undefined) throw new Error(`no key is known for ${toHex(keyHash)}`)
  return key
}

const metadataOf = (entries: readonly { name: string; value: Uint8Array }[]) => new Map(entries.map(({ name, value }) => [name, value]))

async function simulatePublic(simulator: Simulator, namespace: string, keyValue: KVRWSet): Promise<void> {
  for (const { key } of keyValue.reads.toReversed()) await simulator.getState(namespace, key)
  for (const { key, value } of keyValue.writes.toReversed()) simulator.setState(namespace, key, value)
  for (const { key, entries } of keyValue.metadataWrites) simulator.setStateMetadata(namespace, key, metadataOf(entries))
  for (const { startKey, endKey, itrExhausted, rawReads } of keyValue.rangeQueriesInfo) {
    let left = itrExhausted ? Number.POSITIVE_INFINITY : (rawReads?.kvReads.length ?? 0)
    for await (const _ of simulator.range(namespace, startKey, itrExhausted ? endKey : '')) if (--left === 0) break
  }
}

async function simulateHashed(
  simulator: Simulator,
  namespace: string,
  { collection, hashed }: CollectionHashedReadWriteSet,
  plain: readonly NamespacePrivateReadWriteSet[],
): Promise<void> {
  const written = plain.find((each) => each.namespace === namespace)?.collections.find((each) => each.collection === collection)
  for (const { keyHash } of hashed.hashedReads.toReversed()) await simulator.getPrivateDataHash(namespace, collection, keyOf(keyHash))
  for (const write of hashed.hashedWrites.toReversed()) {
    const key = keyOf(write.keyHash)
    const value = written?.keyValue.writes.find((each) => each.key === key)?.value
    if (write.isPurge) await simulator.purgePrivateData(namespace, collection, key)
    else if (isHashedDeletion(write)) await simulator.deletePrivateData(namespace, collection, key)
    else if (value === undefined) throw new Error('purged')
    else await simulator.setPrivateData(namespace, collection, key, value)
  }
  for (const { keyHash, entries } of hashed.metadataWrites) {
    await simulator.setPrivateDataMetadata(namespace, collection, keyOf(keyHash), metadataOf(entries))
  }
}

it("makes the real peer's bytes of what its chaincodes read and wrote, ranges and private data too", async () => {
  const state = withSnapshots(await memoryStateDatabase()(''))
  const seen = { sets: 0, ranges: 0, metadata: 0, hashedReads: 0, hashedWrites: 0, purged: 0 }
  for (const [number, block] of peerBlocks.entries()) {
    const codes = readTransactionsFilter(block) ?? new Uint8Array()
    const transactions: TransactionToValidate[] = block.data.map((item, index) => {
      const isValid = codes[index] === ValidationCode.valid
      return { code: codes[index] ?? 255, set: isValid ? good(readTransactionSet(item) ?? { fault: 'no set' }) : undefined }
    })
    for (const [index, { set }] of transactions.entries()) {
      if (set === undefined || set.namespaces[0]?.namespace === '') continue
      const given = privateSets[number]?.[index]
      const plain = given === undefined ? [] : good(readPrivateReadWriteSet(new Uint8Array(Buffer.from(given, 'base64')))).namespaces
      for (const { keyValue } of plain.flatMap(({ collections }) => collections)) {
        for (const { key } of keyValue.writes) KEYS.set(toHex(hashKey(key)), key)
      }
      const simulator = await Simulator.begin({ state })
      let isWhole = true
      for (const { namespace, keyValue, collections } of set.namespaces) {
        await simulatePublic(simulator, namespace, keyValue)
        seen.ranges += keyValue.rangeQueriesInfo.length
        seen.metadata += keyValue.metadataWrites.length
        for (const each of collections) {
          seen.hashedReads += each.hashed.hashedReads.length
          seen.hashedWrites += each.hashed.hashedWrites.length
          await simulateHashed(simulator, namespace, each, plain).catch((error: Error) => {
            if (error.message !== 'purged') throw error
            isWhole = false
            seen.purged++
          })
        }
      }
      const { public: open } = await simulator.results()
      if (isWhole) expect(toHex(writeReadWriteSet(open)), `block ${number}, transaction ${index}`).toBe(toHex(writeReadWriteSet(set)))
      if (isWhole) seen.sets++
    }
    const { updates } = await validateReads(BigInt(number), transactions, await prefetch(transactions, state))
    await state.apply(stateChanges(updates), BigInt(number) + 1n)
  }
  const { queriesAtEnd } = goldenJson('expected.json') as { readonly queriesAtEnd: Record<string, string> }
  const simulator = await Simulator.begin({ state })
  const listed = await listOf(simulator.range('golden', 'a', 'd'))
  const expected = JSON.parse(Buffer.from(queriesAtEnd['list a d'] ?? '', 'base64').toString())
  expect(listed.map(({ key, value }) => [key, new TextDecoder().decode(value)])).toEqual(expected)
  const { startKey, endKey } = compositeKeyRange('asset', ['red'])
  const assets = await listOf(simulator.range('golden', startKey, endKey))
  const red = assets.map(({ key, value }) => [splitCompositeKey(key)?.attributes, new TextDecoder().decode(value)])
  expect(red).toEqual(JSON.parse(Buffer.from(queriesAtEnd['listc asset red'] ?? '', 'base64').toString()))
  expect(seen).toEqual({ sets: 48, ranges: 3, metadata: 2, hashedReads: 8, hashedWrites: 12, purged: 3 })
})
