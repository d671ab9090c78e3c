import {
  ExpirySchedule,
  memoryStateDatabase,
  PrivateDataStore,
  prefetch,
  privateNamespace,
  type StateChange,
  type StateDatabase,
  settlePrivateData,
  stateChanges,
  type TransactionPrivateData,
  validateReads,
} from '@kumiko/fabric-ledger'
import { encodeUtf8, hashKey, KVRWSet, toHex, writePrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { goldenFile, goldenJson } from '@kumiko/golden-channel'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { withFolder } from './golden.ts'
import { goldenCommit, goldenPolicies, goldenPrivateData } from './golden-commits.ts'

const HEIGHT = 54

/** What the client put, deleted or purged: the recording has it as it was after the last block, without what was purged or expired. */
const WRITES = new Map<number, { readonly collection: string; readonly key: string; readonly value: string }>([
  [27, { collection: 'secret', key: 's1', value: 'top secret 1' }],
  [29, { collection: 'short', key: 't1', value: 'short lived' }],
  [32, { collection: 'secret', key: 's1', value: 'top secret 1b' }],
  [35, { collection: 'secret', key: 's1', value: '' }],
])

function given(number: number): TransactionPrivateData[] {
  const write = WRITES.get(number)
  if (write === undefined) return goldenPrivateData(number)
  const { collection, key, value } = write
  const keyValue = KVRWSet.create({ writes: [{ key, isDelete: value === '', value: encodeUtf8(value) }] })
  const collections = [{ collection, keyValue, bytes: KVRWSet.encode(keyValue) }]
  return [{ transactionNumber: 0, set: { namespaces: [{ namespace: 'golden', collections }] } }]
}

interface Stores {
  readonly state: StateDatabase
  readonly store: PrivateDataStore
  readonly schedule: ExpirySchedule
}

interface Committed {
  readonly missing: readonly unknown[]
  readonly purges: readonly unknown[]
  readonly expired: readonly StateChange[]
}

/** The steps of the commit path that have to do with private data, in their order. */
async function commit(number: number, { state, store, schedule }: Stores): Promise<Committed> {
  const blockNumber = BigInt(number)
  const { transactions = [] } = goldenCommit(number)
  const { codes, updates } = await validateReads(blockNumber, transactions, await prefetch(transactions, state))
  const stored = await store.read(blockNumber)
  const toSettle = { blockNumber, transactions, codes, updates, state, policies: goldenPolicies, keys: store }
  const settled = await settlePrivateData({ ...toSettle, given: stored ?? given(number), isStored: stored !== undefined })
  await store.commit(blockNumber, settled, goldenPolicies)
  const changes = [...stateChanges(updates), ...settled.changes]
  const expired = await schedule.expired(blockNumber, changes, state)
  await state.apply([...changes, ...expired], blockNumber + 1n)
  await schedule.commit(blockNumber, { transactions, codes, data: settled.data }, goldenPolicies)
  return { missing: settled.missing, purges: settled.purges, expired }
}

async function dump(state: StateDatabase): Promise<unknown[]> {
  const dumped: unknown[] = []
  for await (const { namespace, key, value, version } of state.entries()) dumped.push([namespace, key, toHex(value), version])
  return dumped
}

describe('private data of the golden channel', () => {
  const committed: Committed[] = []
  const states: unknown[][] = []
  let stores: Stores
  let done = (): void => undefined
  let ended: Promise<void>

  beforeAll(async () => {
    const ready = Promise.withResolvers<void>()
    ended = withFolder(async (folder) => {
      const state = await memoryStateDatabase()('')
      const [store, schedule] = [await PrivateDataStore.open(`${folder}/private`), await ExpirySchedule.open(`${folder}/expiry`)]
      stores = { state, store, schedule }
      for (let number = 0; number < HEIGHT; number++) {
        committed.push(await commit(number, stores))
        states.push(await dump(state))
      }
      const end = new Promise<void>((resolve) => {
        done = resolve
      })
      ready.resolve()
      await end
      await store.close()
      await schedule.close()
    })
    await Promise.race([ready.promise, ended])
  })
  afterAll(async () => {
    done()
    await ended
  })

  it('has all that was written, with the hashes of the blocks', () => {
    expect(committed.flatMap(({ missing }) => missing)).toEqual([])
  })

  it('ends up with the write sets that the real peer delivers', async () => {
    const { blocks } = goldenJson('private-data.json') as { readonly blocks: Record<string, Record<string, string>> }
    const found: Record<string, Record<string, string>> = {}
    for (let number = 0; number < HEIGHT; number++) {
      for (const { transactionNumber, set } of (await stores.store.read(BigInt(number))) ?? []) {
        found[number] = { [transactionNumber]: Buffer.from(writePrivateReadWriteSet(set)).toString('base64') }
      }
    }
    expect(found).toEqual(blocks)
  })

  it('forgets what lives for three blocks with the fourth after its own', () => {
    const t1 = toHex(hashKey('t1'))
    expect(committed.flatMap(({ expired }, number) => expired.map(({ namespace, key, value }) => [number, namespace, key, value]))).toEqual(
      [
        [33, 'golden$$hshort', t1, undefined],
        [33, 'golden$$pshort', 't1', undefined],
      ],
    )
    const held = (number: number) => (states[number] as [string, string][]).filter(([namespace]) => namespace.endsWith('short')).length
    expect([28, 29, 32, 33].map(held)).toEqual([0, 2, 2, 0])
  })

  it('purges once', () => {
    const purge = {
      namespace: 'golden',
      collection: 'secret',
      keyHash: hashKey('s1'),
      version: { blockNumber: 35n, transactionNumber: 0n },
    }
    expect(committed.flatMap(({ purges }) => purges)).toEqual([purge])
  })

  it('ends up with the hashes and private keys that the real peer has', () => {
    const { privateStateHashes } = goldenJson('expected.json') as {
      readonly privateStateHashes: Record<string, { keyHex: string; value: string; version: { block: number; tx: number } }[]>
    }
    const expected = Object.entries(privateStateHashes).flatMap(([namespace, entries]) =>
      entries.map(({ keyHex, value, version }) => [
        namespace,
        keyHex,
        Buffer.from(value, 'base64').toString('hex'),
        { blockNumber: BigInt(version.block), transactionNumber: BigInt(version.tx) },
      ]),
    )
    const end = states.at(-1) as [string, ...unknown[]][]
    expect(end.filter(([namespace]) => namespace.includes('$$h'))).toEqual(expected)
    const hidden = end.filter(([namespace]) => namespace.includes('$$p'))
    expect(hidden.map(([namespace]) => namespace)).toEqual(expected.map(() => privateNamespace('_lifecycle', '_implicit_org_Org1MSP')))
    expect(hidden.map(([, key]) => toHex(hashKey(key as string))).toSorted()).toEqual(expected.map(([, key]) => key).toSorted())
  })

  it('ends up with the hashes of the snapshot', () => {
    const end = states.at(-1) as [string, string, string][]
    const hashes = end.filter(([namespace]) => namespace.includes('$$h')).flatMap(([, key, value]) => [key, value])
    const snapshot = toHex(goldenFile('snapshot/private_state_hashes.data'))
    expect(hashes.map((hash) => snapshot.includes(hash))).toEqual(hashes.map(() => true))
    expect(snapshot.split('220301010').length - 1).toBe(hashes.length / 2)
  })

  it('comes to the same where the state fell behind', async () => {
    for (const height of [27, 29, 32, 34, 50]) {
      const state = await memoryStateDatabase()('')
      const entries = dumpEntries(states[height - 1] ?? [])
      await state.apply(entries, BigInt(height))
      for (let number = height; number < HEIGHT; number++) await commit(number, { ...stores, state })
      expect(await dump(state)).toEqual(states.at(-1))
    }
  })

  it('comes to the same with a schedule made anew of the state', async () => {
    await withFolder(async (folder) => {
      const schedule = await ExpirySchedule.open(folder)
      for (const height of [29, 30, 33, 34]) {
        const state = await memoryStateDatabase()('')
        await state.apply(dumpEntries(states[height - 1] ?? []), BigInt(height))
        await schedule.begin(BigInt(height), state.entries(), goldenPolicies)
        for (let number = height; number < HEIGHT; number++) await commit(number, { ...stores, state, schedule })
        expect(await dump(state)).toEqual(states.at(-1))
      }
      await schedule.close()
    })
  })
})

function dumpEntries(dumped: readonly unknown[]): StateChange[] {
  return (dumped as [string, string, string, StateChange['version']][]).map(([namespace, key, value, version]) => {
    return { namespace, key, value: new Uint8Array(Buffer.from(value, 'hex')), metadata: new Uint8Array(), version }
  })
}
