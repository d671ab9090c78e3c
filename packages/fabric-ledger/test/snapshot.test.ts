import { cp, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import {
  BlockStore,
  ConfigHistory,
  memoryStateDatabase,
  Snapshot,
  type SnapshotSource,
  type StateKey,
  writeSnapshot,
} from '@kumiko/fabric-ledger'
import { blockHash, toHex } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenBlocks } from '@kumiko/golden-channel'
import { describe, expect, it } from 'vitest'
import { listOf, peerBlocks, withFolder } from './golden.ts'
import { goldenState, replay } from './golden-replay.ts'
import { MemoryFileSystem } from './memory-file-system.ts'

const PEERS = join(GOLDEN, 'snapshot')

async function filesOf(folder: string): Promise<Record<string, string>> {
  const names = (await readdir(folder)).sort()
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, (await readFile(join(folder, name))).toString('latin1')])))
}

async function peerSnapshot(): Promise<Snapshot> {
  const snapshot = await Snapshot.open(PEERS)
  if (snapshot === undefined) throw new Error('there is none')
  return snapshot
}

/** Runs with a ledger of golden blocks. */
async function withLedger<T>(height: bigint, run: (source: SnapshotSource, folder: string) => Promise<T>): Promise<T> {
  return await withFolder(async (folder) => {
    const blocks = await BlockStore.open({ folder: join(folder, 'blocks'), indexFolder: join(folder, 'index') })
    const configHistory = await ConfigHistory.open(join(folder, 'config-history'))
    const state = await memoryStateDatabase()('')
    try {
      const replayed = await replay(state, height)
      for (const { number, collections } of replayed) {
        await configHistory.commit(number, collections)
        await blocks.append(peerBlocks[Number(number)] ?? fail())
      }
      const commitHash = replayed.at(-1)?.commitHash ?? new Uint8Array()
      return await run({ channelId: 'mychannel', blocks, state, configHistory, commitHash }, folder)
    } finally {
      await blocks.close()
      await configHistory.close()
    }
  })
}

function fail(): never {
  throw new Error('there is none')
}

describe('a snapshot at block 53', () => {
  it('is the real peer’s, byte for byte', async () => {
    await withLedger(54n, async (source, folder) => {
      const written = await writeSnapshot(source, { folder: join(folder, 'snapshots/mychannel/53') })
      expect(await filesOf(written.folder)).toEqual(await filesOf(PEERS))
      expect(written.info).toEqual((await peerSnapshot()).info)
      await written.verify()
      await expect(writeSnapshot(source, { folder: written.folder })).rejects.toMatchObject({ code: 'fabric-ledger/snapshot-exists' })
    })
  })
})

describe('the real peer’s snapshot', () => {
  it('holds what the blocks made', async () => {
    const snapshot = await peerSnapshot()
    await snapshot.verify()
    const state = await listOf((await goldenState(54n)).entries())
    const isHashed = ({ namespace }: StateKey) => namespace.includes('$$h')
    expect(await listOf(snapshot.entries())).toEqual([...state.filter((each) => !isHashed(each)), ...state.filter(isHashed)])
    expect(await listOf(snapshot.collectionConfigs())).toMatchObject([{ chaincode: 'golden', blockNumber: 2n }])
    expect(toHex(snapshot.info.commitHash)).toBe(goldenBlocks()[53]?.commitHash)
  })

  it('fills a state, whatever was in it', async () => {
    const state = await goldenState(20n)
    const snapshot = await peerSnapshot()
    await snapshot.loadState(state)
    expect([state.height, await listOf(state.entries())]).toEqual([54n, await listOf((await goldenState(54n)).entries())])
  })

  it('is the same when it is written again', async () => {
    const snapshot = await peerSnapshot()
    const state = await memoryStateDatabase()('')
    await snapshot.loadState(state)
    await withFolder(async (folder) => {
      const configHistory = await ConfigHistory.open(join(folder, 'config-history'))
      await configHistory.load(snapshot.collectionConfigs())
      const blocks = await BlockStore.open({ folder: join(folder, 'blocks'), indexFolder: join(folder, 'index'), start: snapshot })
      const source = { channelId: 'mychannel', blocks, state, configHistory, commitHash: snapshot.info.commitHash }
      await writeSnapshot(source, { folder: join(folder, 'again') })
      expect(await filesOf(join(folder, 'again'))).toEqual(await filesOf(PEERS))
      await blocks.close()
      await configHistory.close()
    })
  })
})

describe('a crash', () => {
  /** Runs at every step of what may break off, until it does not. */
  async function atEachStep(start: MemoryFileSystem, run: (disk: MemoryFileSystem) => Promise<unknown>, folder: string): Promise<number> {
    for (let steps = 0; ; steps++) {
      const disk = start.copy()
      disk.changesLeft = steps
      const isDone = await run(disk).then(
        () => true,
        () => false,
      )
      disk.restart()
      disk.losePower()
      const snapshot = await Snapshot.open(folder, disk)
      if (isDone) expect(snapshot).toBeDefined()
      await snapshot?.verify()
      if (isDone) return steps
      // What is left does not stand in the way.
      if (snapshot === undefined) await run(disk)
      await (await Snapshot.open(folder, disk))?.verify()
    }
  }

  it('leaves a whole snapshot or none, while it is written', async () => {
    await withLedger(30n, async (source) => {
      const steps = await atEachStep(
        new MemoryFileSystem(),
        (fileSystem) => writeSnapshot(source, { folder: '/snapshots/29', fileSystem }),
        '/snapshots/29',
      )
      expect(steps).toBeGreaterThan(20)
    })
  })

  it('leaves a whole copy or none', async () => {
    const disk = new MemoryFileSystem()
    for (const [name, text] of Object.entries(await filesOf(PEERS))) {
      const file = await disk.open(`/from/${name}`)
      await file.write(Buffer.from(text, 'latin1'), 0)
      await file.sync()
    }
    await disk.syncFolder('/from')
    const copy = async (fileSystem: MemoryFileSystem) => await (await Snapshot.open('/from', fileSystem))?.copyTo('/ledger/start')
    expect(await atEachStep(disk, copy, '/ledger/start')).toBeGreaterThan(20)
  })
})

describe('misuse', () => {
  it('is named', async () => {
    await withLedger(30n, async (source, folder) => {
      const target = { folder: join(folder, 's') }
      const unsettled = { code: 'fabric-ledger/snapshot-unsettled' }
      await expect(writeSnapshot({ ...source, state: await goldenState(29n) }, target)).rejects.toMatchObject(unsettled)
      expect(await Snapshot.open(target.folder)).toBeUndefined()
      expect(await Snapshot.open(folder)).toBeUndefined()
      await writeSnapshot(source, target)
      expect((await Snapshot.open(target.folder))?.info.lastBlockNumber).toBe(29n)
    })
  })
})

describe('a block store after a snapshot', () => {
  const START = 30n

  async function withStore<T>(run: (open: () => Promise<BlockStore>, folder: string) => Promise<T>): Promise<T> {
    return await withLedger(START, async (source, folder) => {
      const start = await writeSnapshot(source, { folder: join(folder, 'start') })
      const place = { folder: join(folder, 'later'), indexFolder: join(folder, 'later-index'), fileSizeMax: 60_000, start }
      return await run(() => BlockStore.open(place), folder)
    })
  }

  it('goes on with the next block, and knows what it does not have', async () => {
    await withStore(async (open) => {
      const store = await open()
      const header = peerBlocks[29]?.header ?? fail()
      expect(store.info).toEqual({ height: START, currentHash: blockHash(header), previousHash: header.previousHash })
      const [before, next, last] = [peerBlocks[29] ?? fail(), peerBlocks[30] ?? fail(), peerBlocks[53] ?? fail()]
      for (const wrong of [
        before,
        last,
        peerBlocks[0] ?? fail(),
        { ...next, header: { ...next.header, previousHash: new Uint8Array(32) } },
      ]) {
        await expect(store.append(wrong)).rejects.toMatchObject({ code: 'fabric-ledger/not-next' })
      }
      for (const block of peerBlocks.slice(30)) await store.append(block)
      expect([store.first, await listOf(store.blocks())]).toEqual([START, peerBlocks.slice(30)])
      await expect(store.block(29n)).rejects.toMatchObject({ code: 'fabric-ledger/before-snapshot', context: { first: START } })
      await expect(listOf(store.blocks(0n))).rejects.toMatchObject({ code: 'fabric-ledger/before-snapshot' })
      expect(await store.blockByHash(blockHash(header))).toBeUndefined()
      await expectTransactions(store)
      await store.close()
    })
  })

  async function expectTransactions(store: BlockStore): Promise<void> {
    const seen = new Set<string>()
    for (const { number, txs } of goldenBlocks()) {
      for (const { txId } of txs) {
        if (txId === '' || seen.has(txId)) continue
        seen.add(txId)
        expect(await store.hasTransaction(txId)).toBe(true)
        if (number >= 30) expect((await store.transaction(txId))?.blockNumber).toBe(BigInt(number))
        else await expect(store.transaction(txId)).rejects.toMatchObject({ code: 'fabric-ledger/before-snapshot' })
      }
    }
    expect([seen.size > 50, await store.hasTransaction('0'.repeat(63))]).toEqual([true, false])
  }

  it('makes its index anew of the snapshot and the files, lagging or lost', async () => {
    await withStore(async (open, folder) => {
      let store = await open()
      for (const [number, block] of peerBlocks.entries()) {
        if (number < 30) continue
        await store.append(block)
        if (number !== 40) continue
        await store.close()
        await cp(join(folder, 'later-index'), join(folder, 'old-index'), { recursive: true })
        store = await open()
      }
      await store.close()
      for (const index of ['lost', 'lagging']) {
        await rm(join(folder, 'later-index'), { recursive: true })
        if (index === 'lagging') await cp(join(folder, 'old-index'), join(folder, 'later-index'), { recursive: true })
        const again = await open()
        expect([again.info.height, await listOf(again.blocks())]).toEqual([54n, peerBlocks.slice(30)])
        await expectTransactions(again)
        await again.close()
      }
    })
  })

  it('begins its index again where that broke off', async () => {
    const snapshot = await peerSnapshot()
    await withFolder(async (folder) => {
      const place = { folder: join(folder, 'blocks'), indexFolder: join(folder, 'index') }
      const half = async function* () {
        yield* (await listOf(snapshot.transactionIds())).slice(0, 20)
        throw new Error('broken off')
      }
      const { height, currentHash, previousHash } = snapshot
      const broken = { height, currentHash, previousHash, transactionIds: half }
      await expect(BlockStore.open({ ...place, start: broken })).rejects.toThrow('broken off')
      const store = await BlockStore.open({ ...place, start: snapshot })
      expect(await listOf(store.transactionIds())).toEqual(await listOf(snapshot.transactionIds()))
      await store.close()
    })
  })
})
