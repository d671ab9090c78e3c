import type {
  OpenStateDatabase,
  QueryIndex,
  QueryOptions,
  QueryPage,
  StateChange,
  StateDatabase,
  StateEntry,
  StateKey,
  VersionedValue,
} from '@kumiko/fabric-ledger'
import { compareUtf8 } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { ChannelDatabases } from './channel-databases.ts'
import { CouchClient, type CouchClientOptions, hasCode } from './couch-client.ts'
import type { CouchDatabase, Found, Write } from './couch-database.ts'
import { isKey, membersOf, refusalOf } from './document.ts'
import { documentIdOf, keyOfDocument } from './document-id.ts'
import { definitionFault } from './index-definition.ts'
import { pagedQuery } from './query.ts'
import { RevisionCache } from './revision-cache.ts'

/** A channel's state in a CouchDB. Names and defaults are those of `ledger.state.couchDBConfig` in `core.yaml`. */
export interface CouchStateDatabaseOptions extends CouchClientOptions {
  /** Begins the names of its databases. */
  readonly channelId: string
  /** Documents of a request that reads a range or a query's results. Default 1000. */
  readonly internalQueryLimit?: number
  /** Documents of a request that writes, or reads by keys. Default 1000. */
  readonly maxBatchUpdateSize?: number
  /** Revisions to remember, a key each. Default 50,000. */
  readonly revisionsMax?: number
  /** Hears of indexes that could not be made, and of queries without one. Default: nobody does. */
  readonly warn?: (warning: string) => void
}

/** A request's text at most, unless one document is larger. */
const WRITE_LENGTH_MAX = 16 * 1024 * 1024

/**
 * Keeps a channel's state in CouchDB, as Fabric's peer does: each JSON object is a document that rich queries find. It has no snapshots:
 * `withSnapshots` of the ledger gives it some. What two requests read may be before a block and after it, so read while none is applied.
 *
 * Entries come in the order of their documents' ids: of keys by UTF-8, of private keys' hashes by their base64.
 *
 * A value that is a JSON object is read back written anew, by Fabric's rules: members sorted, no space, numbers as 64-bit floats.
 * @see Fabric `core/ledger/kvledger/txmgmt/statedb/statecouchdb`
 */
export function couchStateDatabase(options: CouchStateDatabaseOptions): OpenStateDatabase {
  return async () => {
    const client = await CouchClient.open(options)
    const databases = await ChannelDatabases.open(client, options.channelId, new RevisionCache(options.revisionsMax ?? 50_000))
    return new CouchStateDatabase(databases, options)
  }
}

class CouchStateDatabase implements StateDatabase {
  readonly kind = 'CouchDB'
  readonly refusal: typeof refusalOf = refusalOf
  readonly #databases: ChannelDatabases
  readonly #pageMax: number
  readonly #batchMax: number
  readonly #warn: (warning: string) => void

  constructor(databases: ChannelDatabases, options: CouchStateDatabaseOptions) {
    this.#databases = databases
    this.#pageMax = options.internalQueryLimit ?? 1000
    this.#batchMax = options.maxBatchUpdateSize ?? 1000
    this.#warn = options.warn ?? (() => {})
  }

  get height(): bigint {
    return this.#databases.height
  }

  async getMany(keys: readonly StateKey[]): Promise<readonly (VersionedValue | undefined)[]> {
    const groups = [...Map.groupBy(keys, ({ namespace }) => namespace)]
    const read = await Promise.all(groups.map(async ([namespace, some]) => [namespace, await this.#read(namespace, some)] as const))
    const found = new Map(read)
    return keys.map(({ namespace, key }) => found.get(namespace)?.get(key))
  }

  async *range(namespace: string, startKey: string, endKey: string, limit = Number.POSITIVE_INFINITY): AsyncGenerator<StateEntry> {
    const database = this.#databases.find(namespace)
    if (endKey !== '' && compareUtf8(startKey, endKey) >= 0) return
    let left = limit
    for (let from: string | undefined = documentIdOf(namespace, startKey); database !== undefined && from !== undefined && left > 0; ) {
      const { entries, next } = await database.page(from, endKey, Math.min(left, this.#pageMax))
      for (const entry of entries) yield namedIn(namespace, entry)
      left -= entries.length
      from = next
    }
  }

  async query(namespace: string, query: string, { limit, bookmark }: QueryOptions): Promise<QueryPage> {
    const database = this.#databases.find(namespace)
    const entries: StateEntry[] = []
    let at = bookmark
    for (;;) {
      const { found, asked } = await findPage(database, query, Math.min(limit - entries.length, this.#pageMax), at)
      if (found.warning !== undefined) this.#warn(`query in ${namespace}: ${found.warning}`)
      entries.push(...found.entries.map((entry) => namedIn(namespace, entry)))
      at = found.bookmark
      if (found.entries.length < asked || entries.length >= limit) return { entries, bookmark: at }
    }
  }

  async addIndexes(namespace: string, indexes: readonly QueryIndex[]): Promise<void> {
    await this.#databases.make([namespace])
    for (const index of indexes.toSorted((a, b) => compareUtf8(a.name, b.name))) {
      const fault = definitionFault(index.definition) ?? (await this.#addIndex(namespace, index))
      if (fault !== undefined) this.#warn(`index ${index.name} of ${namespace} was not made: ${fault}`)
    }
  }

  async *entries(): AsyncGenerator<StateKey & VersionedValue> {
    for (const namespace of this.#databases.namespaces) {
      for await (const entry of this.range(namespace, '', '')) yield { namespace, ...entry }
    }
  }

  async apply(changes: readonly StateChange[], height: bigint): Promise<void> {
    const groups = [...Map.groupBy(changes, ({ namespace }) => namespace)]
    const writes = groups.map(
      ([namespace, some]) =>
        [namespace, some.map((change) => ({ id: documentIdOf(namespace, change.key), members: membersOf(change) }))] as const,
    )
    await this.#databases.make(writes.map(([namespace]) => namespace))
    const written = await Promise.allSettled(writes.map(([namespace, some]) => this.#write(namespace, some)))
    for (const result of written) if (result.status === 'rejected') throw result.reason
    if (height > 0n) await this.#databases.save(height)
  }

  async drop(): Promise<void> {
    await this.#databases.drop()
  }

  async close(): Promise<void> {}

  async #read(namespace: string, keys: readonly StateKey[]): Promise<ReadonlyMap<string, StateEntry>> {
    const database = this.#databases.find(namespace)
    const found = new Map<string, StateEntry>()
    if (database === undefined) return found
    const ids = [...new Set(keys.map(({ key }) => documentIdOf(namespace, key)).filter(isKey))]
    for (let at = 0; at < ids.length; at += this.#batchMax) {
      for (const [key, entry] of await database.entries(ids.slice(at, at + this.#batchMax))) found.set(keyOfDocument(namespace, key), entry)
    }
    return found
  }

  async #write(namespace: string, writes: readonly Write[]): Promise<void> {
    const database = this.#databases.find(namespace)
    for (const batch of batches(writes, this.#batchMax)) await database?.write(batch)
  }

  async #addIndex(namespace: string, { definition }: QueryIndex): Promise<string | undefined> {
    try {
      await this.#databases.find(namespace)?.index(definition)
    } catch (error) {
      if (error instanceof KumikoError) return error.message
      throw error
    }
    return
  }
}

/** With its key in place of its document's id. */
function namedIn(namespace: string, entry: StateEntry): StateEntry {
  const key = keyOfDocument(namespace, entry.key)
  return key === entry.key ? entry : { ...entry, key }
}

/** Asks for fewer where the answer is too large. */
async function findPage(
  database: CouchDatabase | undefined,
  query: string,
  asked: number,
  bookmark: string,
): Promise<{ readonly found: Found; readonly asked: number }> {
  const paged = pagedQuery(query, asked, bookmark)
  if (database === undefined || asked < 1) return { found: { entries: [], bookmark: '', warning: undefined }, asked }
  try {
    return { found: await database.find(paged), asked }
  } catch (error) {
    if (!hasCode(error, 'fabric-couchdb/answer-too-large') || asked === 1) throw error
    return await findPage(database, query, Math.ceil(asked / 2), bookmark)
  }
}

function* batches(writes: readonly Write[], countMax: number): Generator<readonly Write[]> {
  let batch: Write[] = []
  let length = 0
  for (const write of writes) {
    const added = write.id.length + write.members.values().reduce((sum, text) => sum + text.length, 0)
    if (batch.length > 0 && (batch.length >= countMax || length + added > WRITE_LENGTH_MAX)) {
      yield batch
      batch = []
      length = 0
    }
    batch.push(write)
    length += added
  }
  if (batch.length > 0) yield batch
}
