import { join } from 'node:path'
import { KumikoError } from '@kumiko/interface'
import { truncateBlockFiles } from '../blocks/block-files.ts'
import type { FileSystem } from '../blocks/file-system.ts'
import type { OpenStateDatabase } from '../state/state-database.ts'
import { LedgerLock } from './ledger-lock.ts'
import { type LedgerRecord, NEW_RECORD_NAME, RECORD_NAME, readLedgerRecord, writeLedgerRecord } from './ledger-record.ts'

/** What of a ledger's folder has a folder of its own. */
export interface LedgerPaths {
  readonly blocks: string
  readonly privateData: string
  /** A copy of the snapshot that the ledger began with; missing where it began with block 0. */
  readonly start: string
  /** These follow from the others. */
  readonly index: string
  readonly state: string
  readonly history: string
  readonly configHistory: string
  readonly expiry: string
}

/** A ledger's folder, and how to do away with what is in it. */
export interface LedgerFolderOptions {
  readonly folder: string
  readonly openState: OpenStateDatabase
  readonly fileSystem: FileSystem
}

const LOCK_NAME = 'lock'
/** What the folder itself has, besides its stores. */
const OWN: ReadonlySet<string> = new Set([LOCK_NAME, RECORD_NAME, NEW_RECORD_NAME])

/** Where what is. */
export function ledgerPaths(folder: string): LedgerPaths {
  return {
    blocks: join(folder, 'blocks'),
    privateData: join(folder, 'private'),
    start: join(folder, 'start'),
    index: join(folder, 'index'),
    state: join(folder, 'state'),
    history: join(folder, 'history'),
    configHistory: join(folder, 'config-history'),
    expiry: join(folder, 'expiry'),
  }
}

/** Keeps the folder of a ledger to the caller. @throws KumikoError `fabric-ledger/no-ledger`, `fabric-ledger/in-use`. */
export async function lockLedgerFolder(folder: string, fileSystem: FileSystem): Promise<LedgerLock> {
  if ((await readLedgerRecord(folder, fileSystem)) === undefined) throw noLedger(folder)
  return await LedgerLock.take(join(folder, LOCK_NAME))
}

/** The same for a folder in which a ledger is to be made; it is made where missing. @throws KumikoError `fabric-ledger/in-use`. */
export async function lockNewFolder(folder: string, fileSystem: FileSystem): Promise<LedgerLock> {
  await fileSystem.makeFolder(folder)
  return await LedgerLock.take(join(folder, LOCK_NAME))
}

/**
 * The record of a ledger, after what was begun and not ended is ended. The folder must be locked.
 * @throws KumikoError `fabric-ledger/no-ledger`, `fabric-ledger/half-made`: it is to be made again.
 */
export async function readyRecord(options: LedgerFolderOptions): Promise<LedgerRecord> {
  const { folder, fileSystem } = options
  const record = await readLedgerRecord(folder, fileSystem)
  if (record === undefined) throw noLedger(folder)
  if (record.pending?.do === 'create') throw halfMade(folder)
  return record.pending === undefined ? record : await finish(options, record)
}

/**
 * Begins what a record has pending, and ends it. A crash in its midst leaves the record, and so opening the ledger ends it.
 * @returns The record from then on.
 */
export async function carryOut(options: LedgerFolderOptions, record: LedgerRecord): Promise<LedgerRecord> {
  await writeLedgerRecord(options.folder, record, options.fileSystem)
  return await finish(options, record)
}

/**
 * Says of a folder that a ledger is being made in it, and removes what is left of one that was not made to its end. The folder must be locked.
 * @throws KumikoError `fabric-ledger/ledger-exists`: there is something else in it.
 */
export async function beginLedgerFolder(folder: string, channelId: string, fileSystem: FileSystem): Promise<LedgerRecord> {
  const record = await readLedgerRecord(folder, fileSystem)
  const names = await fileSystem.list(folder)
  const isFree = record === undefined ? names.every((name) => OWN.has(name)) : record.pending?.do === 'create'
  if (!isFree) throw ledgerExists(folder)
  const begun: LedgerRecord = { channelId, pending: { do: 'create' }, heightBefore: 0n, isPaused: false }
  await writeLedgerRecord(folder, begun, fileSystem)
  await emptyLedgerFolder(folder, fileSystem)
  return begun
}

/** Removes all but the record and the lock: what is left of a ledger that was not made to its end. */
export async function emptyLedgerFolder(folder: string, fileSystem: FileSystem): Promise<void> {
  const names = await fileSystem.list(folder)
  for (const name of names) if (!OWN.has(name)) await fileSystem.remove(join(folder, name))
}

/** Removes the databases that follow from block files and private data, of whatever kind the state's is. */
export async function removeDerived({ folder, openState, fileSystem }: LedgerFolderOptions): Promise<void> {
  const { index, state, history, configHistory, expiry } = ledgerPaths(folder)
  for (const path of [index, state, history, configHistory, expiry]) await fileSystem.remove(path)
  const database = await openState(state)
  try {
    await database.drop()
  } finally {
    await database.close()
  }
}

async function finish(options: LedgerFolderOptions, { pending, ...record }: LedgerRecord): Promise<LedgerRecord> {
  const { folder, fileSystem } = options
  await removeDerived(options)
  if (pending?.do === 'roll-back') await truncateBlockFiles({ folder: ledgerPaths(folder).blocks, fileSystem }, pending.end)
  const ready = { ...record, pending: undefined }
  await writeLedgerRecord(folder, ready, fileSystem)
  return ready
}

/** @returns KumikoError `fabric-ledger/ledger-exists`. */
export function ledgerExists(folder: string): KumikoError {
  const message = `there is something in "${folder}" already: open the ledger that it may be, or make this one elsewhere`
  return new KumikoError('fabric-ledger/ledger-exists', message, { context: { folder } })
}

/** @returns KumikoError `fabric-ledger/no-ledger`. */
export function noLedger(folder: string): KumikoError {
  return new KumikoError('fabric-ledger/no-ledger', `there is no ledger in "${folder}"`, { context: { folder } })
}

function halfMade(folder: string): KumikoError {
  const message = `the ledger in "${folder}" was not made to its end: create it again`
  return new KumikoError('fabric-ledger/half-made', message, { context: { folder } })
}
