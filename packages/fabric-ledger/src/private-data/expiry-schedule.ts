import {
  decodeUtf8,
  encodeUtf8,
  hashKey,
  isHashedDeletion,
  type NamespaceReadWriteSet,
  toHex,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { hashedNamespace, privateNamespace, type StateChange, type StateDatabase, type StateKey } from '../state/state-database.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import type { TransactionToValidate } from '../validation/mvcc.ts'
import { type DecodedRecord, LevelRecords } from './level-records.ts'
import type { CollectionPolicies, TransactionPrivateData } from './private-data.ts'
import {
  type CollectionName,
  collectionOf,
  del,
  expiringBlock,
  type HashedKey,
  hashOf,
  put,
  type RecordChange,
  writeSetsOf,
} from './private-data-records.ts'
import { REPLAY_BLOCKS_MAX } from './private-data-store.ts'
import { ascending, blob, type RecordKey, recordKey, text } from './record-key.ts'
import { heightRecord, readHeight } from './stored-height.ts'

/** A block that was committed. */
export interface BlockToSchedule {
  readonly transactions: readonly TransactionToValidate[]
  /** The final codes, a byte a transaction. */
  readonly codes: Uint8Array
  /** The private write sets that were stored. */
  readonly data: readonly TransactionPrivateData[]
}

type BlocksToLive = Pick<CollectionPolicies, 'blockToLive'>
type State = Pick<StateDatabase, 'getMany'>

/** A hashed key that a block wrote, and when it expires. */
interface ScheduledKey extends HashedKey {
  readonly expiringBlock: bigint
  /** That wrote it. */
  readonly blockNumber: bigint
}

/** The value is the plain key, or empty where it is not known. */
const SCHEDULED: RecordKey<ScheduledKey> = recordKey('x', {
  expiringBlock: ascending,
  blockNumber: ascending,
  namespace: text,
  collection: text,
  keyHash: blob,
})
const BATCH_MAX = 1000
const NOTHING = new Uint8Array()
/** Of what expires with a block: after all its transactions. */
const AFTER_ALL = 0xffff_ffff_ffff_ffffn

/**
 * When keys of the state expire: those that a block b wrote to a collection with n blocks to live go with block b + n + 1, unless they were
 * written again. Which is so the state tells: the schedule only says where to look, so it may be told of a block twice, or of too much. In
 * LevelDB, not synced: after a crash it is told again of what it lacks, or made anew of the state. Memory: the keys that a block writes, or
 * that expire with it.
 * @see Fabric `core/ledger/kvledger/txmgmt/pvtstatepurgemgmt`; research § 3.5.7
 */
export class ExpirySchedule {
  readonly #records: LevelRecords
  #height: bigint

  private constructor(records: LevelRecords, height: bigint) {
    this.#records = records
    this.#height = height
  }

  /**
   * Opens the schedule, or begins one.
   * @param folder - For the schedule alone; made where missing.
   * @throws KumikoError `fabric-ledger/private-data-not-open`, `fabric-ledger/corrupt-private-data`.
   */
  static async open(folder: string): Promise<ExpirySchedule> {
    const records = await LevelRecords.open(folder)
    try {
      return new ExpirySchedule(records, await readHeight(records))
    } catch (error) {
      await records.close()
      throw error
    }
  }

  /** How many blocks it has taken in. */
  get height(): bigint {
    return this.#height
  }

  /**
   * Does it still have what a state of this height needs, to go on from there? Else {@link begin} anew. It may not, where the state fell behind
   * by more than {@link REPLAY_BLOCKS_MAX}.
   */
  reaches(height: bigint): boolean {
    return height + REPLAY_BLOCKS_MAX >= this.#height
  }

  /**
   * What of the state goes with a block: to be applied with what the block changes, and in no commit hash. The same for a block that is
   * replayed on the state before it.
   * @param changes - What the block changes: those keys stay.
   * @param state - As the block before left it.
   */
  async expired(blockNumber: bigint, changes: readonly StateChange[], state: State): Promise<StateChange[]> {
    const scheduled = this.#records.walk(SCHEDULED, SCHEDULED.range({ expiringBlock: blockNumber }))
    const deletions = new Deletions(blockNumber, changes)
    for await (const records of inBatches(scheduled))
      await deletions.add(
        records.map((record) => this.#decode(record)),
        state,
      )
    return deletions.all()
  }

  /**
   * Takes in a block. Does nothing for a block that it has.
   * @throws KumikoError `fabric-ledger/private-data-not-next`. What the policies throw.
   */
  async commit(blockNumber: bigint, block: BlockToSchedule, policies: BlocksToLive): Promise<void> {
    if (blockNumber < this.#height) return
    if (blockNumber > this.#height) throw notNext(blockNumber, this.#height)
    const scheduled = await scheduledBy(blockNumber, block, policies)
    await this.#records.write([...scheduled, heightRecord(blockNumber + 1n)], false)
    this.#height = blockNumber + 1n
    if (blockNumber >= REPLAY_BLOCKS_MAX) await this.#forget(blockNumber - REPLAY_BLOCKS_MAX)
  }

  /** Takes in what late private data changed in the state, synced; before the state is told. */
  async add(changes: readonly StateChange[], policies: BlocksToLive): Promise<void> {
    const records: RecordChange[] = []
    for (const { namespace, key, value, version } of changes) {
      const place = value && collectionOf(namespace)
      if (place?.kind !== 'private') continue
      records.push(...(await schedule({ ...place, keyHash: hashKey(key) }, key, version.blockNumber, policies)))
    }
    if (records.length > 0) await this.#records.write(records, true)
  }

  /** Makes the schedule anew of a state: after a snapshot, or where it was lost. @param height - The state's. */
  async begin(height: bigint, entries: AsyncIterable<StateKey & VersionedValue>, policies: BlocksToLive): Promise<void> {
    await this.drop()
    for await (const batch of inBatches(entries)) {
      const records: RecordChange[] = []
      // A collection's hashes come before its keys, which say more.
      for (const { namespace, key, version } of batch) {
        const place = collectionOf(namespace)
        if (place === undefined) continue
        const isPlain = place.kind === 'private'
        const keyHash = isPlain ? hashKey(key) : hashOf(key)
        records.push(...(await schedule({ ...place, keyHash }, isPlain ? key : '', version.blockNumber, policies)))
      }
      if (records.length > 0) await this.#records.write(records, false)
    }
    await this.#records.write([heightRecord(height)], true)
    this.#height = height
  }

  /** Removes everything: {@link height} is 0 then. */
  async drop(): Promise<void> {
    this.#height = 0n
    await this.#records.write([heightRecord(0n)], false)
    for await (const records of inBatches(this.#records.walk(SCHEDULED, SCHEDULED.range({})))) await this.#remove(records)
  }

  /** Wait for other calls first. */
  async close(): Promise<void> {
    await this.#records.close()
  }

  #decode({ at, value }: DecodedRecord<ScheduledKey>): Expiring {
    const key = decodeUtf8(value)
    if (key === undefined) throw this.#records.corrupt('a key is not UTF-8')
    return { ...at, key }
  }

  async #forget(blockNumber: bigint): Promise<void> {
    const past = this.#records.walk(SCHEDULED, SCHEDULED.rangeTo({}, 'expiringBlock', blockNumber))
    for await (const records of inBatches(past)) await this.#remove(records)
  }

  async #remove(records: readonly DecodedRecord<ScheduledKey>[]): Promise<void> {
    await this.#records.write(
      records.map(({ key }) => del(key)),
      false,
    )
  }
}

/** A scheduled key. */
interface Expiring extends ScheduledKey {
  /** `''` where it is not known. */
  readonly key: string
}

/** What goes with a block, each key once. */
class Deletions {
  readonly #blockNumber: bigint
  readonly #kept: ReadonlySet<string>
  readonly #deletions = new Map<string, StateChange>()

  constructor(blockNumber: bigint, changes: readonly StateChange[]) {
    this.#blockNumber = blockNumber
    this.#kept = new Set(changes.map(idOf))
  }

  /** @see Fabric `purge_mgr.go` prepareWorkingsetFor, AddExpiredEntriesToUpdateBatch */
  async add(expiring: readonly Expiring[], state: State): Promise<void> {
    const hashed = await state.getMany(expiring.map(hashedKeyOf))
    const isHashedExpired = expiring.map(({ blockNumber }, index) => hashed[index]?.version.blockNumber === blockNumber)
    for (const [index, each] of expiring.entries()) if (isHashedExpired[index]) this.#delete(hashedKeyOf(each))
    const known = [...expiring.entries()].filter(([, { key }]) => key !== '')
    const hidden = await state.getMany(known.map(([, each]) => privateKeyOf(each)))
    for (const [place, [index, each]] of known.entries()) {
      const version = hidden[place]?.version
      if (version !== undefined && (isHashedExpired[index] || version.blockNumber === each.blockNumber)) this.#delete(privateKeyOf(each))
    }
  }

  all(): StateChange[] {
    return [...this.#deletions.values()]
  }

  #delete(key: StateKey): void {
    const id = idOf(key)
    if (this.#kept.has(id)) return
    const version = { blockNumber: this.#blockNumber, transactionNumber: AFTER_ALL }
    this.#deletions.set(id, { ...key, value: undefined, metadata: NOTHING, version })
  }
}

function hashedKeyOf({ namespace, collection, keyHash }: Expiring): StateKey {
  return { namespace: hashedNamespace(namespace, collection), key: toHex(keyHash) }
}

function privateKeyOf({ namespace, collection, key }: Expiring): StateKey {
  return { namespace: privateNamespace(namespace, collection), key }
}

function idOf({ namespace, key }: StateKey): string {
  return JSON.stringify([namespace, key])
}

/** The records of all keys that a block writes to collections where they expire. Those that it may delete in the end count too. */
async function scheduledBy(
  blockNumber: bigint,
  { transactions, codes, data }: BlockToSchedule,
  policies: BlocksToLive,
): Promise<RecordChange[]> {
  const valid = transactions.filter((_, index) => codes[index] === ValidationCode.valid)
  const written = Map.groupBy(
    valid.flatMap(({ set }) => (set?.namespaces ?? []).flatMap(writtenIn)),
    ({ namespace, collection }) => JSON.stringify([namespace, collection]),
  )
  const records: RecordChange[] = []
  for (const [first, ...more] of written.values()) {
    if (first === undefined) continue
    const { namespace, collection } = first
    const expiring = expiringBlock(blockNumber, await policies.blockToLive(namespace, collection))
    if (expiring === undefined) continue
    const known = plainKeys(first, blockNumber, data)
    const hashes = new Map([first, ...more].flatMap(({ hashes }) => hashes.map((hash) => [toHex(hash), hash])))
    for (const [hex, keyHash] of hashes) {
      const at = { expiringBlock: expiring, blockNumber, namespace, collection, keyHash }
      records.push(put(SCHEDULED.encode(at), encodeUtf8(known.get(hex) ?? '')))
    }
  }
  return records
}

/** What a transaction writes to a collection. */
interface WrittenHashes extends CollectionName {
  readonly hashes: readonly Uint8Array[]
}

function writtenIn({ namespace, collections }: NamespaceReadWriteSet): WrittenHashes[] {
  return collections.map(({ collection, hashed }) => {
    const written = hashed.hashedWrites.filter((write) => !isHashedDeletion(write))
    return { namespace, collection, hashes: [...written, ...hashed.metadataWrites].map(({ keyHash }) => keyHash) }
  })
}

/** The keys of a collection that a block's private data names, by their hashes in hex. */
function plainKeys(
  { namespace, collection }: CollectionName,
  blockNumber: bigint,
  data: readonly TransactionPrivateData[],
): Map<string, string> {
  const sets = writeSetsOf(blockNumber, data).filter((set) => set.namespace === namespace && set.collection === collection)
  const keys = sets.flatMap(({ keyValue }) => [...keyValue.writes, ...keyValue.metadataWrites].map(({ key }) => key))
  return new Map(keys.map((key) => [toHex(hashKey(key)), key]))
}

/** @returns One record, or none where the key does not expire. */
async function schedule(hashed: HashedKey, key: string, blockNumber: bigint, policies: BlocksToLive): Promise<RecordChange[]> {
  const { namespace, collection, keyHash } = hashed
  const expiring = expiringBlock(blockNumber, await policies.blockToLive(namespace, collection))
  if (expiring === undefined) return []
  return [put(SCHEDULED.encode({ expiringBlock: expiring, blockNumber, namespace, collection, keyHash }), encodeUtf8(key))]
}

async function* inBatches<T>(all: AsyncIterable<T>): AsyncGenerator<T[]> {
  let batch: T[] = []
  for await (const each of all) {
    if (batch.push(each) < BATCH_MAX) continue
    yield batch
    batch = []
  }
  if (batch.length > 0) yield batch
}

function notNext(blockNumber: bigint, height: bigint): KumikoError {
  const message = `cannot schedule what block ${blockNumber} wrote: the schedule has ${height} blocks; give it the next one`
  return new KumikoError('fabric-ledger/private-data-not-next', message, { context: { blockNumber, height } })
}
