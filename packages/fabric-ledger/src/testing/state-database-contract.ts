import assert from 'node:assert/strict'
import { compareUtf8, encodeUtf8, toHex, type Version } from '@kumiko/fabric-protocol'
import { memoryStateDatabase } from '../state/memory-state-database.ts'
import {
  hashedNamespace,
  privateNamespace,
  type StateChange,
  type StateDatabase,
  type StateEntry,
  type StateKey,
  type StateReader,
} from '../state/state-database.ts'
import type { VersionedValue } from '../validation/committed-state.ts'

/** What the suite needs of a test runner. vitest, jest, mocha and `node:test` all have it. */
export interface TestRunner {
  describe(name: string, define: () => void): unknown
  it(name: string, run: () => Promise<void>): unknown
}

/** What the suite tests, made anew for each of its tests. */
export interface StateDatabaseSubject {
  /** An empty one. */
  readonly database: StateDatabase
  /** Opens it once more, after it was closed; absent where it does not outlive its closing. */
  reopen?(): Promise<StateDatabase>
  /** Frees what the subject holds, the database too. Called at the end of each test, whatever came of it. */
  free?(): Promise<void> | void
}

/** In what a database may differ from others. */
export interface StateDatabaseContractOptions {
  /** Tells the keys that the database holds: the suite uses no others. Default: all. */
  readonly holds?: (key: string) => boolean
  /** Whether a range that is being read shows nothing of what is applied meanwhile. Default true; where false, {@link withSnapshots} sees to it. */
  readonly isIsolated?: boolean
}

const NAMESPACES = ['', 'cc', 'CC', 'cc1', hashedNamespace('cc', 'col'), privateNamespace('cc', 'col'), '_lifecycle']
// U+FF5E comes before U+1F600 by UTF-8, after it by UTF-16. The last two are composite keys.
const KEYS = [
  'a',
  'aa',
  'ab',
  'b',
  'B',
  '~',
  '\u00e9',
  '\uff5e',
  '\u{1f600}',
  'a b/c?d=e&f#g+h%20',
  '\u0000red\u0000a\u0000',
  '\u0000red\u0000b\u0000',
]
const NONE = new Uint8Array()

/** What holds for every {@link StateDatabase}. Values are no JSON, which some databases write anew. */
export function stateDatabaseContract(
  { describe, it }: TestRunner,
  factory: () => Promise<StateDatabaseSubject>,
  { holds = () => true, isIsolated = true }: StateDatabaseContractOptions = {},
): void {
  const keys = KEYS.filter(holds)
  const test = (name: string, run: (database: StateDatabase, subject: StateDatabaseSubject) => Promise<void>): void => {
    it(name, async () => {
      const subject = await factory()
      try {
        await run(subject.database, subject)
      } finally {
        await subject.free?.()
      }
    })
  }

  describe('the contract of a StateDatabase', () => {
    test('holds nothing at first', async (database) => {
      assert.equal(database.height, 0n)
      assert.deepEqual(await database.getMany([{ namespace: 'cc', key: 'a' }]), [undefined])
      assert.deepEqual(await database.getMany([]), [])
      assert.deepEqual(await listOf(database.range('cc', '', '')), [])
      assert.deepEqual(await listOf(database.entries()), [])
    })

    test('answers in the order of the keys, with all bytes and the highest version', async (database) => {
      const every = Uint8Array.from({ length: 256 }, (_, byte) => byte)
      const max = { blockNumber: 2n ** 64n - 1n, transactionNumber: 2n ** 64n - 1n }
      const changes = [
        put('cc', 'a', '1', at(0, 0)),
        { namespace: 'cc', key: 'b', value: every, metadata: every.toReversed(), version: max },
      ]
      await database.apply(changes, 1n)
      assert.equal(database.height, 1n)
      const [a, b, absent] = await read(
        database,
        ['a', 'b', 'absent'].map((key) => ({ namespace: 'cc', key })),
      )
      assert.deepEqual(a, plain({ value: encodeUtf8('value 1'), metadata: NONE, version: at(0, 0) }))
      assert.deepEqual(b, plain({ value: every, metadata: every.toReversed(), version: max }))
      assert.equal(absent, undefined)
      const order = await read(
        database,
        ['b', 'absent', 'a', 'b'].map((key) => ({ namespace: 'cc', key })),
      )
      assert.deepEqual(order, [b, undefined, a, b])
      assert.deepEqual((await listOf(database.range('cc', 'a', 'b'))).map(plain), [a])
    })

    test('replaces and deletes, present or not', async (database) => {
      await database.apply([put('cc', 'a', '1', at(0, 0)), put('cc', 'b', '1', at(0, 1)), put('cc', 'c', '1', at(0, 2))], 1n)
      await database.apply([put('cc', 'a', '2', at(1, 0)), remove('cc', 'b', at(1, 0)), remove('cc', 'absent', at(1, 0))], 2n)
      assert.equal(database.height, 2n)
      assert.deepEqual(shown(await listOf(database.range('cc', '', ''))), ['a=value 2@1', 'c=value 1@0'])
      assert.deepEqual(await database.getMany([{ namespace: 'cc', key: 'b' }]), [undefined])
      await database.apply([put('cc', 'b', '3', at(2, 0))], 3n)
      assert.deepEqual(shown(await listOf(database.range('cc', '', ''))), ['a=value 2@1', 'b=value 3@2', 'c=value 1@0'])
    })

    test('takes a block without changes', async (database) => {
      await database.apply([put('cc', 'a', '1', at(0, 0))], 1n)
      await database.apply([], 2n)
      assert.equal(database.height, 2n)
      assert.deepEqual(shown(await listOf(database.range('cc', '', ''))), ['a=value 1@0'])
    })

    test('leaves the same when it is told of a block again', async (database) => {
      const block = [put('cc', 'a', '2', at(1, 0)), remove('cc', 'b', at(1, 1)), put('cc', 'c', '2', at(1, 2))]
      await database.apply([put('cc', 'a', '1', at(0, 0)), put('cc', 'b', '1', at(0, 1))], 1n)
      await database.apply(block, 2n)
      await database.apply(block, 2n)
      assert.equal(database.height, 2n)
      assert.deepEqual(shown(await listOf(database.range('cc', '', ''))), ['a=value 2@1', 'c=value 2@1'])
    })

    test('keeps namespaces apart', async (database) => {
      await database.apply(
        NAMESPACES.map((namespace) => put(namespace, 'a', namespace, at(0, 0))),
        1n,
      )
      for (const namespace of NAMESPACES) {
        assert.deepEqual(shown(await listOf(database.range(namespace, '', ''))), [`a=value ${namespace}@0`])
        const [found] = await database.getMany([{ namespace, key: 'a' }])
        assert.deepEqual(found && text(found.value), `value ${namespace}`)
      }
      assert.deepEqual(await listOf(database.range('c', '', '')), [])
    })

    test('reads ranges by UTF-8, from the start on, to before the end', async (database) => {
      await database.apply(
        keys.map((key) => put('cc', key, key, at(0, 0))),
        1n,
      )
      const ordered = keys.toSorted(compareUtf8)
      for (const start of ['', 'a0', ...keys]) {
        for (const end of ['', 'a0', ...keys]) {
          const found = (await listOf(database.range('cc', start, end))).map(({ key }) => key)
          const isWithin = (key: string): boolean => compareUtf8(key, start) >= 0 && (end === '' || compareUtf8(key, end) < 0)
          assert.deepEqual(found, ordered.filter(isWithin), JSON.stringify([start, end]))
        }
      }
    })

    test('reads no more of a range than is asked for, and stops where the reader does', async (database) => {
      await database.apply(many(500, '1', 0), 1n)
      for (const limit of [1, 7, 499, 500, 501]) {
        assert.equal((await listOf(database.range('cc', '', '', limit))).length, Math.min(limit, 500))
      }
      for await (const { key } of database.range('cc', 'k0100', 'k0300')) {
        assert.equal(key, 'k0100')
        break
      }
      assert.equal((await listOf(database.range('cc', 'k0100', 'k0300'))).length, 200)
      assert.equal((await listOf(database.range('cc', 'k0100', 'k0300', 1000))).length, 200)
    })

    if (isIsolated) {
      test('reads a range as it was when the loop began', async (database) => {
        await database.apply(many(500, '1', 0), 1n)
        const found: StateEntry[] = []
        for await (const entry of database.range('cc', '', '')) {
          if (found.length === 3)
            await database.apply([...many(400, '2', 1), remove('cc', 'k0450', at(1, 0)), put('cc', 'k0004a', '2', at(1, 0))], 2n)
          found.push(entry)
        }
        assert.deepEqual(
          shown(found),
          many(500, '1', 0).map(({ key }) => `${key}=value 1@0`),
        )
        assert.equal(shown(await listOf(database.range('cc', 'k0004', 'k0005'))).join(), 'k0004=value 2@1,k0004a=value 2@1')
      })
    }

    test('keeps a snapshot as it was, where it has any', async (database) => {
      await database.apply([put('cc', 'a', '1', at(0, 0)), put('cc', 'b', '1', at(0, 0))], 1n)
      const snapshot = await database.snapshot?.()
      if (snapshot === undefined) return
      await database.apply([put('cc', 'a', '2', at(1, 0)), remove('cc', 'b', at(1, 0)), put('cc', 'c', '2', at(1, 0))], 2n)
      assert.equal(snapshot.height, 1n)
      assert.deepEqual(shown(await listOf(snapshot.range('cc', '', ''))), ['a=value 1@0', 'b=value 1@0'])
      const found = await read(
        snapshot,
        ['a', 'c'].map((key) => ({ namespace: 'cc', key })),
      )
      assert.deepEqual(found, [plain({ value: encodeUtf8('value 1'), metadata: NONE, version: at(0, 0) }), undefined])
      await snapshot.close()
    })

    test('takes snapshots of a whole height while blocks are applied, where it has any', async (database) => {
      if (database.snapshot === undefined) return
      for (let number = 0; number < 20; number++) {
        const applying = database.apply([put('cc', 'a', '1', at(number, 0)), put('cc1', 'b', '1', at(number, 0))], BigInt(number) + 1n)
        const snapshot = await database.snapshot()
        const found = await snapshot.getMany([
          { namespace: 'cc', key: 'a' },
          { namespace: 'cc1', key: 'b' },
        ])
        for (const each of found) assert.equal(each === undefined ? 0n : each.version.blockNumber + 1n, snapshot.height)
        await snapshot.close()
        await applying
      }
    })

    test('tells everything by namespace and key', async (database) => {
      const all = NAMESPACES.flatMap((namespace) => keys.map((key) => ({ namespace, key })))
      await database.apply(
        all.map(({ namespace, key }) => put(namespace, key, key, at(0, 0))),
        1n,
      )
      const ordered = all.sort((a, b) => compareUtf8(a.namespace, b.namespace) || compareUtf8(a.key, b.key))
      const found = await listOf(database.entries())
      assert.deepEqual(
        found.map(({ namespace, key }) => ({ namespace, key })),
        ordered,
      )
      assert.ok(found.every(({ key, value }) => text(value) === `value ${key}`))
    })

    test('takes a snapshot of a ledger in several calls', async (database) => {
      await database.apply(many(10, '1', 0), 0n)
      await database.apply([put('cc1', 'a', '1', at(0, 0))], 0n)
      assert.equal(database.height, 0n)
      await database.apply([put('cc1', 'b', '1', at(0, 0))], 7n)
      assert.equal(database.height, 7n)
      assert.equal((await listOf(database.entries())).length, 12)
    })

    test('drops everything, and begins anew', async (database) => {
      await database.apply([...many(3000, '1', 0), put('cc1', 'a', '1', at(0, 0))], 1n)
      await database.drop()
      assert.equal(database.height, 0n)
      assert.deepEqual(await listOf(database.entries()), [])
      await database.apply([put('cc', 'a', '2', at(0, 0))], 1n)
      assert.deepEqual(shown(await listOf(database.range('cc', '', ''))), ['a=value 2@0'])
    })

    test('is the same when it is opened again, where it outlives its closing', async (database, { reopen }) => {
      if (reopen === undefined) return
      await database.apply(
        NAMESPACES.flatMap((namespace) => keys.map((key) => put(namespace, key, key, at(0, 0)))),
        1n,
      )
      await database.apply([remove('cc', 'a', at(1, 0))], 2n)
      const before = (await listOf(database.entries())).map(whole)
      await database.close()
      const again = await reopen()
      assert.equal(again.height, 2n)
      assert.deepEqual((await listOf(again.entries())).map(whole), before)
    })

    test('holds after many blocks what a database in memory holds', async (database) => {
      const model = await memoryStateDatabase()('')
      const random = randomOf(20_261_121)
      const held = keys.map((key) => ({ namespace: 'cc', key }))
      for (let number = 0; number < 30; number++) {
        const changes = changesOf(number, keys, random)
        await model.apply(changes, BigInt(number) + 1n)
        await database.apply(changes, BigInt(number) + 1n)
        assert.deepEqual(await read(database, held), await read(model, held))
      }
      assert.deepEqual((await listOf(database.entries())).map(whole), (await listOf(model.entries())).map(whole))
    })
  })
}

async function listOf<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

async function read(database: StateReader, keys: readonly StateKey[]): Promise<readonly (object | undefined)[]> {
  return (await database.getMany(keys)).map((found) => found && plain(found))
}

/** To compare, of whatever class the bytes are. */
function plain({ value, metadata, version }: VersionedValue): object {
  return { value: toHex(value), metadata: toHex(metadata), version }
}

function whole({ namespace, key, ...found }: StateKey & VersionedValue): object {
  return { namespace, key, ...plain(found) }
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes)
}

function shown(entries: readonly StateEntry[]): string[] {
  return entries.map(({ key, value, version }) => `${key}=${text(value)}@${version.blockNumber}`)
}

function at(block: number, transaction: number): Version {
  return { blockNumber: BigInt(block), transactionNumber: BigInt(transaction) }
}

function put(namespace: string, key: string, value: string, version: Version): StateChange {
  return { namespace, key, value: encodeUtf8(`value ${value}`), metadata: NONE, version }
}

function remove(namespace: string, key: string, version: Version): StateChange {
  return { namespace, key, value: undefined, metadata: NONE, version }
}

function many(count: number, value: string, block: number): StateChange[] {
  return Array.from({ length: count }, (_, index) => put('cc', `k${String(index).padStart(4, '0')}`, value, at(block, 0)))
}

/** Each key with one chance in two; a third of them deleted. */
function changesOf(number: number, keys: readonly string[], random: () => number): StateChange[] {
  const all: StateKey[] = NAMESPACES.flatMap((namespace) => keys.map((key) => ({ namespace, key })))
  const touched = all.filter(() => random() < 0.5)
  return touched.map(({ namespace, key }, index) => {
    if (random() < 0.33) return remove(namespace, key, at(number, index))
    const metadata = random() < 0.5 ? NONE : encodeUtf8(`metadata ${number}`)
    return { ...put(namespace, key, `${number}`, at(number, index)), metadata }
  })
}

/** Numbers from 0 to 1, the same for a seed. */
function randomOf(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return state / 2 ** 32
  }
}
