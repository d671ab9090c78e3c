import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import { type Level, openLevel } from '../level.ts'
import type { RecordChange } from './private-data-records.ts'
import type { KeyRange, RecordKey } from './record-key.ts'

/** A record whose key is decoded. */
export interface DecodedRecord<T> {
  readonly at: T
  readonly key: Uint8Array
  readonly value: Uint8Array
}

/** Options of a walk through records. */
export interface WalkOptions {
  /** Records at most. Default: all. */
  readonly limit?: number
}

/** Records of several kinds in LevelDB. Knows the folder, for messages. */
export class LevelRecords {
  readonly #folder: string
  readonly #level: Level

  private constructor(folder: string, level: Level) {
    this.#folder = folder
    this.#level = level
  }

  /** @param folder - Made where missing. @throws KumikoError `fabric-ledger/private-data-not-open`: another process has it, or it is broken. */
  static async open(folder: string): Promise<LevelRecords> {
    const level = await openLevel(folder, { code: 'fabric-ledger/private-data-not-open', name: 'the private data in' })
    return new LevelRecords(folder, level)
  }

  /** @returns Undefined where there is none. */
  async get(key: Uint8Array): Promise<Uint8Array | undefined> {
    const value = await this.#level.get(key)
    return value && plain(value)
  }

  /** One answer a key, in their order. */
  async getMany(keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined)[]> {
    const values = keys.length === 0 ? [] : await this.#level.getMany([...keys])
    return values.map((value) => value && plain(value))
  }

  /** Records of a range in the order of their keys, as they were when the walk began. @throws KumikoError `fabric-ledger/corrupt-private-data`. */
  async *walk<T extends object>(
    kind: RecordKey<T>,
    { gte, lt }: KeyRange,
    { limit = -1 }: WalkOptions = {},
  ): AsyncGenerator<DecodedRecord<T>> {
    for await (const [key, value] of this.#level.iterator({ gte, lt, limit })) {
      yield { at: this.read(kind.decode(key)), key, value: plain(value) }
    }
  }

  /** All of it or nothing. @param sync - Whether to return only when it outlives a loss of power. */
  async write(changes: readonly RecordChange[], sync: boolean): Promise<void> {
    await this.#level.batch([...changes], { sync })
  }

  /** The value, of what was stored. @throws KumikoError `fabric-ledger/corrupt-private-data`: it is a fault. */
  read<T>(value: T | Fault): T {
    if (isFault(value)) throw this.corrupt(value.detail ?? value.fault)
    return value
  }

  /** @returns KumikoError `fabric-ledger/corrupt-private-data`. */
  corrupt(why: string): KumikoError {
    const message = `the private data in "${this.#folder}" is corrupt (${why})`
    return new KumikoError('fabric-ledger/corrupt-private-data', message, { context: { folder: this.#folder } })
  }

  async close(): Promise<void> {
    await this.#level.close()
  }
}

/** The same bytes: LevelDB's are a Buffer, which compares and slices in ways of its own. */
function plain({ buffer, byteOffset, length }: Uint8Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, length)
}
