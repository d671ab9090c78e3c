import { buildReadWriteSets, hashKey, type ReadWriteSets, toHex, ValidationCode } from '@kumiko/fabric-protocol'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { withFolder } from '../../test/golden.ts'
import { memoryStateDatabase } from '../state/memory-state-database.ts'
import { prefetch } from '../state/prefetch.ts'
import { stateChanges } from '../state/state-changes.ts'
import { hashedNamespace, privateNamespace, type StateChange, type StateDatabase, type StateKey } from '../state/state-database.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import { validateReads } from '../validation/mvcc.ts'
import { ExpirySchedule } from './expiry-schedule.ts'
import type { CollectionPolicies, TransactionPrivateData } from './private-data.ts'
import { settlePrivateData } from './settle-private-data.ts'

const NAMESPACE = 'asset'
const BLOCKS_TO_LIVE: Readonly<Record<string, bigint>> = { secret: 0n, short: 2n, brief: 1n }
const KEYS = ['a', 'b', 'c']
const policies: CollectionPolicies = {
  blockToLive: async (_namespace, collection) => BLOCKS_TO_LIVE[collection],
  isEligible: async () => true,
}

interface Transaction {
  readonly collection: string
  readonly writes: readonly { readonly key: string; readonly does: 'put' | 'delete' | 'metadata' }[]
  readonly isGiven: boolean
  readonly isValid: boolean
}
type Block = readonly Transaction[]

const transaction: fc.Arbitrary<Transaction> = fc.record({
  collection: fc.constantFrom('secret', 'short', 'brief'),
  writes: fc.uniqueArray(fc.record({ key: fc.constantFrom(...KEYS), does: fc.constantFrom('put', 'put', 'delete', 'metadata') }), {
    selector: ({ key }) => key,
    minLength: 1,
  }),
  isGiven: fc.boolean(),
  isValid: fc.oneof({ weight: 4, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
})
const blocks: fc.Arbitrary<readonly Block[]> = fc.array(fc.array(transaction, { maxLength: 2 }), { minLength: 1, maxLength: 14 })

function setsOf({ collection, writes }: Transaction, place: string): ReadWriteSets {
  const of = (does: string) => writes.filter((write) => write.does === does)
  const values = [
    ...of('put').map(({ key }) => ({ key, value: new TextEncoder().encode(`${key} ${place}`) })),
    ...of('delete').map(({ key }) => ({ key, value: undefined })),
  ]
  const metadataWrites = of('metadata').map(({ key }) => ({ key, metadata: new Map([['POLICY', Uint8Array.of(1)]]) }))
  const collections = [{ collection, reads: [], writes: values, metadataWrites }]
  return buildReadWriteSets([{ namespace: NAMESPACE, reads: [], rangeQueries: [], writes: [], metadataWrites: [], collections }])
}

/** Commits a block as the ledger does, with what expires found as is said. */
async function commit(
  block: Block,
  state: StateDatabase,
  expire: (number: bigint, changes: readonly StateChange[]) => Promise<readonly StateChange[]>,
  schedule?: ExpirySchedule,
): Promise<void> {
  const number = state.height
  const sets = block.map((transaction, index) => setsOf(transaction, `${number}/${index}`))
  const transactions = block.map(({ isValid }, index) => ({
    code: isValid ? ValidationCode.valid : ValidationCode.badRwset,
    set: sets[index]?.public,
  }))
  const { codes, updates } = await validateReads(number, transactions, await prefetch(transactions, state))
  const given = block.flatMap(({ isGiven }, transactionNumber): TransactionPrivateData[] => {
    const set = sets[transactionNumber]?.private
    return isGiven && set !== undefined ? [{ transactionNumber, set }] : []
  })
  const keys = { plainKey: async () => undefined }
  const settled = await settlePrivateData({
    blockNumber: number,
    transactions,
    codes,
    updates,
    given,
    isStored: false,
    state,
    policies,
    keys,
  })
  const changes = [...stateChanges(updates), ...settled.changes]
  await state.apply([...changes, ...(await expire(number, changes))], number + 1n)
  await schedule?.commit(number, { transactions, codes, data: settled.data }, policies)
}

/** Looks at all of the state for what is due. */
async function due(state: StateDatabase, number: bigint, changes: readonly StateChange[]): Promise<StateChange[]> {
  const kept = new Set(changes.map(({ namespace, key }) => `${namespace} ${key}`))
  const found: StateChange[] = []
  for (const [collection, toLive] of Object.entries(BLOCKS_TO_LIVE)) {
    for (const key of toLive === 0n ? [] : KEYS) {
      const hashed = { namespace: hashedNamespace(NAMESPACE, collection), key: toHex(hashKey(key)) }
      const hidden = { namespace: privateNamespace(NAMESPACE, collection), key }
      const [ofHashed, ofHidden] = await state.getMany([hashed, hidden])
      const isDue = (held: VersionedValue | undefined) => held !== undefined && held.version.blockNumber + toLive + 1n === number
      const all: StateKey[] = [...(isDue(ofHashed) ? [hashed, hidden] : []), ...(isDue(ofHidden) ? [hidden] : [])]
      for (const each of all.filter(({ namespace, key }) => !kept.has(`${namespace} ${key}`))) {
        found.push({ ...each, value: undefined, metadata: new Uint8Array(), version: { blockNumber: number, transactionNumber: 0n } })
      }
    }
  }
  return found
}

async function dump(state: StateDatabase): Promise<(StateKey & VersionedValue)[]> {
  const all: (StateKey & VersionedValue)[] = []
  for await (const entry of state.entries()) all.push(entry)
  return all
}

async function restore(entries: readonly (StateKey & VersionedValue)[], height: number): Promise<StateDatabase> {
  const state = await memoryStateDatabase()('')
  await state.apply(entries, BigInt(height))
  return state
}

describe('ExpirySchedule', () => {
  it('finds what a look at the whole state finds, again after a crash, and made anew', async () => {
    await fc.assert(
      fc.asyncProperty(blocks, fc.nat(), fc.nat(), async (blocks, crash, anew) => {
        await withFolder(async (folder) => {
          const [plain, state] = [await memoryStateDatabase()(''), await memoryStateDatabase()('')]
          let schedule = await ExpirySchedule.open(folder)
          const dumps = [await dump(state)]
          for (const [index, block] of blocks.entries()) {
            await commit(block, plain, (number, changes) => due(plain, number, changes))
            await commit(block, state, (number, changes) => schedule.expired(number, changes, state), schedule)
            dumps.push(await dump(state))
            expect(dumps.at(-1)).toEqual(await dump(plain))
            if (index === crash % blocks.length) {
              await schedule.close()
              schedule = await ExpirySchedule.open(folder)
            }
          }
          for (const height of [crash, anew].map((number) => number % dumps.length)) {
            const behind = await restore(dumps[height] ?? [], height)
            if (height === anew % dumps.length) await schedule.begin(BigInt(height), behind.entries(), policies)
            for (const block of blocks.slice(height)) {
              await commit(block, behind, (number, changes) => schedule.expired(number, changes, behind), schedule)
            }
            expect(await dump(behind)).toEqual(dumps.at(-1))
          }
          await schedule.close()
        })
      }),
      { numRuns: 60 },
    )
  })
})
