import { join } from 'node:path'
import { decodeUtf8, toHex } from '@kumiko/fabric-protocol'
import { codeOf, type Fault, isFault, KumikoError } from '@kumiko/interface'
import type { BlockStoreStart } from '../blocks/block-store.ts'
import { type FileSystem, nodeFileSystem, type RandomAccessFile } from '../blocks/file-system.ts'
import { type CollectionConfigEntry, readCollectionConfigKey } from '../config-history/config-history.ts'
import type { StateChange, StateDatabase, StateKey } from '../state/state-database.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import { hashFile, SnapshotFileReader } from './snapshot-file.ts'
import {
  ADDITIONAL_METADATA,
  type AdditionalMetadata,
  readAdditionalMetadata,
  readSignableMetadata,
  SIGNABLE_METADATA,
  type SignableMetadata,
  SNAPSHOT_FILES,
  type SnapshotFile,
} from './snapshot-metadata.ts'
import { readStateFiles, type StateRecord } from './state-file.ts'

/** What a snapshot says of itself. */
export interface SnapshotInfo extends SignableMetadata, AdditionalMetadata {}

/** A JSON file has 64 KiB at most. */
const METADATA_SIZE_MAX = 64 * 1024
const BATCH_COUNT_MAX = 1000
const BATCH_SIZE_MAX = 4 * 1024 * 1024
const HASH_SIZE = 32
/** A block of so many transactions would not fit into any message. */
const TRANSACTION_NUMBER_MAX = 0xffff_ffffn

/**
 * A channel's snapshot in a folder, that a Fabric peer or we wrote: who trusts its hash can begin a ledger with it. Nothing in the folder is
 * believed: each file must have the hash that the metadata says, and hold what it should, or reading it ends with
 * `fabric-ledger/corrupt-snapshot`, which names file and byte.
 *
 * The hash covers all but the last block's commit hash: for that the snapshot's maker alone vouches, as in Fabric.
 * @see Fabric `core/ledger/kvledger/snapshot.go`
 */
export class Snapshot implements BlockStoreStart {
  readonly folder: string
  readonly info: SnapshotInfo
  readonly #fileSystem: FileSystem

  private constructor(folder: string, fileSystem: FileSystem, info: SnapshotInfo) {
    this.folder = folder
    this.#fileSystem = fileSystem
    this.info = info
  }

  /**
   * Reads the metadata, and no more.
   * @returns Undefined where the folder is missing, or has no snapshot's metadata.
   * @throws KumikoError `fabric-ledger/corrupt-snapshot`.
   */
  static async open(folder: string, fileSystem: FileSystem = nodeFileSystem): Promise<Snapshot | undefined> {
    const names = await fileSystem.list(folder).catch(isMissing)
    if (!names.includes(SIGNABLE_METADATA)) return
    const [signable, additional] = await Promise.all([
      readText(fileSystem, folder, names, SIGNABLE_METADATA),
      readText(fileSystem, folder, names, ADDITIONAL_METADATA),
    ])
    const metadata = good(folder, SIGNABLE_METADATA, readSignableMetadata(signable.text))
    const more = good(folder, ADDITIONAL_METADATA, readAdditionalMetadata(additional.text))
    if (signable.hash !== more.snapshotHash) throw corrupt(folder, `${SIGNABLE_METADATA}: ${otherHash(signable.hash, more.snapshotHash)}`)
    const missing = [...metadata.files.keys()].find((name) => !names.includes(name))
    if (missing !== undefined) throw corrupt(folder, `${missing}: it is missing`)
    const unlisted = SNAPSHOT_FILES.find((name) => names.includes(name) && !metadata.files.has(name))
    if (unlisted !== undefined) throw corrupt(folder, `${unlisted}: the metadata does not list it`)
    return new Snapshot(folder, fileSystem, { ...metadata, ...more })
  }

  /** The height of a ledger that begins with it. */
  get height(): bigint {
    return this.info.lastBlockNumber + 1n
  }

  /** Of the last block. */
  get currentHash(): Uint8Array {
    return this.info.lastBlockHash
  }

  /** Of the block before it. */
  get previousHash(): Uint8Array {
    return this.info.previousBlockHash
  }

  /** Reads all files for their hashes. @throws KumikoError `fabric-ledger/corrupt-snapshot`. */
  async verify(): Promise<void> {
    for (const [name, hash] of this.info.files)
      await this.#withFile(name, async (file) => this.#assertHash(name, await hashFile(file), hash))
  }

  /**
   * Copies it, checking all hashes on the way: the folder is there whole, and synced, or not at all.
   * @param folder - Where nothing is. `<folder>.part` is taken for a copy that broke off, and removed.
   * @throws KumikoError `fabric-ledger/corrupt-snapshot`.
   */
  async copyTo(folder: string): Promise<Snapshot> {
    await writeFolder(this.#fileSystem, folder, async (part) => {
      for (const [name, hash] of this.info.files) this.#assertHash(name, await this.#copyFile(name, part), hash)
      this.#assertHash(SIGNABLE_METADATA, await this.#copyFile(SIGNABLE_METADATA, part), this.info.snapshotHash)
      await this.#copyFile(ADDITIONAL_METADATA, part)
    })
    return new Snapshot(folder, this.#fileSystem, this.info)
  }

  /** The ids of the transactions before. @throws KumikoError `fabric-ledger/corrupt-snapshot`, at the end of the loop at the latest. */
  async *transactionIds(): AsyncGenerator<string, void, undefined> {
    yield* this.#read('txids', async function* (data, metadata) {
      const count = await metadata.number()
      if (isFault(count)) return yield count
      for (let index = 0n; index < count; index++) yield await data.text()
    })
  }

  /** The collections of chaincodes. @throws KumikoError `fabric-ledger/corrupt-snapshot`, at the end of the loop at the latest. */
  async *collectionConfigs(): AsyncGenerator<CollectionConfigEntry, void, undefined> {
    yield* this.#read('confighistory', async function* (data, metadata) {
      const count = await metadata.number()
      if (isFault(count)) return yield count
      for (let index = 0n; index < count; index++) yield await readConfig(data)
    })
  }

  /**
   * The state: what is public, then the hashes of what is private, named as in a state database.
   * @throws KumikoError `fabric-ledger/corrupt-snapshot`, at the end of the loop at the latest.
   */
  async *entries(): AsyncGenerator<StateKey & VersionedValue, void, undefined> {
    for await (const record of this.#read('public_state', readStateFiles)) yield this.#entryOf(record, isPublic, decodeUtf8)
    for await (const record of this.#read('private_state_hashes', readStateFiles)) yield this.#entryOf(record, isHashed, toHex)
  }

  /**
   * Fills a state database, whatever it has had before. Broken off, its height is 0, and it may be done again.
   * @throws KumikoError `fabric-ledger/corrupt-snapshot`. What the database does.
   */
  async loadState(state: StateDatabase): Promise<void> {
    await state.drop()
    let batch: StateChange[] = []
    let size = 0
    for await (const entry of this.entries()) {
      batch.push(entry)
      size += entry.key.length + entry.value.length + entry.metadata.length
      if (batch.length < BATCH_COUNT_MAX && size < BATCH_SIZE_MAX) continue
      await state.apply(batch, 0n)
      batch = []
      size = 0
    }
    await state.apply(batch, this.height)
  }

  #entryOf(
    { namespace, key, ...rest }: StateRecord,
    belongs: (namespace: string) => boolean,
    toText: (key: Uint8Array) => string | undefined,
  ): StateKey & VersionedValue {
    const text = toText(key)
    if (text === undefined) throw corrupt(this.folder, `a key of "${namespace}" is not UTF-8`)
    if (!belongs(namespace)) throw corrupt(this.folder, `namespace "${namespace}" is in the wrong file`)
    if (rest.version.blockNumber >= this.height) throw corrupt(this.folder, `a key of "${namespace}" is of a later block`)
    if (rest.version.transactionNumber > TRANSACTION_NUMBER_MAX)
      throw corrupt(this.folder, `no block has the transaction of a key of "${namespace}"`)
    if (toText === toHex && (key.length !== HASH_SIZE || rest.value.length !== HASH_SIZE))
      throw corrupt(this.folder, `what "${namespace}" has are no hashes`)
    return { namespace, key: text, ...rest }
  }

  /** Runs over a pair of files, and checks that it took all of them. Nothing where the snapshot has none. */
  async *#read<T>(
    stem: 'confighistory' | 'private_state_hashes' | 'public_state' | 'txids',
    run: (data: SnapshotFileReader, metadata: SnapshotFileReader) => AsyncIterable<T | Fault>,
  ): AsyncGenerator<T, void, undefined> {
    const names = [`${stem}.data`, `${stem}.metadata`] as const
    if (!this.info.files.has(names[0])) return
    const opened: RandomAccessFile[] = []
    try {
      for (const name of names) opened.push(await this.#fileSystem.openToRead(join(this.folder, name)))
      const [data, metadata] = await Promise.all(names.map((name, at) => this.#reader(name, opened[at])))
      if (data === undefined || metadata === undefined) return
      for await (const value of run(data, metadata)) yield this.#good(value)
      for (const [at, reader] of [data, metadata].entries()) {
        const name = names[at === 0 ? 0 : 1]
        this.#assertHash(name, this.#good(await reader.finish()), this.info.files.get(name))
      }
    } finally {
      for (const file of opened) await file.close()
    }
  }

  async #reader(name: SnapshotFile, file: RandomAccessFile | undefined): Promise<SnapshotFileReader | undefined> {
    return file === undefined ? undefined : this.#good(await SnapshotFileReader.open(name, file))
  }

  async #copyFile(name: string, into: string): Promise<string> {
    return await this.#withFile(name, async (from) => {
      const to = await this.#fileSystem.open(join(into, name))
      try {
        const hash = await hashFile(from, (bytes, offset) => to.write(bytes, offset))
        await to.sync()
        return hash
      } finally {
        await to.close()
      }
    })
  }

  async #withFile<T>(name: string, run: (file: RandomAccessFile) => Promise<T>): Promise<T> {
    const file = await this.#fileSystem.openToRead(join(this.folder, name))
    try {
      return await run(file)
    } finally {
      await file.close()
    }
  }

  #assertHash(name: string, found: string, expected: string | undefined): void {
    if (found !== expected) throw corrupt(this.folder, `${name}: ${otherHash(found, expected ?? 'none')}`)
  }

  #good<T>(value: T | Fault): T {
    if (isFault(value)) throw corrupt(this.folder, value.detail ?? value.fault)
    return value
  }
}

/** Makes a folder, whole and synced, or not at all. @param folder - Where nothing is. @param fill - Writes and syncs the files. */
export async function writeFolder(fileSystem: FileSystem, folder: string, fill: (part: string) => Promise<void>): Promise<void> {
  const part = `${folder}.part`
  await fileSystem.remove(part)
  await fileSystem.makeFolder(part)
  try {
    await fill(part)
    await fileSystem.syncFolder(part)
    await fileSystem.rename(part, folder)
  } catch (error) {
    // What is left, where that fails too, the next one removes.
    await fileSystem.remove(part).catch(() => {})
    throw error
  }
  await fileSystem.syncFolder(join(folder, '..'))
}

/** @see Fabric `core/ledger/kvledger/txmgmt/privacyenabledstate/db.go` isPvtdataNs */
export function isPrivate(namespace: string): boolean {
  return namespace.includes('$$p')
}

/** Does the namespace hold hashes of a collection? @see Fabric `privacyenabledstate/db.go` isHashedDataNs */
export function isHashed(namespace: string): boolean {
  return namespace.includes('$$h') && !isPrivate(namespace)
}

function isPublic(namespace: string): boolean {
  return !isHashed(namespace) && !isPrivate(namespace)
}

async function readConfig(data: SnapshotFileReader): Promise<CollectionConfigEntry | Fault> {
  const key = await data.bytes()
  if (isFault(key)) return key
  const config = await data.bytes()
  if (isFault(config)) return config
  const entry = readCollectionConfigKey(key)
  return entry === undefined ? data.fault('a key is no collection configuration’s') : { ...entry, config }
}

async function readText(
  fileSystem: FileSystem,
  folder: string,
  names: readonly string[],
  name: string,
): Promise<{ text: string; hash: string }> {
  if (!names.includes(name)) throw corrupt(folder, `${name}: it is missing`)
  const file = await fileSystem.openToRead(join(folder, name))
  try {
    const bytes = await file.read(0, METADATA_SIZE_MAX + 1)
    if (bytes.length > METADATA_SIZE_MAX) throw corrupt(folder, `${name}: it is longer than ${METADATA_SIZE_MAX} bytes`)
    const text = decodeUtf8(bytes)
    if (text === undefined) throw corrupt(folder, `${name}: it is not UTF-8`)
    return { text, hash: await hashFile(file) }
  } finally {
    await file.close()
  }
}

function isMissing(error: unknown): readonly string[] {
  if (codeOf(error) === 'ENOENT') return []
  throw error
}

function good<T>(folder: string, name: string, value: T | Fault): T {
  if (isFault(value)) throw corrupt(folder, `${name}: ${value.detail ?? value.fault}`)
  return value
}

function otherHash(found: string, expected: string): string {
  return `its SHA-256 is ${found}, not ${expected}`
}

function corrupt(folder: string, why: string): KumikoError {
  const message = `the snapshot "${folder}" is corrupt (${why}): have it copied or taken anew`
  return new KumikoError('fabric-ledger/corrupt-snapshot', message, { context: { folder } })
}
