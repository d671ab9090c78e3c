import {
  type CollectionHashedReadWriteSet,
  type CollectionPrivateReadWriteSet,
  equalBytes,
  hashKey,
  isDeletion,
  isHashedDeletion,
  KVRWSet,
  type KVWrite,
  type KVWriteHash,
  sha256,
  toHex,
  type Version,
} from '@kumiko/fabric-protocol'
import { hashedNamespace, privateNamespace, type StateChange, type StateDatabase } from '../state/state-database.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import type { PlacedWriteSet, WriteSetPlace } from './private-data-records.ts'

/** A write set of an old block that was missing, as somebody gave it. */
export interface LatePrivateData extends WriteSetPlace {
  readonly set: CollectionPrivateReadWriteSet
  /**
   * What the block's transaction says of the collection in public. Undefined where the block is not here: a snapshot may have brought hashes,
   * or else the set is refused.
   */
  readonly expected: CollectionHashedReadWriteSet | undefined
}

const NOTHING = new Uint8Array()

/**
 * What of a late write set may be stored. Keys that were purged since are left out, whether or not the giver left them out too; then each
 * key's hash is checked, and else that of the whole, if there is one. If all keys were purged, an empty set is stored, so that it is no more missing.
 * @param purged - Whether the key was purged after the set's transaction, or by it.
 * @returns Undefined where the set is false, or lacks keys: the giver may know of purges that are still to come here.
 * @see Fabric `core/ledger/kvledger/hashcheck_pvtdata.go` validateAndRemovePurgedKeys
 */
export function verifyLate({ set, expected }: LatePrivateData, purged: (keyHash: Uint8Array) => boolean): KVRWSet | undefined {
  if (expected === undefined) return
  const writes = expected.hashed.hashedWrites
  const wanted = writes.filter(({ keyHash }) => !purged(keyHash))
  if (wanted.length === 0 && writes.length > 0) return KVRWSet.create()
  if (wanted.length === writes.length && expected.privateHash.length > 0) {
    return equalBytes(sha256(set.bytes), expected.privateHash) ? set.keyValue : undefined
  }
  const found = wanted.map((hash) => set.keyValue.writes.find((write) => isOf(write, hash)))
  return found.every((write) => write !== undefined) ? KVRWSet.create({ writes: found }) : undefined
}

function isOf(write: KVWrite, hash: KVWriteHash): boolean {
  if (!equalBytes(hashKey(write.key), hash.keyHash)) return false
  return isDeletion(write) ? isHashedDeletion(hash) : equalBytes(sha256(write.value), hash.valueHash)
}

interface LateWrite {
  readonly namespace: string
  readonly collection: string
  readonly write: KVWrite
  readonly keyHash: Uint8Array
  readonly version: Version
}

/**
 * How the private state follows write sets that came late: only where a key's hash still has that version, or that value (metadata may have
 * renewed the version), so that nothing stale comes back. Saying it twice is the same as once.
 * @param sets - Of valid transactions.
 * @see Fabric `core/ledger/kvledger/txmgmt/txmgr/lockbased_txmgr.go` RemoveStaleAndCommitPvtDataOfOldBlocks
 */
export async function lateChanges(sets: readonly PlacedWriteSet[], state: Pick<StateDatabase, 'getMany'>): Promise<StateChange[]> {
  const writes = [...latestWrites(sets).values()]
  const keys = writes.map(({ namespace, collection, keyHash }) => ({
    namespace: hashedNamespace(namespace, collection),
    key: toHex(keyHash),
  }))
  const committed = await state.getMany(keys)
  return writes.flatMap((write, index) => changeOf(write, committed[index]))
}

/** Of each key the write with the highest version. */
function latestWrites(sets: readonly PlacedWriteSet[]): Map<string, LateWrite> {
  const latest = new Map<string, LateWrite>()
  for (const { namespace, collection, blockNumber, transactionNumber, keyValue } of sets) {
    const version = { blockNumber, transactionNumber: BigInt(transactionNumber) }
    for (const write of keyValue.writes) {
      const id = JSON.stringify([namespace, collection, write.key])
      const before = latest.get(id)
      if (before !== undefined && compareVersions(before.version, version) > 0) continue
      latest.set(id, { namespace, collection, write, keyHash: hashKey(write.key), version })
    }
  }
  return latest
}

function changeOf({ namespace, collection, write, version }: LateWrite, committed: VersionedValue | undefined): StateChange[] {
  const change = { namespace: privateNamespace(namespace, collection), key: write.key, metadata: NOTHING }
  if (committed === undefined) return isDeletion(write) ? [{ ...change, value: undefined, version }] : []
  if (isDeletion(write) || !equalBytes(sha256(write.value), committed.value)) return []
  return [{ ...change, value: write.value, version: committed.version }]
}

/** Orders versions by block, then by transaction. @returns Below 0, 0, or above 0, for `sort`. */
export function compareVersions(a: Version, b: Version): number {
  const [left, right] = a.blockNumber === b.blockNumber ? [a.transactionNumber, b.transactionNumber] : [a.blockNumber, b.blockNumber]
  return left < right ? -1 : left > right ? 1 : 0
}
