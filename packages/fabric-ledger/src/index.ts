export { BLOCK_FILE_SIZE_MAX, type BlockFilesOptions } from './blocks/block-files.ts'
export {
  BlockStore,
  type BlockStoreOptions,
  type BlockStoreStart,
  type ChainInfo,
  type ProcessedTransaction,
} from './blocks/block-store.ts'
export * from './blocks/file-system.ts'
export * from './config-history/collection-config-changes.ts'
export {
  type CollectionConfigChange,
  type CollectionConfigEntry,
  type CollectionConfigs,
  ConfigHistory,
} from './config-history/config-history.ts'
export * from './history/history.ts'
export type { HistoryEntry } from './history/history-record.ts'
export * from './history/history-writes.ts'
export * from './history/key-modifications.ts'
export * from './ledger/block-transactions.ts'
export {
  type BlockReader,
  Ledger,
  type LedgerInfo,
  type LedgerOptions,
  type LedgerQueryOptions,
  type PrivateDataReader,
} from './ledger/ledger.ts'
export type { ReplayProgress } from './ledger/recovery.ts'
export * from './ledger/rollback.ts'
export * from './ledger/set-aside.ts'
export type { BlockToCommit, CommittedBlock } from './ledger/settle-block.ts'
export * from './ledgers.ts'
export { type BlockToSchedule, ExpirySchedule } from './private-data/expiry-schedule.ts'
export { type LatePrivateData, lateChanges } from './private-data/late-private-data.ts'
export * from './private-data/private-data.ts'
export type { CollectionName, PlacedWriteSet, WriteSetPlace } from './private-data/private-data-records.ts'
export * from './private-data/private-data-store.ts'
export * from './private-data/settle-private-data.ts'
export type { TransientPrivateData } from './private-data/transient-records.ts'
export * from './private-data/transient-store.ts'
export * from './simulation/composite-key.ts'
export * from './simulation/query-executor.ts'
export type { RecordedSimulation } from './simulation/simulation-record.ts'
export * from './simulation/simulator.ts'
export type { WrittenMetadata } from './simulation/written-metadata.ts'
export { Snapshot, type SnapshotInfo } from './snapshot/snapshot.ts'
export type { AdditionalMetadata, SignableMetadata, SnapshotFile } from './snapshot/snapshot-metadata.ts'
export * from './snapshot/snapshot-requests.ts'
export * from './snapshot/write-snapshot.ts'
export * from './state/level-state-database.ts'
export * from './state/memory-state-database.ts'
export * from './state/prefetch.ts'
export * from './state/state-changes.ts'
export * from './state/state-database.ts'
export * from './state/with-snapshots.ts'
export * from './validation/committed-state.ts'
export * from './validation/mvcc.ts'
export * from './validation/update-batch.ts'
