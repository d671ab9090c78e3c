import { describe, expect, it } from 'vitest'
import { memoryStateDatabase } from './memory-state-database.ts'
import type { StateDatabase, StateKey } from './state-database.ts'
import { withSnapshots } from './with-snapshots.ts'

const A: StateKey = { namespace: 'cc', key: 'a' }
const B: StateKey = { namespace: 'cd', key: 'b' }
const version = { blockNumber: 0n, transactionNumber: 0n }
const put = (at: StateKey, byte: number) => ({ ...at, value: Uint8Array.of(byte), metadata: new Uint8Array(), version })
const write = (byte: number) => [put(A, byte)]

/** One without snapshots of its own. */
async function plainDatabase(): Promise<StateDatabase> {
  const memory = await memoryStateDatabase()('')
  return {
    get height() {
      return memory.height
    },
    getMany: (keys) => memory.getMany(keys),
    range: (...range) => memory.range(...range),
    // Namespace by namespace, as CouchDB reads them.
    async *entries() {
      for (const { namespace } of [A, B]) for await (const entry of memory.range(namespace, '', '')) yield { namespace, ...entry }
    },
    apply: async (changes, height) => {
      if (changes.length === 0) throw new Error('no changes')
      await memory.apply(changes, height)
    },
    drop: () => memory.drop(),
    close: () => memory.close(),
  }
}

const turns = () => new Promise((resolve) => setImmediate(resolve))

describe('withSnapshots', () => {
  it("leaves a database's own", async () => {
    const memory = await memoryStateDatabase()('')
    expect(withSnapshots(memory)).toBe(memory)
  })

  it('lets a block wait for the snapshots before it, and later ones for the block', async () => {
    const database = withSnapshots(await plainDatabase())
    await database.apply(write(1), 1n)
    const [one, two] = [await database.snapshot(), await database.snapshot()]
    const done: string[] = []
    const applied = database.apply(write(2), 2n).then(() => done.push('block'))
    const later = database.snapshot().then((snapshot) => {
      done.push(`snapshot of ${snapshot.height}`)
      return snapshot
    })
    await one.close()
    await turns()
    expect(done).toEqual([])
    expect((await two.getMany([A]))[0]?.value).toEqual(Uint8Array.of(1))
    await two.close()
    await applied
    const snapshot = await later
    expect(done).toEqual(['block', 'snapshot of 2'])
    expect((await snapshot.getMany([A]))[0]?.value).toEqual(Uint8Array.of(2))
    const dropped = database.drop()
    await turns()
    expect(database.height).toBe(2n)
    await snapshot.close()
    await dropped
    expect(database.height).toBe(0n)
  })

  it('lets a block wait while all entries are read', async () => {
    const database = withSnapshots(await plainDatabase())
    await database.apply([put(A, 1), put(B, 1)], 1n)
    const values: number[] = []
    let applied: Promise<void> | undefined
    for await (const { value } of database.entries()) {
      applied ??= database.apply([put(A, 2), put(B, 2)], 2n)
      await turns()
      values.push(...value)
    }
    await applied
    expect([values, database.height]).toEqual([[1, 1], 2n])
    for await (const _ of database.entries()) break
    await database.apply(write(3), 3n)
  })

  it('goes on after a block that failed', async () => {
    const database = withSnapshots(await plainDatabase())
    await expect(database.apply([], 1n)).rejects.toThrow('no changes')
    await (await database.snapshot()).close()
    await database.apply(write(1), 1n)
    expect(database.height).toBe(1n)
  })
})
