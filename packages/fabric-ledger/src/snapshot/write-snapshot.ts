import { join } from 'node:path'
import { encodeUtf8, sha256, toHex } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { BlockStore } from '../blocks/block-store.ts'
import { type FileSystem, nodeFileSystem } from '../blocks/file-system.ts'
import { type ConfigHistory, writeCollectionConfigKey } from '../config-history/config-history.ts'
import type { StateDatabase } from '../state/state-database.ts'
import { isHashed, isPrivate, Snapshot, writeFolder } from './snapshot.ts'
import { SnapshotFileWriter } from './snapshot-file.ts'
import {
  ADDITIONAL_METADATA,
  SIGNABLE_METADATA,
  type SnapshotFile,
  writeAdditionalMetadata,
  writeSignableMetadata,
} from './snapshot-metadata.ts'
import { StateFileWriter, type StateRecord } from './state-file.ts'

/** The ledger that a snapshot is taken of. No block may be committed meanwhile. */
export interface SnapshotSource {
  readonly channelId: string
  readonly blocks: Pick<BlockStore, 'info' | 'transactionIds'>
  readonly state: Pick<StateDatabase, 'entries' | 'height' | 'kind'>
  readonly configHistory: Pick<ConfigHistory, 'entries'>
  /** Of the last block; empty where the channel has none. */
  readonly commitHash: Uint8Array
}

/** Where a snapshot goes. */
export interface SnapshotTarget {
  /** That is made. Its parent is too. */
  readonly folder: string
  /** Default: the system's own. */
  readonly fileSystem?: FileSystem
}

type Hashes = [SnapshotFile, string][]

/**
 * Takes a snapshot after the last block, byte for byte as a Fabric peer with the same kind of state database does: so peers can compare
 * hashes. The folder is there whole, and synced, or not at all. Takes time and disk as the state has size; memory no more than the names of
 * all namespaces.
 * @throws KumikoError `fabric-ledger/snapshot-exists`; `fabric-ledger/snapshot-unsettled`: there is no block, or the state is behind.
 * @see Fabric `core/ledger/kvledger/snapshot.go` generateSnapshot
 */
export async function writeSnapshot(source: SnapshotSource, { folder, fileSystem = nodeFileSystem }: SnapshotTarget): Promise<Snapshot> {
  const { height } = source.blocks.info
  if (height === 0n || source.state.height !== height) throw unsettled(source)
  const parent = join(folder, '..')
  await fileSystem.makeFolder(parent)
  if ((await Snapshot.open(folder, fileSystem)) !== undefined) throw exists(folder)
  await writeFolder(fileSystem, folder, async (part) => {
    const hashes = [
      ...(await writeTransactionIds(source, fileSystem, part)),
      ...(await writeConfigHistory(source, fileSystem, part)),
      ...(await writeState(source, fileSystem, part)),
    ]
    await writeMetadata(source, new Map(hashes), fileSystem, part)
  })
  const written = await Snapshot.open(folder, fileSystem)
  if (written === undefined)
    throw new KumikoError('fabric-ledger/corrupt-snapshot', `the snapshot "${folder}" is gone`, { context: { folder } })
  return written
}

async function writeTransactionIds({ blocks }: SnapshotSource, fileSystem: FileSystem, part: string): Promise<Hashes> {
  return await writeCounted(fileSystem, part, 'txids', blocks.transactionIds(), (file, txId) => file.text(txId))
}

async function writeConfigHistory({ configHistory }: SnapshotSource, fileSystem: FileSystem, part: string): Promise<Hashes> {
  return await writeCounted(fileSystem, part, 'confighistory', configHistory.entries(), async (file, entry) => {
    await file.bytes(writeCollectionConfigKey(entry))
    await file.bytes(entry.config)
  })
}

/** A file with things, and one with how many they are. None where there is nothing. */
async function writeCounted<T>(
  fileSystem: FileSystem,
  part: string,
  stem: 'confighistory' | 'txids',
  values: AsyncIterable<T>,
  write: (file: SnapshotFileWriter, value: T) => Promise<void>,
): Promise<Hashes> {
  let data: SnapshotFileWriter | undefined
  let count = 0n
  try {
    for await (const value of values) {
      data ??= await SnapshotFileWriter.create(fileSystem, join(part, `${stem}.data`))
      await write(data, value)
      count++
    }
    if (data === undefined) return []
    const hash = await data.finish()
    return [
      [`${stem}.data`, hash],
      [`${stem}.metadata`, await writeCount(fileSystem, join(part, `${stem}.metadata`), count)],
    ]
  } finally {
    await data?.close()
  }
}

async function writeCount(fileSystem: FileSystem, path: string, count: bigint): Promise<string> {
  const file = await SnapshotFileWriter.create(fileSystem, path)
  try {
    await file.number(count)
    return await file.finish()
  } finally {
    await file.close()
  }
}

/** What is private itself stays here. */
async function writeState({ state }: SnapshotSource, fileSystem: FileSystem, part: string): Promise<Hashes> {
  const open = new StateFileWriter(fileSystem, part, 'public_state')
  const hashed = new StateFileWriter(fileSystem, part, 'private_state_hashes')
  try {
    for await (const { key, ...entry } of state.entries()) {
      if (isPrivate(entry.namespace)) continue
      if (isHashed(entry.namespace)) await hashed.add(recordOf(entry, fromHex(key)))
      else await open.add(recordOf(entry, encodeUtf8(key)))
    }
    return [...pairOf('public_state', await open.finish()), ...pairOf('private_state_hashes', await hashed.finish())]
  } finally {
    await open.close()
    await hashed.close()
  }
}

function recordOf(entry: Omit<StateRecord, 'key'>, key: Uint8Array): StateRecord {
  return { ...entry, key }
}

function pairOf(
  stem: 'public_state' | 'private_state_hashes',
  hashes: { readonly data: string; readonly metadata: string } | undefined,
): Hashes {
  if (hashes === undefined) return []
  return [
    [`${stem}.data`, hashes.data],
    [`${stem}.metadata`, hashes.metadata],
  ]
}

async function writeMetadata(
  { channelId, blocks, state, commitHash }: SnapshotSource,
  files: ReadonlyMap<SnapshotFile, string>,
  fileSystem: FileSystem,
  part: string,
): Promise<void> {
  const { height, currentHash, previousHash } = blocks.info
  const signable = encodeUtf8(
    writeSignableMetadata({
      channelId,
      lastBlockNumber: height - 1n,
      lastBlockHash: currentHash,
      previousBlockHash: previousHash,
      files,
      stateDatabase: state.kind ?? 'SimpleKeyValueDB',
    }),
  )
  await writeFile(fileSystem, join(part, SIGNABLE_METADATA), signable)
  const additional = writeAdditionalMetadata({ snapshotHash: toHex(sha256(signable)), commitHash })
  await writeFile(fileSystem, join(part, ADDITIONAL_METADATA), encodeUtf8(additional))
}

async function writeFile(fileSystem: FileSystem, path: string, bytes: Uint8Array): Promise<void> {
  const file = await fileSystem.open(path)
  try {
    await file.write(bytes, 0)
    await file.sync()
  } finally {
    await file.close()
  }
}

function fromHex(hex: string): Uint8Array {
  return Uint8Array.from({ length: hex.length / 2 }, (_, at) => Number.parseInt(hex.slice(at * 2, at * 2 + 2), 16))
}

function exists(folder: string): KumikoError {
  return new KumikoError('fabric-ledger/snapshot-exists', `there is a snapshot in "${folder}" already`, { context: { folder } })
}

function unsettled({ blocks, state }: SnapshotSource): KumikoError {
  const message = `take a snapshot when a block is committed: there are ${blocks.info.height} blocks, and the state of ${state.height}`
  return new KumikoError('fabric-ledger/snapshot-unsettled', message, { context: { height: blocks.info.height, state: state.height } })
}
