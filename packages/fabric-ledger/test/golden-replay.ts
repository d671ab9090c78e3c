import {
  blockTransactions,
  type CollectionConfigChange,
  collectionConfigChanges,
  hashedNamespace,
  memoryStateDatabase,
  prefetch,
  type StateChange,
  type StateDatabase,
  stateChanges,
  type TransactionToValidate,
  validateReads,
} from '@kumiko/fabric-ledger'
import { commitHash, updateBytes, ValidationCode } from '@kumiko/fabric-protocol'
import { goldenBlocks } from '@kumiko/golden-channel'
import { good, listOf, peerBlocks } from './golden.ts'

/** Blocks after its own that the collection `short` lives. */
const BLOCKS_TO_LIVE = 3n
const OURS = new Set<number>([ValidationCode.mvccReadConflict, ValidationCode.phantomReadConflict])

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
    const transactions = transactionsOf(Number(number))
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

function transactionsOf(number: number): readonly TransactionToValidate[] {
  const block = peerBlocks[number]
  if (block === undefined) throw new Error(`there is no block ${number}`)
  const codes = Uint8Array.from(goldenBlocks()[number]?.txs ?? [], ({ validationCode }) => (OURS.has(validationCode) ? 0 : validationCode))
  return good(blockTransactions(block, codes))
}

async function expired(state: StateDatabase, number: bigint): Promise<StateChange[]> {
  const namespace = hashedNamespace('golden', 'short')
  const entries = await listOf(state.range(namespace, '', ''))
  const old = entries.filter(({ version }) => version.blockNumber + BLOCKS_TO_LIVE < number)
  return old.map(({ key, version }) => ({ namespace, key, value: undefined, metadata: new Uint8Array(), version }))
}
