import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { Ledgers, removeLedger, setPaused } from '@kumiko/fabric-ledger'
import type { Block } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { Faults } from './faults.ts'
import { peerBlocks, withFolder } from './golden.ts'
import { goldenCommit, goldenPolicies } from './golden-commits.ts'

const genesis = peerBlocks[0] as Block

async function withLedgers(faults: Faults, work: (folder: string, open: () => Promise<Ledgers>) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const { fileSystem } = faults
    const open = () => Ledgers.open({ folder, ledger: () => ({ policies: () => goldenPolicies }), fileSystem })
    const ledgers = await open()
    const ledger = await ledgers.create(genesis)
    await ledger.commit(goldenCommit(1))
    await expect(setPaused({ folder: join(folder, 'mychannel') }, true)).rejects.toMatchObject({ code: 'fabric-ledger/in-use' })
    await ledgers.close()
    await work(folder, open)
  })
}

async function listed(open: () => Promise<Ledgers>) {
  const ledgers = await open()
  try {
    return await ledgers.list()
  } finally {
    await ledgers.close()
  }
}

describe('a ledger that is closed', () => {
  it('is paused, and resumed, with its blocks', async () => {
    await withLedgers(new Faults(), async (folder, open) => {
      const options = { folder: join(folder, 'mychannel') }
      await setPaused(options, true)
      expect(await listed(open)).toEqual([{ channelId: 'mychannel', height: 2n, status: 'paused' }])
      await setPaused(options, true)
      await setPaused(options, false)
      expect(await listed(open)).toEqual([{ channelId: 'mychannel', height: 2n, status: 'active' }])
      await expect(setPaused({ folder: join(folder, 'other') }, true)).rejects.toMatchObject({ code: 'fabric-ledger/no-ledger' })
    })
  })

  it('is removed, and can be made again', async () => {
    await withLedgers(new Faults(), async (folder, open) => {
      await removeLedger({ folder: join(folder, 'mychannel') })
      expect(await readdir(folder)).toEqual(['_lock'])
      expect(await listed(open)).toEqual([])
      const ledgers = await open()
      expect((await ledgers.create(genesis)).info.height).toBe(1n)
      await ledgers.close()
      await expect(removeLedger({ folder: join(folder, 'other') })).rejects.toMatchObject({ code: 'fabric-ledger/no-ledger' })
    })
  })

  it('is gone too where removing it was broken off', async () => {
    const faults = new Faults()
    await withLedgers(faults, async (folder, open) => {
      const fileSystem = {
        ...faults.fileSystem,
        remove: async (path: string) => (path.includes('blocks') ? Promise.reject(new Error('cut')) : faults.fileSystem.remove(path)),
      }
      await expect(removeLedger({ folder: join(folder, 'mychannel'), fileSystem })).rejects.toThrow('cut')
      expect(await listed(open)).toEqual([])
    })
  })
})
