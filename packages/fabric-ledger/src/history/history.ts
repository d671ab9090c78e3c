import { isFault, KumikoError } from '@kumiko/interface'
import { KeyWriter } from '../key-writer.ts'
import { type Level, type LevelFolder, type Operation, openLevel, readSavepoint, SAVEPOINT, savepoint, writeAll } from '../level.ts'
import { badNamespace, isNamespace } from '../state/level-state-record.ts'
import { decodeHistoryKey, type HistoryEntry, historyEnd, historyKey, historyPrefix } from './history-record.ts'
import type { HistoryWrite } from './history-writes.ts'

const FOLDER: LevelFolder = {
  code: 'fabric-ledger/history-not-open',
  name: 'the history',
  otherwise: 'remove the folder, and it is made anew of the blocks',
  compression: false,
}

/** Entries that are read ahead. */
const AHEAD = 64

const NOTHING = new Uint8Array()

/**
 * Which transactions wrote a key, in LevelDB, with Fabric's keys. It holds no values: {@link keyModifications} reads them from the blocks. A
 * block is one batch, with the savepoint in it, unsynced.
 * @see Fabric `core/ledger/kvledger/history/db.go`; research § 3.7
 */
export class History {
  readonly #folder: string
  readonly #level: Level
  #height = 0n

  private constructor(folder: string, level: Level) {
    this.#folder = folder
    this.#level = level
  }

  /**
   * @param folder - Made where missing.
   * @throws KumikoError `fabric-ledger/history-not-open`: another process has it, or it is broken; `fabric-ledger/corrupt-history`.
   */
  static async open(folder: string): Promise<History> {
    const level = await openLevel(folder, FOLDER)
    const history = new History(folder, level)
    try {
      await history.#load()
    } catch (error) {
      await level.close()
      throw error
    }
    return history
  }

  /** How many blocks it has taken in: the savepoint. 0 while it is empty. */
  get height(): bigint {
    return this.#height
  }

  /**
   * Takes in a block; again after a crash. A ledger that begins with a snapshot tells of the block before its first, with no writes.
   * @param writes - {@link historyWrites}.
   * @throws KumikoError `fabric-ledger/bad-namespace`.
   */
  async commit(blockNumber: bigint, writes: readonly HistoryWrite[]): Promise<void> {
    const height = blockNumber + 1n
    await writeAll(this.#level, operationsOf(blockNumber, writes))
    this.#height = height
  }

  /** Who wrote or deleted a key, newest first, as it was when the loop began. @throws KumikoError `fabric-ledger/corrupt-history`. */
  async *entries(namespace: string, key: string): AsyncGenerator<HistoryEntry> {
    if (!isNamespace(namespace)) return
    const prefix = historyPrefix(namespace, key)
    const keys = this.#level.keys({ gt: prefix, lt: historyEnd(prefix), reverse: true })
    try {
      for (let read = await keys.nextv(AHEAD); read.length > 0; read = await keys.nextv(AHEAD)) {
        for (const each of read) yield this.#entryOf(each, prefix)
      }
    } finally {
      await keys.close()
    }
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  async #load(): Promise<void> {
    this.#height = readSavepoint(await this.#level.get(SAVEPOINT), (why) => this.#corrupt(why))
  }

  #entryOf(bytes: Uint8Array, prefix: Uint8Array): HistoryEntry {
    const entry = decodeHistoryKey(bytes, prefix)
    if (isFault(entry)) throw this.#corrupt(entry.detail ?? entry.fault)
    return entry
  }

  #corrupt(why: string): KumikoError {
    const message = `the history "${this.#folder}" is corrupt (${why}): remove the folder, and it is made anew of the blocks`
    return new KumikoError('fabric-ledger/corrupt-history', message, { context: { folder: this.#folder } })
  }
}

function* operationsOf(blockNumber: bigint, writes: readonly HistoryWrite[]): Generator<Operation> {
  const writer = new KeyWriter()
  for (const { namespace, key, transactionNumber } of writes) {
    if (!isNamespace(namespace)) throw badNamespace(namespace)
    yield { type: 'put', key: historyKey(writer, namespace, key, { blockNumber, transactionNumber }), value: NOTHING }
  }
  yield savepoint(blockNumber + 1n)
}
