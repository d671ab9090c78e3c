import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FileSystem, nodeFileSystem } from '@kumiko/fabric-ledger'
import { codeOf, KumikoError } from '@kumiko/interface'

/** Where what is, of a peer's files. */
export interface PeerFolders {
  /** A folder a channel. */
  readonly ledgers: string
  /** Where the ledger of a channel is. */
  ledger(channelId: string): string
  /** Chaincode packages that were installed. */
  readonly chaincodes: string
  /** What external builders made of them. */
  readonly builds: string
  /** Private data of a channel's transactions that are in no block yet. */
  transient(channelId: string): string
  /** The requests of a channel's snapshots. */
  snapshotRequests(channelId: string): string
  /** A snapshot, as in Fabric. */
  snapshot(channelId: string, blockNumber: bigint): string
}

/**
 * A peer's folders.
 * @param folder - As Fabric's `peer.fileSystemPath`.
 * @param snapshots - As Fabric's `ledger.snapshots.rootDir`. Default: a folder there.
 */
export function peerFolders(folder: string, snapshots: string = join(folder, 'snapshots')): PeerFolders {
  return {
    ledgers: join(folder, 'ledgers'),
    ledger: (channelId) => join(folder, 'ledgers', channelId),
    chaincodes: join(folder, 'lifecycle', 'chaincodes'),
    builds: join(folder, 'externalbuilder', 'builds'),
    transient: (channelId) => join(folder, 'transient', channelId),
    snapshotRequests: (channelId) => join(snapshots, 'requests', channelId),
    snapshot: (channelId, blockNumber) => join(snapshots, 'completed', channelId, String(blockNumber)),
  }
}

/** Whose a folder is. */
export interface FolderOwner {
  /** As a sentence has it: `a peer`. */
  readonly name: string
  /** What is in each that it has begun. */
  readonly mark: string
}

/** What is in a peer's folder before anything else is. */
export const PEER: FolderOwner = { name: 'a peer', mark: 'ledgers' }

/**
 * Makes a folder for one owner alone, or sees that it is such a one: then nothing in it is touched.
 * @throws KumikoError `fabric-peer/bad-folder` where it cannot be made or read, or has files that are not the owner's.
 */
export async function ownFolder(path: string, { name, mark }: FolderOwner, fileSystem: FileSystem = nodeFileSystem): Promise<void> {
  const names = await namesIn(path, fileSystem)
  const others = names.filter((each) => !each.startsWith('.') && each !== 'lost+found').sort()
  if (others.length === 0 || names.includes(mark)) return
  const some = others.length > 3 ? `${others.slice(0, 3).join(', ')} …` : others.join(', ')
  throw badFolder(path, `has files that are not ${name}'s (${some}): choose an empty folder, or one that ${name} has begun`)
}

async function namesIn(path: string, fileSystem: FileSystem): Promise<readonly string[]> {
  try {
    await fileSystem.makeFolder(path)
    return await fileSystem.list(path)
  } catch (cause) {
    const why =
      codeOf(cause) === 'EEXIST' || codeOf(cause) === 'ENOTDIR' ? 'there is a file in its place' : (codeOf(cause) ?? String(cause))
    throw badFolder(path, `cannot be made or read (${why}): choose another folder`, cause)
  }
}

function badFolder(path: string, what: string, cause?: unknown): KumikoError {
  return new KumikoError('fabric-peer/bad-folder', `data folder "${path}" ${what}`, { context: { path }, cause })
}

/** A folder that goes when it is no longer needed. */
export interface TemporaryFolder {
  readonly path: string
  remove(): Promise<void>
}

/** Makes a folder among the system's temporary ones. */
export async function temporaryFolder(): Promise<TemporaryFolder> {
  const path = await mkdtemp(join(tmpdir(), 'kumiko-peer-'))
  return { path, remove: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) }
}

/** The system's files, whose writes need not outlive a loss of power: of a folder that goes with the process. */
export const unsyncedFileSystem: FileSystem = {
  ...nodeFileSystem,
  syncFolder: async () => {},
  open: async (path) => {
    const file = await nodeFileSystem.open(path)
    return { ...file, sync: async () => {} }
  },
}
