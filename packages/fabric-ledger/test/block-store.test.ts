import { cp, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { BlockStore, type BlockStoreOptions } from '@kumiko/fabric-ledger'
import {
  type Block,
  concatBytes,
  readEnvelope,
  readHeader,
  readPayload,
  toHex,
  transactionId,
  writeBlockRecord,
} from '@kumiko/fabric-protocol'
import { goldenBlocks, goldenJson } from '@kumiko/golden-channel'
import { describe, expect, it } from 'vitest'
import { BlockIndex } from '../src/blocks/block-index.ts'
import { good, peerBlocks, withFolder } from './golden.ts'

const optionsOf = (folder: string): BlockStoreOptions => ({ folder: join(folder, 'blocks'), indexFolder: join(folder, 'index') })
const records = peerBlocks.map((block) => writeBlockRecord(block).bytes)

async function collect(blocks: AsyncIterable<Block>): Promise<Block[]> {
  const all: Block[] = []
  for await (const block of blocks) all.push(block)
  return all
}

/** What a transaction's nonce and creator make. */
function idOf(item: Uint8Array | undefined): string {
  return transactionId(good(readHeader(good(readPayload(good(readEnvelope(item ?? new Uint8Array())).payload)))).signature)
}

async function expectGolden(store: BlockStore): Promise<void> {
  const { channelInfo } = goldenJson('expected.json') as { channelInfo: Record<string, string | number> }
  const { height, currentHash, previousHash } = store.info
  expect({
    height: Number(height),
    currentBlockHash: Buffer.from(currentHash).toString('base64'),
    previousBlockHash: Buffer.from(previousHash).toString('base64'),
  }).toEqual(channelInfo)
  expect(await collect(store.blocks())).toEqual(peerBlocks)
  expect(await collect(store.blocks(50n))).toEqual(peerBlocks.slice(50))
}

async function fill(store: BlockStore, blocks: readonly Block[]): Promise<void> {
  for (const block of blocks) await store.append(block)
}

describe('the golden channel', () => {
  it('has the first transaction of an id, whoever asks for ids while blocks are appended', async () => {
    await withFolder(async (folder) => {
      const store = await BlockStore.open(optionsOf(folder))
      const ids = peerBlocks.flatMap(({ data }) => data.map(idOf))
      const asked: Promise<unknown>[] = []
      for (const block of peerBlocks) {
        asked.push(store.hasTransactions(ids))
        const appended = store.append(block)
        for (let turn = 0; turn < 3; turn++) {
          asked.push(store.hasTransactions(ids))
          await new Promise(setImmediate)
        }
        await appended
      }
      await Promise.all(asked)
      const first = new Map<string, bigint>()
      for (const block of peerBlocks) {
        for (const item of block.data) {
          const id = block.header.number === 0n || block.header.number === 52n ? '' : idOf(item)
          if (id !== '' && !first.has(id)) first.set(id, block.header.number)
        }
      }
      for (const [id, number] of first) {
        const found = await store.transaction(id)
        if (found !== undefined) expect([id, found.blockNumber]).toEqual([id, number])
      }
      await store.close()
    })
  })

  it('is stored as Fabric stores it, and found by number, hash and transaction id', async () => {
    await withFolder(async (folder) => {
      const store = await BlockStore.open(optionsOf(folder))
      await fill(store, peerBlocks)
      await expectGolden(store)
      const seen = new Set<string>()
      let duplicates = 0
      for (const { number, headerHash, txs } of goldenBlocks()) {
        expect(await store.block(BigInt(number))).toEqual(peerBlocks[number])
        expect(await store.blockByHash(Buffer.from(headerHash, 'hex'))).toEqual(peerBlocks[number])
        expect(await store.envelopeAt(BigInt(number), txs.length)).toBeUndefined()
        for (const { txId: told, index, validationCode } of txs) {
          expect(await store.envelopeAt(BigInt(number), index)).toEqual(peerBlocks[number]?.data[index])
          // A configuration transaction need not say its id.
          const txId = told === '' ? idOf(peerBlocks[number]?.data[index]) : told
          if (seen.has(txId)) duplicates++
          else {
            const envelope = peerBlocks[number]?.data[index]
            const expected = { blockNumber: BigInt(number), transactionNumber: index, validationCode, envelope }
            expect(await store.transaction(txId)).toEqual(expected)
            expect(await store.hasTransaction(txId)).toBe(true)
          }
          seen.add(txId)
        }
      }
      expect({ seen: seen.size > 60, duplicates: duplicates > 0 }).toEqual({ seen: true, duplicates: true })
      expect(await store.transaction(`${[...seen][0]}0`)).toBeUndefined()
      expect(await store.transaction('')).toBeUndefined()
      expect(await store.envelopeAt(54n, 0)).toBeUndefined()
      expect(await store.transaction('\ud800')).toBeUndefined()
      expect(await store.block(54n)).toBeUndefined()
      expect(await store.blockByHash(new Uint8Array(32))).toBeUndefined()
      await store.close()
      expect(new Uint8Array(await readFile(join(folder, 'blocks/blockfile_000000')))).toEqual(concatBytes(records))
    })
  })

  it('goes on in a new file where a block would make the last one too large', async () => {
    await withFolder(async (folder) => {
      const options = { ...optionsOf(folder), fileSizeMax: 50_000 }
      let store = await BlockStore.open(options)
      await fill(store, peerBlocks.slice(0, 30))
      await store.close()
      store = await BlockStore.open(options)
      await fill(store, peerBlocks.slice(30))
      await expectGolden(store)
      await store.close()
      const names = (await readdir(options.folder)).sort()
      const files = await Promise.all(names.map((name) => readFile(join(options.folder, name))))
      expect(names.length).toBeGreaterThan(4)
      expect(concatBytes(files)).toEqual(concatBytes(records))
      for (const file of files) expect(file.length).toBeLessThanOrEqual(50_000)
      // The index is made anew of all files.
      await rm(options.indexFolder, { recursive: true })
      store = await BlockStore.open(options)
      await expectGolden(store)
      await store.close()
    })
  })

  it('is the same with an index that lags at any height', async () => {
    await withFolder(async (folder) => {
      const options = { ...optionsOf(folder), fileSizeMax: 60_000 }
      for (const [number, block] of peerBlocks.entries()) {
        const store = await BlockStore.open(options)
        await store.append(block)
        await store.close()
        await cp(options.indexFolder, join(folder, `index-${number}`), { recursive: true })
      }
      for (let number = 0; number < peerBlocks.length; number += 6) {
        const store = await BlockStore.open({ ...options, indexFolder: join(folder, `index-${number}`) })
        await expectGolden(store)
        expect((await store.transaction(goldenBlocks()[53]?.txs[0]?.txId ?? ''))?.blockNumber).toBe(53n)
        await store.close()
      }
    })
  })
})

describe('misuse', () => {
  it('is refused, and changes nothing', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      const store = await BlockStore.open(options)
      const [zero, one, two] = peerBlocks as [Block, Block, Block]
      expect(store.info).toEqual({ height: 0n, currentHash: new Uint8Array(), previousHash: new Uint8Array() })
      await expect(store.append(one)).rejects.toMatchObject({ code: 'fabric-ledger/not-next' })
      await store.append(zero)
      for (const wrong of [zero, two, { ...one, data: two.data }]) {
        await expect(store.append(wrong)).rejects.toMatchObject({ code: 'fabric-ledger/not-next' })
      }
      await expect(store.append({ ...one, metadata: [] })).rejects.toMatchObject({ code: 'fabric-ledger/no-validation-codes' })
      const first = store.append(one)
      await expect(store.append(one)).rejects.toMatchObject({ code: 'fabric-ledger/append-overlap' })
      await first
      await expect(BlockStore.open(options)).rejects.toMatchObject({ code: 'fabric-ledger/index-not-open' })
      await store.append(two)
      expect(toHex(store.info.currentHash)).toBe(goldenBlocks()[2]?.headerHash)
      await store.close()
      expect((await stat(join(options.folder, 'blockfile_000000'))).size).toBe(concatBytes(records.slice(0, 3)).length)
    })
  })
})

it('takes long ids of a snapshot in small batches', async () => {
  await withFolder(async (folder) => {
    const options = optionsOf(folder)
    const taken: number[] = []
    const index = await BlockIndex.open(options.indexFolder)
    await index.begin(
      7n,
      (async function* () {
        for (let at = 0; at < 20; at++) {
          let count = 0
          for await (const _ of index.transactionIds()) count++
          taken.push(count)
          yield String(at).padStart(1024 * 1024, '0')
        }
      })(),
    )
    expect(taken.at(-1)).toBeGreaterThan(10)
    await index.close()
  })
})
