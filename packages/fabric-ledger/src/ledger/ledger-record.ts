import { join } from 'node:path'
import { encodeUtf8 } from '@kumiko/fabric-protocol'
import { codeOf, KumikoError } from '@kumiko/interface'
import type { BlockFilesEnd } from '../blocks/block-files.ts'
import type { FileSystem } from '../blocks/file-system.ts'

/** What is to be done to a ledger before it may be used: begun, and not yet known to be ended. */
export type PendingWork =
  /** The ledger is being made: what is there may be half of it. */
  | { readonly do: 'create' }
  /** What follows from the block files is to be removed. */
  | { readonly do: 'rebuild' }
  /** The same, and the blocks behind a place too. */
  | { readonly do: 'roll-back'; readonly end: BlockFilesEnd }

/** What a ledger's folder says of itself, in a file of its own. */
export interface LedgerRecord {
  readonly channelId: string
  readonly pending: PendingWork | undefined
  /** How many blocks there were before the ledger was rolled back: it is not up to date before it has them again. 0 where it was not. */
  readonly heightBefore: bigint
  /** Whether the peer is to leave the channel alone until it is told otherwise. */
  readonly isPaused: boolean
}

const FORMAT = 1
/** The record's file. */
export const RECORD_NAME = 'ledger.json'
/** Where it is written before it takes the other's place. */
export const NEW_RECORD_NAME = 'ledger.json.new'
/** Far above what a record has: a channel's name has 249 characters at most. */
const SIZE_MAX = 4096

/** Reads the record of a ledger's folder. @returns Undefined where there is none, or no folder. @throws KumikoError `fabric-ledger/corrupt-record`. */
export async function readLedgerRecord(folder: string, fileSystem: FileSystem): Promise<LedgerRecord | undefined> {
  const names = await fileSystem.list(folder).catch(noneIfMissing)
  if (!names.includes(RECORD_NAME)) return
  const file = await fileSystem.open(join(folder, RECORD_NAME))
  try {
    const record = parse(new TextDecoder().decode(await file.read(0, SIZE_MAX)))
    if (record === undefined) throw corruptRecord(folder)
    return record
  } finally {
    await file.close()
  }
}

/** Writes the record: when it returns, it outlives a loss of power; before, the old one holds or the new one, whole. */
export async function writeLedgerRecord(folder: string, record: LedgerRecord, fileSystem: FileSystem): Promise<void> {
  const path = join(folder, NEW_RECORD_NAME)
  await fileSystem.remove(path)
  const file = await fileSystem.open(path)
  try {
    const { heightBefore, isPaused, ...rest } = record
    const written = { format: FORMAT, ...rest, heightBefore: String(heightBefore), ...(isPaused && { isPaused }) }
    await file.write(encodeUtf8(`${JSON.stringify(written)}\n`), 0)
    await file.sync()
  } finally {
    await file.close()
  }
  await fileSystem.rename(path, join(folder, RECORD_NAME))
  await fileSystem.syncFolder(folder)
}

function noneIfMissing(error: unknown): readonly string[] {
  if (codeOf(error) === 'ENOENT') return []
  throw error
}

function parse(text: string): LedgerRecord | undefined {
  const value = parseJson(text)
  if (!isObject(value) || value.format !== FORMAT) return
  const { channelId, pending: found, heightBefore: height, isPaused = false } = value
  const pending = found === undefined ? undefined : parsePending(found)
  if (typeof channelId !== 'string' || typeof height !== 'string' || !/^\d{1,20}$/.test(height) || typeof isPaused !== 'boolean') return
  return found !== undefined && pending === undefined ? undefined : { channelId, pending, heightBefore: BigInt(height), isPaused }
}

function parsePending(value: unknown): PendingWork | undefined {
  if (!isObject(value)) return
  if (value.do === 'create' || value.do === 'rebuild') return { do: value.do }
  const end = value.end
  if (value.do !== 'roll-back' || !isObject(end)) return
  const { file, offset } = end
  return isPlace(file) && isPlace(offset) ? { do: 'roll-back', end: { file, offset } } : undefined
}

function isPlace(value: unknown): value is number {
  return Number.isSafeInteger(value) && Number(value) >= 0
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function corruptRecord(folder: string): KumikoError {
  const message = `"${join(folder, RECORD_NAME)}" is not what this version writes: restore it from a copy, or use the version that wrote it`
  return new KumikoError('fabric-ledger/corrupt-record', message, { context: { folder } })
}
