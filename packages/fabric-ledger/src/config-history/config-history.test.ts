import { join } from 'node:path'
import { concatBytes, encodeUtf8, toHex } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { listOf, withFolder } from '../../test/golden.ts'
import { memoryStateDatabase } from '../state/memory-state-database.ts'
import type { NamespaceStateUpdates } from '../validation/update-batch.ts'
import { collectionConfigChanges } from './collection-config-changes.ts'
import { type CollectionConfigEntry, ConfigHistory, readCollectionConfigKey, writeCollectionConfigKey } from './config-history.ts'

const entry = (chaincode: string, blockNumber: bigint, config: string): CollectionConfigEntry => ({
  chaincode,
  blockNumber,
  config: encodeUtf8(config),
})

async function withHistory<T>(run: (history: ConfigHistory, folder: string) => Promise<T>): Promise<T> {
  return await withFolder(async (folder) => {
    const history = await ConfigHistory.open(join(folder, 'history'))
    try {
      return await run(history, join(folder, 'history'))
    } finally {
      await history.close()
    }
  })
}

describe('ConfigHistory', () => {
  it('tells what a chaincode had before a block', async () => {
    await withHistory(async (history) => {
      await history.commit(2n, [entry('golden', 2n, 'a'), entry('other', 2n, 'b')])
      await history.commit(3n, [])
      await history.commit(300n, [entry('golden', 300n, 'c')])
      const below = async (block: bigint) => await history.mostRecentBelow('golden', block)
      expect([await below(0n), await below(1n), await below(2n)]).toEqual([undefined, undefined, undefined])
      const old = { blockNumber: 2n, config: encodeUtf8('a') }
      expect([await below(3n), await below(300n)]).toEqual([old, old])
      expect([await below(301n), await below(2n ** 64n - 1n)]).toEqual(Array(2).fill({ blockNumber: 300n, config: encodeUtf8('c') }))
      expect([await history.mostRecentBelow('gold', 9n), await history.mostRecentBelow('\ud800', 9n)]).toEqual([undefined, undefined])
      expect(await listOf(history.entries())).toEqual([entry('golden', 300n, 'c'), entry('golden', 2n, 'a'), entry('other', 2n, 'b')])
    })
  })

  it('is new until a block or a whole snapshot came, told of a block twice or not', async () => {
    await withHistory(async (history, folder) => {
      const broken = async function* () {
        yield entry('golden', 2n, 'a')
        throw new Error('broken off')
      }
      await expect(history.load(broken())).rejects.toThrow('broken off')
      expect(history.isNew).toBe(true)
      for (let round = 0; round < 2; round++) await history.commit(7n, [entry('golden', 7n, 'b')])
      expect(history.isNew).toBe(false)
      await history.close()
      const again = await ConfigHistory.open(folder)
      expect([again.isNew, await listOf(again.entries())]).toEqual([false, [entry('golden', 7n, 'b')]])
      await again.close()
    })
    await withHistory(async (history) => {
      await history.commit(0n, [])
      expect(history.isNew).toBe(false)
    })
  })

  it('loads more than a batch', async () => {
    await withHistory(async (history) => {
      const many = Array.from({ length: 30 }, (_, at) => entry('golden', BigInt(29 - at), String(at).repeat(100_000)))
      await history.load(
        (async function* () {
          yield* many
        })(),
      )
      expect([await listOf(history.entries()), history.isNew]).toEqual([many, false])
    })
  })

  it('loads entries without collections in batches too', async () => {
    await withHistory(async (history) => {
      const half: number[] = []
      await history.load(
        (async function* () {
          for (let at = 0n; at < 20_000n; at++) {
            if (at === 10_000n) half.push((await listOf(history.entries())).length)
            yield { chaincode: 'golden', blockNumber: at, config: new Uint8Array() }
          }
        })(),
      )
      expect(half[0]).toBeGreaterThan(1000)
    })
  })

  it('cannot be opened twice', async () => {
    await withHistory(async (_, folder) => {
      await expect(ConfigHistory.open(folder)).rejects.toMatchObject({ code: 'fabric-ledger/config-history-not-open' })
    })
  })

  it('has Fabric’s keys', () => {
    const key = { chaincode: 'golden', blockNumber: 2n }
    const bytes = writeCollectionConfigKey(key)
    expect(toHex(bytes)).toBe(`${toHex(encodeUtf8('slscc\0golden~collection'))}fffffffffffffffd`)
    expect(readCollectionConfigKey(bytes)).toEqual(key)
    const others = ['', 'slscc', 'slscc\0golden~collectio', 'slscc\0~collection', 'xlscc\0golden~collection']
    expect(others.map((text) => readCollectionConfigKey(concatBytes([encodeUtf8(text), new Uint8Array(8)])))).toEqual(
      others.map(() => undefined),
    )
    expect(readCollectionConfigKey(bytes.subarray(0, 7))).toBeUndefined()
  })
})

describe('collectionConfigChanges', () => {
  const version = { blockNumber: 1n, transactionNumber: 0n }
  const stateData = (config: string) => Uint8Array.of(0x12, config.length, ...encodeUtf8(config))
  const collections = '\n\u0003abc'
  const update = (key: string, value: Uint8Array | undefined) => ({ key, value, metadata: new Uint8Array(), version })
  const lifecycle = (...updates: NamespaceStateUpdates['updates']): NamespaceStateUpdates[] => [
    { namespace: '_lifecycle', updates, collections: [] },
  ]
  const sequence = update('namespaces/fields/golden/Sequence', Uint8Array.of(8, 1))
  const COLLECTIONS = 'namespaces/fields/golden/Collections'

  async function changes(updates: readonly NamespaceStateUpdates[], held?: string) {
    const state = await memoryStateDatabase()('')
    if (held !== undefined) await state.apply([{ namespace: '_lifecycle', ...update(COLLECTIONS, stateData(held)) }], 1n)
    return await collectionConfigChanges(updates, state)
  }

  it('takes a definition’s collections from the block, or else from the state', async () => {
    const found = [{ chaincode: 'golden', config: encodeUtf8(collections) }]
    expect(await changes(lifecycle(sequence, update(COLLECTIONS, stateData(collections))))).toEqual(found)
    expect(await changes(lifecycle(sequence), collections)).toEqual(found)
    expect(await changes(lifecycle(sequence, update(COLLECTIONS, stateData(collections))), '\n\u0001x')).toEqual(found)
  })

  it('finds none where a definition has none, or nothing is defined', async () => {
    expect(await changes(lifecycle(sequence))).toEqual([])
    expect(await changes(lifecycle(sequence, update(COLLECTIONS, stateData(''))), collections)).toEqual([])
    expect(await changes(lifecycle(sequence, update(COLLECTIONS, undefined)), collections)).toEqual([])
    expect(await changes(lifecycle(sequence, update(COLLECTIONS, Uint8Array.of(0xff))))).toEqual([])
    expect(await changes(lifecycle(update(COLLECTIONS, stateData(collections))))).toEqual([])
    expect(await changes([{ namespace: 'golden', updates: [sequence], collections: [] }], collections)).toEqual([])
  })
})
