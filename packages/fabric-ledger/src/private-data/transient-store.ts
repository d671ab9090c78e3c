import { sha256, toHex } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { LevelRecords } from './level-records.ts'
import { del, put } from './private-data-records.ts'
import type { KeyRange, RecordKey } from './record-key.ts'
import {
  BY_CONTENT,
  BY_HEIGHT,
  BY_TRANSACTION,
  isTransactionId,
  rangeBelow,
  rangeOf,
  readTransient,
  type TransientPlace,
  type TransientPrivateData,
  writeTransient,
} from './transient-records.ts'

/** What came for a transaction. */
export interface ReceivedPrivateData extends TransientPrivateData {
  /** The height when it came. */
  readonly receivedAt: bigint
}

/** A block removes so many write sets with one batch. */
const BATCH_MAX = 300

/**
 * Private write sets of endorsed transactions that are not yet in a block, in LevelDB with Fabric's keys and values. For one transaction
 * several may come, of which some may be false: each is kept once. Memory: a write set, or the places of 300.
 * @see Fabric `core/transientstore`; research § 3.5.7
 */
export class TransientStore {
  readonly #records: LevelRecords

  private constructor(records: LevelRecords) {
    this.#records = records
  }

  /** @param folder - For the store alone; made where missing. @throws KumikoError `fabric-ledger/private-data-not-open`. */
  static async open(folder: string): Promise<TransientStore> {
    return new TransientStore(await LevelRecords.open(folder))
  }

  /**
   * Keeps a write set, synced.
   * @param receivedAt - The ledger's height now: {@link purgeBelow} goes by it.
   * @throws KumikoError `fabric-ledger/bad-transaction-id`: empty, with a NUL, or not Unicode.
   */
  async persist(txId: string, receivedAt: bigint, data: TransientPrivateData): Promise<void> {
    if (!isTransactionId(txId)) throw badTransactionId(txId)
    const value = writeTransient(data)
    const place = { txId, uuid: toHex(sha256(value).subarray(0, 16)), height: receivedAt }
    const indexes = [put(BY_HEIGHT.encode(place)), put(BY_TRANSACTION.encode(place))]
    await this.#records.write([put(BY_CONTENT.encode(place), value), ...indexes], true)
  }

  /**
   * What came for a transaction, in no order. Of sets, and of configurations, only what belongs to the filter's collections; nothing of a
   * set without any.
   * @param filter - Which collections. Default: all.
   * @throws KumikoError `fabric-ledger/corrupt-private-data`.
   */
  async *get(txId: string, filter?: (namespace: string, collection: string) => boolean): AsyncGenerator<ReceivedPrivateData> {
    if (!isTransactionId(txId)) return
    for await (const { at, value } of this.#records.walk(BY_CONTENT, rangeOf(BY_CONTENT, txId))) {
      const data = this.#records.read(readTransient(value))
      const trimmed = filter === undefined ? data : trim(data, filter)
      if (trimmed !== undefined) yield { ...trimmed, receivedAt: at.height }
    }
  }

  /** Forgets transactions: those of a block that was committed, valid or not. */
  async purge(txIds: readonly string[]): Promise<void> {
    for (const txId of txIds) if (isTransactionId(txId)) await this.#remove(BY_TRANSACTION, rangeOf(BY_TRANSACTION, txId))
  }

  /** Forgets what came below a height: endorsed, and never sent to the orderer. */
  async purgeBelow(height: bigint): Promise<void> {
    await this.#remove(BY_HEIGHT, rangeBelow(height))
  }

  /** The lowest height at which something came that is still here. Undefined where nothing is here. */
  async minimumHeight(): Promise<bigint | undefined> {
    for await (const { at } of this.#records.walk(BY_HEIGHT, BY_HEIGHT.range({}), { limit: 1 })) return at.height
    return
  }

  /** Wait for other calls first. */
  async close(): Promise<void> {
    await this.#records.close()
  }

  /** Each write set with its places in the indexes, in one batch: a crash leaves none half removed. */
  async #remove(kind: RecordKey<TransientPlace>, range: KeyRange): Promise<void> {
    let places: TransientPlace[] = []
    for await (const { at } of this.#records.walk(kind, range)) {
      if (places.push(at) < BATCH_MAX) continue
      await this.#removeAll(places)
      places = []
    }
    if (places.length > 0) await this.#removeAll(places)
  }

  async #removeAll(places: readonly TransientPlace[]): Promise<void> {
    const keys = places.flatMap((at) => [BY_CONTENT, BY_HEIGHT, BY_TRANSACTION].map((kind) => kind.encode(at)))
    await this.#records.write(keys.map(del), true)
  }
}

function trim(data: TransientPrivateData, filter: (namespace: string, collection: string) => boolean): TransientPrivateData | undefined {
  const namespaces = data.set.namespaces
    .map(({ namespace, collections }) => ({
      namespace,
      collections: collections.filter(({ collection }) => filter(namespace, collection)),
    }))
    .filter(({ collections }) => collections.length > 0)
  if (namespaces.length === 0) return
  const names = new Set(namespaces.map(({ namespace }) => namespace))
  return {
    ...data,
    set: { namespaces },
    collectionConfigs: new Map([...data.collectionConfigs].filter(([namespace]) => names.has(namespace))),
  }
}

function badTransactionId(txId: string): KumikoError {
  const message = 'cannot keep private data for a transaction whose id is empty, has a NUL, or is not Unicode: give the id of its header'
  return new KumikoError('fabric-ledger/bad-transaction-id', message, { context: { txId } })
}
