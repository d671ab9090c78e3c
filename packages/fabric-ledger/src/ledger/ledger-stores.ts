import { BlockStore } from '../blocks/block-store.ts'
import type { FileSystem } from '../blocks/file-system.ts'
import { ConfigHistory } from '../config-history/config-history.ts'
import { History } from '../history/history.ts'
import { ExpirySchedule } from '../private-data/expiry-schedule.ts'
import { PrivateDataStore } from '../private-data/private-data-store.ts'
import { Snapshot } from '../snapshot/snapshot.ts'
import type { OpenStateDatabase } from '../state/state-database.ts'
import { type SnapshotStateDatabase, withSnapshots } from '../state/with-snapshots.ts'
import { ledgerPaths } from './ledger-folder.ts'

/** What a ledger keeps. */
export interface LedgerStores {
  readonly blocks: BlockStore
  readonly privateData: PrivateDataStore
  readonly state: SnapshotStateDatabase
  /** Undefined where none is kept. */
  readonly history: History | undefined
  readonly configHistory: ConfigHistory
  readonly expiry: ExpirySchedule
  /** A copy of what the ledger began with, where that was a snapshot. */
  readonly start: Snapshot | undefined
}

/** How to open them. */
export interface LedgerStoresOptions {
  readonly folder: string
  readonly openState: OpenStateDatabase
  readonly hasHistory: boolean
  readonly fileSystem: FileSystem
}

/** Opens them all, or none. @throws What opening one of them throws. */
export async function openLedgerStores({ folder, openState, hasHistory, fileSystem }: LedgerStoresOptions): Promise<LedgerStores> {
  const paths = ledgerPaths(folder)
  const opened: { close(): Promise<void> }[] = []
  const keep = <T extends { close(): Promise<void> }>(store: T): T => {
    opened.unshift(store)
    return store
  }
  try {
    const start = await Snapshot.open(paths.start, fileSystem)
    return {
      start,
      blocks: keep(await openBlocks(folder, fileSystem, start)),
      privateData: keep(await PrivateDataStore.open(paths.privateData)),
      configHistory: keep(await ConfigHistory.open(paths.configHistory)),
      expiry: keep(await ExpirySchedule.open(paths.expiry)),
      history: hasHistory ? keep(await History.open(paths.history)) : undefined,
      state: withSnapshots(keep(await openState(paths.state))),
    }
  } catch (error) {
    for (const store of opened) await store.close()
    throw error
  }
}

/** Opens the blocks alone. @param start - Read where it is not given. @throws What opening the store throws. */
export async function openBlocks(folder: string, fileSystem: FileSystem, start?: Snapshot): Promise<BlockStore> {
  const paths = ledgerPaths(folder)
  const place = { folder: paths.blocks, indexFolder: paths.index, fileSystem }
  const found = start ?? (await Snapshot.open(paths.start, fileSystem))
  return await BlockStore.open(found === undefined ? place : { ...place, start: found })
}

/** Closes them all, whichever fails. @throws What the first that fails throws. */
export async function closeLedgerStores({ blocks, privateData, state, history, configHistory, expiry }: LedgerStores): Promise<void> {
  const stores = [state, history, configHistory, expiry, privateData, blocks]
  const closed = await Promise.allSettled(stores.map((store) => store?.close()))
  const failed = closed.find(({ status }) => status === 'rejected')
  if (failed?.status === 'rejected') throw failed.reason
}
