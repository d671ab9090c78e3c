import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { Ledger, type LedgerOptions, memoryStateDatabase, rebuildDatabases, reset, rollback } from '@kumiko/fabric-ledger'
import type { Block } from '@kumiko/fabric-protocol'
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

function optionsOf(folder: string): LedgerOptions {
  const rest = { channelId: 'mychannel', policies: () => goldenPolicies }
  return { folder: join(folder, 'ledger'), fileSystem: faults.fileSystem, ...rest }
}

async function fill(ledger: Ledger, height: number, dumps?: Map<number, string>): Promise<void> {
  for (let number = Number(ledger.info.height); number < height; number++) {
    await ledger.commit(goldenCommit(number))
    dumps?.set(number + 1, await dumpLedger(ledger))
  }
}

/** Without the private data that is given: what is stored serves again. */
async function fillAgain(ledger: Ledger, height: number): Promise<void> {
  for (let number = Number(ledger.info.height); number < height; number++) {
    const { privateData: _, ...commit } = goldenCommit(number)
    await ledger.commit(commit)
  }
}

/** What the ledger holds at each height. */
const expected = await withFolder(async (folder) => {
  const dumps = new Map<number, string>()
  const ledger = await Ledger.create({ folder: join(folder, 'ledger'), channelId: 'mychannel', policies: () => goldenPolicies, genesis })
  dumps.set(1, await dumpLedger(ledger))
  await fill(ledger, HEIGHT, dumps)
  await ledger.close()
  return dumps
})

async function withLedger(run: (options: LedgerOptions) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const options = optionsOf(folder)
    const ledger = await Ledger.create({ ...options, genesis })
    await fill(ledger, HEIGHT)
    await ledger.close()
    await run(options)
  })
}

/** @param to - Taken down to the blocks that there are. */
async function goBackAndOn(options: LedgerOptions, to: number, on: number): Promise<void> {
  const height = await withOpen(options, async ({ info }) => Number(info.height))
  const last = to % height
  await rollback(options, BigInt(last))
  await withOpen(options, async (ledger) => {
    expect(ledger).toMatchObject({ info: { height: BigInt(last + 1) }, heightBefore: BigInt(HEIGHT) })
    expect(publicOf(await dumpLedger(ledger))).toBe(publicOf(expected.get(last + 1)))
    const next = Math.min(HEIGHT, last + 1 + on)
    await fillAgain(ledger, next)
    expect(publicOf(await dumpLedger(ledger))).toBe(publicOf(expected.get(next)))
    await fillAgain(ledger, HEIGHT)
    expect(await dumpLedger(ledger)).toBe(expected.get(HEIGHT))
  })
  expect(await withOpen(options, dumpLedger)).toBe(expected.get(HEIGHT))
}

/** What all peers have: private data may be purged, or expire, with blocks that are to come again. */
function publicOf(dump = ''): string {
  const isPrivate = (line: string) => /^(private|missing) /.test(line) || line.includes('$$p')
  return dump
    .split('\n')
    .filter((line) => !isPrivate(line))
    .join('\n')
}

async function withOpen<T>(options: LedgerOptions, run: (ledger: Ledger) => Promise<T>): Promise<T> {
  const ledger = await Ledger.open(options)
  try {
    return await run(ledger)
  } finally {
    await ledger.close()
  }
}

describe('a rollback', () => {
  it('to any block, and from there on again, leaves what the blocks alone would', async () => {
    await withLedger(async (options) => {
      const step = fc.record({ to: fc.integer({ min: 0, max: HEIGHT - 1 }), on: fc.integer({ min: 0, max: 12 }) })
      await fc.assert(
        fc.asyncProperty(step, async ({ to, on }) => await goBackAndOn(options, to, on)),
        { numRuns: 12, seed: 20_261_121 },
      )
    })
  })

  it('broken off at any write is ended when the ledger is opened', async () => {
    await withLedger(async (options) => {
      let height = HEIGHT
      for (let writes = 0, hasFailed = true; hasFailed; writes++) {
        faults.left = writes
        hasFailed = await rollback(options, BigInt(height - 2)).then(
          () => false,
          () => true,
        )
        faults.left = writes % 3
        // So may be the ending.
        await Ledger.open(options).then(
          (ledger) => ledger.close(),
          () => undefined,
        )
        faults.mend()
        const ledger = await Ledger.open(options)
        const after = Number(ledger.info.height)
        expect(after === height || after === height - 1).toBe(true)
        expect(publicOf(await dumpLedger(ledger))).toBe(publicOf(expected.get(after)))
        height = after
        await ledger.close()
      }
      expect(height).toBeLessThan(HEIGHT - 5)
    })
  })
})

describe('a reset', () => {
  it('keeps block 0 alone, and the height that there was', async () => {
    await withLedger(async (options) => {
      await reset(options)
      await reset(options)
      const ledger = await Ledger.open(options)
      expect(ledger).toMatchObject({ info: { height: 1n }, heightBefore: BigInt(HEIGHT) })
      expect(publicOf(await dumpLedger(ledger))).toBe(publicOf(expected.get(1)))
      await fillAgain(ledger, HEIGHT)
      expect(await dumpLedger(ledger)).toBe(expected.get(HEIGHT))
      await ledger.close()
    })
  })
})

describe('a rebuild', () => {
  it('makes all databases anew, even where one is broken, or of another kind', async () => {
    await withLedger(async (options) => {
      for (const name of ['state', 'index', 'history', 'expiry']) await writeFile(join(options.folder, name, 'CURRENT'), 'broken')
      await expect(Ledger.open(options)).rejects.toMatchObject({ code: 'fabric-ledger/index-not-open' })
      await rebuildDatabases(options)
      const replayed: bigint[] = []
      let ledger = await Ledger.open({ ...options, onReplay: ({ number }) => replayed.push(number) })
      expect(replayed).toEqual(Array.from({ length: HEIGHT }, (_, number) => BigInt(number)))
      expect(await dumpLedger(ledger)).toBe(expected.get(HEIGHT))
      await ledger.close()
      await rebuildDatabases({ ...options, openState: memoryStateDatabase() })
      ledger = await Ledger.open({ ...options, openState: memoryStateDatabase() })
      expect(await dumpLedger(ledger)).toBe(expected.get(HEIGHT))
      expect(ledger.heightBefore).toBe(0n)
      await ledger.close()
    })
  })
})

describe('misuse', () => {
  it('is refused, and changes nothing', async () => {
    await withLedger(async (options) => {
      const ledger = await Ledger.open(options)
      for (const rework of [() => rollback(options, 3n), () => reset(options), () => rebuildDatabases(options)]) {
        await expect(rework()).rejects.toMatchObject({ code: 'fabric-ledger/in-use' })
      }
      await ledger.close()
      await expect(rollback(options, 54n)).rejects.toMatchObject({ code: 'fabric-ledger/no-such-block' })
      await expect(rollback({ ...options, folder: `${options.folder}-2` }, 1n)).rejects.toMatchObject({ code: 'fabric-ledger/no-ledger' })
      const again = await Ledger.open(options)
      expect(await dumpLedger(again)).toBe(expected.get(HEIGHT))
      await again.close()
    })
  })
})
