import {
  type CollectionHashedReadWriteSet,
  decodeUtf8,
  HashedRWSet,
  hashKey,
  KVRWSet,
  type KVWriteHash,
  toHex,
  Version,
} from '@kumiko/fabric-protocol'
import { KumikoError, Turns } from '@kumiko/interface'
import type { ConfigHistory } from '../config-history/config-history.ts'
import { SnapshotEligibility } from '../snapshot/snapshot-eligibility.ts'
import type { StateKey } from '../state/state-database.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import { compareVersions, type LatePrivateData, verifyLate } from './late-private-data.ts'
import { type DecodedRecord, LevelRecords } from './level-records.ts'
import type { BlockPrivateData, CollectionPolicies, TransactionPrivateData } from './private-data.ts'
import {
  type CollectionName,
  collectionOf,
  collectionsOf,
  DEPRIORITISED,
  del,
  EXPIRY,
  expiringBlock,
  FROM_SNAPSHOT,
  type HashedKey,
  hashOf,
  INELIGIBLE,
  LATE,
  missingRecords,
  type PlacedWriteSet,
  PRIORITISED,
  PURGED,
  PURGED_BY,
  purgeRecords,
  put,
  type RecordChange,
  TO_PURGE,
  transactionsOf,
  WRITE_SET,
  WRITTEN,
  type WriteSetPlace,
  withoutKey,
  writeSetRecords,
  writeSetsOf,
} from './private-data-records.ts'
import type { KeyRange } from './record-key.ts'
import type { PlainKeys, PurgedKey } from './settle-private-data.ts'
import { heightRecord, readHeight } from './stored-height.ts'

/** A block's private data, and what else the block says of private data. */
export interface PrivateDataToCommit extends BlockPrivateData {
  /** What its valid transactions purge: see `settlePrivateData`. Each key once. */
  readonly purges: readonly PurgedKey[]
}

/** Which missing private data to tell. */
export interface MissingOptions {
  /** Blocks at most: the newest ones that miss something. */
  readonly blocks: number
  /** Only blocks up to this one; default: all. */
  readonly newest?: bigint
  /** Tell what nobody had, in place of what was not yet asked for. Fabric asks for it once an hour. Default false. */
  readonly isDeprioritised?: boolean
}

/** What a snapshot brought. */
export interface SnapshotState {
  /** By namespace; all but hashed ones are passed over. */
  readonly entries: AsyncIterable<StateKey & VersionedValue>
  readonly policies: CollectionPolicies
  /** The collections that chaincodes had before. */
  readonly configs: Pick<ConfigHistory, 'mostRecentBelow'>
}

/** What came of late private data. */
export interface Reconciled {
  /** What was stored: `lateChanges` says how the state follows. */
  readonly stored: readonly PlacedWriteSet[]
  /** What was false, or lacks keys: it is still missing. What is not missing is in neither. */
  readonly refused: readonly LatePrivateData[]
}

/** Blocks for which the store remembers what a state that lost its last writes needs to replay them: more is not lost at once. */
export const REPLAY_BLOCKS_MAX = 1024n

/** Changes of one unsynced batch when what expired or was purged is removed. */
const BATCH_MAX = 100

/**
 * A channel's private data, in LevelDB: write sets of transactions, valid or not, and what is missing of them. A block is taken in as one synced
 * batch, which says all there is to say. What then expires, or was purged, is removed at once, in small batches that are made again when
 * the store is opened after a crash. Calls are served one after the other. Memory: a block's private data, or {@link BATCH_MAX} records.
 * @see Fabric `core/ledger/pvtdatastorage`; research § 3.5.7, 3.5.9
 */
export class PrivateDataStore implements PlainKeys {
  readonly #records: LevelRecords
  #height: bigint
  readonly #turns = new Turns()

  private constructor(records: LevelRecords, height: bigint) {
    this.#records = records
    this.#height = height
  }

  /**
   * Opens the store, or begins one, and removes what is yet to be removed.
   * @param folder - For the store alone; made where missing.
   * @throws KumikoError `fabric-ledger/private-data-not-open`, `fabric-ledger/corrupt-private-data`.
   */
  static async open(folder: string): Promise<PrivateDataStore> {
    const records = await LevelRecords.open(folder)
    try {
      const store = new PrivateDataStore(records, await readHeight(records))
      await store.#clean(store.#height)
      return store
    } catch (error) {
      await records.close()
      throw error
    }
  }

  /** How many blocks it has taken in. One more than the block store after a crash between the two; more after blocks were rolled back. */
  get height(): bigint {
    return this.#height
  }

  /**
   * Begins after a snapshot, whose blocks are not here. Broken off, it may be done again.
   * @param snapshot - The state that it brought: the private data of its hashes is missing from now on.
   * @throws KumikoError `fabric-ledger/private-data-not-next`: the store is not empty. What the policies throw.
   * @see Fabric `core/ledger/pvtdatastorage/snapshot_data_importer.go`
   */
  async begin(height: bigint, snapshot?: SnapshotState): Promise<void> {
    await this.#turns.take(async () => {
      if (this.#height !== 0n) throw notNext(height, this.#height)
      if (snapshot !== undefined) await this.#write(snapshotRecords(snapshot))
      await this.#records.write([heightRecord(height)], true)
      this.#height = height
    })
  }

  /**
   * Takes in a block, synced. Does nothing for a block that it has: what it took in first stays.
   * @param policies - Asked for the blocks to live of the block's collections.
   * @throws KumikoError `fabric-ledger/private-data-not-next`. What the policies throw.
   */
  async commit(blockNumber: bigint, block: PrivateDataToCommit, policies: Pick<CollectionPolicies, 'blockToLive'>): Promise<void> {
    await this.#turns.take(async () => {
      if (blockNumber < this.#height) return
      if (blockNumber !== this.#height) throw notNext(blockNumber, this.#height)
      const sets = writeSetsOf(blockNumber, block.data)
      const keys = await Promise.all(block.purges.map(async (purge) => (await this.plainKey(purge)) ?? keyIn(sets, purge)))
      const records = [
        ...sets.flatMap(writeSetRecords),
        ...missingRecords(blockNumber, block.missing),
        ...(await expiryRecords(blockNumber, collectionsOf(blockNumber, block), policies)),
        ...purgeRecords(block.purges, keys),
        heightRecord(blockNumber + 1n),
      ]
      await this.#records.write(records, true)
      await this.#clean(blockNumber + 1n)
      this.#height = blockNumber + 1n
    })
  }

  /**
   * A block's private data, by transaction: not what expired with the last block or before, and without the keys that were purged.
   * @param filter - Which collections. Default: all.
   * @returns Undefined where the block was not yet taken in.
   */
  async read(
    blockNumber: bigint,
    filter: (namespace: string, collection: string) => boolean = () => true,
  ): Promise<readonly TransactionPrivateData[] | undefined> {
    if (blockNumber >= this.#height) return
    const sets: PlacedWriteSet[] = []
    for await (const { at, value } of this.#records.walk(WRITE_SET, WRITE_SET.range({ blockNumber }))) {
      if (filter(at.namespace, at.collection)) sets.push(this.#placed(at, value))
    }
    return transactionsOf(sets)
  }

  /** What is missing and may be had, newest blocks first. */
  async missing({ blocks, newest, isDeprioritised = false }: MissingOptions): Promise<readonly WriteSetPlace[]> {
    const kind = isDeprioritised ? DEPRIORITISED : PRIORITISED
    const { gte, lt } = kind.range({})
    const from = newest === undefined ? gte : kind.range({ blockNumber: newest }).gte
    const numbers = new Set<bigint>()
    const missing: WriteSetPlace[] = []
    for await (const { at } of this.#records.walk(kind, { gte: from, lt })) {
      if (numbers.add(at.blockNumber).size > blocks) break
      missing.push(at)
    }
    return missing
  }

  /**
   * Takes in private data of old blocks that came late, synced. Only what is missing and may be had is taken, once its hashes are checked.
   * @param unfound - What nobody had: it is asked for again later.
   */
  async reconcile(late: readonly LatePrivateData[], unfound: readonly WriteSetPlace[] = []): Promise<Reconciled> {
    return await this.#turns.take(async () => {
      const changes: RecordChange[] = []
      const stored = new Map<string, PlacedWriteSet>()
      const refused: LatePrivateData[] = []
      for (const each of late) {
        const at = placeOf(each)
        const held = await this.#missingKeys(at)
        if (held.length === 0 || stored.has(idOf(at))) continue
        const keyValue = await this.#verify(each)
        if (keyValue === undefined) {
          refused.push(each)
          continue
        }
        const set = { ...at, keyValue, bytes: keyValue === each.set.keyValue ? each.set.bytes : KVRWSet.encode(keyValue) }
        stored.set(idOf(at), set)
        changes.push(...writeSetRecords(set), put(LATE.encode({ ...at, height: this.#height })), ...held.map(del))
        for await (const { key } of this.#records.walk(FROM_SNAPSHOT, FROM_SNAPSHOT.range(at))) changes.push(del(key))
      }
      for (const each of unfound) if (!stored.has(idOf(each))) changes.push(...(await this.#deprioritise(placeOf(each))))
      if (changes.length > 0) await this.#records.write(changes, true)
      return { stored: [...stored.values()], refused }
    })
  }

  /**
   * Asks again for each collection whether this peer may have it: if so, what is missing of it may be had from now on. To be called when the
   * store is opened, and after a block that changed collections.
   * @see Fabric `core/ledger/kvledger/coll_elg_notifier.go`, `pvtdatastorage/store.go` ProcessCollsEligibilityEnabled
   */
  async recheckEligibility(policies: Pick<CollectionPolicies, 'isEligible'>): Promise<void> {
    await this.#turns.take(async () => {
      for await (const each of this.#ineligible()) {
        if (await policies.isEligible(each.namespace, each.collection)) await this.#write(this.#movedToPrioritised(each))
      }
    })
  }

  /** What {@link reconcile} stored of late, one by one: a state that may have lost its last writes is told of it again when it is opened. */
  async *late(): AsyncGenerator<PlacedWriteSet> {
    for await (const { at } of this.#records.walk(LATE, LATE.range({}))) {
      const { height: _, ...place } = at
      const bytes = await this.#records.get(WRITE_SET.encode(place))
      if (bytes !== undefined) yield this.#placed(place, bytes)
    }
  }

  async plainKey({ namespace, collection, keyHash, version: { blockNumber } }: PurgedKey): Promise<string | undefined> {
    const hashed = { namespace, collection, keyHash }
    for await (const { value } of this.#records.walk(WRITTEN, WRITTEN.range(hashed), { limit: 1 })) return this.#text(value)
    const purged = await this.#records.get(PURGED_BY.encode({ ...hashed, blockNumber }))
    return purged && this.#text(purged)
  }

  /** Waits for the calls before. */
  async close(): Promise<void> {
    await this.#turns.take(async () => await this.#records.close())
  }

  #placed(at: WriteSetPlace, bytes: Uint8Array): PlacedWriteSet {
    return { ...at, bytes, keyValue: this.#records.read(KVRWSet.decode(bytes)) }
  }

  #text(bytes: Uint8Array): string {
    const text = decodeUtf8(bytes)
    if (text === undefined) throw this.#records.corrupt('a key is not UTF-8')
    return text
  }

  /** The records that say that it is missing and may be had. */
  async #missingKeys(at: WriteSetPlace): Promise<Uint8Array[]> {
    const keys = [PRIORITISED.encode(at), DEPRIORITISED.encode(at)]
    const held = await this.#records.getMany(keys)
    return keys.filter((_, index) => held[index] !== undefined)
  }

  async #verify(late: LatePrivateData): Promise<KVRWSet | undefined> {
    const { namespace, collection, blockNumber, transactionNumber } = late
    const expected = late.expected ?? (await this.#fromSnapshot(late))
    const hashes = expected?.hashed.hashedWrites.map(({ keyHash }) => keyHash) ?? []
    const purges = await this.#records.getMany(hashes.map((keyHash) => PURGED.encode({ namespace, collection, keyHash })))
    const version = { blockNumber, transactionNumber: BigInt(transactionNumber) }
    const isPurged = (purge: Uint8Array | undefined) =>
      purge !== undefined && compareVersions(version, this.#records.read(Version.decode(purge))) <= 0
    const purged = new Set(hashes.filter((_, index) => isPurged(purges[index])).map(toHex))
    return verifyLate({ ...late, expected }, (keyHash) => purged.has(toHex(keyHash)))
  }

  /** What is known of a write set of a block before the first one. */
  async #fromSnapshot(late: LatePrivateData): Promise<CollectionHashedReadWriteSet | undefined> {
    const hashedWrites: KVWriteHash[] = []
    for await (const { at, value } of this.#records.walk(FROM_SNAPSHOT, FROM_SNAPSHOT.range(placeOf(late)))) {
      hashedWrites.push({ keyHash: at.keyHash, isDelete: false, valueHash: value, isPurge: false })
    }
    if (hashedWrites.length === 0) return
    return { collection: late.collection, hashed: HashedRWSet.create({ hashedWrites }), privateHash: new Uint8Array() }
  }

  async #deprioritise(at: WriteSetPlace): Promise<RecordChange[]> {
    const key = PRIORITISED.encode(at)
    return (await this.#records.get(key)) === undefined ? [] : [del(key), put(DEPRIORITISED.encode(at))]
  }

  /** Does what commits said: each step may be done again. */
  async #clean(height: bigint): Promise<void> {
    if (height > 0n) await this.#write(this.#expired(height - 1n))
    for await (const purge of this.#records.walk(TO_PURGE, TO_PURGE.range({}))) await this.#write(this.#purged(purge))
    if (height > REPLAY_BLOCKS_MAX) await this.#write(this.#forgotten(height - REPLAY_BLOCKS_MAX))
  }

  /** Makes the changes in batches, in their order: what says that there are changes to make is removed after them. */
  async #write(changes: AsyncIterable<RecordChange>): Promise<void> {
    let batch: RecordChange[] = []
    for await (const change of changes) {
      batch.push(change)
      if (batch.length < BATCH_MAX) continue
      await this.#records.write(batch, false)
      batch = []
    }
    if (batch.length > 0) await this.#records.write(batch, false)
  }

  async *#movedToPrioritised(collection: CollectionName): AsyncGenerator<RecordChange> {
    for await (const { at, key } of this.#records.walk(INELIGIBLE, INELIGIBLE.range(collection))) {
      yield put(PRIORITISED.encode(at))
      yield del(key)
    }
  }

  /** The collections of which this peer may not have what is missing, each once. */
  async *#ineligible(): AsyncGenerator<CollectionName> {
    let range: KeyRange = INELIGIBLE.range({})
    for (;;) {
      let found: CollectionName | undefined
      for await (const { at } of this.#records.walk(INELIGIBLE, range, { limit: 1 })) {
        found = { namespace: at.namespace, collection: at.collection }
      }
      if (found === undefined) return
      yield found
      range = { ...range, gte: INELIGIBLE.range(found).lt }
    }
  }

  async *#expired(blockNumber: bigint): AsyncGenerator<RecordChange> {
    for await (const { at, key } of this.#records.walk(EXPIRY, EXPIRY.rangeTo({}, 'expiringBlock', blockNumber))) {
      const place = { blockNumber: at.blockNumber, namespace: at.namespace, collection: at.collection }
      for await (const set of this.#records.walk(WRITE_SET, WRITE_SET.range({ blockNumber: at.blockNumber }))) {
        if (set.at.namespace !== at.namespace || set.at.collection !== at.collection) continue
        // The set itself last: after a crash it says again which the others are.
        for (const record of writeSetRecords(this.#placed(set.at, set.value)).reverse()) yield del(record.key)
      }
      for await (const { key } of this.#records.walk(FROM_SNAPSHOT, FROM_SNAPSHOT.range(place))) yield del(key)
      for (const kind of [PRIORITISED, DEPRIORITISED, INELIGIBLE]) {
        for await (const missing of this.#records.walk(kind, kind.range(place))) yield del(missing.key)
      }
      yield del(key)
    }
  }

  /** One key at a time, for several may be in one write set. */
  async *#purged({ at, key, value }: DecodedRecord<HashedKey>): AsyncGenerator<RecordChange> {
    const { blockNumber, transactionNumber } = this.#records.read(Version.decode(value))
    for await (const written of this.#records.walk(WRITTEN, WRITTEN.rangeTo(at, 'blockNumber', blockNumber))) {
      if (written.at.blockNumber === blockNumber && BigInt(written.at.transactionNumber) > transactionNumber) continue
      const set = WRITE_SET.encode(written.at)
      const bytes = await this.#records.get(set)
      if (bytes !== undefined) yield put(set, this.#records.read(withoutKey(bytes, this.#text(written.value))))
      yield del(written.key)
    }
    yield del(key)
  }

  async *#forgotten(below: bigint): AsyncGenerator<RecordChange> {
    for await (const { key } of this.#records.walk(PURGED_BY, PURGED_BY.rangeTo({}, 'blockNumber', below - 1n))) yield del(key)
    for await (const { key } of this.#records.walk(LATE, LATE.rangeTo({}, 'height', below))) yield del(key)
  }
}

async function expiryRecords(
  blockNumber: bigint,
  collections: readonly CollectionName[],
  policies: Pick<CollectionPolicies, 'blockToLive'>,
): Promise<RecordChange[]> {
  const records: RecordChange[] = []
  for (const { namespace, collection } of collections) {
    const expiring = expiringBlock(blockNumber, await policies.blockToLive(namespace, collection))
    if (expiring !== undefined) records.push(put(EXPIRY.encode({ expiringBlock: expiring, blockNumber, namespace, collection })))
  }
  return records
}

/** What a state is missing of private data, and when that expires. */
async function* snapshotRecords({ entries, policies, configs }: SnapshotState): AsyncGenerator<RecordChange> {
  const eligibility = new SnapshotEligibility({ policies, configs })
  for await (const { namespace: full, key, value, version } of entries) {
    const hashed = collectionOf(full)
    if (hashed?.kind !== 'hashed') continue
    const { namespace, collection } = hashed
    const at = { namespace, collection, blockNumber: version.blockNumber, transactionNumber: Number(version.transactionNumber) }
    yield put(FROM_SNAPSHOT.encode({ ...at, keyHash: hashOf(key) }), value)
    const isEligible = await eligibility.isEligible(namespace, collection, at.blockNumber)
    yield* missingRecords(at.blockNumber, [{ ...at, isEligible }])
    yield* await expiryRecords(at.blockNumber, [hashed], policies)
  }
}

/** The purged key, if the block itself writes it. */
function keyIn(sets: readonly PlacedWriteSet[], { namespace, collection, keyHash }: PurgedKey): string | undefined {
  const hash = toHex(keyHash)
  return sets
    .filter((set) => set.namespace === namespace && set.collection === collection)
    .flatMap(({ keyValue }) => keyValue.writes.map(({ key }) => key))
    .find((key) => toHex(hashKey(key)) === hash)
}

function placeOf({ blockNumber, transactionNumber, namespace, collection }: WriteSetPlace): WriteSetPlace {
  return { blockNumber, transactionNumber, namespace, collection }
}

function idOf({ blockNumber, transactionNumber, namespace, collection }: WriteSetPlace): string {
  return JSON.stringify([`${blockNumber}`, transactionNumber, namespace, collection])
}

function notNext(blockNumber: bigint, height: bigint): KumikoError {
  const message = `cannot take in the private data of block ${blockNumber}: the store has those of ${height} blocks; give it the next one`
  return new KumikoError('fabric-ledger/private-data-not-next', message, { context: { blockNumber, height } })
}
