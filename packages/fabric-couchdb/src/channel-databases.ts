import { compareUtf8 } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { CouchClient } from './couch-client.ts'
import { CouchDatabase } from './couch-database.ts'
import { metadataDatabaseName, namespaceDatabaseName } from './database-name.ts'
import { type Members, memberOf, stringOf } from './document.ts'
import { writeObject, writeString } from './json.ts'
import type { RevisionCache } from './revision-cache.ts'

const SAVEPOINT = 'statedb_savepoint'
const CHANNEL_METADATA = 'channel_metadata'
const RESERVED: ReadonlySet<string> = new Set([SAVEPOINT, CHANNEL_METADATA])
/** Told in the channel's metadata: what a Fabric peer left half applied only that peer can complete. */
const FORMAT = 'kumiko/2'

/**
 * A channel's databases: one a namespace, and the one that lists them and tells how many blocks they have taken in. Bounded by the channel's
 * chaincodes and collections.
 * @see Fabric `core/ledger/kvledger/txmgmt/statedb/statecouchdb/statecouchdb.go` VersionedDB
 */
export class ChannelDatabases {
  readonly #client: CouchClient
  readonly #channelId: string
  readonly #revisions: RevisionCache
  readonly #metadata: CouchDatabase
  readonly #namespaces = new Map<string, CouchDatabase>()
  #height = 0n
  /** Fulfilled when the last namespaces are made. */
  #made: Promise<void> = Promise.resolve()

  private constructor(client: CouchClient, channelId: string, revisions: RevisionCache) {
    this.#client = client
    this.#channelId = channelId
    this.#revisions = revisions
    this.#metadata = new CouchDatabase(metadataDatabaseName(channelId), client, revisions, RESERVED)
  }

  /** @throws KumikoError `fabric-couchdb/bad-name`; `fabric-couchdb/foreign-database` where a Fabric peer made them. */
  static async open(client: CouchClient, channelId: string, revisions: RevisionCache): Promise<ChannelDatabases> {
    const databases = new ChannelDatabases(client, channelId, revisions)
    await databases.#begin()
    return databases
  }

  get height(): bigint {
    return this.#height
  }

  /** By UTF-8. */
  get namespaces(): readonly string[] {
    return [...this.#namespaces.keys()].sort(compareUtf8)
  }

  /** Undefined where nothing was written to the namespace yet. */
  find(namespace: string): CouchDatabase | undefined {
    return this.#namespaces.get(namespace)
  }

  /** Makes what is missing, and lists it before. */
  async make(namespaces: Iterable<string>): Promise<void> {
    const missing = [...namespaces]
    const made = this.#made.then(() => this.#makeMissing(missing))
    this.#made = made.catch(() => {})
    await made
  }

  /** Tells the height. @param height - Above 0. */
  async save(height: bigint): Promise<void> {
    await this.#metadata.write([{ id: SAVEPOINT, members: savepoint(height) }])
    this.#height = height
  }

  /** Removes all, the savepoint first: what is half removed must not count as whole. */
  async drop(): Promise<void> {
    await this.#metadata.write([{ id: SAVEPOINT, members: new Map([['_deleted', 'true']]) }])
    this.#height = 0n
    for (const database of this.#namespaces.values()) if (database !== this.#metadata) await database.drop()
    await this.#metadata.drop()
    this.#namespaces.clear()
    this.#revisions.clear()
    await this.#begin()
  }

  async #begin(): Promise<void> {
    await this.#metadata.create()
    const listed = await this.#metadata.read(CHANNEL_METADATA)
    const told = await this.#metadata.read(SAVEPOINT)
    if (listed === undefined && told === undefined) return await this.#list([])
    if (stringOf(listed, 'Format') !== FORMAT) throw this.#foreign()
    const namespaces = memberOf(listed, 'NamespaceDBsInfo')
    for (const namespace of namespaces?.kind === 'object' ? namespaces.members.keys() : []) await this.#add(namespace)
    if (told !== undefined) this.#height = heightOf(memberOf(told, 'BlockNum')?.text)
    // What a crash left of the first block, of a snapshot, or of a drop: replayed blocks must not see it.
    else if (this.#namespaces.size > 0) await this.drop()
  }

  async #makeMissing(namespaces: readonly string[]): Promise<void> {
    const missing = namespaces.filter((namespace) => !this.#namespaces.has(namespace))
    if (missing.length === 0) return
    await this.#list([...this.#namespaces.keys(), ...missing])
    for (const namespace of missing) await this.#add(namespace)
  }

  async #add(namespace: string): Promise<void> {
    const name = namespaceDatabaseName(this.#channelId, namespace)
    const isMetadata = name === this.#metadata.name
    const database = isMetadata ? this.#metadata : new CouchDatabase(name, this.#client, this.#revisions)
    if (!isMetadata) await database.create()
    this.#namespaces.set(namespace, database)
  }

  async #list(namespaces: readonly string[]): Promise<void> {
    const infos = namespaces.map((namespace) => [namespace, infoOf(namespace, namespaceDatabaseName(this.#channelId, namespace))] as const)
    const members = new Map([
      ['ChannelName', writeString(this.#channelId)],
      ['Format', writeString(FORMAT)],
      ['NamespaceDBsInfo', writeObject(infos)],
    ])
    await this.#metadata.write([{ id: CHANNEL_METADATA, members }])
  }

  #foreign(): KumikoError {
    const message = `the databases of ${this.#channelId} are those of a Fabric peer: give another CouchDB, or remove them to have them made anew`
    return new KumikoError('fabric-couchdb/foreign-database', message, { context: { database: this.#metadata.name } })
  }
}

function infoOf(namespace: string, name: string): string {
  return writeObject([
    ['Namespace', writeString(namespace)],
    ['DBName', writeString(name)],
  ])
}

/** Of the last block that was taken in. Fabric's has its last transaction too, and asks for it nowhere. */
function savepoint(height: bigint): Members {
  return new Map([
    ['BlockNum', String(height - 1n)],
    ['TxNum', '0'],
  ])
}

function heightOf(blockNumber: string | undefined): bigint {
  if (blockNumber !== undefined && /^[0-9]{1,20}$/.test(blockNumber)) return BigInt(blockNumber) + 1n
  throw new KumikoError('fabric-couchdb/bad-document', 'the savepoint tells no block: remove the databases, to have them made anew')
}
