import { buildReadWriteSets, encodeUtf8, hashKey, type ReadWriteSets, sha256, toHex } from '@kumiko/fabric-protocol'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { withFolder } from '../../test/golden.ts'
import type { StateKey } from '../state/state-database.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import type { LatePrivateData } from './late-private-data.ts'
import { LevelRecords } from './level-records.ts'
import { expiringBlock, FROM_SNAPSHOT, put, WRITE_SET, WRITTEN, type WriteSetPlace } from './private-data-records.ts'
import { PrivateDataStore, type PrivateDataToCommit, REPLAY_BLOCKS_MAX } from './private-data-store.ts'
import type { PurgedKey } from './settle-private-data.ts'
import { heightRecord } from './stored-height.ts'

const SECRET = { namespace: 'asset', collection: 'secret' }
const EMPTY: PrivateDataToCommit = { data: [], missing: [], purges: [] }
const policies = { blockToLive: async (_namespace: string, collection: string) => (collection === 'short' ? 1n : undefined) }

function simulate(collection: string, ...keys: readonly string[]): ReadWriteSets {
  const writes = keys.map((key) => ({ key, value: encodeUtf8(key) }))
  const collections = [{ collection, reads: [], writes, metadataWrites: [] }]
  return buildReadWriteSets([{ namespace: 'asset', reads: [], rangeQueries: [], writes: [], metadataWrites: [], collections }])
}

function blockOf(...sets: readonly ReadWriteSets[]): PrivateDataToCommit {
  const data = sets.flatMap((each, transactionNumber) => (each.private ? [{ transactionNumber, set: each.private }] : []))
  return { ...EMPTY, data }
}

function missingIn(...transactionNumbers: readonly number[]): PrivateDataToCommit {
  return { ...EMPTY, missing: transactionNumbers.map((transactionNumber) => ({ transactionNumber, ...SECRET, isEligible: true })) }
}

function purge(blockNumber: bigint, key: string): PurgedKey {
  return { ...SECRET, keyHash: hashKey(key), version: { blockNumber, transactionNumber: 0n } }
}

function lateOf(sets: ReadWriteSets, at: WriteSetPlace): LatePrivateData {
  const set = sets.private?.namespaces[0]?.collections[0]
  if (set === undefined) throw new Error('nothing was written')
  return { ...at, set, expected: sets.public.namespaces[0]?.collections[0] }
}

async function withStore(run: (store: PrivateDataStore, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = await PrivateDataStore.open(folder)
    await run(store, folder)
    await store.close()
  })
}

async function countRecords(folder: string): Promise<{ written: number; sets: number }> {
  const records = await LevelRecords.open(folder)
  const count = { written: 0, sets: 0 }
  for await (const _ of records.walk(WRITTEN, WRITTEN.range({}))) count.written++
  for await (const _ of records.walk(WRITE_SET, WRITE_SET.range({}))) count.sets++
  await records.close()
  return count
}

afterEach(() => vi.restoreAllMocks())

describe('PrivateDataStore', () => {
  it('takes blocks in one after the other, and the same one again', async () => {
    await withStore(async (store) => {
      await store.commit(0n, blockOf(simulate('secret', 'a')), policies)
      await store.commit(0n, EMPTY, policies)
      expect(store.height).toBe(1n)
      expect(await store.read(0n)).toEqual(blockOf(simulate('secret', 'a')).data)
      await expect(store.commit(2n, EMPTY, policies)).rejects.toMatchObject({ code: 'fabric-ledger/private-data-not-next' })
      expect(await store.read(1n)).toBeUndefined()
    })
  })

  it('gives the collections that are asked for', async () => {
    await withStore(async (store) => {
      const data = [simulate('secret', 'a'), simulate('short', 'a')]
      await store.commit(0n, blockOf(...data), policies)
      const read = await store.read(0n, (namespace, collection) => namespace === 'asset' && collection === 'short')
      expect(read).toEqual([{ transactionNumber: 1, set: data[1]?.private }])
    })
  })

  it('begins after a snapshot, once', async () => {
    await withStore(async (store, folder) => {
      await store.begin(7n)
      await expect(store.begin(8n)).rejects.toMatchObject({ code: 'fabric-ledger/private-data-not-next' })
      await store.commit(7n, missingIn(0), policies)
      await store.close()
      const reopened = await PrivateDataStore.open(folder)
      expect(reopened.height).toBe(8n)
      await reopened.close()
    })
  })

  it('tells what is missing, newest blocks first, so many blocks', async () => {
    await withStore(async (store) => {
      for (const [number, transactions] of [[0], [0, 1], [], [2]].entries()) {
        await store.commit(BigInt(number), missingIn(...transactions), policies)
      }
      const missing = async (blocks: number, newest?: bigint) =>
        (await store.missing(newest === undefined ? { blocks } : { blocks, newest })).map((at) => [at.blockNumber, at.transactionNumber])
      expect(await missing(0)).toEqual([])
      expect(await missing(2)).toEqual([
        [3n, 2],
        [1n, 0],
        [1n, 1],
      ])
      expect(await missing(9, 1n)).toEqual([
        [1n, 0],
        [1n, 1],
        [0n, 0],
      ])
    })
  })

  it('serves calls one after the other', async () => {
    await withStore(async (store) => {
      await Promise.all([0n, 1n, 2n].map((number) => store.commit(number, missingIn(0), policies)))
      expect(store.height).toBe(3n)
    })
  })

  it('fails a commit alone', async () => {
    await withStore(async (store) => {
      const failing = { blockToLive: () => Promise.reject(new Error('no policies')) }
      await expect(store.commit(0n, missingIn(0), failing)).rejects.toThrow('no policies')
      await store.commit(0n, missingIn(1), policies)
      expect(await store.missing({ blocks: 1 })).toEqual([{ blockNumber: 0n, transactionNumber: 1, ...SECRET }])
    })
  })

  it('knows the key of a purge, also when it is replayed, and forgets it in time', async () => {
    await withStore(async (store, folder) => {
      await store.commit(0n, blockOf(simulate('secret', 'a')), policies)
      expect(await store.plainKey(purge(1n, 'a'))).toBe('a')
      expect(await store.plainKey(purge(1n, 'b'))).toBeUndefined()
      await store.commit(1n, { ...EMPTY, purges: [purge(1n, 'a'), purge(1n, 'b')] }, policies)
      await store.commit(2n, { ...blockOf(simulate('secret', 'c')), purges: [purge(2n, 'c')] }, policies)
      expect(await store.plainKey(purge(1n, 'a'))).toBe('a')
      expect(await store.plainKey(purge(3n, 'a'))).toBeUndefined()
      expect(await store.plainKey(purge(2n, 'c'))).toBe('c')
      // Far later, without the blocks between.
      await store.close()
      const records = await LevelRecords.open(folder)
      await records.write([heightRecord(1n + REPLAY_BLOCKS_MAX)], true)
      await records.close()
      const later = await PrivateDataStore.open(folder)
      expect(await later.plainKey(purge(1n, 'a'))).toBe('a')
      await later.commit(1n + REPLAY_BLOCKS_MAX, EMPTY, policies)
      expect(await later.plainKey(purge(1n, 'a'))).toBeUndefined()
      expect(await later.plainKey(purge(2n, 'c'))).toBe('c')
      await later.close()
    })
  })

  it('stores nothing of the set of a purge that comes late', async () => {
    await withStore(async (store) => {
      await store.commit(0n, { ...missingIn(0, 1), purges: [purge(0n, 'a')] }, policies)
      const sets = simulate('secret', 'a')
      const [late, after] = [0, 1].map((transactionNumber) => lateOf(sets, { blockNumber: 0n, transactionNumber, ...SECRET }))
      if (late === undefined || after === undefined) throw new Error('nothing is late')
      const { stored } = await store.reconcile([late, after])
      expect(stored.map(({ keyValue }) => keyValue.writes.map(({ key }) => key))).toEqual([[], ['a']])
      expect(await store.missing({ blocks: 1 })).toEqual([])
    })
  })

  it('asks again which collections are for this peer', async () => {
    await withStore(async (store) => {
      const collections = ['one', 'two', 'three']
      const missing = collections.map((collection, transactionNumber) => ({ ...SECRET, transactionNumber, collection, isEligible: false }))
      await store.commit(0n, { ...EMPTY, missing }, policies)
      await store.commit(1n, { ...EMPTY, missing }, policies)
      const asked: string[] = []
      await store.recheckEligibility({ isEligible: async (_, collection) => asked.push(collection) > 0 && collection !== 'two' })
      expect(asked.toSorted()).toEqual(collections.toSorted())
      const found = await store.missing({ blocks: 2 })
      expect(found.map(({ blockNumber, collection }) => [blockNumber, collection])).toEqual([
        [1n, 'one'],
        [1n, 'three'],
        [0n, 'one'],
        [0n, 'three'],
      ])
    })
  })

  it('misses the private data of a snapshot, and takes what its hashes are of', async () => {
    const held = (collection: string, key: string, transactionNumber: bigint): StateKey & VersionedValue => ({
      namespace: `asset$$h${collection}`,
      key: toHex(hashKey(key)),
      value: sha256(encodeUtf8(key)),
      metadata: new Uint8Array(),
      version: { blockNumber: 5n, transactionNumber },
    })
    async function* entries() {
      yield { ...held('secret', 'a', 0n), namespace: 'asset', key: 'public' }
      yield* [held('secret', 'a', 1n), held('secret', 'b', 1n), held('secret', 'c', 2n), held('short', 'd', 3n), held('foreign', 'e', 4n)]
    }
    await withStore(async (store, folder) => {
      const isEligible = async (_namespace: string, collection: string) => collection !== 'foreign'
      await store.begin(6n, {
        entries: entries(),
        policies: { ...policies, isEligible },
        configs: { mostRecentBelow: async () => undefined },
      })
      const missing = await store.missing({ blocks: 9 })
      expect(missing.map(({ collection, transactionNumber }) => [collection, transactionNumber])).toEqual([
        ['short', 3],
        ['secret', 1],
        ['secret', 2],
      ])
      const at = { blockNumber: 5n, transactionNumber: 1, ...SECRET }
      const whole = { ...lateOf(simulate('secret', 'a', 'b', 'gone'), at), expected: undefined }
      const lacking = { ...lateOf(simulate('secret', 'a'), at), expected: undefined }
      expect((await store.reconcile([lacking])).refused).toEqual([lacking])
      const { stored } = await store.reconcile([whole, { ...whole, transactionNumber: 7 }])
      expect(stored.map(({ keyValue }) => keyValue.writes.map(({ key }) => key).toSorted())).toEqual([['a', 'b']])
      await store.commit(6n, EMPTY, policies)
      await store.commit(7n, EMPTY, policies)
      expect((await store.missing({ blocks: 9 })).map(({ collection, transactionNumber }) => [collection, transactionNumber])).toEqual([
        ['secret', 2],
      ])
      await store.close()
      const records = await LevelRecords.open(folder)
      const left: unknown[] = []
      for await (const { at } of records.walk(FROM_SNAPSHOT, FROM_SNAPSHOT.range({}))) left.push([at.collection, at.transactionNumber])
      await records.close()
      expect(left).toEqual([
        ['secret', 2],
        ['foreign', 4],
      ])
    })
  })

  it('tells again what came late', async () => {
    await withStore(async (store, folder) => {
      await store.commit(0n, missingIn(0, 1), policies)
      const at = { blockNumber: 0n, transactionNumber: 1, ...SECRET }
      const { set, expected } = lateOf(simulate('secret', 'a'), at)
      const { stored, refused } = await store.reconcile([{ ...at, set, expected }], [{ ...at, transactionNumber: 0 }])
      expect([stored, refused]).toEqual([[{ ...at, ...set }], []])
      expect(await store.missing({ blocks: 1 })).toEqual([])
      expect(await store.missing({ blocks: 1, isDeprioritised: true })).toEqual([{ ...at, transactionNumber: 0 }])
      await store.close()
      const reopened = await PrivateDataStore.open(folder)
      const late: unknown[] = []
      for await (const each of reopened.late()) late.push(each)
      expect(late).toEqual(stored)
      expect((await reopened.reconcile([{ ...at, set, expected }])).stored).toEqual([])
      await reopened.close()
    })
  })

  it('leaves nothing behind, wherever it crashes amid what is much to remove', async () => {
    const keys = Array.from({ length: 150 }, (_, index) => `key ${index}`)
    const real = LevelRecords.prototype.write
    for (const crash of [1, 2, 3]) {
      await withFolder(async (folder) => {
        const store = await PrivateDataStore.open(folder)
        await store.commit(0n, blockOf(simulate('short', ...keys)), policies)
        await store.commit(1n, EMPTY, policies)
        expect((await store.read(0n))?.length).toBe(1)
        let count = 0
        const spy = vi.spyOn(LevelRecords.prototype, 'write').mockImplementation(async function (this: LevelRecords, changes, sync) {
          if (count++ === crash) throw new Error('crash')
          await real.call(this, changes, sync)
        })
        const crashed = await store.commit(2n, EMPTY, policies).then(
          () => false,
          () => true,
        )
        expect(crashed).toBe(crash < 3)
        spy.mockRestore()
        await store.close()
        await (await PrivateDataStore.open(folder)).close()
        expect(await countRecords(folder)).toEqual({ written: 0, sets: 0 })
      })
    }
  })

  it('takes several purged keys out of one set', async () => {
    await withStore(async (store) => {
      await store.commit(0n, blockOf(simulate('secret', 'a', 'b', 'c')), policies)
      await store.commit(1n, { ...EMPTY, purges: [purge(1n, 'a'), purge(1n, 'c')] }, policies)
      expect(await store.read(0n)).toEqual(blockOf(simulate('secret', 'b')).data)
    })
  })

  it('says what is wrong with a folder', async () => {
    await withStore(async (store, folder) => {
      await expect(PrivateDataStore.open(folder)).rejects.toMatchObject({ code: 'fabric-ledger/private-data-not-open' })
      await store.close()
      const records = await LevelRecords.open(folder)
      await records.write([put(encodeUtf8('h'), Uint8Array.of(8, 2))], true)
      await records.close()
      const opened = PrivateDataStore.open(folder)
      await expect(opened).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-private-data' })
      await expect(opened).rejects.toThrow('format 2')
    })
  })
})

describe('expiringBlock', () => {
  it('is the block after those to live', () => {
    expect(expiringBlock(29n, 3n)).toBe(33n)
    expect([expiringBlock(29n, 0n), expiringBlock(29n, undefined)]).toEqual([undefined, undefined])
    expect(expiringBlock(5n, 0xffff_ffff_ffff_ffffn)).toBeUndefined()
  })
})
