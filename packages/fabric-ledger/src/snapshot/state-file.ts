import { join } from 'node:path'
import {
  bytes,
  concatBytes,
  decodeOrderPreservingVarint,
  encodeOrderPreservingVarint,
  type Message,
  message,
  type Version,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { FileSystem } from '../blocks/file-system.ts'
import type { VersionedValue } from '../validation/committed-state.ts'
import { type SnapshotFileReader, SnapshotFileWriter } from './snapshot-file.ts'

/** A key as a snapshot has it. */
export interface StateRecord extends VersionedValue {
  /** As the state database names it. */
  readonly namespace: string
  /** UTF-8, or a private key's hash. */
  readonly key: Uint8Array
}

interface SnapshotRecord {
  readonly key: Uint8Array
  readonly value: Uint8Array
  readonly metadata: Uint8Array
  readonly version: Uint8Array
}
const SnapshotRecord: Message<SnapshotRecord> = message<SnapshotRecord>('SnapshotRecord', {
  key: bytes(1),
  value: bytes(2),
  metadata: bytes(3),
  version: bytes(4),
})

interface Row {
  readonly namespace: string
  count: bigint
}

/**
 * Writes two files of a snapshot: `name.data` has keys, values and versions, `name.metadata` how many each namespace has. Holds the names of
 * all namespaces.
 * @see Fabric `core/ledger/kvledger/txmgmt/privacyenabledstate/snapshot.go` SnapshotWriter
 */
export class StateFileWriter {
  readonly #fileSystem: FileSystem
  readonly #path: string
  readonly #rows: Row[] = []
  #data: SnapshotFileWriter | undefined

  /** @param name - Without its ending. */
  constructor(fileSystem: FileSystem, folder: string, name: string) {
    this.#fileSystem = fileSystem
    this.#path = join(folder, name)
  }

  /** Adds a key. A namespace's come one after the other. */
  async add({ namespace, key, value, metadata, version }: StateRecord): Promise<void> {
    this.#data ??= await SnapshotFileWriter.create(this.#fileSystem, `${this.#path}.data`)
    const last = this.#rows.at(-1)
    if (last?.namespace === namespace) last.count++
    else this.#rows.push({ namespace, count: 1n })
    await this.#data.bytes(SnapshotRecord.encode({ key, value, metadata, version: encodeVersion(version) }))
  }

  /** Syncs the files. @returns The SHA-256 of each in hex; undefined where nothing was added: then there are none. */
  async finish(): Promise<{ readonly data: string; readonly metadata: string } | undefined> {
    if (this.#data === undefined) return
    const data = await this.#data.finish()
    const writer = await SnapshotFileWriter.create(this.#fileSystem, `${this.#path}.metadata`)
    try {
      await writer.number(BigInt(this.#rows.length))
      for (const { namespace, count } of this.#rows) {
        await writer.text(namespace)
        await writer.number(count)
      }
      return { data, metadata: await writer.finish() }
    } finally {
      await writer.close()
    }
  }

  /** Call it in any case. */
  async close(): Promise<void> {
    await this.#data?.close()
  }
}

/** What {@link StateFileWriter} wrote, to the first fault, which is the last thing then. Finishes neither file. */
export async function* readStateFiles(
  data: SnapshotFileReader,
  metadata: SnapshotFileReader,
): AsyncGenerator<StateRecord | Fault, void, undefined> {
  const rows = await metadata.number()
  if (isFault(rows)) return yield rows
  for (let row = 0n; row < rows; row++) {
    const namespace = await metadata.text()
    if (isFault(namespace)) return yield namespace
    const count = await metadata.number()
    if (isFault(count)) return yield count
    for (let index = 0n; index < count; index++) {
      const record = await readRecord(data)
      if (isFault(record)) return yield record
      yield { namespace, ...record }
    }
  }
}

async function readRecord(data: SnapshotFileReader): Promise<Omit<StateRecord, 'namespace'> | Fault> {
  const record = await data.bytes()
  if (isFault(record)) return record
  const read = SnapshotRecord.decode(record)
  if (isFault(read)) return data.fault(read.detail ?? read.fault)
  const version = decodeVersion(read.version)
  if (isFault(version)) return data.fault(version.detail ?? version.fault)
  return read.value.length === 0 ? data.fault('a key has no value') : { key: read.key, value: read.value, metadata: read.metadata, version }
}

/** As Fabric's `version.Height` to bytes: both numbers, each so that the bytes sort as it does. */
function encodeVersion({ blockNumber, transactionNumber }: Version): Uint8Array {
  return concatBytes([encodeOrderPreservingVarint(blockNumber), encodeOrderPreservingVarint(transactionNumber)])
}

function decodeVersion(bytes: Uint8Array): Version | Fault {
  const blockNumber = decodeOrderPreservingVarint(bytes)
  if (isFault(blockNumber)) return blockNumber
  const transactionNumber = decodeOrderPreservingVarint(bytes, blockNumber.next)
  if (isFault(transactionNumber)) return transactionNumber
  return { blockNumber: blockNumber.value, transactionNumber: transactionNumber.value }
}
