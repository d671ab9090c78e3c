import { hashKey, toHex, type Version } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { KeyModification } from '../history/key-modifications.ts'
import { hashedNamespace, privateNamespace, type StateEntry, type StateReader, type StateSnapshot } from '../state/state-database.ts'
import type { SnapshotStateDatabase } from '../state/with-snapshots.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import { metadataOf } from './key-metadata.ts'
import type { RangeRecord, SimulationRecord } from './simulation-record.ts'

/** What a query reads. */
export interface QuerySources {
  /** A ledger's. Else {@link withSnapshots} gives it; blocks must be applied through the same. */
  readonly state: Pick<SnapshotStateDatabase, 'snapshot' | 'refusal' | 'kind'>
  /**
   * Does a chaincode's definition have the collection? Asked once a collection. In a Fabric peer's simulation all that it reads to know it is a
   * read of the transaction: the metadata and all fields of the definition, in `_lifecycle`. So read it of `state`. Default: each.
   */
  readonly isCollection?: (namespace: string, collection: string, state: Pick<QueryExecutor, 'getState' | 'getStates'>) => Promise<boolean>
  /** Default: none. {@link keyModifications} gives it. It is not of the query's height, but of when it is read. */
  readonly history?: (namespace: string, key: string) => AsyncIterable<KeyModification>
  /** Entries that one range or rich query gives at most. Default 100,000, as Fabric's `ledger.state.totalQueryLimit`. */
  readonly entriesMax?: number
}

/** A key with its value. */
export interface KeyValue {
  readonly key: string
  readonly value: Uint8Array
}

/** Which page of a query's entries. */
export interface Page {
  /** Entries, from 1 on. */
  readonly size: number
  /** Of the page before; `''` for the first. */
  readonly bookmark: string
}

/** A page of a query's entries. */
export interface PageOfEntries {
  readonly entries: readonly KeyValue[]
  /** Where the next page begins; where there is none `''`, but of CouchDB the range's end. A rich query's is the database's own. */
  readonly bookmark: string
}

/** As Fabric's. */
const ENTRIES_MAX = 100_000

/** Entries that a rich query reads at once: Fabric's `internalQueryLimit`. */
const QUERY_AHEAD = 1000

const NOTHING = new Uint8Array()

/**
 * Reads a ledger's state at one height, whatever is committed meanwhile, until it is closed. What the database throws, it throws; for a
 * collection that no definition has a KumikoError `fabric-ledger/no-such-collection`; and once it is closed `fabric-ledger/simulation-ended`.
 * A key that the database cannot have is none to read: `fabric-ledger/bad-key`.
 * @see Fabric `core/ledger/kvledger/txmgmt/txmgr/query_executor.go`
 */
export class QueryExecutor {
  readonly #sources: QuerySources
  readonly #snapshot: StateSnapshot
  readonly #record: SimulationRecord | undefined
  /** Ranges that are being read: as many as the caller has begun and not left. */
  readonly #scans = new Set<AsyncIterator<StateEntry>>()
  /** Answers of `isCollection`, by namespace and collection: as many as the caller names. */
  readonly #collections = new Map<string, Promise<boolean>>()
  #isEnded = false

  /** @param record - Is told of what is read. Use {@link QueryExecutor.begin}. */
  protected constructor(sources: QuerySources, snapshot: StateSnapshot, record?: SimulationRecord) {
    this.#sources = sources
    this.#snapshot = snapshot
    this.#record = record
  }

  /** Begins to read at the height that the ledger has. Close it: for some databases blocks wait until then. */
  static async begin(sources: QuerySources): Promise<QueryExecutor> {
    return new QueryExecutor(sources, await sources.state.snapshot())
  }

  /** How many blocks the state is of. */
  get height(): bigint {
    return this.#snapshot.height
  }

  /** Undefined where the key is absent. A simulation does not see its own writes. */
  async getState(namespace: string, key: string): Promise<Uint8Array | undefined> {
    return (await this.#readPublic(namespace, [key]))[0]?.value
  }

  /** As {@link getState}, for several keys at once. */
  async getStates(namespace: string, keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]> {
    return (await this.#readPublic(namespace, keys)).map((found) => found?.value)
  }

  /** A key's metadata by name; empty where the key has none, or is absent. */
  async getStateMetadata(namespace: string, key: string): Promise<ReadonlyMap<string, Uint8Array>> {
    return metadataOf((await this.#readPublic(namespace, [key]))[0])
  }

  /**
   * A range's entries by UTF-8. What is recorded goes as far as the loop does.
   * @param endKey - Excluded; `''` for no end.
   */
  range(namespace: string, startKey: string, endKey: string): AsyncGenerator<KeyValue> {
    this.assertOpen()
    return this.#walk(namespace, startKey, endKey, this.#entriesMax)
  }

  /**
   * A page of a range. Recorded as a range that was read up to the page's end.
   * @see Fabric `stateleveldb.go`, `statecouchdb.go` GetBookmarkAndClose
   */
  async rangePage(namespace: string, startKey: string, endKey: string, { size, bookmark }: Page): Promise<PageOfEntries> {
    this.assertOpen()
    assertSize(size)
    const entries: KeyValue[] = []
    const limit = Math.min(size, this.#entriesMax)
    for await (const entry of this.#walk(namespace, bookmark === '' ? startKey : bookmark, endKey, limit)) entries.push(entry)
    const last = entries.at(-1)
    const next = last !== undefined && entries.length === limit ? await this.#after(namespace, last.key, endKey) : undefined
    return { entries, bookmark: next ?? (this.#sources.state.kind === 'CouchDB' ? endKey : '') }
  }

  /** A rich query's entries. Recorded as reads of their keys alone: nothing tells later whether it would find others. */
  async *query(namespace: string, query: string): AsyncGenerator<KeyValue> {
    for await (const entry of this.#queryAll(namespace, query)) {
      this.#record?.read(namespace, entry.key, entry.version)
      yield entry
    }
  }

  /** A page of a rich query. */
  async queryPage(namespace: string, query: string, { size, bookmark }: Page): Promise<PageOfEntries> {
    this.assertOpen()
    assertSize(size)
    const page = await richly(this.#snapshot)(namespace, query, { limit: Math.min(size, this.#entriesMax), bookmark })
    for (const { key, version } of page.entries) this.#record?.read(namespace, key, version)
    return page
  }

  /**
   * A private value; undefined where the key is absent.
   * @throws KumikoError `fabric-ledger/private-data-unavailable` where the key is there, and this peer does not have what it holds.
   */
  async getPrivateData(namespace: string, collection: string, key: string): Promise<Uint8Array | undefined> {
    await this.assertCollection(namespace, collection)
    this.#assertKey(key)
    const hashed = { namespace: hashedNamespace(namespace, collection), key: toHex(hashKey(key)) }
    const [value, hash] = await this.#snapshot.getMany([{ namespace: privateNamespace(namespace, collection), key }, hashed])
    if (!isSame(value?.version, hash?.version)) throw privateDataUnavailable(namespace, collection, value?.version, hash?.version)
    this.#record?.readPrivate(namespace, collection)
    this.#record?.readHash(namespace, collection, key, value?.version)
    return value?.value
  }

  /** The SHA-256 of a private value; undefined where the key is absent. Each peer has it. */
  async getPrivateDataHash(namespace: string, collection: string, key: string): Promise<Uint8Array | undefined> {
    return (await this.#readHash(namespace, collection, key))?.value
  }

  /** A private key's metadata by name; empty where it has none, or is absent. */
  async getPrivateDataMetadata(namespace: string, collection: string, key: string): Promise<ReadonlyMap<string, Uint8Array>> {
    return metadataOf(await this.#readHash(namespace, collection, key))
  }

  /** A range of private keys that this peer has. It is not recorded: so a simulation that reads it cannot write. */
  async *privateRange(namespace: string, collection: string, startKey: string, endKey: string): AsyncGenerator<KeyValue> {
    await this.assertCollection(namespace, collection)
    yield* this.#scan(privateNamespace(namespace, collection), startKey, endKey, this.#entriesMax)
  }

  /** A rich query of private values that this peer has. It is not recorded: so a simulation that makes it cannot write. */
  async *privateQuery(namespace: string, collection: string, query: string): AsyncGenerator<KeyValue> {
    await this.assertCollection(namespace, collection)
    yield* this.#queryAll(privateNamespace(namespace, collection), query)
  }

  /** What became of a key, newest first. It is not recorded. @throws KumikoError `fabric-ledger/no-history` where there is none to read. */
  history(namespace: string, key: string): AsyncIterable<KeyModification> {
    this.assertOpen()
    if (this.#sources.history === undefined) throw new KumikoError('fabric-ledger/no-history', 'this ledger keeps no history of keys')
    return this.#sources.history(namespace, key)
  }

  /** Ends it; again does nothing. */
  async close(): Promise<void> {
    if (this.#isEnded) return
    await this.end()
    await this.#snapshot.close()
  }

  /** Lets nothing be read any more. The snapshot is still there: to be closed. */
  protected async end(): Promise<void> {
    this.#isEnded = true
    await Promise.all([...this.#scans].map((entries) => entries.return?.()))
  }

  /** @throws KumikoError `fabric-ledger/simulation-ended`. */
  protected assertOpen(): void {
    if (this.#isEnded) throw new KumikoError('fabric-ledger/simulation-ended', 'the simulation or query has ended: begin another')
  }

  /** @throws KumikoError `fabric-ledger/no-such-collection`, `fabric-ledger/simulation-ended`. */
  protected async assertCollection(namespace: string, collection: string): Promise<void> {
    this.assertOpen()
    const { isCollection } = this.#sources
    if (isCollection === undefined) return
    const id = JSON.stringify([namespace, collection])
    const answer = this.#collections.get(id) ?? isCollection(namespace, collection, this)
    this.#collections.set(id, answer)
    if (await answer) return
    const message = `chaincode "${namespace}" has no collection "${collection}": give it with the chaincode's definition`
    throw new KumikoError('fabric-ledger/no-such-collection', message, { context: { namespace, collection } })
  }

  /** Fabric's CouchDB refuses to read what it would not write. @see Fabric `statecouchdb.go` readFromDB */
  #assertKey(key: string): void {
    const refusal = this.#sources.state.refusal?.(key, NOTHING)
    if (refusal !== undefined)
      throw new KumikoError('fabric-ledger/bad-key', `the state database has no such key: ${refusal}`, { context: { key, refusal } })
  }

  get #entriesMax(): number {
    return this.#sources.entriesMax ?? ENTRIES_MAX
  }

  async #readPublic(namespace: string, keys: readonly string[]): Promise<readonly (VersionedValue | undefined)[]> {
    this.assertOpen()
    for (const key of keys) this.#assertKey(key)
    const found = await this.#snapshot.getMany(keys.map((key) => ({ namespace, key })))
    for (const [index, key] of keys.entries()) this.#record?.read(namespace, key, found[index]?.version)
    return found
  }

  async #readHash(namespace: string, collection: string, key: string): Promise<VersionedValue | undefined> {
    await this.assertCollection(namespace, collection)
    const [found] = await this.#snapshot.getMany([{ namespace: hashedNamespace(namespace, collection), key: toHex(hashKey(key)) }])
    this.#record?.readHash(namespace, collection, key, found?.version)
    return found
  }

  /** Recorded from now on, in the order of calls; read when the loop begins. */
  #walk(namespace: string, startKey: string, endKey: string, limit: number): AsyncGenerator<KeyValue> {
    return this.#recorded(this.#scan(namespace, startKey, endKey, limit), limit, this.#record?.range(namespace, startKey, endKey))
  }

  async *#recorded(entries: AsyncIterable<StateEntry>, limit: number, record: RangeRecord | undefined): AsyncGenerator<KeyValue> {
    let count = 0
    for await (const entry of entries) {
      record?.add(entry)
      yield entry
      if (++count === limit) return
    }
    record?.exhaust()
  }

  async #after(namespace: string, lastKey: string, endKey: string): Promise<string | undefined> {
    for await (const { key } of this.#scan(namespace, lastKey, endKey, 2)) if (key !== lastKey) return key
    return
  }

  /** {@link close} ends it too: what it holds of the snapshot must be freed first. */
  async *#scan(namespace: string, startKey: string, endKey: string, limit: number): AsyncGenerator<StateEntry> {
    this.assertOpen()
    const entries = this.#snapshot.range(namespace, startKey, endKey, limit)[Symbol.asyncIterator]()
    this.#scans.add(entries)
    try {
      for (let next = await entries.next(); next.done !== true; next = await entries.next()) {
        this.assertOpen()
        yield next.value
        this.assertOpen()
      }
    } finally {
      this.#scans.delete(entries)
      await entries.return?.()
    }
  }

  /** Page by page, until a page is not full, or leads nowhere. */
  async *#queryAll(namespace: string, query: string): AsyncGenerator<StateEntry> {
    this.assertOpen()
    const run = richly(this.#snapshot)
    let [bookmark, left] = ['', this.#entriesMax]
    while (left > 0) {
      const limit = Math.min(QUERY_AHEAD, left)
      const page = await run(namespace, query, { limit, bookmark })
      for (const entry of page.entries) {
        this.assertOpen()
        yield entry
      }
      if (page.entries.length < limit || page.bookmark === '' || page.bookmark === bookmark) return
      bookmark = page.bookmark
      left -= page.entries.length
    }
  }
}

function richly(state: StateReader): NonNullable<StateReader['query']> {
  if (state.query !== undefined) return state.query.bind(state)
  throw new KumikoError('fabric-ledger/no-rich-queries', 'the state database has no rich queries: use one that has, CouchDB')
}

function isSame(a: Version | undefined, b: Version | undefined): boolean {
  return a?.blockNumber === b?.blockNumber && a?.transactionNumber === b?.transactionNumber
}

function assertSize(size: number): void {
  if (!Number.isSafeInteger(size) || size < 1) throw new KumikoError('fabric-ledger/bad-page', `a page has 1 entry or more, not ${size}`)
}

function privateDataUnavailable(
  namespace: string,
  collection: string,
  here: Version | undefined,
  hashed: Version | undefined,
): KumikoError {
  const message = `a private value of collection "${collection}" of "${namespace}" is not on this peer: ask one that has it, or wait until it is here`
  return new KumikoError('fabric-ledger/private-data-unavailable', message, { context: { namespace, collection, here, hashed } })
}
