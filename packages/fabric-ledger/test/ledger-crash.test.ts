import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { Ledger, type LedgerOptions, levelStateDatabase, memoryStateDatabase, type OpenStateDatabase } from '@kumiko/fabric-ledger'
import type { Block } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Faults } from './faults.ts'
import { peerBlocks, withFolder } from './golden.ts'
import { dumpLedger, goldenCommit, goldenPolicies } from './golden-commits.ts'

const HEIGHT = peerBlocks.length
const genesis = peerBlocks[0] as Block

let faults: Faults
beforeEach(() => {
  faults = new Faults()
})
afterEach(() => faults.end())

function optionsOf(folder: string, openState: OpenStateDatabase = levelStateDatabase()): LedgerOptions {
  return { folder, channelId: 'mychannel', openState, policies: () => goldenPolicies, fileSystem: faults.fileSystem }
}

/** What the ledger is to hold at each height: a run without a crash. */
const expected: readonly string[] = await withFolder(async (folder) => {
  const dumps: string[] = ['']
  const ledger = await Ledger.create({ folder: join(folder, 'expected'), channelId: 'mychannel', policies: () => goldenPolicies, genesis })
  for (let number = 1; number < HEIGHT; number++) {
    dumps.push(await dumpLedger(ledger))
    await ledger.commit(goldenCommit(number))
  }
  dumps.push(await dumpLedger(ledger))
  await ledger.close()
  return dumps
})

async function expectDump(ledger: Ledger): Promise<void> {
  const found = await dumpLedger(ledger)
  if (found !== expected[Number(ledger.info.height)]) expect(found).toBe(expected[Number(ledger.info.height)])
}

describe('a failure at any write of a commit', () => {
  it.each([
    // One in memory is filled from all blocks each time: so only those that have private data.
    ['memory', memoryStateDatabase, 27, 34],
    ['LevelDB', levelStateDatabase, 1, HEIGHT],
  ] as const)(
    'halts the ledger, which goes on where it was when it is opened anew, with its state in %s',
    async (_, openState, from, to) => {
      await withFolder(async (folder) => {
        let [failures, kept] = [0, 0]
        for (let writes = 0, hasFailed = true; hasFailed; writes++) {
          hasFailed = false
          const options = optionsOf(join(folder, `${writes}`), openState())
          let ledger = await Ledger.create({ ...options, genesis })
          for (let number = 1; number < to; number++) {
            if (number >= from) faults.left = writes
            const outcome = await ledger.commit(goldenCommit(number)).catch((error: unknown) => error)
            faults.mend()
            if (!(outcome instanceof Error)) continue
            hasFailed = true
            failures++
            expect(outcome).toMatchObject({ code: 'fabric-ledger/halted', cause: { message: expect.stringContaining('ENOSPC') } })
            await expect(ledger.commit(goldenCommit(number))).rejects.toMatchObject({ code: 'fabric-ledger/halted' })
            await ledger.close()
            ledger = await Ledger.open(options)
            if (ledger.info.height === BigInt(number)) await ledger.commit(goldenCommit(number))
            else kept++
            expect(ledger.info.height).toBe(BigInt(number + 1))
            await expectDump(ledger)
          }
          await ledger.close()
        }
        // Private data, the file and its sync, the index, state, history, expiry: each block fails at each.
        expect(failures).toBeGreaterThan(6 * (to - from))
        expect(kept).toBeGreaterThan(3 * (to - from))
      })
    },
    240_000,
  )
})

describe('a crash', () => {
  it('at any write, of opening the ledger too, and again and again, loses nothing that was acknowledged', async () => {
    await fc.assert(
      fc.asyncProperty(fc.infiniteStream(fc.integer({ min: 0, max: 40 })), async (distances) => {
        await withFolder(async (folder) => {
          const options = optionsOf(join(folder, 'ledger'))
          let acknowledged = 0n
          for (let round = 0; acknowledged < 30n; round++) {
            faults.mend()
            faults.left = round < 100 ? (distances.next().value ?? 0) : Number.POSITIVE_INFINITY
            const ledger = await openOrCreate(options)
            if (ledger === undefined) continue
            expect(ledger.info.height - acknowledged === 0n || ledger.info.height - acknowledged === 1n).toBe(true)
            await expectDump(ledger)
            acknowledged = await commitOn(ledger, 30)
            await ledger.close()
          }
        })
      }),
      { numRuns: 6, seed: 20_261_121 },
    )
  })

  it('of the process at any moment is made up for by the next one', async () => {
    await withFolder(async (folder) => {
      const options = optionsOf(join(folder, 'ledger'))
      await (await Ledger.create({ ...options, genesis })).close()
      let kills = 0
      for (const writes of [1, 2, 3, 4, 5, 6, 7, 8, 30, 77, 1000]) {
        const status = await commitInChild(options.folder, writes)
        if (status === 'SIGKILL') kills++
        const ledger = await Ledger.open(options)
        await expectDump(ledger)
        await ledger.close()
      }
      expect(kills).toBeGreaterThan(8)
      const ledger = await Ledger.open(options)
      expect(ledger.info.height).toBe(BigInt(HEIGHT))
      await ledger.close()
    })
  })
})

/** @returns Undefined where a fault was in the way. */
async function openOrCreate(options: LedgerOptions): Promise<Ledger | undefined> {
  try {
    return await Ledger.open(options)
  } catch (error) {
    if (!(error instanceof KumikoError) || !['fabric-ledger/no-ledger', 'fabric-ledger/half-made'].includes(error.code)) return
  }
  return await Ledger.create({ ...options, genesis }).catch(() => undefined)
}

/** @returns The height that was acknowledged. */
async function commitOn(ledger: Ledger, height: number): Promise<bigint> {
  let acknowledged = ledger.info.height
  try {
    for (; acknowledged < height; acknowledged++) await ledger.commit(goldenCommit(Number(acknowledged)))
  } catch (error) {
    expect(error).toMatchObject({ code: 'fabric-ledger/halted' })
  }
  return acknowledged
}

/** Commits in a process that is killed at a write. @returns The signal or code that it ended with. */
async function commitInChild(folder: string, writes: number): Promise<NodeJS.Signals | number | null> {
  const script = join(import.meta.dirname, 'commit-child.ts')
  const child = spawn(process.execPath, ['--conditions=@kumiko/source', script, folder, String(writes)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  return await new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(signal ?? code))
  })
}
