import { concatBytes, decodeUtf8, encodeUtf8 } from '@kumiko/fabric-protocol'
import { type Level, type LevelFolder, openLevel } from '../level.ts'

const FOLDER: LevelFolder = {
  code: 'fabric-ledger/config-history-not-open',
  name: 'the configuration history',
  otherwise: 'have the ledger rebuilt',
}

/** A chaincode's collections, as a block left them. */
export interface CollectionConfigs {
  /** They hold for the blocks after it. */
  readonly blockNumber: bigint
  /** A `protos.CollectionConfigPackage`'s bytes, without implicit collections. */
  readonly config: Uint8Array
}

/** What a block makes of a chaincode's collections. */
export interface CollectionConfigChange {
  readonly chaincode: string
  /** A `protos.CollectionConfigPackage`'s bytes. */
  readonly config: Uint8Array
}

/** A change with its block. */
export interface CollectionConfigEntry extends CollectionConfigChange, CollectionConfigs {}

/** Keys that begin so have collections: Fabric keeps the name that its first lifecycle had. */
const PREFIX = encodeUtf8('slscc\0')
const PREFIX_END = encodeUtf8('slscc\u0001')
const SUFFIX = encodeUtf8('~collection')
const BEGUN = encodeUtf8('begun')
const NUMBER_MAX = 0xffff_ffff_ffff_ffffn
const BATCH_SIZE_MAX = 1024 * 1024
/** What an entry costs besides name and collections, about. */
const ENTRY_SIZE = 200

/**
 * Which collections a chaincode had from which block on: private data of a block is judged by those, whatever came later. In LevelDB, with
 * Fabric's own keys.
 *
 * A block's changes go in, synced, before the state takes the block in; so it never lags behind the state. A block without changes writes
 * nothing. Where its folder was lost, {@link isNew} says so: then state must be made anew of all blocks, and this with it.
 * @see Fabric `core/ledger/confighistory/mgr.go`, `db_helper.go`
 */
export class ConfigHistory {
  readonly #level: Level
  #isNew: boolean

  private constructor(level: Level, isNew: boolean) {
    this.#level = level
    this.#isNew = isNew
  }

  /** @param folder - Made where missing. @throws KumikoError `fabric-ledger/config-history-not-open`. */
  static async open(folder: string): Promise<ConfigHistory> {
    const level = await openLevel(folder, FOLDER)
    return new ConfigHistory(level, (await level.get(BEGUN)) === undefined)
  }

  /** Has it taken in no block yet, and no snapshot? */
  get isNew(): boolean {
    return this.#isNew
  }

  /** Takes in a block's changes, synced; again is as once. Call it for each block, before the state is told of it. */
  async commit(blockNumber: bigint, changes: readonly CollectionConfigChange[]): Promise<void> {
    if (changes.length > 0 || this.#isNew) await this.#put(changes.map((change) => ({ ...change, blockNumber })))
  }

  /** Takes in a snapshot's. Broken off, {@link isNew} stays, and it may be done again. */
  async load(entries: AsyncIterable<CollectionConfigEntry>): Promise<void> {
    let batch: CollectionConfigEntry[] = []
    let size = 0
    for await (const entry of entries) {
      batch.push(entry)
      size += entry.chaincode.length + entry.config.length + ENTRY_SIZE
      if (size < BATCH_SIZE_MAX) continue
      await this.#level.batch(batch.map(putOf))
      batch = []
      size = 0
    }
    await this.#put(batch)
  }

  /** The latest that an earlier block left. @returns Undefined where the chaincode had no collections then. */
  async mostRecentBelow(chaincode: string, blockNumber: bigint): Promise<CollectionConfigs | undefined> {
    if (blockNumber <= 0n || !chaincode.isWellFormed()) return
    const range = { gte: encodeKey(chaincode, blockNumber - 1n), lte: encodeKey(chaincode, 0n), limit: 1 }
    for await (const [key, config] of this.#level.iterator(range)) {
      return { blockNumber: blockNumberOf(key), config: new Uint8Array(config) }
    }
    return
  }

  /** All of them, in Fabric's order: by the chaincode's name, the latest first. As they were when the loop began. */
  async *entries(): AsyncGenerator<CollectionConfigEntry, void, undefined> {
    for await (const [key, config] of this.#level.iterator({ gte: PREFIX, lt: PREFIX_END })) {
      const entry = readCollectionConfigKey(key)
      if (entry !== undefined) yield { ...entry, config: new Uint8Array(config) }
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  async #put(entries: readonly CollectionConfigEntry[]): Promise<void> {
    await this.#level.batch([...entries.map(putOf), { type: 'put', key: BEGUN, value: new Uint8Array() }], { sync: true })
    this.#isNew = false
  }
}

/** A key as Fabric's database and its snapshots have it. */
export function writeCollectionConfigKey({ chaincode, blockNumber }: Omit<CollectionConfigEntry, 'config'>): Uint8Array {
  return encodeKey(chaincode, blockNumber)
}

/** @returns Undefined where it is no such key. */
export function readCollectionConfigKey(key: Uint8Array): Omit<CollectionConfigEntry, 'config'> | undefined {
  const text = decodeUtf8(key.subarray(0, Math.max(0, key.length - 8)))
  const found = text === undefined ? undefined : /^slscc\0(.+)~collection$/su.exec(text)
  return found?.[1] === undefined ? undefined : { chaincode: found[1], blockNumber: blockNumberOf(key) }
}

function putOf(entry: CollectionConfigEntry): { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array } {
  return { type: 'put', key: writeCollectionConfigKey(entry), value: entry.config }
}

/** Later blocks sort first. */
function encodeKey(chaincode: string, blockNumber: bigint): Uint8Array {
  const number = new Uint8Array(8)
  new DataView(number.buffer).setBigUint64(0, NUMBER_MAX - blockNumber)
  return concatBytes([PREFIX, encodeUtf8(chaincode), SUFFIX, number])
}

function blockNumberOf(key: Uint8Array): bigint {
  return NUMBER_MAX - new DataView(key.buffer, key.byteOffset, key.length).getBigUint64(key.length - 8)
}
