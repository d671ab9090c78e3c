import {
  type Block,
  BlockMetadataIndex,
  commitHash,
  equalBytes,
  readCommitHash,
  readTransactionsFilter,
  toHex,
  updateBytes,
  ValidationCode,
  withMetadata,
  writeCommitHash,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { noValidationCodes } from '../blocks/block-index.ts'
import type { CollectionPolicies, MissingPrivateData, TransactionPrivateData } from '../private-data/private-data.ts'
import { type PlainKeys, type SettledPrivateData, settlePrivateData } from '../private-data/settle-private-data.ts'
import { prefetch } from '../state/prefetch.ts'
import type { StateDatabase } from '../state/state-database.ts'
import type { CommittedState } from '../validation/committed-state.ts'
import { type TransactionToValidate, type ValidatedReads, validateReads } from '../validation/mvcc.ts'
import { type NamespaceStateUpdates, UpdateBatch } from '../validation/update-batch.ts'
import { blockTransactions, readClaimedSet } from './block-transactions.ts'

/** A block to commit. */
export interface BlockToCommit {
  readonly block: Block
  /** With the codes of all checks before this one. Default: read from the block, with the codes that its metadata has. */
  readonly transactions?: readonly TransactionToValidate[]
  /** What the state holds of all keys that the valid transactions name, where it was read already. Default: it is read. */
  readonly committed?: CommittedState
  /** Of private write sets what is here; may be too much, or false. */
  readonly privateData?: readonly TransactionPrivateData[]
  /** Refuse a block that another peer committed, where we find other codes or another commit hash than its metadata has. Default false. */
  readonly verify?: boolean
}

/** What became of a block. */
export interface CommittedBlock {
  readonly number: bigint
  /** A `ValidationCode` a transaction. */
  readonly codes: Uint8Array
  /** Over all that blocks have changed so far; undefined at block 0, and where a Fabric older than 2.0 began the chain. */
  readonly commitHash: Uint8Array | undefined
  /** What the valid transactions changed. */
  readonly updates: readonly NamespaceStateUpdates[]
  /** The private write sets that were not here. */
  readonly missing: readonly MissingPrivateData[]
}

/** A block of which all is known that the stores are told. */
export interface SettledBlock {
  /** With codes and commit hash. */
  readonly block: Block
  readonly transactions: readonly TransactionToValidate[]
  readonly codes: Uint8Array
  readonly commitHash: Uint8Array | undefined
  readonly updates: readonly NamespaceStateUpdates[]
  readonly privateData: SettledPrivateData
}

/** What is known before a block. */
export interface BeforeBlock {
  readonly state: StateDatabase
  readonly commitHash: Uint8Array | undefined
  readonly policies: CollectionPolicies
  readonly keys: PlainKeys
  /** What the private data's store has of the block already, where it is ahead: it is taken in place of what is given. */
  readonly stored: readonly TransactionPrivateData[] | undefined
}

/**
 * Finds a block's final codes, what it changes, its commit hash, and what becomes of its private data. Writes nothing.
 * @throws KumikoError `fabric-ledger/no-validation-codes`, `fabric-ledger/unreadable-transaction`, `fabric-ledger/other-codes`,
 * `fabric-ledger/other-commit-hash`. What the state database and the policies throw.
 * @see Fabric `core/ledger/kvledger/kv_ledger.go` commit
 */
export async function settleBlock(
  { block, transactions, committed, privateData, verify }: BlockToCommit,
  before: BeforeBlock,
): Promise<SettledBlock> {
  const read = transactions ?? readBlockTransactions(block)
  if (read.length !== block.data.length) throw noValidationCodes(block.header.number)
  const outcome = await validateReads(block.header.number, read, committed ?? (await prefetch(read, before.state)))
  const settled = await settle(block, read, outcome, privateData ?? [], before)
  if (verify === true) assertSame(block, settled)
  return { ...settled, block: withOutcome(block, settled) }
}

/**
 * The same for a block that was committed before: its codes are taken as they are.
 * @throws KumikoError `fabric-ledger/no-validation-codes`, `fabric-ledger/unreadable-transaction`, `fabric-ledger/other-commit-hash`.
 */
export async function settleAgain(block: Block, before: BeforeBlock): Promise<SettledBlock> {
  const transactions = readBlockTransactions(block)
  const batch = new UpdateBatch(await prefetch(transactions.map(withoutReads), before.state))
  for (const [index, { set }] of transactions.entries()) {
    if (set !== undefined) batch.apply(set, { blockNumber: block.header.number, transactionNumber: BigInt(index) })
  }
  const outcome = { codes: Uint8Array.from(transactions, ({ code }) => code), updates: batch.updates() }
  return { ...(await settle(block, transactions, outcome, [], before)), block }
}

/** @throws KumikoError `fabric-ledger/no-validation-codes`, `fabric-ledger/unreadable-transaction`. */
function readBlockTransactions(block: Block): readonly TransactionToValidate[] {
  const { number } = block.header
  const codes = readTransactionsFilter(block)
  if (codes === undefined) throw noValidationCodes(number)
  const transactions = blockTransactions(block, codes)
  if (!isFault(transactions)) return transactions
  const message = `cannot read what block ${number} changes (${transactions.detail}): validate it, and give the codes`
  throw new KumikoError('fabric-ledger/unreadable-transaction', message, { context: { number } })
}

/** Does the block's metadata say what we find? @throws KumikoError `fabric-ledger/other-commit-hash`. */
export function assertSameCommitHash(block: Block, found: Uint8Array | undefined): void {
  const { number } = block.header
  const said = readCommitHash(block)
  const isSame = !isFault(said) && equalBytes(said ?? new Uint8Array(), found ?? new Uint8Array())
  if (isSame) return
  const message = `block ${number} has another commit hash than what it changes here comes to: its validation codes, or those of a block before, are not right`
  const context = { number, said: isFault(said) ? said.fault : said && toHex(said), found: found && toHex(found) }
  throw new KumikoError('fabric-ledger/other-commit-hash', message, { context })
}

async function settle(
  block: Block,
  transactions: readonly TransactionToValidate[],
  { codes, updates }: ValidatedReads,
  given: readonly TransactionPrivateData[],
  { state, policies, keys, stored, commitHash: previous }: BeforeBlock,
): Promise<Omit<SettledBlock, 'block'>> {
  const { number: blockNumber } = block.header
  const claimed = stored === undefined ? withClaims(block, transactions) : transactions
  const toSettle = { blockNumber, transactions: claimed, codes, updates, state, policies, keys }
  const privateData = await settlePrivateData({ ...toSettle, given: stored ?? given, isStored: stored !== undefined })
  return { transactions, codes, updates, privateData, commitHash: nextCommitHash(blockNumber, codes, updates, previous) }
}

/** Checks that refuse a transaction do not read its set, of which private data is kept nevertheless. */
function withClaims({ data }: Block, transactions: readonly TransactionToValidate[]): readonly TransactionToValidate[] {
  return transactions.map((transaction, index) => {
    const item = transaction.set === undefined && transaction.code !== ValidationCode.valid ? data[index] : undefined
    return item === undefined ? transaction : { ...transaction, set: readClaimedSet(item) }
  })
}

/** It begins at block 1: where it did not, the chain has none. @see Fabric `kv_ledger.go` commit */
function nextCommitHash(
  number: bigint,
  codes: Uint8Array,
  updates: readonly NamespaceStateUpdates[],
  previous: Uint8Array | undefined,
): Uint8Array | undefined {
  return number === 1n || previous !== undefined ? commitHash(codes, updateBytes(updates), previous) : undefined
}

function withOutcome(block: Block, { codes, commitHash }: Omit<SettledBlock, 'block'>): Block {
  const validated = withMetadata(block, BlockMetadataIndex.transactionsFilter, codes)
  return commitHash === undefined ? validated : withMetadata(validated, BlockMetadataIndex.commitHash, writeCommitHash(commitHash))
}

/** Replay reads only what it writes. */
function withoutReads({ code, set }: TransactionToValidate): TransactionToValidate {
  const namespaces = set?.namespaces.map(({ keyValue, collections, ...rest }) => ({
    ...rest,
    keyValue: { ...keyValue, reads: [], rangeQueriesInfo: [] },
    collections: collections.map(({ hashed, ...rest }) => ({ ...rest, hashed: { ...hashed, hashedReads: [] } })),
  }))
  return { code, set: namespaces && { namespaces } }
}

function assertSame(block: Block, { codes, commitHash }: Omit<SettledBlock, 'block'>): void {
  const said = readTransactionsFilter(block)
  if (said === undefined || !equalBytes(said, codes)) {
    const { number } = block.header
    const context = { number, said: said && toHex(said), found: toHex(codes) }
    throw new KumikoError('fabric-ledger/other-codes', `block ${number} has other validation codes than we find`, { context })
  }
  assertSameCommitHash(block, commitHash)
}
