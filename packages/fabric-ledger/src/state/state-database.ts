import type { Version } from '@kumiko/fabric-protocol'
import type { VersionedValue } from '../validation/committed-state.ts'

/** A key in a {@link StateDatabase}. */
export interface StateKey {
  /** A chaincode's name, `''` for the channel's configuration; {@link hashedNamespace} or {@link privateNamespace} of a collection. */
  readonly namespace: string
  /** In a hashed namespace the key's SHA-256 in lower-case hex, which sorts as its bytes do. */
  readonly key: string
}

/** A key of a namespace, with what it holds. */
export interface StateEntry extends VersionedValue {
  readonly key: string
}

/** What becomes of a key. */
export interface StateChange extends StateKey {
  /** Undefined where the key is deleted. */
  readonly value: Uint8Array | undefined
  /** A `KVMetadataWrite`'s bytes without key; empty where the key has none, or is deleted. */
  readonly metadata: Uint8Array
  readonly version: Version
}

/** A part of a rich query's results. */
export interface QueryPage {
  readonly entries: readonly StateEntry[]
  /** Where the next page begins; `''` or unchanged at the end, as CouchDB has it. */
  readonly bookmark: string
}

/** How to run a rich query. */
export interface QueryOptions {
  /** Entries in a page. */
  readonly limit: number
  /** A page's, to go on from; `''` to begin. */
  readonly bookmark: string
}

/** An index that a chaincode's package brings, for rich queries. */
export interface QueryIndex {
  /** The file's name in the package, for messages. */
  readonly name: string
  /** CouchDB's JSON of an index. */
  readonly definition: string
}

/** What reads a channel's world state. */
export interface StateReader {
  /** How many blocks it has taken in: the savepoint. 0 while it is empty. */
  readonly height: bigint

  /** One answer a key, in their order; undefined where the key is absent. */
  getMany(keys: readonly StateKey[]): Promise<readonly (VersionedValue | undefined)[]>

  /**
   * A range of a namespace by the keys' UTF-8, as it was when the loop began, whatever is applied meanwhile.
   * @param endKey - Excluded; `''` for no end.
   * @param limit - Entries at most; default: all. A database may use it to read no further ahead.
   */
  range(namespace: string, startKey: string, endKey: string, limit?: number): AsyncIterable<StateEntry>

  /**
   * A rich query in the database's own language. Absent where the database has none.
   * @throws KumikoError where the query is refused.
   */
  query?(namespace: string, query: string, options: QueryOptions): Promise<QueryPage>
}

/** The state at one height. */
export interface StateSnapshot extends StateReader {
  /** Frees what it holds. Call it when nothing reads any more. */
  close(): Promise<void>
}

/**
 * Where a channel's world state is: one interface, many databases (`core/ledger/kvledger/txmgmt/statedb`). It holds public keys, hashes of
 * private ones, and private ones side by side, in namespaces that {@link hashedNamespace} and {@link privateNamespace} name.
 *
 * Not one of its methods is told twice of a block, but for the one after a crash: {@link apply} is then told of it again, and must leave the
 * same state. What the database throws is its own; the ledger halts on it, and no transaction is judged by it.
 */
export interface StateDatabase extends StateReader {
  /** What Fabric has it for, where its snapshots and bookmarks are not those of LevelDB: of which kind all others are. */
  readonly kind?: 'CouchDB'

  /**
   * The state as it is now, whatever is applied later; a simulation reads it. Absent where the database has no such thing:
   * {@link withSnapshots} makes it up.
   */
  snapshot?(): Promise<StateSnapshot>

  /** Makes indexes for rich queries. Absent where the database has none. */
  addIndexes?(namespace: string, indexes: readonly QueryIndex[]): Promise<void>

  /** Why the database cannot hold such a write (validation code 24); absent where it holds all. Pure. */
  refusal?(key: string, value: Uint8Array): string | undefined

  /**
   * Everything, by namespace and key, both by their UTF-8, but that CouchDB has private keys' hashes by their base64; as it was when the loop
   * began.
   */
  entries(): AsyncIterable<StateKey & VersionedValue>

  /**
   * Takes in a block: all of it or nothing where the database can, else so that applying it again completes it, with the savepoint last. It
   * need not be synced: the ledger applies again what a loss of power takes.
   * @param changes - Each key once.
   * @param height - From then on: the block's number + 1. A snapshot may be taken in in several calls, of which the last one tells the height
   * and the others 0.
   */
  apply(changes: readonly StateChange[], height: bigint): Promise<void>

  /** Removes everything, for a rebuild: {@link height} is 0 then. */
  drop(): Promise<void>

  /** Wait for other calls first. */
  close(): Promise<void>
}

/** Opens a channel's state database, or begins one. @param folder - For the database alone; may be unused. */
export type OpenStateDatabase = (folder: string) => Promise<StateDatabase>

/** The namespace that holds the hashes of a collection's keys and values. */
export function hashedNamespace(namespace: string, collection: string): string {
  return `${namespace}$$h${collection}`
}

/** The namespace that holds a collection's private keys and values. */
export function privateNamespace(namespace: string, collection: string): string {
  return `${namespace}$$p${collection}`
}
