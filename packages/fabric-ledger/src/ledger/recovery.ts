import { type Block, readCommitHash, readTransactionsFilter, ValidationCode } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import type { BlockStore } from '../blocks/block-store.ts'
import { collectionConfigChanges } from '../config-history/collection-config-changes.ts'
import { historyWrites } from '../history/history-writes.ts'
import { lateChanges } from '../private-data/late-private-data.ts'
import type { CollectionPolicies } from '../private-data/private-data.ts'
import type { PlacedWriteSet } from '../private-data/private-data-records.ts'
import { REPLAY_BLOCKS_MAX } from '../private-data/private-data-store.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { stateChanges } from '../state/state-changes.ts'
import type { LedgerStores } from './ledger-stores.ts'
import { assertSameCommitHash, type SettledBlock, settleAgain } from './settle-block.ts'

/** How far replaying is. */
export interface ReplayProgress {
  /** The block that was just taken in. */
  readonly number: bigint
  /** The number of blocks that there are. */
  readonly height: bigint
}

/** What replaying needs besides the stores. */
export interface ReplayOptions {
  readonly policies: CollectionPolicies
  /** Told after each block. */
  readonly onReplay?: (progress: ReplayProgress) => void
}

/** Late write sets that are looked at together. */
const LATE_MAX = 1000

/**
 * Tells all that follows from a block of it: state, history, and when private keys expire. What has it already is not told again.
 * @see Fabric `core/ledger/kvledger/kv_ledger.go` commit
 */
export async function takeIn(settled: SettledBlock, stores: LedgerStores, policies: CollectionPolicies): Promise<void> {
  const { block, transactions, codes, updates, privateData } = settled
  const { state, history, configHistory, expiry } = stores
  const { number } = block.header
  const collections = await collectionConfigChanges(updates, state)
  // Before the state: what the policies answer is of the block before. A schedule that is ahead tells nothing too much.
  if (expiry.height <= number) await expiry.commit(number, { transactions, codes, data: privateData.data }, policies)
  if (state.height <= number) {
    await configHistory.commit(number, collections)
    const changes = [...stateChanges(updates), ...privateData.changes]
    const expired = await expiry.expired(number, changes, state)
    await state.apply([...changes, ...expired], number + 1n)
  }
  if (history !== undefined && history.height <= number) await history.commit(number, historyWrites(transactions, codes))
  if (collections.length > 0) await stores.privateData.recheckEligibility(policies)
}

/**
 * Brings what lags behind the block files up to them: with the codes that are in the blocks, and the private data that is in its store. What
 * blocks change must come to the commit hashes that they have.
 * @returns The last block's commit hash.
 * @throws KumikoError `fabric-ledger/private-data-behind`, `fabric-ledger/ahead-of-blocks`, `fabric-ledger/other-commit-hash`, and what
 * reading blocks and writing to the stores throws.
 * @see Fabric `kv_ledger.go` syncStateAndHistoryDBWithBlockstore, recoverDBs
 */
export async function recover(stores: LedgerStores, { policies, onReplay }: ReplayOptions): Promise<Uint8Array | undefined> {
  const { blocks } = stores
  const { height } = blocks.info
  assertNotAhead(stores)
  await begin(stores, policies)
  if (stores.privateData.height < height) throw privateDataBehind(stores.privateData.height, height)
  const from = lowestHeight(stores)
  let commitHash = await commitHashAfter(from, stores)
  for await (const block of blocks.blocks(from)) {
    commitHash = await replay(block, commitHash, stores, policies)
    onReplay?.({ number: block.header.number, height })
  }
  await applyLate(stores, policies)
  await stores.privateData.recheckEligibility(policies)
  return commitHash
}

/** @returns The block's commit hash. */
async function replay(
  block: Block,
  previous: Uint8Array | undefined,
  stores: LedgerStores,
  policies: CollectionPolicies,
): Promise<Uint8Array | undefined> {
  const { state, privateData } = stores
  const { number } = block.header
  const stored = (await privateData.read(number)) ?? []
  const before = { state, commitHash: previous, policies, keys: privateData, stored }
  const settled = await settleAgain(block, before)
  // Where the state has the block, it may lack what the block found.
  if (state.height <= number) assertSameCommitHash(block, settled.commitHash)
  await takeIn(settled, stores, policies)
  return commitHashOf(block)
}

/** Private data that came late goes to the state unsynced, long after its block: a loss of power may have taken it out again. */
async function applyLate(stores: LedgerStores, policies: CollectionPolicies): Promise<void> {
  let sets: PlacedWriteSet[] = []
  for await (const set of stores.privateData.late()) {
    if (set.blockNumber < stores.state.height) sets.push(set)
    if (sets.length < LATE_MAX) continue
    await takeInLate(sets, stores, policies)
    sets = []
  }
  await takeInLate(sets, stores, policies)
}

/**
 * Tells the state, and when keys expire, of private data of old blocks that came late.
 * @see Fabric `core/ledger/kvledger/kv_ledger.go` applyValidTxPvtDataOfOldBlocks
 */
export async function takeInLate(sets: readonly PlacedWriteSet[], stores: LedgerStores, policies: CollectionPolicies): Promise<void> {
  const { blocks, state, expiry } = stores
  const changes = await lateChanges(await ofValidTransactions(sets, blocks), state)
  await expiry.add(changes, policies)
  if (changes.length > 0) await state.apply(changes, state.height)
}

/** What a snapshot's state has hashes of was valid, though its block is not here. */
async function ofValidTransactions(sets: readonly PlacedWriteSet[], blocks: BlockStore): Promise<readonly PlacedWriteSet[]> {
  const valid: PlacedWriteSet[] = []
  for (const [number, inBlock] of Map.groupBy(sets, ({ blockNumber }) => blockNumber)) {
    const block = number < blocks.first ? undefined : await blocks.block(number)
    const codes = block && readTransactionsFilter(block)
    const isValid = (at: number) => number < blocks.first || codes?.[at] === ValidationCode.valid
    valid.push(...inBlock.filter(({ transactionNumber }) => isValid(transactionNumber)))
  }
  return valid
}

/** Begins what is new, was lost, or is too far behind: with the snapshot that the ledger began with, if it did. */
async function begin(stores: LedgerStores, policies: CollectionPolicies): Promise<void> {
  const { blocks, state, configHistory, expiry, start } = stores
  // The collections' history has no height: it goes along with the state's.
  const isBehind = state.height + REPLAY_BLOCKS_MAX < blocks.info.height
  if (state.height > 0n && (configHistory.isNew || isBehind)) await state.drop()
  if (start !== undefined) await beginWith(start, stores, policies)
  const isExpiryLost = expiry.height === 0n && state.height > 0n
  if (isExpiryLost || !expiry.reaches(state.height)) await expiry.begin(state.height, state.entries(), policies)
}

/** @see Fabric `core/ledger/kvledger/snapshot.go` createFromSnapshot */
async function beginWith(start: Snapshot, stores: LedgerStores, policies: CollectionPolicies): Promise<void> {
  const { privateData, state, history, configHistory } = stores
  if (configHistory.isNew) await configHistory.load(start.collectionConfigs())
  if (state.height < start.height) await start.loadState(state)
  if (history !== undefined && history.height < start.height) await history.commit(start.height - 1n, [])
  if (privateData.height === 0n) await privateData.begin(start.height, { entries: start.entries(), policies, configs: configHistory })
}

function lowestHeight({ state, history, expiry }: LedgerStores): bigint {
  let lowest = state.height
  for (const { height } of [expiry, ...(history === undefined ? [] : [history])]) if (height < lowest) lowest = height
  return lowest
}

async function commitHashAfter(height: bigint, { blocks, start }: LedgerStores): Promise<Uint8Array | undefined> {
  if (height > blocks.first) {
    const block = await blocks.block(height - 1n)
    return block && commitHashOf(block)
  }
  return start === undefined || start.info.commitHash.length === 0 ? undefined : start.info.commitHash
}

function commitHashOf(block: Block): Uint8Array | undefined {
  const hash = readCommitHash(block)
  return isFault(hash) ? undefined : hash
}

function assertNotAhead({ blocks, state, history }: LedgerStores): void {
  const { height } = blocks.info
  if (state.height > height) throw aheadOfBlocks('state', state.height, height)
  if (history !== undefined && history.height > height) throw aheadOfBlocks('history', history.height, height)
}

function privateDataBehind(height: bigint, blocks: bigint): KumikoError {
  const or = height === 0n ? 'begin the ledger anew' : `roll it back to block ${height - 1n}`
  const message = `private data is there of ${height} blocks, of ${blocks}, and does not follow from them: restore its folder, or ${or}`
  return new KumikoError('fabric-ledger/private-data-behind', message, { context: { height, blocks } })
}

function aheadOfBlocks(name: string, height: bigint, blocks: bigint): KumikoError {
  const message = `"${name}" has taken in ${height} blocks, and there are ${blocks}: remove it from the ledger's folder, and it is made anew of the blocks`
  return new KumikoError('fabric-ledger/ahead-of-blocks', message, { context: { name, height, blocks } })
}
