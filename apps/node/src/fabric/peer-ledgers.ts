import { rm } from 'node:fs/promises'
import { collectionPolicies } from '@kumiko/fabric-committer'
import { Ledgers, levelStateDatabase, type OpenStateDatabase, type ReplayProgress, SnapshotRequests } from '@kumiko/fabric-ledger'
import { peerFolders as foldersOf, ownFolder, PEER, type PeerFolders } from '@kumiko/fabric-peer/folders'
import type { CoreConfig } from './core-config.ts'
import { localMspOf } from './local-msp.ts'

/** The folders that `core.yaml` names. */
export function peerFolders(core: CoreConfig): PeerFolders {
  return foldersOf(core['peer.fileSystemPath'], core['ledger.snapshots.rootDir'])
}

/** Removes what a peer keeps for a channel besides its ledger; its snapshots stay. */
export async function removeKept(core: CoreConfig, channelId: string): Promise<void> {
  const { transient, snapshotRequests } = peerFolders(core)
  for (const path of [transient(channelId), snapshotRequests(channelId)]) await rm(path, { recursive: true, force: true, maxRetries: 3 })
}

/** Opens a peer's ledgers, which no other process may use meanwhile. @throws KumikoError `fabric-peer/bad-folder`, `fabric-ledger/in-use`. */
export async function openPeerLedgers(core: CoreConfig, onReplay: (progress: ReplayProgress) => void = () => {}): Promise<Ledgers> {
  await ownFolder(core['peer.fileSystemPath'], PEER)
  // Who we are decides which private data is ours.
  const self = (await localMspOf(core))?.creator
  const openState = await stateDatabase(core)
  return await Ledgers.open({
    folder: peerFolders(core).ledgers,
    ledger: (channelId) => ({
      openState: openState(channelId),
      history: core['ledger.history.enableHistoryDatabase'],
      policies: collectionPolicies({ channelId, ...(self && { self }) }),
      onReplay,
    }),
  })
}

/** Where the world state of a channel is, as `ledger.state.stateDatabase` says. */
export async function stateDatabase(core: CoreConfig): Promise<(channelId: string) => OpenStateDatabase> {
  if (core['ledger.state.stateDatabase'] === 'goleveldb') return () => levelStateDatabase()
  const { couchStateDatabase } = await import('@kumiko/fabric-couchdb')
  return (channelId) =>
    couchStateDatabase({
      channelId,
      url: couchUrl(core['ledger.state.couchDBConfig.couchDBAddress']),
      username: core['ledger.state.couchDBConfig.username'] || undefined,
      password: core['ledger.state.couchDBConfig.password'] || undefined,
      maxRetries: core['ledger.state.couchDBConfig.maxRetries'],
      maxRetriesOnStartup: core['ledger.state.couchDBConfig.maxRetriesOnStartup'],
      requestTimeoutMs: core['ledger.state.couchDBConfig.requestTimeout'],
      internalQueryLimit: core['ledger.state.couchDBConfig.internalQueryLimit'],
      maxBatchUpdateSize: core['ledger.state.couchDBConfig.maxBatchUpdateSize'],
    })
}

/** The requests of a channel's snapshots. */
export async function openSnapshotRequests(core: CoreConfig, channelId: string): Promise<SnapshotRequests> {
  return await SnapshotRequests.open(peerFolders(core).snapshotRequests(channelId))
}

/** Fabric's address has no scheme. */
function couchUrl(address: string): string {
  return /^https?:\/\//.test(address) ? address : `http://${address}`
}
