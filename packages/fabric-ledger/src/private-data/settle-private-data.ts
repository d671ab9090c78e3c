import {
  type CollectionHashedReadWriteSet,
  type CollectionPrivateReadWriteSet,
  equalBytes,
  hashKey,
  isDeletion,
  type KVRWSet,
  type NamespacePrivateReadWriteSet,
  type PrivateReadWriteSet,
  type ReadWriteSet,
  sha256,
  toHex,
  ValidationCode,
  type Version,
} from '@kumiko/fabric-protocol'
import { privateNamespace, type StateChange, type StateDatabase } from '../state/state-database.ts'
import type { TransactionToValidate } from '../validation/mvcc.ts'
import type { NamespaceStateUpdates, StateUpdate } from '../validation/update-batch.ts'
import type { BlockPrivateData, CollectionPolicies, MissingPrivateData, TransactionPrivateData } from './private-data.ts'

/** A key that a transaction purges: all its private versions up to this one are to go. */
export interface PurgedKey {
  readonly namespace: string
  readonly collection: string
  /** 32 bytes. */
  readonly keyHash: Uint8Array
  /** Of the last purge of the key in the block; what it wrote itself goes too. */
  readonly version: Version
}

/** Finds the keys of purges: a `PrivateDataStore`. */
export interface PlainKeys {
  /** The purged key, if a private write of it is stored, or was until this very purge. */
  plainKey(purge: PurgedKey): Promise<string | undefined>
}

/** A block whose transactions are validated, and what is known of its private data. */
export interface BlockToSettle {
  readonly blockNumber: bigint
  /** All of them, in their order; the invalid ones with what they claim to write, where that can be read. */
  readonly transactions: readonly TransactionToValidate[]
  /** The final codes, a byte a transaction: what `validateReads` gave. */
  readonly codes: Uint8Array
  /** What `validateReads` gave. */
  readonly updates: readonly NamespaceStateUpdates[]
  /** Of the transactions' private write sets what is here; may be too much, twice, or false. */
  readonly given: readonly TransactionPrivateData[]
  /**
   * Whether `given` is what the private data's store has of this block, which is settled again after a crash: it is taken as it is, for
   * purges may have taken keys out of it that the public hash is over.
   */
  readonly isStored: boolean
  /** The block before left it. */
  readonly state: Pick<StateDatabase, 'getMany'>
  readonly policies: CollectionPolicies
  readonly keys: PlainKeys
}

/** What comes of a block's private data. */
export interface SettledPrivateData extends BlockPrivateData {
  /** To be told to the private data's store with the rest. Each key once. */
  readonly purges: readonly PurgedKey[]
  /** Of private namespaces, each key once. The hashed ones are in {@link BlockToSettle.updates}. */
  readonly changes: readonly StateChange[]
}

/** What a transaction writes to a collection, or would if it were valid. */
interface Expected {
  readonly transactionNumber: number
  readonly namespace: string
  readonly collection: string
  readonly privateHash: Uint8Array
}

type Found = Expected & { readonly set: CollectionPrivateReadWriteSet }

const NOTHING = new Uint8Array()

/**
 * Says what of a block's private data is stored, what is missing, and what becomes of the private state. A collection's write set is stored
 * if this peer may have it, and if its hash is the public one; a set that does not match is as good as not given. Those of invalid
 * transactions are stored, or missing, too: should the block be validated anew after a rollback, they may be valid. The state follows the
 * valid ones alone, and a later one counts more. Of a collection that nobody defined, which Fabric's peer stops at, nothing is kept.
 * @see Fabric `gossip/privdata/coordinator.go` StoreBlock, `core/ledger/kvledger/kv_ledger.go` commitToPvtAndBlockStore,
 * `core/ledger/kvledger/txmgmt/validation/batch_preparer.go` validateAndPreparePvtBatch; research § 3.5.7
 */
export async function settlePrivateData(block: BlockToSettle): Promise<SettledPrivateData> {
  const { found, missing } = block.isStored ? { found: storedIn(block), missing: [] } : await sort(block)
  const valid = found.filter(({ transactionNumber }) => isValid(block, transactionNumber))
  const changes = new PrivateChanges()
  for (const { set, ...place } of valid) changes.write(place, set.keyValue, block.blockNumber)
  await renewVersions(valid, changes, block)
  const purges = purgesOf(block)
  for (const purge of purges) changes.purge(purge, await plainKey(purge, found, block.keys))
  return { data: dataOf(found), missing, purges, changes: changes.all() }
}

function isValid({ codes }: BlockToSettle, index: number): boolean {
  return codes[index] === ValidationCode.valid
}

/** The collections that a transaction writes to, each once. */
function* expectedOf(set: ReadWriteSet | undefined, transactionNumber: number): Generator<Expected> {
  const hidden = set?.namespaces.filter(({ collections }) => collections.length > 0) ?? []
  if (hidden.length === 0) return
  const seen = new Set<string>()
  for (const { namespace, collections } of hidden) {
    for (const { collection, privateHash } of collections.filter(hasWrites)) {
      const id = idOf(namespace, collection)
      if (!seen.has(id)) yield { transactionNumber, namespace, collection, privateHash }
      seen.add(id)
    }
  }
}

function hasWrites({ hashed }: CollectionHashedReadWriteSet): boolean {
  return hashed.hashedWrites.length > 0 || hashed.metadataWrites.length > 0
}

/** What is here, and what is not. */
async function sort(block: BlockToSettle): Promise<{ found: Found[]; missing: MissingPrivateData[] }> {
  const givenOf = Map.groupBy(block.given, ({ transactionNumber }) => transactionNumber)
  const eligible = new Map<string, boolean | undefined>()
  const found: Found[] = []
  const missing: MissingPrivateData[] = []
  for (const [transactionNumber, { set: writes }] of block.transactions.entries()) {
    for (const each of expectedOf(writes, transactionNumber)) {
      const { namespace, collection } = each
      const id = idOf(namespace, collection)
      if (!eligible.has(id)) eligible.set(id, await eligibility(each, block.policies))
      const isEligible = eligible.get(id)
      // An invalid transaction may name as many as it has bytes for.
      if (isEligible === undefined && !isValid(block, transactionNumber)) break
      if (isEligible === undefined) continue
      const set = isEligible ? findSet(each, givenOf.get(transactionNumber)) : undefined
      if (set === undefined) missing.push({ transactionNumber, namespace, collection, isEligible })
      else found.push({ ...each, set })
    }
  }
  return { found, missing }
}

/** @returns Undefined where there is no such collection. */
async function eligibility({ namespace, collection }: Place, policies: CollectionPolicies): Promise<boolean | undefined> {
  const isKnown = (await policies.blockToLive(namespace, collection)) !== undefined
  return isKnown ? await policies.isEligible(namespace, collection) : undefined
}

function findSet(expected: Expected, given: readonly TransactionPrivateData[] = []): CollectionPrivateReadWriteSet | undefined {
  return given
    .flatMap(({ set }) => set.namespaces.filter(({ namespace }) => namespace === expected.namespace))
    .flatMap(({ collections }) => collections.filter(({ collection }) => collection === expected.collection))
    .find(({ bytes }) => equalBytes(sha256(bytes), expected.privateHash))
}

function storedIn(block: BlockToSettle): Found[] {
  return block.given
    .toSorted((a, b) => a.transactionNumber - b.transactionNumber)
    .flatMap(({ transactionNumber, set }) =>
      set.namespaces.flatMap(({ namespace, collections }) =>
        collections.map((set) => ({ transactionNumber, namespace, collection: set.collection, privateHash: NOTHING, set })),
      ),
    )
}

/** What becomes of private keys. Holds a key once, so its size is bounded by the block's. */
class PrivateChanges {
  /** By private namespace, then by key. */
  readonly #changes = new Map<string, Map<string, StateChange>>()

  get(place: Place, key: string): StateChange | undefined {
    return this.#changes.get(privateNamespace(place.namespace, place.collection))?.get(key)
  }

  write(place: Place & { readonly transactionNumber: number }, { writes }: KVRWSet, blockNumber: bigint): void {
    const version = { blockNumber, transactionNumber: BigInt(place.transactionNumber) }
    for (const write of writes) this.set(place, write.key, isDeletion(write) ? undefined : write.value, version)
  }

  /** Deletes the key, unless a later transaction wrote it. */
  purge({ version, ...place }: PurgedKey, key: string | undefined): void {
    if (key === undefined) return
    const change = this.get(place, key)
    if (change === undefined || change.version.transactionNumber < version.transactionNumber) this.set(place, key, undefined, version)
  }

  set(place: Place, key: string, value: Uint8Array | undefined, version: Version): void {
    const namespace = privateNamespace(place.namespace, place.collection)
    const changes = this.#changes.get(namespace) ?? new Map<string, StateChange>()
    this.#changes.set(namespace, changes)
    changes.set(key, { namespace, key, value, metadata: NOTHING, version })
  }

  all(): StateChange[] {
    return [...this.#changes.values()].flatMap((changes) => [...changes.values()])
  }
}

interface Place {
  readonly namespace: string
  readonly collection: string
}

/**
 * Metadata alone gives the hashed key a new version, which the private key has to follow, or else it would count as stale. Only where its
 * value is still the one that was hashed.
 * @see Fabric `batch_preparer.go` incrementPvtdataVersionIfNeeded
 */
async function renewVersions(found: readonly Found[], changes: PrivateChanges, { updates, state }: BlockToSettle): Promise<void> {
  const keys = found.flatMap(({ namespace, collection, set }) =>
    set.keyValue.metadataWrites.map(({ key }) => ({ namespace, collection, key })),
  )
  if (keys.length === 0) return
  const hashed = hashedUpdates(updates)
  const committed = await state.getMany(
    keys.map(({ key, ...place }) => ({ namespace: privateNamespace(place.namespace, place.collection), key })),
  )
  for (const [index, each] of keys.entries()) {
    const renewed = hashed.get(hashedIdOf(each, hashKey(each.key)))
    const latest = changes.get(each, each.key) ?? committed[index]
    if (renewed?.value === undefined || latest?.value === undefined) continue
    if (equalBytes(sha256(latest.value), renewed.value)) changes.set(each, each.key, latest.value, renewed.version)
  }
}

function hashedUpdates(updates: readonly NamespaceStateUpdates[]): Map<string, StateUpdate<Uint8Array>> {
  return new Map(
    updates.flatMap(({ namespace, collections }) =>
      collections.flatMap(({ collection, updates }) =>
        updates.map((update) => [hashedIdOf({ namespace, collection }, update.key), update] as const),
      ),
    ),
  )
}

/** Each key once, by its last purge. @see Fabric `validator.go` pvtdataPurgeTracker */
function purgesOf(block: BlockToSettle): PurgedKey[] {
  const purges = new Map<string, PurgedKey>()
  for (const [index, { set }] of block.transactions.entries()) {
    if (!isValid(block, index)) continue
    const version = { blockNumber: block.blockNumber, transactionNumber: BigInt(index) }
    for (const { namespace, collections } of set?.namespaces ?? []) {
      for (const { collection, hashed } of collections) {
        for (const { keyHash, isPurge } of hashed.hashedWrites) {
          const place = { namespace, collection }
          if (isPurge) purges.set(hashedIdOf(place, keyHash), { ...place, keyHash, version })
        }
      }
    }
  }
  return [...purges.values()]
}

/** The key of a hash, from what is stored, or else from what the block itself writes. */
async function plainKey(purge: PurgedKey, found: readonly Found[], keys: PlainKeys): Promise<string | undefined> {
  return (
    (await keys.plainKey(purge)) ??
    found
      .filter(({ namespace, collection }) => namespace === purge.namespace && collection === purge.collection)
      .flatMap(({ set }) => set.keyValue.writes.map(({ key }) => key))
      .find((key) => equalBytes(hashKey(key), purge.keyHash))
  )
}

/** By transaction, then by namespace. */
function dataOf(found: readonly Found[]): TransactionPrivateData[] {
  const transactions = Map.groupBy(found, ({ transactionNumber }) => transactionNumber)
  return [...transactions].map(([transactionNumber, found]) => ({ transactionNumber, set: setOf(found) }))
}

function setOf(found: readonly Found[]): PrivateReadWriteSet {
  const namespaces = [...Map.groupBy(found, ({ namespace }) => namespace)]
  return {
    namespaces: namespaces.map(
      ([namespace, found]): NamespacePrivateReadWriteSet => ({ namespace, collections: found.map(({ set }) => set) }),
    ),
  }
}

function idOf(namespace: string, collection: string): string {
  return JSON.stringify([namespace, collection])
}

function hashedIdOf({ namespace, collection }: Place, keyHash: Uint8Array): string {
  return JSON.stringify([namespace, collection, toHex(keyHash)])
}
