import { WireWriter } from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import { KeyWriter } from '../key-writer.ts'
import { type Level, type LevelFolder, type Operation, openLevel, readSavepoint, SAVEPOINT, savepoint, writeAll } from '../level.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import {
  badNamespace,
  decodeStateKey,
  decodeStateValue,
  encodeStateKey,
  isNamespace,
  namespaceEnd,
  putStateKey,
  putStateValue,
  STATE_END,
  STATE_PREFIX,
} from './level-state-record.ts'
import type { OpenStateDatabase, StateChange, StateDatabase, StateEntry, StateKey, StateSnapshot } from './state-database.ts'

type LevelSnapshot = ReturnType<Level['snapshot']>

const FOLDER: LevelFolder = {
  code: 'fabric-ledger/state-not-open',
  name: 'the state',
  otherwise: 'remove the folder, and it is made anew of the blocks',
}

/** Read ahead in a range: few at first, for ranges that are left early; then more, but not above so many bytes. */
const AHEAD_FIRST = 16
const AHEAD_MAX = 1024
const AHEAD_BYTES_MAX = 256 * 1024

/**
 * State databases in LevelDB, with Fabric's keys and values. A block is one batch, with the savepoint in it; unsynced. Ranges and snapshots
 * are LevelDB's own.
 *
 * Nothing is in a namespace that has U+0000 in its name: it could not be told from its keys.
 * @returns Opening throws a KumikoError `fabric-ledger/state-not-open`: another process has it, or it is broken; or
 * `fabric-ledger/corrupt-state`, as reading does. Applying throws `fabric-ledger/bad-namespace`.
 * @see Fabric `core/ledger/kvledger/txmgmt/statedb/stateleveldb`; research § 3.7
 */
export function levelStateDatabase(): OpenStateDatabase {
  return async (folder) => await LevelStateDatabase.open(folder)
}

/** Reads the state, as it is or as a snapshot has it. */
class LevelStateReader {
  readonly #folder: string
  readonly #level: Level
  readonly #options: { readonly snapshot?: LevelSnapshot }

  constructor(folder: string, level: Level, snapshot?: LevelSnapshot) {
    this.#folder = folder
    this.#level = level
    this.#options = snapshot === undefined ? {} : { snapshot }
  }

  async height(): Promise<bigint> {
    return readSavepoint(await this.#level.get(SAVEPOINT, this.#options), (why) => this.#corrupt(why))
  }

  async getMany(keys: readonly StateKey[]): Promise<readonly (VersionedValue | undefined)[]> {
    // The key of the savepoint stands for those that cannot be there.
    const writer = new KeyWriter()
    const encoded = keys.map(({ namespace, key }) => (isNamespace(namespace) ? putStateKey(writer, namespace, key).slice() : SAVEPOINT))
    const values = await this.#level.getMany(encoded, this.#options)
    return values.map((value, index) => (value === undefined || encoded[index] === SAVEPOINT ? undefined : this.#value(value)))
  }

  async *range(namespace: string, startKey: string, endKey: string, limit?: number): AsyncGenerator<StateEntry> {
    if (!isNamespace(namespace)) return
    const end = endKey === '' ? namespaceEnd(namespace) : encodeStateKey(namespace, endKey)
    for await (const { key, value, metadata, version } of this.#walk(encodeStateKey(namespace, startKey), end, limit)) {
      yield { key, value, metadata, version }
    }
  }

  entries(): AsyncGenerator<StateKey & VersionedValue> {
    return this.#walk(STATE_PREFIX, STATE_END)
  }

  async *#walk(gte: Uint8Array, lt: Uint8Array, limit = Number.POSITIVE_INFINITY): AsyncGenerator<StateKey & VersionedValue> {
    const iterator = this.#level.iterator({ gte, lt, limit, highWaterMarkBytes: AHEAD_BYTES_MAX, ...this.#options })
    try {
      let ahead = AHEAD_FIRST
      for (let read = await iterator.nextv(ahead); read.length > 0; read = await iterator.nextv(ahead)) {
        for (const [key, value] of read) yield { ...this.#read(decodeStateKey(key)), ...this.#value(value) }
        ahead = Math.min(ahead * 4, AHEAD_MAX)
      }
    } finally {
      await iterator.close()
    }
  }

  /** LevelDB gives Buffers, whose methods differ. */
  #value({ buffer, byteOffset, length }: Uint8Array): VersionedValue {
    return this.#read(decodeStateValue(new Uint8Array(buffer, byteOffset, length)))
  }

  #read<T>(value: T | Fault): T {
    if (isFault(value)) throw this.#corrupt(value.detail ?? value.fault)
    return value
  }

  #corrupt(why: string): KumikoError {
    const message = `the state "${this.#folder}" is corrupt (${why}): remove the folder, and it is made anew of the blocks`
    return new KumikoError('fabric-ledger/corrupt-state', message, { context: { folder: this.#folder } })
  }
}

class LevelStateDatabase implements StateDatabase {
  readonly #folder: string
  readonly #level: Level
  readonly #reader: LevelStateReader
  #height = 0n

  private constructor(folder: string, level: Level) {
    this.#folder = folder
    this.#level = level
    this.#reader = new LevelStateReader(folder, level)
  }

  static async open(folder: string): Promise<LevelStateDatabase> {
    const level = await openLevel(folder, FOLDER)
    const database = new LevelStateDatabase(folder, level)
    try {
      await database.#load()
    } catch (error) {
      await level.close()
      throw error
    }
    return database
  }

  get height(): bigint {
    return this.#height
  }

  getMany(keys: readonly StateKey[]): Promise<readonly (VersionedValue | undefined)[]> {
    return this.#reader.getMany(keys)
  }

  range(namespace: string, startKey: string, endKey: string, limit?: number): AsyncGenerator<StateEntry> {
    return this.#reader.range(namespace, startKey, endKey, limit)
  }

  entries(): AsyncGenerator<StateKey & VersionedValue> {
    return this.#reader.entries()
  }

  async snapshot(): Promise<StateSnapshot> {
    const snapshot = this.#level.snapshot()
    const reader = new LevelStateReader(this.#folder, this.#level, snapshot)
    return {
      // A block that is being applied may be in it, or not.
      height: await reader.height(),
      getMany: (keys) => reader.getMany(keys),
      range: (...range) => reader.range(...range),
      close: () => snapshot.close(),
    }
  }

  async apply(changes: readonly StateChange[], height: bigint): Promise<void> {
    await writeAll(this.#level, operationsOf(changes, height))
    this.#height = height
  }

  /** The savepoint goes first: what a crash leaves of the rest is removed when the database is opened. */
  async drop(): Promise<void> {
    await this.#level.del(SAVEPOINT)
    this.#height = 0n
    await this.#level.clear()
  }

  close(): Promise<void> {
    return this.#level.close()
  }

  /** At height 0 there is nothing but what half a {@link drop}, or half a snapshot of a ledger, left. */
  async #load(): Promise<void> {
    this.#height = await this.#reader.height()
    if (this.#height === 0n) await this.#level.clear()
  }
}

function* operationsOf(changes: readonly StateChange[], height: bigint): Generator<Operation> {
  const [keys, values] = [new KeyWriter(), new WireWriter()]
  for (const change of changes) {
    const { namespace, value } = change
    if (!isNamespace(namespace)) throw badNamespace(namespace)
    const key = putStateKey(keys, namespace, change.key)
    yield value === undefined ? { type: 'del', key } : { type: 'put', key, value: putStateValue(values, { ...change, value }) }
  }
  yield savepoint(height)
}
