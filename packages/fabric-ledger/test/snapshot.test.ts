import { readdir, readFile } from 'node:fs/promises'
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
import { toHex } from '@kumiko/fabric-protocol'
import { GOLDEN, goldenBlocks } from '@kumiko/golden-channel'
import { describe, expect, it } from 'vitest'
import { listOf, peerBlocks, withFolder } from './golden.ts'
import { goldenState, replay } from './golden-replay.ts'

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
