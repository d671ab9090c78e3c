import { nodeFileSystem } from '../blocks/file-system.ts'
import { levelStateDatabase } from '../state/level-state-database.ts'
import { emptyLedgerFolder, type LedgerFolderOptions, lockLedgerFolder, readyRecord, removeDerived } from './ledger-folder.ts'
import { type LedgerRecord, readLedgerRecord, writeLedgerRecord } from './ledger-record.ts'
import type { ClosedLedgerOptions } from './rollback.ts'

/**
 * Has a peer leave a channel alone, or take it up again: a paused ledger is listed as such.
 * @throws KumikoError `fabric-ledger/in-use`, `fabric-ledger/no-ledger`, `fabric-ledger/half-made`.
 * @see Fabric `core/ledger/kvledger/pause_resume.go`
 */
export async function setPaused(options: ClosedLedgerOptions, isPaused: boolean): Promise<void> {
  await alone(options, async (ledger) => {
    const record = await readyRecord(ledger)
    await writeLedgerRecord(ledger.folder, { ...record, isPaused }, ledger.fileSystem)
  })
}

/**
 * Removes a ledger with all that is in it. Broken off, it counts as one that was not made to its end: `Ledgers` removes what is left.
 * @throws KumikoError `fabric-ledger/in-use`, `fabric-ledger/no-ledger`; what the state database throws.
 * @see Fabric `core/ledger/kvledger/unjoin_channel.go`
 */
export async function removeLedger(options: ClosedLedgerOptions): Promise<void> {
  const folder = await alone(options, async (ledger) => {
    const record = await readLedgerRecord(ledger.folder, ledger.fileSystem)
    if (record === undefined) return
    const halfMade: LedgerRecord = { ...record, pending: { do: 'create' } }
    await writeLedgerRecord(ledger.folder, halfMade, ledger.fileSystem)
    await removeDerived(ledger)
    await emptyLedgerFolder(ledger.folder, ledger.fileSystem)
    return ledger.folder
  })
  if (folder !== undefined) await (options.fileSystem ?? nodeFileSystem).remove(folder)
}

async function alone<T>(options: ClosedLedgerOptions, work: (ledger: LedgerFolderOptions) => Promise<T>): Promise<T> {
  const { folder, fileSystem = nodeFileSystem, openState = levelStateDatabase() } = options
  const lock = await lockLedgerFolder(folder, fileSystem)
  try {
    return await work({ folder, fileSystem, openState })
  } finally {
    await lock.release()
  }
}
