import { join } from 'node:path'
import {
  type Block,
  type BlockRecord,
  dataHash,
  decodeVarint,
  equalBytes,
  readBlockRecord,
  type Span,
  writeBlockRecord,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import type { BlockLocation } from './block-location.ts'
import type { FileSystem, RandomAccessFile } from './file-system.ts'

/** Fabric begins a new file where a block would make the last one larger: 64 MiB. */
export const BLOCK_FILE_SIZE_MAX: number = 64 * 1024 * 1024

/** Memory that is kept to write blocks from, in bytes: a larger block has its own. */
const ROOM_MAX = 4 * 1024 * 1024

/** Where the files are, and how large they grow. */
export interface BlockFilesOptions {
  readonly folder: string
  readonly fileSystem: FileSystem
  /** In bytes; a block that is larger has a file of its own. */
  readonly fileSizeMax: number
}

/** A block that is in the files. */
export interface StoredBlock {
  readonly block: Block
  readonly location: BlockLocation
  /** Where each transaction is, from the start of the record. */
  readonly transactions: readonly Span[]
}

/** Where the next block goes. */
export interface BlockFilesEnd {
  readonly file: number
  readonly offset: number
}

/**
 * Blocks one after the other in Fabric's own files. An append returns when the block would outlive a loss of power. Only the file that is
 * written to is kept open.
 * @see Fabric `common/ledger/blkstorage/blockfile_mgr.go`; research § 3.7
 */
export class BlockFiles {
  readonly #options: BlockFilesOptions
  #tail: RandomAccessFile
  #end: BlockFilesEnd
  #kept = new Uint8Array()

  private constructor(options: BlockFilesOptions, tail: RandomAccessFile, end: BlockFilesEnd) {
    this.#options = options
    this.#tail = tail
    this.#end = end
  }

  /**
   * Reads what the files hold from a place on, then cuts off what the last one holds of a block whose append did not end.
   * @param from - An end that was there before; all files from it on are read, one at a time: 64 MiB or a block of memory.
   * @param found - Takes each block, in order, before anything is cut off.
   * @throws KumikoError `fabric-ledger/corrupt-block-file`: the files end before `from`, one is missing, or a record is no block.
   */
  static async open(options: BlockFilesOptions, from: BlockFilesEnd, found: (stored: StoredBlock) => Promise<void>): Promise<BlockFiles> {
    const { folder, fileSystem } = options
    await fileSystem.makeFolder(folder)
    const last = lastFileOf(await fileSystem.list(folder))
    if (last < from.file && (last >= 0 || from.file > 0 || from.offset > 0)) throw corrupt(folder, from, 'it is missing')
    let end = from
    for (let file = from.file; ; file++) {
      const handle = await fileSystem.open(join(folder, nameOf(file)))
      try {
        end = await readRecords(options, handle, { file, offset: file === from.file ? from.offset : 0 }, file >= last, found)
      } catch (error) {
        await handle.close()
        throw error
      }
      if (file < last) await handle.close()
      else {
        await cut(options, handle, end.offset)
        return new BlockFiles(options, handle, end)
      }
    }
  }

  /** Where the next block goes. */
  get end(): BlockFilesEnd {
    return this.#end
  }

  /** Writes a block, and syncs it. Where it fails, nothing may be appended until the files are opened anew. */
  async append(block: Block): Promise<StoredBlock> {
    const { bytes, transactions } = writeBlockRecord(block, (size) => this.#room(size))
    if (this.#end.offset > 0 && this.#end.offset + bytes.length > this.#options.fileSizeMax) await this.#beginFile()
    const { file, offset } = this.#end
    await this.#tail.write(bytes, offset)
    await this.#tail.sync()
    this.#end = { file, offset: offset + bytes.length }
    return { block, transactions, location: { file: BigInt(file), offset: BigInt(offset), length: BigInt(bytes.length) } }
  }

  /** Memory that each append writes over: fresh memory for each block would cost as much again as the copy. */
  #room(size: number): Uint8Array {
    if (size > ROOM_MAX) return new Uint8Array(size)
    if (size > this.#kept.length) this.#kept = new Uint8Array(Math.min(ROOM_MAX, 2 * size))
    return this.#kept.subarray(0, size)
  }

  /** The bytes at a place that {@link append} or {@link BlockFiles.open} told. @throws KumikoError `fabric-ledger/corrupt-block-file`. */
  async read(location: BlockLocation): Promise<Uint8Array> {
    const [file, offset, length] = [Number(location.file), Number(location.offset), Number(location.length)]
    const isTail = file === this.#end.file
    const handle = isTail ? this.#tail : await this.#options.fileSystem.open(join(this.#options.folder, nameOf(file)))
    try {
      const bytes = await handle.read(offset, length)
      if (bytes.length < length) throw corrupt(this.#options.folder, { file, offset }, 'the file ends before the block does')
      return bytes
    } finally {
      if (!isTail) await handle.close()
    }
  }

  /** @throws KumikoError `fabric-ledger/corrupt-block-file`. */
  async readBlock(location: BlockLocation): Promise<Block> {
    const record = readBlockRecord(await this.read(location))
    if (!isFault(record) && 'block' in record) return record.block
    const at = { file: Number(location.file), offset: Number(location.offset) }
    throw corrupt(this.#options.folder, at, isFault(record) ? (record.detail ?? record.fault) : 'there is no block')
  }

  async close(): Promise<void> {
    await this.#tail.close()
  }

  async #beginFile(): Promise<void> {
    const { folder, fileSystem } = this.#options
    const file = this.#end.file + 1
    const tail = await fileSystem.open(join(folder, nameOf(file)))
    await fileSystem.syncFolder(folder)
    const full = this.#tail
    this.#tail = tail
    this.#end = { file, offset: 0 }
    await full.close()
  }
}

/**
 * Cuts off all that is behind a place, which must be a block's end. Doing it again, after a crash in its midst, completes it. No store may be
 * open; its index must be removed.
 * @throws KumikoError `fabric-ledger/corrupt-block-file`: the files end before the place.
 * @see Fabric `common/ledger/blkstorage/rollback.go`
 */
export async function truncateBlockFiles(options: Omit<BlockFilesOptions, 'fileSizeMax'>, end: BlockFilesEnd): Promise<void> {
  const { folder, fileSystem } = options
  for (let file = lastFileOf(await fileSystem.list(folder)); file > end.file; file--) await fileSystem.remove(join(folder, nameOf(file)))
  const handle = await fileSystem.open(join(folder, nameOf(end.file)))
  try {
    const size = await handle.size()
    if (size < end.offset) throw corrupt(folder, end, `the file has ${size} bytes only`)
    await handle.truncate(end.offset)
    await handle.sync()
    await fileSystem.syncFolder(folder)
  } finally {
    await handle.close()
  }
}

/** Tells the blocks from a place to the file's end. @returns Where the last whole one ends. */
async function readRecords(
  { folder }: BlockFilesOptions,
  handle: RandomAccessFile,
  from: BlockFilesEnd,
  isLast: boolean,
  found: (stored: StoredBlock) => Promise<void>,
): Promise<BlockFilesEnd> {
  const { file } = from
  const size = await handle.size()
  if (size < from.offset) throw corrupt(folder, from, `the file has ${size} bytes only`)
  const bytes = await handle.read(from.offset, size - from.offset)
  let offset = 0
  for (;;) {
    const record = readBlockRecord(bytes, offset)
    const at = { file, offset: from.offset + offset }
    const fault = faultOf(record)
    if (fault === undefined && 'block' in record) {
      await found(storedOf(record, at, offset))
      offset = record.next
    } else if (offset === bytes.length || (isLast && isUnfinished(bytes, offset))) return at
    else throw corrupt(folder, at, fault ?? 'it ends in half a block, and more follows')
  }
}

/** What is wrong with a whole record; undefined too where there is none. */
function faultOf(record: ReturnType<typeof readBlockRecord>): string | undefined {
  if (isFault(record)) return record.detail ?? record.fault
  if (!('block' in record)) return
  const { data, header } = record.block
  return equalBytes(dataHash(data), header.dataHash) ? undefined : 'the transactions do not have the hash that the header says'
}

/**
 * Can an append that did not end have left this? It is the last thing in the file then. A loss of power may leave its size, but zeros in
 * place of some of its bytes.
 */
function isUnfinished(bytes: Uint8Array, offset: number): boolean {
  const length = decodeVarint(bytes, offset)
  if (length === undefined) return true
  return !isFault(length) && (length.value === 0n || length.value >= BigInt(bytes.length - length.next))
}

/** @param offset - Of the record in the bytes that were read, which start elsewhere in the file than the record does. */
function storedOf({ block, transactions, next }: BlockRecord, at: BlockFilesEnd, offset: number): StoredBlock {
  return {
    block,
    transactions: transactions.map((span) => ({ offset: span.offset - offset, length: span.length })),
    location: { file: BigInt(at.file), offset: BigInt(at.offset), length: BigInt(next - offset) },
  }
}

/** What is behind the last whole block was never acknowledged. Syncing covers blocks that were written, but not synced, before a crash. */
async function cut({ folder, fileSystem }: BlockFilesOptions, handle: RandomAccessFile, size: number): Promise<void> {
  try {
    if ((await handle.size()) > size) await handle.truncate(size)
    await handle.sync()
    await fileSystem.syncFolder(folder)
  } catch (error) {
    await handle.close()
    throw error
  }
}

function nameOf(file: number): string {
  return `blockfile_${String(file).padStart(6, '0')}`
}

/** The highest number of a block file, or −1. */
function lastFileOf(names: readonly string[]): number {
  return names.reduce((last, name) => Math.max(last, /^blockfile_\d{6,}$/.test(name) ? Number(name.slice('blockfile_'.length)) : -1), -1)
}

function corrupt(folder: string, { file, offset }: BlockFilesEnd, why: string): KumikoError {
  const message = `block file "${join(folder, nameOf(file))}" is corrupt at byte ${offset} (${why}): restore it from a copy, or have the channel sent anew`
  return new KumikoError('fabric-ledger/corrupt-block-file', message, { context: { folder, file, offset } })
}
