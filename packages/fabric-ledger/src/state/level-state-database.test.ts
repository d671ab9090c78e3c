import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { concatBytes, encodeUtf8, versionBytes, WireWriter } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { ClassicLevel } from 'classic-level'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { stateDatabaseContract } from '../testing/state-database-contract.ts'
import { levelStateDatabase } from './level-state-database.ts'
import { decodeStateKey, decodeStateValue, encodeStateKey, putStateValue } from './level-state-record.ts'
import { memoryStateDatabase } from './memory-state-database.ts'
import type { StateChange } from './state-database.ts'

const open = levelStateDatabase()

async function withFolder(run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), 'level-state-'))
  try {
    await run(folder)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

async function withLevel(folder: string, run: (level: ClassicLevel<Uint8Array, Uint8Array>) => Promise<void>): Promise<void> {
  const level = new ClassicLevel<Uint8Array, Uint8Array>(folder, { keyEncoding: 'view', valueEncoding: 'view' })
  await run(level)
  await level.close()
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

stateDatabaseContract({ describe, it }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'level-state-'))
  const opened = [await open(folder)]
  return {
    database: opened[0] ?? (await open(folder)),
    reopen: async () => {
      const again = await open(folder)
      opened.push(again)
      return again
    },
    free: async () => {
      for (const database of opened) await database.close()
      await rm(folder, { recursive: true, force: true })
    },
  }
})

const version = { blockNumber: 258n, transactionNumber: 3n }
const change = (namespace: string, key: string, text: string): StateChange => ({
  namespace,
  key,
  value: encodeUtf8(text),
  metadata: new Uint8Array(),
  version,
})

describe('a state database in LevelDB', () => {
  it("has Fabric's keys and values", () =>
    withFolder(async (folder) => {
      const database = await open(folder)
      await database.apply([{ ...change('cc', 'k\0y', 'v'), metadata: encodeUtf8('m') }], 1n)
      await database.close()
      await withLevel(folder, async (level) => {
        const value = await level.get(encodeUtf8('dcc\0k\0y'))
        const expected = [Uint8Array.of(10, 5, 2, 1, 2, 1, 3), Uint8Array.of(18, 1, 0x76), Uint8Array.of(26, 1, 0x6d)]
        expect(new Uint8Array(value ?? [])).toEqual(concatBytes(expected))
        expect(versionBytes(version)).toEqual(Uint8Array.of(2, 1, 2, 1, 3))
      })
    }))

  it('has nothing in a namespace that could be taken for another with a key', () =>
    withFolder(async (folder) => {
      const database = await open(folder)
      await database.apply([change('cc', 'a\0b', '1')], 1n)
      expect(await database.getMany([{ namespace: 'cc\0a', key: 'b' }])).toEqual([undefined])
      expect(await listOf(database.range('cc\0a', '', ''))).toEqual([])
      await expect(database.apply([change('cc\0a', 'b', '2')], 2n)).rejects.toMatchObject({ code: 'fabric-ledger/bad-namespace' })
      expect(database.height).toBe(1n)
      await database.close()
    }))

  it('removes what half a drop, or half a snapshot, left', () =>
    withFolder(async (folder) => {
      const database = await open(folder)
      await database.apply([change('cc', 'a', '1')], 0n)
      await database.close()
      const again = await open(folder)
      expect(await listOf(again.entries())).toEqual([])
      await again.close()
    }))

  it('says by name what is wrong with a folder', () =>
    withFolder(async (folder) => {
      const database = await open(folder)
      await database.apply([change('cc', 'a', '1')], 1n)
      await expect(open(folder)).rejects.toMatchObject({ code: 'fabric-ledger/state-not-open' })
      await database.close()
      await withLevel(folder, (level) => level.put(encodeUtf8('dcc\0a'), Uint8Array.of(255)))
      const bad = await open(folder)
      await expect(bad.getMany([{ namespace: 'cc', key: 'a' }])).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-state' })
      await expect(listOf(bad.entries())).rejects.toThrow(KumikoError)
      await bad.close()
      for (const savepoint of [Uint8Array.of(8, 9), Uint8Array.of(255)]) {
        await withLevel(folder, (level) => level.put(encodeUtf8('s'), savepoint))
        await expect(open(folder)).rejects.toMatchObject({ code: 'fabric-ledger/corrupt-state' })
      }
    }))

  it('answers as one in memory does', async () => {
    const key = fc.string({ unit: fc.constantFrom('\0', 'a', 'b', '\uff5e', '\u{10ffff}'), maxLength: 3 })
    const namespace = fc.constantFrom('', 'n', 'n$$hc')
    const write = fc.record({ namespace, key, value: fc.option(fc.uint8Array({ minLength: 1, maxLength: 3 }), { nil: undefined }) })
    const block = fc.uniqueArray(write, { selector: ({ namespace, key }) => `${namespace}/${key}`, maxLength: 30 })
    const range = fc.record({ namespace, start: key, end: key, limit: fc.option(fc.nat(5), { nil: undefined }) })
    await withFolder(async (folder) => {
      const level = await open(folder)
      await fc.assert(
        fc.asyncProperty(fc.array(block, { minLength: 1, maxLength: 4 }), fc.array(range, { maxLength: 8 }), async (blocks, ranges) => {
          await level.drop()
          const memory = await memoryStateDatabase()('')
          for (const [number, writes] of blocks.entries()) {
            const changes = writes.map((each) => ({ ...each, metadata: new Uint8Array(), version }))
            for (const database of [memory, level]) await database.apply(changes, BigInt(number) + 1n)
          }
          for (const { namespace, start, end, limit } of ranges) {
            const [found, expected] = await Promise.all([level, memory].map((each) => listOf(each.range(namespace, start, end, limit))))
            expect(found).toEqual(expected)
          }
          expect(await listOf(level.entries())).toEqual(await listOf(memory.entries()))
        }),
        { numRuns: 60, seed: 20_261_121 },
      )
      await level.close()
    })
  })
})

describe('records of the state', () => {
  it('are refused with more than a version in the version, and without namespace', () => {
    const bad = { fault: 'fabric-ledger/bad-state-record' }
    expect(decodeStateValue(Uint8Array.of(10, 4, 1, 1, 0, 0))).toMatchObject(bad)
    expect(decodeStateValue(Uint8Array.of(10, 2, 1, 1))).toMatchObject(bad)
    expect(decodeStateKey(encodeUtf8('dcc'))).toMatchObject(bad)
    expect(decodeStateKey(encodeUtf8('ecc\0a'))).toMatchObject(bad)
  })

  it('decode to what was encoded, and any bytes to a value or a fault', () => {
    const namespace = fc.string({ unit: 'binary', maxLength: 3 }).filter((text) => !text.includes('\0'))
    const height = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
    const value = fc.record({
      value: fc.uint8Array({ maxLength: 3 }),
      metadata: fc.uint8Array({ maxLength: 3 }),
      version: fc.record({ blockNumber: height, transactionNumber: height }),
    })
    fc.assert(
      fc.property(
        namespace,
        fc.string({ unit: 'binary', maxLength: 4 }),
        value,
        fc.uint8Array({ maxLength: 20 }),
        (name, key, entry, any) => {
          expect(decodeStateKey(encodeStateKey(name, key))).toEqual({ namespace: name, key })
          expect(decodeStateValue(putStateValue(new WireWriter(), entry))).toEqual(entry)
          for (const decoded of [decodeStateKey(any), decodeStateValue(any)]) {
            if ('fault' in decoded) expect(decoded.fault).toBe('fabric-ledger/bad-state-record')
          }
        },
      ),
      { numRuns: 300, seed: 20_261_121 },
    )
  })
})
