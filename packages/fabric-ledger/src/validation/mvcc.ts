import {
  compareUtf8,
  equalBytes,
  type QueryReadsMerkleSummary,
  type RangeQueryInfo,
  RangeQueryResults,
  type ReadWriteSet,
  ValidationCode,
  type Version,
} from '@kumiko/fabric-protocol'
import type { CommittedState, VersionedKey } from './committed-state.ts'
import { type NamespaceStateUpdates, UpdateBatch } from './update-batch.ts'

/** A transaction that comes to this step of validation. */
export interface TransactionToValidate {
  /** What the steps before said, a {@link ValidationCode}: only valid ones are looked at. */
  readonly code: number
  /** Undefined where the transaction writes nothing or is not valid. A configuration's is what it writes to namespace `''`. */
  readonly set: ReadWriteSet | undefined
  /** The transaction's id, where it is known already: one that its nonce and creator make. */
  readonly txId?: string
}

/** A block's outcome. */
export interface ValidatedReads {
  /** The validation codes, a byte a transaction: the block's transactions filter. */
  readonly codes: Uint8Array
  /** What the valid transactions change. Goes to `updateBytes` for the commit hash, and to the state. */
  readonly updates: readonly NamespaceStateUpdates[]
}

/**
 * Finds the transactions that read what is no longer so, and what the others change. One after the other: a valid one's writes make invalid
 * whatever comes after in the block and has read their keys. For each namespace, reads come first, then range queries, then hashed reads.
 * @param blockNumber - With a transaction's place in the block it is the version of what the transaction writes.
 * @see Fabric `core/ledger/kvledger/txmgmt/validation/validator.go`; research § 3.5.5, 3.5.6
 */
export async function validateReads(
  blockNumber: bigint,
  transactions: readonly TransactionToValidate[],
  state: CommittedState,
): Promise<ValidatedReads> {
  const batch = new UpdateBatch(state)
  const codes = Uint8Array.from(transactions, ({ code }) => code)
  for (const [index, { code, set }] of transactions.entries()) {
    if (code !== ValidationCode.valid || set === undefined) continue
    const found = await conflictIn(set, batch, state)
    if (found === undefined) batch.apply(set, { blockNumber, transactionNumber: BigInt(index) })
    else codes[index] = found
  }
  return { codes, updates: batch.updates() }
}

async function conflictIn(set: ReadWriteSet, batch: UpdateBatch, state: CommittedState): Promise<ValidationCode | undefined> {
  for (const { namespace, keyValue, collections } of set.namespaces) {
    const isStale = keyValue.reads.some(
      ({ key, version }) => batch.get(namespace, key) !== undefined || !isSame(state.get(namespace, key)?.version, version),
    )
    if (isStale) return ValidationCode.mvccReadConflict
    for (const query of keyValue.rangeQueriesInfo) {
      if (!(await matches(query, keysOf(query, namespace, batch, state)))) return ValidationCode.phantomReadConflict
    }
    const isHashStale = collections.some(({ collection, hashed }) =>
      hashed.hashedReads.some(
        ({ keyHash, version }) =>
          batch.getHashed(namespace, collection, keyHash) !== undefined ||
          !isSame(state.getHashed(namespace, collection, keyHash)?.version, version),
      ),
    )
    if (isHashStale) return ValidationCode.mvccReadConflict
  }
  return
}

/** What a range query would read now. Its end is the last key that it read, and so within, unless it read to the end. */
async function* keysOf(query: RangeQueryInfo, namespace: string, batch: UpdateBatch, state: CommittedState): AsyncGenerator<VersionedKey> {
  const { startKey, endKey, itrExhausted } = query
  const changed = batch.range(namespace, startKey, endKey)
  yield* merge(state.range(namespace, startKey, endKey), changed)
  if (itrExhausted) return
  const last = batch.get(namespace, endKey) ?? state.get(namespace, endKey)
  if (last?.value !== undefined) yield { key: endKey, version: last.version }
}

/** Both by key; a change stands in place of what is committed, a deletion for nothing. */
async function* merge(committed: AsyncIterable<VersionedKey>, changed: ReturnType<UpdateBatch['range']>): AsyncGenerator<VersionedKey> {
  let at = 0
  for await (const entry of committed) {
    for (; isBefore(changed[at], entry.key); at++) yield* present(changed[at])
    if (changed[at]?.key !== entry.key) yield entry
  }
  for (; at < changed.length; at++) yield* present(changed[at])
}

function isBefore(change: VersionedKey | undefined, key: string): boolean {
  return change !== undefined && compareUtf8(change.key, key) < 0
}

function* present(change: ReturnType<UpdateBatch['range']>[number] | undefined): Generator<VersionedKey> {
  if (change?.value !== undefined) yield change
}

function matches(query: RangeQueryInfo, now: AsyncIterable<VersionedKey>): Promise<boolean> {
  return query.readsMerkleHashes === undefined ? matchesReads(query, now) : matchesHashes(query.readsMerkleHashes, now)
}

async function matchesReads({ rawReads }: RangeQueryInfo, now: AsyncIterable<VersionedKey>): Promise<boolean> {
  const reads = rawReads?.kvReads ?? []
  let at = 0
  for await (const { key, version } of now) {
    const read = reads[at++]
    if (read === undefined || read.key !== key || !isSame(read.version, version)) return false
  }
  return at === reads.length
}

/** Ends early where there are more hashes already than there were. */
async function matchesHashes(hashes: QueryReadsMerkleSummary, now: AsyncIterable<VersionedKey>): Promise<boolean> {
  // Fabric's peer stops at such a degree, which no simulation records.
  if (hashes.maxDegree < 2) return false
  const results = new RangeQueryResults(hashes.maxDegree)
  for await (const { key, version } of now) {
    results.add({ key, version })
    if (results.summary.maxLevel > hashes.maxLevel) return false
  }
  const summary = results.finish()
  return 'readsMerkleHashes' in summary && isSameSummary(summary.readsMerkleHashes, hashes)
}

function isSameSummary(a: QueryReadsMerkleSummary, b: QueryReadsMerkleSummary): boolean {
  return (
    a.maxDegree === b.maxDegree &&
    a.maxLevel === b.maxLevel &&
    a.maxLevelHashes.length === b.maxLevelHashes.length &&
    a.maxLevelHashes.every((hash, at) => equalBytes(hash, b.maxLevelHashes[at] ?? new Uint8Array()))
  )
}

/** Undefined is the version of what is absent. */
function isSame(a: Version | undefined, b: Version | undefined): boolean {
  return a?.blockNumber === b?.blockNumber && a?.transactionNumber === b?.transactionNumber
}
