import {
  type CollectionConfigChange,
  collectionConfigChanges,
  hashedNamespace,
  memoryStateDatabase,
  prefetch,
  type StateChange,
  type StateDatabase,
  stateChanges,
  validateReads,
} from '@kumiko/fabric-ledger'
import { commitHash, updateBytes } from '@kumiko/fabric-protocol'
import { goldenTransactions, listOf } from './golden.ts'

/** Blocks after its own that the collection `short` lives. */
const BLOCKS_TO_LIVE = 3n

/** What a block of the golden channel did. */
export interface ReplayedBlock {
  readonly number: bigint
  readonly commitHash: Uint8Array
  readonly collections: readonly CollectionConfigChange[]
}

/** Replays golden blocks into a state, from its height on. @param previous - The commit hash before. */
export async function replay(state: StateDatabase, toHeight: bigint, previous?: Uint8Array): Promise<ReplayedBlock[]> {
  const replayed: ReplayedBlock[] = []
  let hash = previous
  for (let number = state.height; number < toHeight; number++) {
    const transactions = goldenTransactions(Number(number))
    const { codes, updates } = await validateReads(number, transactions, await prefetch(transactions, state))
    const collections = await collectionConfigChanges(updates, state)
    await state.apply([...(await expired(state, number)), ...stateChanges(updates)], number + 1n)
    if (number > 0n) hash = commitHash(codes, updateBytes(updates), hash)
    replayed.push({ number, commitHash: hash ?? new Uint8Array(), collections })
  }
  return replayed
}

/** A state as the golden channel has it. */
export async function goldenState(height: bigint): Promise<StateDatabase> {
  const state = await memoryStateDatabase()('')
  await replay(state, height)
  return state
}

async function expired(state: StateDatabase, number: bigint): Promise<StateChange[]> {
  const namespace = hashedNamespace('golden', 'short')
  const entries = await listOf(state.range(namespace, '', ''))
  const old = entries.filter(({ version }) => version.blockNumber + BLOCKS_TO_LIVE < number)
  return old.map(({ key, version }) => ({ namespace, key, value: undefined, metadata: new Uint8Array(), version }))
}
