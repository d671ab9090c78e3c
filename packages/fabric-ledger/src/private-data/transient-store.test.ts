import { encodeUtf8, KVRWSet, type PrivateReadWriteSet, sha256, toHex } from '@kumiko/fabric-protocol'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { good, withFolder } from '../../test/golden.ts'
import { LevelRecords } from './level-records.ts'
import { BY_CONTENT, BY_HEIGHT, BY_TRANSACTION, readTransient, type TransientPrivateData, writeTransient } from './transient-records.ts'
import { type ReceivedPrivateData, TransientStore } from './transient-store.ts'

const [TX1, TX2] = ['a', 'b'].map((text) => toHex(sha256(encodeUtf8(text)))) as [string, string]

function setOf(value: string, ...collections: readonly string[]): PrivateReadWriteSet {
  const keyValue = KVRWSet.create({ writes: [{ key: 'k', isDelete: false, value: encodeUtf8(value) }] })
  const bytes = KVRWSet.encode(keyValue)
  return { namespaces: [{ namespace: 'asset', collections: collections.map((collection) => ({ collection, keyValue, bytes })) }] }
}

function dataOf(value: string, ...collections: readonly string[]): TransientPrivateData {
  return {
    endorsedAt: 7n,
    set: setOf(value, ...collections),
    collectionConfigs: new Map([
      ['asset', Uint8Array.of(10, 0)],
      ['other', Uint8Array.of(10, 0)],
    ]),
  }
}

async function all(store: TransientStore, txId: string, filter?: (namespace: string, collection: string) => boolean) {
  const found: ReceivedPrivateData[] = []
  for await (const each of store.get(txId, filter)) found.push(each)
  return found.toSorted((a, b) => Number(a.receivedAt - b.receivedAt))
}

async function withStore(run: (store: TransientStore, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const store = await TransientStore.open(folder)
    await run(store, folder)
    await store.close()
  })
}

afterEach(() => vi.restoreAllMocks())

describe('TransientStore', () => {
  it('keeps all that came for a transaction, each once', async () => {
    await withStore(async (store) => {
      await store.persist(TX1, 5n, dataOf('1', 'secret'))
      await store.persist(TX1, 5n, dataOf('1', 'secret'))
      await store.persist(TX1, 300n, dataOf('2', 'secret'))
      await store.persist(TX2, 6n, dataOf('3', 'secret'))
      expect(await all(store, TX1)).toEqual([
        { ...dataOf('1', 'secret'), receivedAt: 5n },
        { ...dataOf('2', 'secret'), receivedAt: 300n },
      ])
      expect(await all(store, toHex(sha256()))).toEqual([])
    })
  })

  it('gives what the filter lets pass', async () => {
    await withStore(async (store) => {
      await store.persist(TX1, 5n, dataOf('1', 'secret', 'short'))
      await store.persist(TX1, 6n, dataOf('1', 'short'))
      const [found, ...more] = await all(store, TX1, (_, collection) => collection === 'secret')
      expect(found?.set).toEqual(setOf('1', 'secret'))
      expect([...(found?.collectionConfigs.keys() ?? [])]).toEqual(['asset'])
      expect(more).toEqual([])
    })
  })

  it('purges transactions, in all their records', async () => {
    await withStore(async (store, folder) => {
      for (const [height, value] of [
        [5n, '1'],
        [6n, '2'],
      ] as const)
        await store.persist(TX1, height, dataOf(value, 'secret'))
      await store.persist(TX2, 4n, dataOf('1', 'secret'))
      await store.purge([TX1, 'unknown', ''])
      expect(await all(store, TX1)).toEqual([])
      expect(await all(store, TX2)).toHaveLength(1)
      await store.close()
      const records = await LevelRecords.open(folder)
      for (const kind of [BY_CONTENT, BY_HEIGHT, BY_TRANSACTION]) {
        const places: unknown[] = []
        for await (const { at } of records.walk(kind, kind.range({}))) places.push([at.txId, at.height])
        expect(places).toEqual([[TX2, 4n]])
      }
      await records.close()
    })
  })

  it('does not take one id for the beginning of another', async () => {
    await withStore(async (store) => {
      for (const txId of ['a', 'ab', 'a!']) await store.persist(txId, 1n, dataOf(txId, 'secret'))
      expect(await all(store, 'a')).toHaveLength(1)
      await store.purge(['a'])
      expect([await all(store, 'ab'), await all(store, 'a!')].map((found) => found.length)).toEqual([1, 1])
    })
  })

  it('purges what came below a height', async () => {
    await withStore(async (store) => {
      expect(await store.minimumHeight()).toBeUndefined()
      for (const height of [300n, 2n, 255n, 256n]) await store.persist(TX1, height, dataOf(`${height}`, 'secret'))
      expect(await store.minimumHeight()).toBe(2n)
      await store.purgeBelow(256n)
      expect((await all(store, TX1)).map(({ receivedAt }) => receivedAt)).toEqual([256n, 300n])
      expect(await store.minimumHeight()).toBe(256n)
      await store.purgeBelow(0n)
      expect(await all(store, TX1)).toHaveLength(2)
    })
  })

  it('outlives a close, and a crash amid a purge of many', async () => {
    await withFolder(async (folder) => {
      const store = await TransientStore.open(folder)
      for (let count = 0; count < 310; count++) await store.persist(`tx${count}`, 1n, dataOf('1', 'secret'))
      const real = LevelRecords.prototype.write
      let calls = 0
      vi.spyOn(LevelRecords.prototype, 'write').mockImplementation(async function (this: LevelRecords, changes, sync) {
        if (calls++ === 1) throw new Error('crash')
        await real.call(this, changes, sync)
      })
      await expect(store.purgeBelow(2n)).rejects.toThrow('crash')
      vi.restoreAllMocks()
      await store.close()
      const reopened = await TransientStore.open(folder)
      expect(await reopened.minimumHeight()).toBe(1n)
      await reopened.purgeBelow(2n)
      expect(await reopened.minimumHeight()).toBeUndefined()
      for (let count = 0; count < 310; count++) expect(await all(reopened, `tx${count}`)).toEqual([])
      await reopened.close()
    })
  })

  it('refuses ids that no key can hold', async () => {
    await withStore(async (store) => {
      for (const txId of ['', 'a\0b', '\ud800']) {
        await expect(store.persist(txId, 1n, dataOf('1', 'secret'))).rejects.toMatchObject({ code: 'fabric-ledger/bad-transaction-id' })
        expect(await all(store, txId)).toEqual([])
      }
    })
  })

  it('is opened by one at a time', async () => {
    await withStore(async (_store, folder) => {
      await expect(TransientStore.open(folder)).rejects.toMatchObject({ code: 'fabric-ledger/private-data-not-open' })
    })
  })
})

describe('transient records', () => {
  it('have the keys and values of Fabric', () => {
    const place = { txId: 'tx', uuid: 'id', height: 258n }
    const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)
    expect(text(BY_CONTENT.encode(place))).toBe('P\0tx\0id\0\x02\x01\x02')
    expect(text(BY_TRANSACTION.encode(place))).toBe('T\0tx\0id\0\x02\x01\x02')
    expect(text(BY_HEIGHT.encode(place))).toBe('H\0\x02\x01\x02\0tx\0id')
    expect(toHex(writeTransient({ ...dataOf('1'), set: { namespaces: [] }, collectionConfigs: new Map() }))).toBe('000807')
    expect(good(readTransient(writeTransient(dataOf('1', 'secret'))))).toEqual(dataOf('1', 'secret'))
    expect(readTransient(Uint8Array.of(8, 7))).toMatchObject({ fault: 'fabric-ledger/bad-transient-data' })
  })
})
