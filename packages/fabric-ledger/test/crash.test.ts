import { join } from 'node:path'
import { type Block, concatBytes, writeBlockRecord } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { BlockIndex } from '../src/blocks/block-index.ts'
import { BlockStore } from '../src/blocks/block-store.ts'
import { peerBlocks, withFolder } from './golden.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

const FILE = '/blocks/blockfile_000000'
const records = peerBlocks.map((block) => writeBlockRecord(block).bytes)

/** A store on a disk in memory, over an index that a crash leaves as it is. */
class Setup {
  readonly disk: MemoryFileSystem = new MemoryFileSystem()
  readonly index: BlockIndex
  readonly fileSizeMax: number

  constructor(index: BlockIndex, fileSizeMax = 1_000_000) {
    this.index = index
    this.fileSizeMax = fileSizeMax
  }

  async open(): Promise<BlockStore> {
    this.disk.restart()
    return await BlockStore.over(this.index, { folder: '/blocks', fileSystem: this.disk, fileSizeMax: this.fileSizeMax })
  }
}

async function setUp(run: (setup: Setup) => Promise<void>, fileSizeMax?: number): Promise<void> {
  await withFolder(async (folder) => {
    const index = await BlockIndex.open(join(folder, 'index'))
    await run(new Setup(index, fileSizeMax))
    await index.close()
  })
}

/** Cheaper than `expect` for many thousands. */
async function outcomeOf(work: Promise<void>): Promise<string> {
  return await work.then(
    () => 'stored',
    (error: unknown) => (error instanceof Error ? error.message : String(error)),
  )
}

async function expectBlocks(store: BlockStore, height: number): Promise<void> {
  expect(store.info.height).toBe(BigInt(height))
  for (let number = Math.max(0, height - 2); number < height; number++)
    expect(await store.block(BigInt(number))).toEqual(peerBlocks[number])
  expect(await store.block(BigInt(height))).toBeUndefined()
}

describe('a crash while a block is written', () => {
  it.each([1, 11, 21])('to block %i loses nothing before it, at whatever byte', async (number) => {
    await setUp(async (setup) => {
      let store = await setup.open()
      for (const block of peerBlocks.slice(0, number)) await store.append(block)
      const [block, size] = [peerBlocks[number] as Block, records[number]?.length ?? 0]
      for (let written = 0; written < size; written++) {
        setup.disk.bytesLeft = written
        const outcome = await outcomeOf(store.append(block))
        if (outcome !== 'crash') throw new Error(`${outcome} after ${written} bytes`)
        if (written % 97 === 0) await expect(store.append(block)).rejects.toMatchObject({ code: 'fabric-ledger/store-failed' })
        store = await setup.open()
        if (store.info.height !== BigInt(number)) throw new Error(`height ${store.info.height} after ${written} bytes`)
        if (written % 97 === 0) await expectBlocks(store, number)
      }
      for (const next of peerBlocks.slice(number)) await store.append(next)
      await expectBlocks(store, peerBlocks.length)
      expect(setup.disk.files.get(FILE)?.bytes).toEqual(concatBytes(records))
    })
  })

  it('keeps a block that is whole, and was not acknowledged', async () => {
    await setUp(async (setup) => {
      let store = await setup.open()
      for (const [number, block] of peerBlocks.entries()) {
        // All bytes are there; the sync fails, and the index is not told.
        setup.disk.changesLeft = 0
        await expect(store.append(block)).rejects.toThrow('crash')
        store = await setup.open()
        await expectBlocks(store, number + 1)
      }
    })
  })

  it('at any step of a new file or of the mending itself goes on at the right height', async () => {
    await setUp(async (setup) => {
      let height = 0
      for (let round = 0; height < peerBlocks.length; round++) {
        try {
          const store = await setup.open()
          expect(store.info.height === BigInt(height) || store.info.height === BigInt(height + 1)).toBe(true)
          height = Number(store.info.height)
          await expectBlocks(store, height)
          setup.disk.changesLeft = round % 4
          setup.disk.bytesLeft = round % 3 === 0 ? 7 : 100_000
          for (const block of peerBlocks.slice(height)) {
            await store.append(block)
            height++
          }
        } catch (error) {
          if (!(error instanceof Error) || error.message !== 'crash') throw error
        }
        if (round > 1000) throw new Error('no progress')
      }
      await expectBlocks(await setup.open(), peerBlocks.length)
    })
  })
})

describe('a loss of power', () => {
  it('loses nothing that was acknowledged', async () => {
    await setUp(async (setup) => {
      let store = await setup.open()
      for (const [number, block] of peerBlocks.entries()) {
        await store.append(block)
        setup.disk.losePower()
        store = await setup.open()
        await expectBlocks(store, number + 1)
      }
    })
  })

  it.each([
    ['zeros in place of all of a block', (bytes: Uint8Array) => bytes.fill(0)],
    ['zeros in place of its transactions', (bytes: Uint8Array) => bytes.fill(0, 100, 2000)],
    ['zeros in place of its end', (bytes: Uint8Array) => bytes.fill(0, bytes.length - 1200)],
  ])('may leave %s', async (_, spoil) => {
    await setUp(async (setup) => {
      let store = await setup.open()
      for (const block of peerBlocks.slice(0, 8)) await store.append(block)
      const file = setup.disk.files.get(FILE)
      if (file === undefined) throw new Error('there is no file')
      const whole = file.bytes
      file.bytes = concatBytes([whole, spoil(records[8]?.slice() ?? new Uint8Array())])
      store = await setup.open()
      await expectBlocks(store, 8)
      expect(file.bytes).toEqual(whole)
    })
  })
})

describe('files that no crash leaves', () => {
  const sizes = records.map((record) => record.length)
  it.each([
    ['end before the index does', 8, (bytes: Uint8Array) => bytes.subarray(0, bytes.length - 1)],
    ['have a broken block before others', 0, (bytes: Uint8Array) => bytes.with((sizes[0] ?? 0) + 200, 1)],
  ])('are refused where they %s', async (_, indexed, spoil) => {
    await setUp(async (setup) => {
      if (indexed > 0) {
        const store = await setup.open()
        for (const block of peerBlocks.slice(0, indexed)) await store.append(block)
      }
      const bytes = spoil(concatBytes(records.slice(0, 8)))
      setup.disk.files.set('/blocks/blockfile_000000', { bytes, durable: bytes, synced: bytes })
      await expect(setup.open()).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-block-file' })
      expect(setup.disk.files.get(FILE)?.bytes).toBe(bytes)
    })
  })

  it('are refused where one is missing, or its blocks do not follow', async () => {
    await setUp(async (setup) => {
      const store = await setup.open()
      for (const block of peerBlocks.slice(0, 20)) await store.append(block)
      const last = [...setup.disk.files.keys()].sort().at(-1) ?? ''
      setup.disk.files.delete(last)
      await expect(setup.open()).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-block-file' })
    })
    await setUp(async (setup) => {
      const bytes = concatBytes([records[0] ?? new Uint8Array(), records[2] ?? new Uint8Array()])
      setup.disk.files.set(FILE, { bytes, durable: bytes, synced: bytes })
      await expect(setup.open()).rejects.toMatchObject({ code: 'fabric-ledger/not-next' })
    })
  })
})
