import {
  buildReadWriteSets,
  encodeUtf8,
  hashKey,
  type ReadWriteSets,
  type SimulatedCollection,
  sha256,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { memoryStateDatabase } from '../state/memory-state-database.ts'
import { prefetch } from '../state/prefetch.ts'
import { stateChanges } from '../state/state-changes.ts'
import { privateNamespace, type StateDatabase } from '../state/state-database.ts'
import { validateReads } from '../validation/mvcc.ts'
import type { CollectionPolicies, TransactionPrivateData } from './private-data.ts'
import { type SettledPrivateData, settlePrivateData } from './settle-private-data.ts'

const NAMESPACE = 'asset'
const HIDDEN = privateNamespace(NAMESPACE, 'secret')
const policies: CollectionPolicies = {
  blockToLive: async (_namespace, collection) => (collection === 'unknown' ? undefined : 0n),
  isEligible: async (_namespace, collection) => collection !== 'foreign',
}

/** What a transaction does in a collection. */
function simulate(collection: string, writes: SimulatedCollection['writes'], metadataWrites: SimulatedCollection['metadataWrites'] = []) {
  const collections = [{ collection, reads: [], writes, metadataWrites }]
  return buildReadWriteSets([{ namespace: NAMESPACE, reads: [], rangeQueries: [], writes: [], metadataWrites: [], collections }])
}

function put(key: string, value: string | undefined): SimulatedCollection['writes'][number] {
  return { key, value: value === undefined ? undefined : encodeUtf8(value) }
}

function metadata(key: string): SimulatedCollection['metadataWrites'][number] {
  return { key, metadata: new Map([['VALIDATION_PARAMETER', Uint8Array.of(1)]]) }
}

function given(transactionNumber: number, sets: ReadWriteSets | undefined): TransactionPrivateData[] {
  return sets?.private === undefined ? [] : [{ transactionNumber, set: sets.private }]
}

interface Options {
  readonly given?: readonly TransactionPrivateData[]
  readonly codes?: readonly number[]
  readonly isStored?: boolean
  readonly known?: ReadonlyMap<string, string>
}

/** Validates a block, settles it, and applies it. */
async function settle(state: StateDatabase, sets: readonly ReadWriteSets[], options: Options = {}): Promise<SettledPrivateData> {
  const blockNumber = state.height
  const transactions = sets.map((each, index) => ({ code: options.codes?.[index] ?? ValidationCode.valid, set: each.public }))
  const { codes, updates } = await validateReads(blockNumber, transactions, await prefetch(transactions, state))
  const settled = await settlePrivateData({
    blockNumber,
    transactions,
    codes,
    updates,
    given: options.given ?? sets.flatMap((each, index) => given(index, each)),
    isStored: options.isStored ?? false,
    state,
    policies,
    keys: { plainKey: async ({ keyHash }) => options.known?.get(keyHash.toString()) },
  })
  await state.apply([...stateChanges(updates), ...settled.changes], blockNumber + 1n)
  return settled
}

const open = () => memoryStateDatabase()('')
const version = (blockNumber: number, transactionNumber: number) => ({
  blockNumber: BigInt(blockNumber),
  transactionNumber: BigInt(transactionNumber),
})
const brief = ({ data, missing, changes }: SettledPrivateData) => ({
  data: data.map(({ transactionNumber, set }) => [
    transactionNumber,
    set.namespaces.flatMap(({ collections }) => collections.map((each) => each.collection)),
  ]),
  missing,
  changes: changes.map(({ key, value, version }) => [key, value && new TextDecoder().decode(value), Number(version.transactionNumber)]),
})
const absent = (transactionNumber: number, collection: string, isEligible = true) => ({
  transactionNumber,
  namespace: NAMESPACE,
  collection,
  isEligible,
})

describe('settlePrivateData', () => {
  it('stores what matches its hash, and changes the private state', async () => {
    const sets = simulate('secret', [put('a', '1'), put('b', undefined)])
    const settled = await settle(await open(), [sets])
    expect(settled.data).toEqual(given(0, sets))
    expect(settled.changes).toEqual([
      { namespace: HIDDEN, key: 'a', value: encodeUtf8('1'), metadata: new Uint8Array(), version: version(0, 0) },
      { namespace: HIDDEN, key: 'b', value: undefined, metadata: new Uint8Array(), version: version(0, 0) },
    ])
    expect([settled.missing, settled.purges]).toEqual([[], []])
  })

  it('lets later transactions win', async () => {
    const settled = await settle(
      await open(),
      ['1', '2', undefined].map((value) => simulate('secret', [put('a', value)])),
    )
    expect(brief(settled).changes).toEqual([['a', undefined, 2]])
  })

  it('says what is missing, and whether it is for this peer', async () => {
    const sets = [simulate('secret', [put('a', '1')]), simulate('foreign', [put('a', '1')])]
    expect(brief(await settle(await open(), sets, { given: [] }))).toEqual({
      data: [],
      missing: [absent(0, 'secret'), absent(1, 'foreign', false)],
      changes: [],
    })
  })

  it('leaves alone what is not for this peer, even if it is given', async () => {
    const settled = await settle(await open(), [simulate('foreign', [put('a', '1')])])
    expect(brief(settled)).toEqual({ data: [], missing: [absent(0, 'foreign', false)], changes: [] })
  })

  it('takes a false set as not given, and a true one beside it', async () => {
    const [yes, no] = [simulate('secret', [put('a', '1')]), simulate('secret', [put('a', '2')])]
    expect(brief(await settle(await open(), [yes], { given: given(0, no) }))).toEqual({
      data: [],
      missing: [absent(0, 'secret')],
      changes: [],
    })
    expect(brief(await settle(await open(), [yes], { given: [...given(0, no), ...given(0, yes)] })).changes).toEqual([['a', '1', 0]])
  })

  it('ignores sets of other transactions, and collections that the public set does not name', async () => {
    const yes = simulate('secret', [put('a', '1')])
    const more = [...given(0, yes), ...given(0, simulate('other', [put('a', '1')])), ...given(7, yes)]
    expect(brief(await settle(await open(), [yes], { given: more }))).toEqual({
      data: [[0, ['secret']]],
      missing: [],
      changes: [['a', '1', 0]],
    })
  })

  it('stores what invalid transactions write too, or says that it is missing, and leaves the state and other keys alone', async () => {
    const sets = [
      simulate('secret', [put('a', '1'), { key: 'b', value: undefined, isPurge: true }]),
      simulate('secret', [], [metadata('a')]),
    ]
    const options = { codes: [ValidationCode.badCreatorSignature, ValidationCode.mvccReadConflict], known: new Map([['b', 'b']]) }
    expect(await settle(await open(), sets, { ...options, given: given(0, sets[0]) })).toEqual({
      data: given(0, sets[0]),
      missing: [absent(1, 'secret')],
      changes: [],
      purges: [],
    })
  })

  it('keeps nothing of a collection that nobody defined', async () => {
    const settled = await settle(await open(), [simulate('unknown', [put('a', '1')])])
    expect(settled).toEqual({ data: [], missing: [], changes: [], purges: [] })
  })

  it('looks up one collection that nobody defined of an invalid transaction, and all of a valid one', async () => {
    const names = Array.from({ length: 20 }, (_, at) => `unknown${at}`)
    const collections = [...names, 'secret'].flatMap((name) =>
      simulate(name, [put('a', '1')]).public.namespaces.flatMap((each) => each.collections),
    )
    const namespaces = simulate('secret', [put('a', '1')]).public.namespaces.map((each) => ({ ...each, collections }))
    const asked: string[] = []
    const blockToLive = async (_namespace: string, collection: string) => {
      asked.push(collection)
      return collection === 'secret' ? 0n : undefined
    }
    const block = {
      blockNumber: 1n,
      updates: [],
      given: [],
      isStored: false,
      state: await open(),
      keys: { plainKey: async () => undefined },
    }
    const missing = async (code: number) => {
      asked.length = 0
      const settled = await settlePrivateData({
        ...block,
        transactions: [{ set: { namespaces }, code }],
        codes: Uint8Array.of(code),
        policies: { ...policies, blockToLive },
      })
      return [asked.length, settled.missing.length]
    }
    expect(await missing(ValidationCode.badCreatorSignature)).toEqual([1, 0])
    expect(await missing(ValidationCode.valid)).toEqual([21, 1])
  })

  it('expects nothing of a collection that is only read', async () => {
    const namespaces = [{ namespace: NAMESPACE, reads: [], rangeQueries: [], writes: [], metadataWrites: [] }]
    const collections = [{ collection: 'secret', reads: [{ key: 'a', version: undefined }], writes: [], metadataWrites: [] }]
    const sets = buildReadWriteSets(namespaces.map((each) => ({ ...each, collections })))
    expect(await settle(await open(), [sets])).toEqual({ data: [], missing: [], changes: [], purges: [] })
  })

  it('gives a private key the version that metadata gave its hash', async () => {
    const state = await open()
    await settle(state, [simulate('secret', [put('a', '1')])])
    expect(brief(await settle(state, [simulate('secret', []), simulate('secret', [], [metadata('a')])])).changes).toEqual([['a', '1', 1]])
    const [held] = await state.getMany([{ namespace: HIDDEN, key: 'a' }])
    expect(held).toMatchObject({ value: encodeUtf8('1'), metadata: new Uint8Array(), version: version(1, 1) })
  })

  it('renews a version within the block', async () => {
    const sets = [simulate('secret', [put('a', '1')]), simulate('secret', [], [metadata('a')])]
    expect(brief(await settle(await open(), sets)).changes).toEqual([['a', '1', 1]])
  })

  it('renews the version of what the block wrote, not of what was before', async () => {
    const state = await open()
    await settle(state, [simulate('secret', [put('a', '0')])])
    const sets = [simulate('secret', [put('a', '1')]), simulate('secret', [], [metadata('a')])]
    expect(brief(await settle(state, sets)).changes).toEqual([['a', '1', 1]])
  })

  it('expects a collection that is named twice once, by the first hash', async () => {
    const [first, second] = [simulate('secret', [put('a', '1')]), simulate('secret', [put('a', '2')])]
    const collections = [first, second].flatMap((each) => each.public.namespaces.flatMap((namespace) => namespace.collections))
    const twice = { ...first, public: { namespaces: first.public.namespaces.map((each) => ({ ...each, collections })) } }
    expect(brief(await settle(await open(), [twice], { given: given(0, second) })).missing).toEqual([absent(0, 'secret')])
    expect(brief(await settle(await open(), [twice], { given: given(0, first) })).changes).toEqual([['a', '1', 0]])
  })

  it('renews no version of a value that is stale, deleted or not here', async () => {
    const state = await open()
    await settle(state, [simulate('secret', [put('a', '1'), put('b', '1')])])
    await settle(state, [simulate('secret', [put('a', '2')])], { given: [] })
    expect(brief(await settle(state, [simulate('secret', [], [metadata('a'), metadata('c')])])).changes).toEqual([])
    const sets = [simulate('secret', [], [metadata('b')]), simulate('secret', [put('b', undefined)])]
    expect(brief(await settle(state, sets)).changes).toEqual([['b', undefined, 1]])
    const late = [simulate('secret', [put('d', '1')]), simulate('secret', [], [metadata('d')])]
    expect(brief(await settle(state, late, { given: given(1, late[1]) })).changes).toEqual([])
  })
})

describe('purges', () => {
  const purge = simulate('secret', [{ key: 'a', value: undefined, isPurge: true }])
  const purged = (transactionNumber: number) => ({
    namespace: NAMESPACE,
    collection: 'secret',
    keyHash: hashKey('a'),
    version: version(0, transactionNumber),
  })
  const known = new Map([[hashKey('a').toString(), 'a']])

  it('are told once a key, by the last', async () => {
    const settled = await settle(await open(), [purge, simulate('secret', [put('b', '1')]), purge])
    expect(settled.purges).toEqual([purged(2)])
    expect(brief(settled).changes).toEqual([
      ['a', undefined, 2],
      ['b', '1', 1],
    ])
  })

  it('delete a private key whose set is not here', async () => {
    expect(brief(await settle(await open(), [purge], { given: [], known })).changes).toEqual([['a', undefined, 0]])
    expect(brief(await settle(await open(), [purge], { given: [] })).changes).toEqual([])
    const sets = [simulate('secret', [put('a', '1')]), purge]
    expect(brief(await settle(await open(), sets, { given: given(0, sets[0]) })).changes).toEqual([['a', undefined, 1]])
  })

  it('leave what a later transaction writes', async () => {
    const sets = [purge, simulate('secret', [put('a', '1')])]
    expect(brief(await settle(await open(), sets, { given: given(1, sets[1]), known })).changes).toEqual([['a', '1', 1]])
  })
})

describe('what the store has of a block', () => {
  it('is taken without its hash, which a purge may have taken keys from', async () => {
    const whole = simulate('secret', [put('a', '1'), put('b', '2')])
    const rest = given(0, simulate('secret', [put('b', '2')]))
    expect(brief(await settle(await open(), [whole], { given: rest })).missing).toEqual([absent(0, 'secret')])
    expect(brief(await settle(await open(), [whole], { given: rest, isStored: true }))).toEqual({
      data: [[0, ['secret']]],
      missing: [],
      changes: [['b', '2', 0]],
    })
    const codes = [ValidationCode.mvccReadConflict]
    expect(brief(await settle(await open(), [whole], { given: rest, isStored: true, codes })).changes).toEqual([])
  })

  it('may come in any order', async () => {
    const sets = [simulate('secret', [put('a', '1')]), simulate('secret', [put('a', '2')])]
    const stored = [...given(1, sets[1]), ...given(0, sets[0])]
    expect(brief(await settle(await open(), sets, { given: stored, isStored: true })).changes).toEqual([['a', '2', 1]])
  })

  it('has the public hash of what was given', () => {
    const { public: open, private: hidden } = simulate('secret', [put('a', '1')])
    const bytes = hidden?.namespaces[0]?.collections[0]?.bytes ?? new Uint8Array()
    expect(open.namespaces[0]?.collections[0]?.privateHash).toEqual(sha256(bytes))
  })
})
