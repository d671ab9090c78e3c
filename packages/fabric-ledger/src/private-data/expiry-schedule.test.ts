import { buildReadWriteSets, encodeUtf8, hashKey, sha256, toHex, ValidationCode } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { withFolder } from '../../test/golden.ts'
import { memoryStateDatabase } from '../state/memory-state-database.ts'
import { hashedNamespace, privateNamespace, type StateChange, type StateDatabase } from '../state/state-database.ts'
import { type BlockToSchedule, ExpirySchedule } from './expiry-schedule.ts'
import { LevelRecords } from './level-records.ts'
import { REPLAY_BLOCKS_MAX } from './private-data-store.ts'
import { heightRecord } from './stored-height.ts'

const policies = { blockToLive: async () => 2n }
const NONE: BlockToSchedule = { transactions: [], codes: new Uint8Array(), data: [] }
const HASHED = { namespace: hashedNamespace('asset', 'short'), key: toHex(hashKey('k')) }
const HIDDEN = { namespace: privateNamespace('asset', 'short'), key: 'k' }

/** A block whose only transaction writes `k` to `short`. */
function blockWith({ isGiven }: { isGiven: boolean }): BlockToSchedule {
  const writes = [{ key: 'k', value: encodeUtf8('v') }]
  const collections = [{ collection: 'short', reads: [], writes, metadataWrites: [] }]
  const set = buildReadWriteSets([{ namespace: 'asset', reads: [], rangeQueries: [], writes: [], metadataWrites: [], collections }])
  return {
    transactions: [{ code: ValidationCode.valid, set: set.public }],
    codes: Uint8Array.of(ValidationCode.valid),
    data: isGiven && set.private ? [{ transactionNumber: 0, set: set.private }] : [],
  }
}

function change(key: typeof HASHED, blockNumber: bigint): StateChange {
  const value = key === HASHED ? sha256(encodeUtf8('v')) : encodeUtf8('v')
  return { ...key, value, metadata: new Uint8Array(), version: { blockNumber, transactionNumber: 0n } }
}

async function stateOf(...changes: readonly StateChange[]): Promise<StateDatabase> {
  const state = await memoryStateDatabase()('')
  await state.apply(changes, 1n)
  return state
}

async function withSchedule(run: (schedule: ExpirySchedule, folder: string) => Promise<void>): Promise<void> {
  await withFolder(async (folder) => {
    const schedule = await ExpirySchedule.open(folder)
    await run(schedule, folder)
    await schedule.close()
  })
}

const brief = (changes: readonly StateChange[]) => changes.map(({ namespace, value }) => [namespace, value])
const BOTH = [
  [HASHED.namespace, undefined],
  [HIDDEN.namespace, undefined],
]

describe('ExpirySchedule', () => {
  it('removes hash and key with the block after those to live, and not before', async () => {
    await withSchedule(async (schedule) => {
      const state = await stateOf(change(HASHED, 0n), change(HIDDEN, 0n))
      await schedule.commit(0n, blockWith({ isGiven: true }), policies)
      expect(await schedule.expired(2n, [], state)).toEqual([])
      const expired = await schedule.expired(3n, [], state)
      expect(brief(expired)).toEqual(BOTH)
      expect(expired.map(({ version }) => version)).toEqual(Array(2).fill({ blockNumber: 3n, transactionNumber: 2n ** 64n - 1n }))
      expect(await schedule.expired(4n, [], state)).toEqual([])
    })
  })

  it('removes the hash of what is not here, and the key if it came late', async () => {
    await withSchedule(async (schedule) => {
      await schedule.commit(0n, blockWith({ isGiven: false }), policies)
      expect(brief(await schedule.expired(3n, [], await stateOf(change(HASHED, 0n))))).toEqual([[HASHED.namespace, undefined]])
      await schedule.add([change(HIDDEN, 0n), { ...change(HIDDEN, 0n), key: 'gone', value: undefined }], policies)
      expect(brief(await schedule.expired(3n, [], await stateOf(change(HASHED, 0n), change(HIDDEN, 0n))))).toEqual(BOTH)
    })
  })

  it('leaves what was written again, before or with the block', async () => {
    await withSchedule(async (schedule) => {
      await schedule.commit(0n, blockWith({ isGiven: true }), policies)
      expect(await schedule.expired(3n, [], await stateOf(change(HASHED, 1n), change(HIDDEN, 1n)))).toEqual([])
      const due = await stateOf(change(HASHED, 0n), change(HIDDEN, 0n))
      expect(await schedule.expired(3n, [change(HASHED, 3n), change(HIDDEN, 3n)], due)).toEqual([])
    })
  })

  it('removes an old key with its hash', async () => {
    await withSchedule(async (schedule) => {
      await schedule.commit(0n, NONE, policies)
      await schedule.commit(1n, blockWith({ isGiven: true }), policies)
      expect(brief(await schedule.expired(4n, [], await stateOf(change(HASHED, 1n), change(HIDDEN, 0n))))).toEqual(BOTH)
    })
  })

  it('removes an old key whose hash is newer', async () => {
    await withSchedule(async (schedule) => {
      await schedule.commit(0n, blockWith({ isGiven: true }), policies)
      const state = await stateOf(change(HASHED, 1n), change(HIDDEN, 0n))
      expect(brief(await schedule.expired(3n, [], state))).toEqual([[HIDDEN.namespace, undefined]])
    })
  })

  it('takes blocks in one after the other, and the same one again', async () => {
    await withSchedule(async (schedule, folder) => {
      await schedule.commit(0n, NONE, policies)
      await schedule.commit(0n, blockWith({ isGiven: true }), policies)
      await expect(schedule.commit(2n, NONE, policies)).rejects.toMatchObject({ code: 'fabric-ledger/private-data-not-next' })
      await schedule.close()
      const reopened = await ExpirySchedule.open(folder)
      expect(reopened.height).toBe(1n)
      await reopened.close()
    })
  })

  it('keeps what expired for a state that falls behind, for so many blocks', async () => {
    await withFolder(async (folder) => {
      const state = await stateOf(change(HASHED, 0n), change(HIDDEN, 0n))
      const first = await ExpirySchedule.open(folder)
      await first.commit(0n, blockWith({ isGiven: true }), policies)
      await first.close()
      // The blocks between, at once.
      const records = await LevelRecords.open(folder)
      await records.write([heightRecord(2n + REPLAY_BLOCKS_MAX)], true)
      await records.close()
      const schedule = await ExpirySchedule.open(folder)
      await schedule.commit(2n + REPLAY_BLOCKS_MAX, NONE, policies)
      expect([schedule.reaches(2n), schedule.reaches(3n)]).toEqual([false, true])
      expect(brief(await schedule.expired(3n, [], state))).toEqual(BOTH)
      await schedule.commit(3n + REPLAY_BLOCKS_MAX, NONE, policies)
      expect(schedule.reaches(3n)).toBe(false)
      expect(await schedule.expired(3n, [], state)).toEqual([])
      await schedule.close()
    })
  })

  it('is made anew of a state, without what it had', async () => {
    await withSchedule(async (schedule) => {
      await schedule.commit(0n, blockWith({ isGiven: true }), policies)
      const state = await stateOf(change(HASHED, 4n), change(HIDDEN, 4n), { ...change(HIDDEN, 4n), namespace: 'asset' })
      await schedule.begin(5n, state.entries(), policies)
      expect(schedule.height).toBe(5n)
      expect(await schedule.expired(3n, [], await stateOf(change(HASHED, 0n)))).toEqual([])
      expect(brief(await schedule.expired(7n, [], state))).toEqual(BOTH)
    })
  })
})
