import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type FileSystem, nodeFileSystem } from '@kumiko/fabric-ledger'

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
