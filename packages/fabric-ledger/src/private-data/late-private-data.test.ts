import {
  buildReadWriteSets,
  encodeUtf8,
  hashKey,
  KVRWSet,
  type ReadWriteSets,
  type SimulatedMetadataWrite,
  sha256,
  toHex,
  type Version,
} from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { memoryStateDatabase } from '../state/memory-state-database.ts'
import { hashedNamespace, privateNamespace, type StateChange } from '../state/state-database.ts'
import { compareVersions, type LatePrivateData, lateChanges, verifyLate } from './late-private-data.ts'
import type { PlacedWriteSet } from './private-data-records.ts'

const AT = { blockNumber: 5n, transactionNumber: 1, namespace: 'asset', collection: 'secret' }
type Writes = Readonly<Record<string, string | undefined>>

function simulate(writes: Writes, metadataWrites: readonly SimulatedMetadataWrite[] = []): ReadWriteSets {
  const entries = Object.entries(writes).map(([key, value]) => ({ key, value: value === undefined ? undefined : encodeUtf8(value) }))
  const collections = [{ collection: 'secret', reads: [], writes: entries, metadataWrites }]
  return buildReadWriteSets([{ namespace: 'asset', reads: [], rangeQueries: [], writes: [], metadataWrites: [], collections }])
}

function lateOf(given: ReadWriteSets, expected: ReadWriteSets | undefined): LatePrivateData {
  const set = given.private?.namespaces[0]?.collections[0] ?? { collection: 'secret', keyValue: KVRWSet.create(), bytes: new Uint8Array() }
  return { ...AT, set, expected: expected?.public.namespaces[0]?.collections[0] }
}

function verify(given: Writes, expected: Writes, ...purged: readonly string[]): readonly string[] | undefined {
  const hashes = purged.map((key) => toHex(hashKey(key)))
  return verifyLate(lateOf(simulate(given), simulate(expected)), (hash) => hashes.includes(toHex(hash)))?.writes.map(({ key }) => key)
}

describe('verifyLate', () => {
  const all = { a: '1', b: '2', c: undefined }

  it('takes a set that has the public hash', () => {
    expect(verify(all, all)).toEqual(['a', 'b', 'c'])
  })

  it('refuses what is false, lacks keys, or has some more', () => {
    expect(verify({ ...all, a: '2' }, all)).toBeUndefined()
    expect(verify({ a: '1', b: '2' }, all)).toBeUndefined()
    expect(verify({ ...all, d: '4' }, all)).toBeUndefined()
    expect(verifyLate(lateOf(simulate(all), undefined), () => false)).toBeUndefined()
  })

  it('leaves out what was purged here, whether the giver did or not', () => {
    expect(verify(all, all, 'a')).toEqual(['b', 'c'])
    expect(verify({ b: '2', c: undefined }, all, 'a')).toEqual(['b', 'c'])
    expect(verify({ b: '2', c: undefined }, all, 'a', 'c')).toEqual(['b'])
  })

  it('refuses what lacks keys that were not purged here, or has them false', () => {
    expect(verify({ b: '2' }, all, 'a')).toBeUndefined()
    expect(verify({ ...all, b: '1' }, all, 'a')).toBeUndefined()
    expect(verify({ ...all, b: undefined }, all, 'a')).toBeUndefined()
    expect(verify({ ...all, c: '1' }, all, 'a')).toBeUndefined()
  })

  it('has nothing left to want where all was purged', () => {
    expect(verify({ a: 'false' }, { a: '1' }, 'a')).toEqual([])
    expect(verify({}, { a: '1' }, 'a')).toEqual([])
  })

  it('takes metadata alone by its hash', () => {
    const metadata = (key: string) => simulate({}, [{ key, metadata: new Map([['POLICY', Uint8Array.of(1)]]) }])
    expect(verifyLate(lateOf(metadata('a'), metadata('a')), () => false)?.metadataWrites).toEqual([{ key: 'a', entries: [] }])
    expect(verifyLate(lateOf(metadata('b'), metadata('a')), () => false)).toBeUndefined()
  })
})

const at = (blockNumber: number, transactionNumber: number): Version => ({
  blockNumber: BigInt(blockNumber),
  transactionNumber: BigInt(transactionNumber),
})

function placed(blockNumber: number, transactionNumber: number, writes: Writes): PlacedWriteSet {
  const { keyValue, bytes } = lateOf(simulate(writes), undefined).set
  return { ...AT, blockNumber: BigInt(blockNumber), transactionNumber, keyValue, bytes }
}

/** @param hashes - What the state has of hashed keys. */
async function changes(sets: readonly PlacedWriteSet[], hashes: Readonly<Record<string, readonly [string, Version]>>) {
  const state = await memoryStateDatabase()('')
  const held = Object.entries(hashes).map(([key, [value, version]]): StateChange => {
    const hashed = { namespace: hashedNamespace('asset', 'secret'), key: toHex(hashKey(key)) }
    return { ...hashed, value: sha256(encodeUtf8(value)), metadata: new Uint8Array(), version }
  })
  await state.apply(held, 9n)
  return await lateChanges(sets, state)
}

function change(key: string, value: string | undefined, version: Version): StateChange {
  const namespace = privateNamespace('asset', 'secret')
  return { namespace, key, value: value === undefined ? undefined : encodeUtf8(value), metadata: new Uint8Array(), version }
}

describe('lateChanges', () => {
  it('writes what the state still has the hash of', async () => {
    const found = await changes([placed(5, 1, { a: '1', b: '2' })], { a: ['1', at(5, 1)], b: ['3', at(7, 0)] })
    expect(found).toEqual([change('a', '1', at(5, 1))])
  })

  it('follows a version that metadata renewed', async () => {
    expect(await changes([placed(5, 1, { a: '1' })], { a: ['1', at(7, 2)] })).toEqual([change('a', '1', at(7, 2))])
  })

  it('writes nothing that was deleted since, and deletes what is deleted', async () => {
    expect(await changes([placed(5, 1, { a: '1', b: undefined })], {})).toEqual([change('b', undefined, at(5, 1))])
    expect(await changes([placed(5, 1, { b: undefined })], { b: ['1', at(7, 0)] })).toEqual([])
  })

  it('looks at the last of several writes, in whatever order they come', async () => {
    const sets = [placed(5, 1, { a: '1' }), placed(6, 0, { a: '2' }), placed(5, 10, { a: '3' })]
    for (const order of [sets, sets.toReversed()]) {
      expect(await changes(order, { a: ['2', at(6, 0)] })).toEqual([change('a', '2', at(6, 0))])
      expect(await changes(order, { a: ['1', at(5, 1)] })).toEqual([])
    }
  })

  it('orders versions by block, then by transaction', () => {
    expect(compareVersions(at(1, 9), at(2, 0))).toBeLessThan(0)
    expect(compareVersions(at(2, 1), at(2, 0))).toBeGreaterThan(0)
    expect(compareVersions(at(2, 1), at(2, 1))).toBe(0)
  })
})
