import { buildReadWriteSets, hashKey, type ReadWriteSets } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { withFolder } from '../../test/golden.ts'
import type { LatePrivateData } from './late-private-data.ts'
import { LevelRecords } from './level-records.ts'
import type { WriteSetPlace } from './private-data-records.ts'
import { PrivateDataStore, type PrivateDataToCommit } from './private-data-store.ts'

const NAMESPACE = 'asset'
const BLOCKS_TO_LIVE = new Map([
  ['secret', 0n],
  ['short', 2n],
  ['brief', 1n],
])
const policies = { blockToLive: async (_namespace: string, collection: string) => BLOCKS_TO_LIVE.get(collection) }

/** A transaction's write to one collection, and what is known of it. */
interface Write {
  readonly collection: string
  readonly keys: readonly string[]
  readonly fate: 'stored' | 'missing' | 'ineligible'
}
type Command =
  | {
      do: 'commit'
      writes: Write[]
      purges: { collection: string; key: string; at: number }[]
      crashAt: number | undefined
    }
  | { do: 'reconcile'; which: number; isFalse: boolean; crashAt: number | undefined }
  | { do: 'recheck'; eligible: string[]; crashAt: number | undefined }
  | { do: 'deprioritise'; which: number }
  | { do: 'reopen' }

const collection = fc.constantFrom('secret', 'short', 'brief')
const key = fc.constantFrom('a', 'b', 'c')
const crashAt = fc.option(fc.nat(5), { nil: undefined })
const write: fc.Arbitrary<Write> = fc.record({
  collection,
  keys: fc.uniqueArray(key, { minLength: 1 }),
  fate: fc.constantFrom('stored', 'stored', 'missing', 'ineligible'),
})
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      do: fc.constant('commit' as const),
      writes: fc.array(write, { maxLength: 3 }),
      purges: fc.uniqueArray(fc.record({ collection, key, at: fc.nat(2) }), {
        maxLength: 2,
        selector: ({ collection, key }) => collection + key,
      }),
      crashAt,
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('reconcile' as const), which: fc.nat(9), isFalse: fc.boolean(), crashAt }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('recheck' as const), eligible: fc.uniqueArray(collection), crashAt }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('deprioritise' as const), which: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
)

function setsOf({ collection, keys }: Write, place: string): ReadWriteSets {
  const writes = keys.map((key) => ({ key, value: new TextEncoder().encode(`${key} of ${place}`) }))
  const collections = [{ collection, reads: [], writes, metadataWrites: [] }]
  return buildReadWriteSets([{ namespace: NAMESPACE, reads: [], rangeQueries: [], writes: [], metadataWrites: [], collections }])
}

/** What the store is to do, said in as few words as may be. */
class Model {
  height = 0
  entries: { block: number; tx: number; write: Write; keys: string[]; fate: Write['fate'] | 'late' | 'deprioritised' }[] = []
  purges = new Map<string, { block: number; tx: number }>()

  commit({ writes, purges }: Command & { do: 'commit' }): void {
    const block = this.height++
    for (const [tx, write] of writes.entries()) this.entries.push({ block, tx, write, keys: [...write.keys], fate: write.fate })
    for (const { collection, key, at } of purges) this.purges.set(collection + key, { block, tx: at })
    for (const entry of this.entries) this.trim(entry)
    this.entries = this.entries.filter(({ block, write }) => {
      const toLive = Number(BLOCKS_TO_LIVE.get(write.collection))
      return toLive === 0 || block + toLive + 1 >= this.height
    })
  }

  recheck(eligible: readonly string[]): void {
    for (const entry of this.entries) {
      if (entry.fate === 'ineligible' && eligible.includes(entry.write.collection)) entry.fate = 'missing'
    }
  }

  trim(entry: Model['entries'][number]): void {
    entry.keys = entry.keys.filter((key) => {
      const purge = this.purges.get(entry.write.collection + key)
      return purge === undefined || entry.block > purge.block || (entry.block === purge.block && entry.tx > purge.tx)
    })
  }

  read(block: number): unknown {
    const stored = this.entries.filter((entry) => entry.block === block && (entry.fate === 'stored' || entry.fate === 'late'))
    return stored.map(({ tx, write, keys }) => [tx, write.collection, keys.toSorted().map((key) => `${key} of ${block}/${tx}`)])
  }

  missing(fate: string): unknown {
    return this.entries
      .filter((entry) => entry.fate === fate)
      .map(({ block, tx, write }) => `${block} ${write.collection} ${tx}`)
      .toSorted()
  }
}

async function assertSame(store: PrivateDataStore, model: Model): Promise<void> {
  expect(store.height).toBe(BigInt(model.height))
  for (let block = 0; block < model.height; block++) {
    const read = await store.read(BigInt(block))
    const found = read?.flatMap(({ transactionNumber, set }) =>
      set.namespaces.flatMap(({ collections }) =>
        collections.map(({ collection, keyValue }) => [
          transactionNumber,
          collection,
          keyValue.writes.map(({ value }) => new TextDecoder().decode(value)).toSorted(),
        ]),
      ),
    )
    expect(found).toEqual(model.read(block))
  }
  expect(await store.read(BigInt(model.height))).toBeUndefined()
  for (const isDeprioritised of [false, true]) {
    const missing = await store.missing({ blocks: 100, isDeprioritised })
    expect(missing.map(({ blockNumber }) => blockNumber)).toEqual(
      missing.map(({ blockNumber }) => blockNumber).toSorted((a, b) => Number(b - a)),
    )
    const found = missing.map(({ blockNumber, collection, transactionNumber }) => `${blockNumber} ${collection} ${transactionNumber}`)
    expect(found.toSorted()).toEqual(model.missing(isDeprioritised ? 'deprioritised' : 'missing'))
  }
}

function blockOf({ writes, purges }: Command & { do: 'commit' }, blockNumber: bigint): PrivateDataToCommit {
  const namespace = NAMESPACE
  return {
    data: writes.flatMap((write, transactionNumber) => {
      const set = setsOf(write, `${blockNumber}/${transactionNumber}`).private
      return write.fate === 'stored' && set !== undefined ? [{ transactionNumber, set }] : []
    }),
    missing: writes.flatMap(({ collection, fate }, transactionNumber) =>
      fate === 'stored' ? [] : [{ transactionNumber, namespace, collection, isEligible: fate === 'missing' }],
    ),
    purges: purges.map(({ collection, key, at }) => {
      return { namespace, collection, keyHash: hashKey(key), version: { blockNumber, transactionNumber: BigInt(at) } }
    }),
  }
}

function lateOf(entry: Model['entries'][number], isFalse: boolean): LatePrivateData {
  const sets = setsOf(entry.write, `${entry.block}/${entry.tx}`)
  const other = setsOf(entry.write, 'nowhere')
  const set = (isFalse ? other : sets).private?.namespaces[0]?.collections[0]
  if (set === undefined) throw new Error('nothing was written')
  return { ...placeOf(entry), set, expected: sets.public.namespaces[0]?.collections[0] }
}

function placeOf({ block, tx, write }: Model['entries'][number]): WriteSetPlace {
  return { blockNumber: BigInt(block), transactionNumber: tx, namespace: NAMESPACE, collection: write.collection }
}

/** Runs, with a crash at the write of that number: the step is not done, and the store is opened anew. */
async function crashing(
  folder: string,
  store: PrivateDataStore,
  at: number | undefined,
  run: (store: PrivateDataStore) => Promise<unknown>,
) {
  if (at === undefined) {
    await run(store)
    return store
  }
  const real = LevelRecords.prototype.write
  let count = 0
  vi.spyOn(LevelRecords.prototype, 'write').mockImplementation(async function (this: LevelRecords, changes, sync) {
    if (count++ === at) throw new Error('crash')
    await real.call(this, changes, sync)
  })
  const crashed = await run(store).then(
    () => false,
    () => true,
  )
  vi.restoreAllMocks()
  if (!crashed) return store
  await store.close()
  const reopened = await PrivateDataStore.open(folder)
  await run(reopened)
  return reopened
}

afterEach(() => vi.restoreAllMocks())

describe('PrivateDataStore', () => {
  it('is a plain model, whatever is done, and wherever it crashes', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 14 }), async (commands) => {
        await withFolder(async (folder) => {
          let store = await PrivateDataStore.open(folder)
          const model = new Model()
          for (const each of commands) {
            store = await perform(each, store, model, folder)
            await assertSame(store, model)
          }
          await store.close()
        })
      }),
      { numRuns: 60 },
    )
  })
})

async function perform(command: Command, store: PrivateDataStore, model: Model, folder: string): Promise<PrivateDataStore> {
  if (command.do === 'reopen') {
    await store.close()
    return await PrivateDataStore.open(folder)
  }
  if (command.do === 'commit') {
    const number = BigInt(model.height)
    model.commit(command)
    return await crashing(folder, store, command.crashAt, (store) => store.commit(number, blockOf(command, number), policies))
  }
  if (command.do === 'recheck') {
    model.recheck(command.eligible)
    const isEligible = async (_namespace: string, collection: string) => command.eligible.includes(collection)
    return await crashing(folder, store, command.crashAt, (store) => store.recheckEligibility({ isEligible }))
  }
  const missing = model.entries.filter(({ fate }) => fate !== 'stored')
  const entry = missing[command.which % missing.length]
  if (entry === undefined) return store
  if (command.do === 'deprioritise') {
    await store.reconcile([], [placeOf(entry)])
    if (entry.fate === 'missing') entry.fate = 'deprioritised'
    return store
  }
  const late = lateOf(entry, command.isFalse)
  // A false set does no harm where nothing of it was to be stored.
  const mayCome = (entry.fate === 'missing' || entry.fate === 'deprioritised') && (!command.isFalse || entry.keys.length === 0)
  if (mayCome) entry.fate = 'late'
  return await crashing(folder, store, command.crashAt, (store) => store.reconcile([late]))
}
