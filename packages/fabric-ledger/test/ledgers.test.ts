import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ledgers, type LedgersOptions, Snapshot } from '@kumiko/fabric-ledger'
import type { Block } from '@kumiko/fabric-protocol'
import { GOLDEN } from '@kumiko/golden-channel'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Faults } from './faults.ts'
import { peerBlocks, withFolder } from './golden.ts'
import { goldenCommit, goldenPolicies } from './golden-commits.ts'

const genesis = peerBlocks[0] as Block

let faults: Faults
beforeEach(() => {
  faults = new Faults()
})
afterEach(() => faults.end())

function optionsOf(folder: string): LedgersOptions {
  return { folder: join(folder, 'ledgers'), ledger: () => ({ policies: () => goldenPolicies }), fileSystem: faults.fileSystem }
}

describe('a peer’s ledgers', () => {
  it('are made, listed, opened once, and opened anew', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      let ledgers = await Ledgers.open(options)
      expect(await ledgers.list()).toEqual([])
      const [made, again] = await Promise.allSettled([ledgers.create(genesis), ledgers.create(genesis)])
      expect(again).toMatchObject({ status: 'rejected', reason: { code: 'fabric-ledger/ledger-exists' } })
      if (made.status === 'rejected') throw made.reason
      await made.value.commit(goldenCommit(1))
      expect(await ledgers.list()).toEqual([{ channelId: 'mychannel', height: 2n, status: 'active' }])
      expect(await ledgers.get('mychannel')).toBe(made.value)
      await made.value.close()
      expect(await ledgers.list()).toEqual([{ channelId: 'mychannel', height: 2n, status: 'active' }])
      const [one, other] = await Promise.all([ledgers.get('mychannel'), ledgers.get('mychannel')])
      expect(one).toBe(other)
      await one.commit(goldenCommit(2))
      await expect(Ledgers.open(options)).rejects.toMatchObject({ code: 'fabric-ledger/in-use' })
      await ledgers.close()
      expect(one.isOpen).toBe(false)
      await mkdir(join(folder, 'other'))
      await writeFile(join(folder, 'other', '_lock'), '')
      await expect(Ledgers.open({ ...options, folder: join(folder, 'other') })).rejects.toMatchObject({
        code: 'fabric-ledger/not-writable',
        message: expect.stringContaining('EEXIST'),
      })
      ledgers = await Ledgers.open(options)
      expect(await ledgers.list()).toEqual([{ channelId: 'mychannel', height: 3n, status: 'active' }])
      await ledgers.close()
    })
  })

  it('tell one that is being made', async () => {
    await withFolder(async (folder) => {
      const ledgers = await Ledgers.open(optionsOf(folder))
      const made = ledgers.create(genesis)
      const seen = new Set<string>()
      for (let isMade = false; !isMade; ) {
        for (const { status } of await ledgers.list()) seen.add(status)
        isMade = await Promise.race([made.then(() => true), new Promise<boolean>((resolve) => setImmediate(resolve, false))])
      }
      expect(seen).toContain('under-construction')
      expect((await ledgers.list())[0]?.status).toBe('active')
      await ledgers.close()
    })
  })

  it('leave alone what is not theirs, and name what is not there', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(folder)
      await mkdir(join(options.folder, 'mychannel'), { recursive: true })
      await writeFile(join(options.folder, 'mychannel/photo.jpg'), 'mine')
      const ledgers = await Ledgers.open(options)
      expect(await ledgers.list()).toEqual([])
      await expect(ledgers.create(genesis)).rejects.toMatchObject({ code: 'fabric-ledger/ledger-exists' })
      expect(await readdir(join(options.folder, 'mychannel'))).toContain('photo.jpg')
      for (const channelId of ['mychannel', 'other', '../mychannel', '', '_lock']) {
        await expect(ledgers.get(channelId)).rejects.toMatchObject({ code: 'fabric-ledger/no-ledger' })
      }
      expect((await readdir(options.folder)).sort()).toEqual(['_lock', 'mychannel'])
      await expect(ledgers.create(peerBlocks[1] as Block)).rejects.toMatchObject({ code: 'fabric-ledger/bad-genesis' })
      await expect(ledgers.create({ ...genesis, data: [] })).rejects.toMatchObject({ code: 'fabric-ledger/bad-genesis' })
      await ledgers.close()
    })
  })

  it.each([
    ['a genesis block', (ledgers: Ledgers) => ledgers.create(genesis), 1n, 1],
    ['a snapshot', (ledgers: Ledgers) => ledgers.joinSnapshot(join(GOLDEN, 'snapshot')), 54n, 5],
  ])(
    'forget one that was not made to its end of %s, at whatever write that was',
    async (_, make, height, step) => {
      await withFolder(async (folder) => {
        let failures = 0
        for (let writes = 0, hasFailed = true; hasFailed; writes += step) {
          const options = optionsOf(join(folder, String(writes)))
          const ledgers = await Ledgers.open(options)
          faults.left = writes
          hasFailed = await make(ledgers).then(
            () => false,
            () => true,
          )
          faults.mend()
          if (hasFailed) failures++
          await ledgers.close()
          // Removing what is left may be broken off too.
          faults.left = writes % 4
          await Ledgers.open(options).then(
            (ledgers) => ledgers.close(),
            () => {},
          )
          faults.mend()
          const again = await Ledgers.open(options)
          const listed = await again.list()
          expect(listed).toEqual(listed.length === 0 ? [] : [{ channelId: 'mychannel', height, status: 'active' }])
          const ledger = listed.length === 0 ? await make(again) : await again.get('mychannel')
          expect(ledger.info.height).toBe(height)
          await again.close()
        }
        expect(failures).toBeGreaterThan(8)
      })
    },
    60_000,
  )
})

it('a snapshot of a ledger begins another', async () => {
  await withFolder(async (folder) => {
    const [from, to] = [await Ledgers.open(optionsOf(join(folder, 'from'))), await Ledgers.open(optionsOf(join(folder, 'to')))]
    const ledger = await from.create(genesis)
    for (let number = 1; number < 30; number++) await ledger.commit(goldenCommit(number))
    const taken = await ledger.writeSnapshot(join(folder, 'snapshot'))
    expect((await Snapshot.open(taken.folder))?.info).toEqual(taken.info)
    const joined = await to.joinSnapshot(taken.folder)
    for (let number = 30; number < peerBlocks.length; number++) {
      expect((await joined.commit(goldenCommit(number))).commitHash).toEqual((await ledger.commit(goldenCommit(number))).commitHash)
    }
    await from.close()
    await to.close()
  })
})
