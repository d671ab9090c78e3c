import { KumikoError } from '@kumiko/interface'
import type { BlockFilesEnd } from '../blocks/block-files.ts'
import { type FileSystem, nodeFileSystem } from '../blocks/file-system.ts'
import { levelStateDatabase } from '../state/level-state-database.ts'
import type { OpenStateDatabase } from '../state/state-database.ts'
import { carryOut, type LedgerFolderOptions, lockLedgerFolder, readyRecord } from './ledger-folder.ts'
import type { LedgerRecord } from './ledger-record.ts'
import { openBlocks } from './ledger-stores.ts'

/** A ledger that nothing has open. */
export interface ClosedLedgerOptions {
  readonly folder: string
  /** The same as it is opened with. Default: LevelDB, in the folder. */
  readonly openState?: OpenStateDatabase
  /** Default: the system's own. */
  readonly fileSystem?: FileSystem
}

/**
 * Takes a ledger back to a block: removes the blocks after it, and all databases, which opening the ledger makes anew of the blocks that are
 * left. Private data stays, and serves again when the blocks come again. Broken off, it is ended when the ledger is opened.
 * @param toBlock - The last that stays.
 * @throws KumikoError `fabric-ledger/in-use`, `fabric-ledger/no-ledger`, `fabric-ledger/no-such-block`, and what opening the block files
 * throws.
 * @see Fabric `core/ledger/kvledger/rollback.go`, `common/ledger/blkstorage/rollback.go`
 */
export async function rollback(options: ClosedLedgerOptions, toBlock: bigint): Promise<void> {
  await rework(options, async (ledger, record) => {
    const { end, height } = await endOf(ledger, toBlock)
    const rolledBack: LedgerRecord = { ...record, pending: { do: 'roll-back', end } }
    return height > record.heightBefore ? { ...rolledBack, heightBefore: height } : rolledBack
  })
}

/** Takes a ledger that began with block 0 back to it. @throws KumikoError As {@link rollback}. @see Fabric `core/ledger/kvledger/reset.go` */
export async function reset(options: ClosedLedgerOptions): Promise<void> {
  await rollback(options, 0n)
}

/**
 * Removes all databases, which opening the ledger makes anew of the blocks: where one is broken, or its kind is to change.
 * @throws KumikoError `fabric-ledger/in-use`, `fabric-ledger/no-ledger`.
 * @see Fabric `core/ledger/kvledger/rebuild_dbs.go`
 */
export async function rebuildDatabases(options: ClosedLedgerOptions): Promise<void> {
  await rework(options, async (_, record) => ({ ...record, pending: { do: 'rebuild' } }))
}

async function rework(
  options: ClosedLedgerOptions,
  plan: (ledger: LedgerFolderOptions, record: LedgerRecord) => Promise<LedgerRecord>,
): Promise<void> {
  const { folder, fileSystem = nodeFileSystem, openState = levelStateDatabase() } = options
  const ledger = { folder, fileSystem, openState }
  const lock = await lockLedgerFolder(folder, fileSystem)
  try {
    await carryOut(ledger, await plan(ledger, await readyRecord(ledger)))
  } finally {
    await lock.release()
  }
}

async function endOf(
  { folder, fileSystem }: LedgerFolderOptions,
  block: bigint,
): Promise<{ readonly end: BlockFilesEnd; readonly height: bigint }> {
  const blocks = await openBlocks(folder, fileSystem)
  try {
    const { first, info } = blocks
    const end = await blocks.endOf(block)
    if (end === undefined) throw noSuchBlock(block, first, info.height)
    return { end, height: info.height }
  } finally {
    await blocks.close()
  }
}

function noSuchBlock(block: bigint, first: bigint, height: bigint): KumikoError {
  const message = `there is no block ${block} to go back to: the ledger has blocks ${first} to ${height - 1n}`
  return new KumikoError('fabric-ledger/no-such-block', message, { context: { block, first, height } })
}
