import type { AbortOptions } from '@libp2p/interface'
import { type Batch, type Datastore, Key, type KeyQuery, type Pair, type Query } from 'interface-datastore'
import { DeleteFailedError, GetFailedError, HasFailedError, NotFoundError, PutFailedError } from 'interface-store'
import type { Database, KeyRange, Write } from './database.ts'

/** In front of every key of the datastore: `d/peers/…`. */
const PREFIX = 0x64

type Keys = Iterable<Key> | AsyncIterable<Key>
type Pairs = Iterable<Pair> | AsyncIterable<Pair>

/** A libp2p datastore on a {@link Database}. */
export abstract class LevelDatastore implements Datastore {
  /** Asked for at each use. */
  protected abstract database(): Promise<Database>

  async has(key: Key, options?: AbortOptions): Promise<boolean> {
    return (await this.#read(key, HasFailedError, options)) !== undefined
  }

  async get(key: Key, options?: AbortOptions): Promise<Uint8Array> {
    const value = await this.#read(key, GetFailedError, options)
    if (value === undefined) throw new NotFoundError(`Not found: ${key}`)
    return value
  }

  async put(key: Key, value: Uint8Array, options?: AbortOptions): Promise<Key> {
    await this.#write([{ type: 'put', key: toBytes(key), value }], PutFailedError, options)
    return key
  }

  async delete(key: Key, options?: AbortOptions): Promise<void> {
    await this.#write([{ type: 'del', key: toBytes(key) }], DeleteFailedError, options)
  }

  async *getMany(keys: Keys, options?: AbortOptions): AsyncGenerator<Pair> {
    for await (const key of keys) yield { key, value: await this.get(key, options) }
  }

  async *putMany(pairs: Pairs, options?: AbortOptions): AsyncGenerator<Key> {
    for await (const { key, value } of pairs) yield await this.put(key, value, options)
  }

  async *deleteMany(keys: Keys, options?: AbortOptions): AsyncGenerator<Key> {
    for await (const key of keys) {
      await this.delete(key, options)
      yield key
    }
  }

  /** All of it or nothing is written by `commit`; the batch is empty then, and may be used again. It holds what the caller puts in. */
  batch(): Batch {
    const writes: Write[] = []
    return {
      put: (key, value) => void writes.push({ type: 'put', key: toBytes(key), value }),
      delete: (key) => void writes.push({ type: 'del', key: toBytes(key) }),
      commit: async (options) => {
        await this.#write(writes, PutFailedError, options)
        writes.length = 0
      },
    }
  }

  /** With `orders` all that pass the filters are held in memory, else one at a time. */
  query(query: Query, options?: AbortOptions): AsyncGenerator<Pair> {
    return select(this.#pairs(query.prefix, options), query)
  }

  queryKeys(query: KeyQuery, options?: AbortOptions): AsyncGenerator<Key> {
    return select(this.#keys(query.prefix, options), query)
  }

  async *#pairs(prefix: string | undefined, options: AbortOptions | undefined): AsyncGenerator<Pair> {
    options?.signal?.throwIfAborted()
    for await (const [key, value] of (await this.database()).entries(rangeOf(prefix))) {
      options?.signal?.throwIfAborted()
      yield { key: new Key(key.slice(1), false), value }
    }
  }

  async *#keys(prefix: string | undefined, options: AbortOptions | undefined): AsyncGenerator<Key> {
    for await (const { key } of this.#pairs(prefix, options)) yield key
  }

  async #read(key: Key, Failed: FailedError, { signal }: AbortOptions = {}): Promise<Uint8Array | undefined> {
    signal?.throwIfAborted()
    const database = await this.database()
    try {
      return await database.get(toBytes(key))
    } catch (cause) {
      throw failed(Failed, cause)
    }
  }

  async #write(writes: readonly Write[], Failed: FailedError, { signal }: AbortOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const database = await this.database()
    try {
      await database.write(writes)
    } catch (cause) {
      throw failed(Failed, cause)
    }
  }
}

type FailedError = new (message: string) => Error

/** The store's error by its name, with what LevelDB said. */
function failed(Failed: FailedError, cause: unknown): Error {
  const error = new Failed(cause instanceof Error ? cause.message : String(cause))
  error.cause = cause
  return error
}

function toBytes(key: Key): Uint8Array {
  const name = key.uint8Array()
  const bytes = new Uint8Array(name.length + 1)
  bytes[0] = PREFIX
  bytes.set(name, 1)
  return bytes
}

/** Keys whose bytes begin with those of a text. */
function rangeOf(prefix = ''): KeyRange {
  const gte = Uint8Array.of(PREFIX, ...new TextEncoder().encode(prefix))
  // No byte of UTF-8 is 255: the last one can be counted up.
  const lt = gte.slice()
  lt[lt.length - 1] = (lt.at(-1) ?? 0) + 1
  return { gte, lt }
}

interface Selection<T> {
  readonly filters?: readonly ((item: T) => boolean)[]
  readonly orders?: readonly ((a: T, b: T) => number)[]
  readonly offset?: number
  readonly limit?: number
}

/** Filters, then sorts, then counts. Of several orders the last one decides, as in js-libp2p's own stores, and those before it break ties. */
async function* select<T>(items: AsyncIterable<T>, { filters = [], orders = [], offset = 0, limit }: Selection<T>): AsyncGenerator<T> {
  const end = offset + (limit ?? Number.POSITIVE_INFINITY)
  if (end <= offset) return
  const fitting = orders.length === 0 ? filtered(items, filters) : await sorted(filtered(items, filters), orders)
  let index = 0
  for await (const item of fitting) {
    if (index++ >= offset) yield item
    if (index >= end) return
  }
}

async function* filtered<T>(items: AsyncIterable<T>, filters: readonly ((item: T) => boolean)[]): AsyncGenerator<T> {
  for await (const item of items) if (filters.every((isFit) => isFit(item))) yield item
}

async function sorted<T>(items: AsyncIterable<T>, orders: readonly ((a: T, b: T) => number)[]): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return orders.reduce((ordered, order) => ordered.sort(order), list)
}
