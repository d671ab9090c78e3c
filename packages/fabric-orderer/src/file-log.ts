import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import { type FileSystem, nodeFileSystem, type RandomAccessFile } from '@kumiko/fabric-ledger'
import { concatBytes } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { LogTail } from './log-tail.ts'
import type { Consenter, LogBounds, LogContext, LogEntry, OrderedLog } from './ordered-log.ts'

/** How an orderer that is alone keeps its log. */
export interface SoloOptions {
  /**
   * For entries that no block accounts for yet, in bytes. Above it, clients are told to come again. Default 256 MiB.
   */
  readonly logBytesMax?: number
  /** Default: the system's own. */
  readonly fileSystem?: FileSystem
}

const LOG_BYTES_MAX = 268_435_456

/** In bytes, at which a new file begins. */
const FILE_SIZE = 16_777_216

/** Before each entry: its length and its CRC-32. */
const FRAME_SIZE = 8

const NAME = /^log-(\d{20})$/

/**
 * One orderer, which agrees with itself: a log in files of its own. An entry outlives the end of the process and a loss of power once its append
 * has resolved; appends that come at the same time are synced together. What is lost with the disk is lost.
 */
export function solo(options: SoloOptions = {}): Consenter {
  return { name: 'solo', open: async (context) => await FileLog.open(context, options) }
}

interface LogFile {
  readonly path: string
  readonly first: bigint
}

interface PendingAppend {
  readonly bytes: Uint8Array
  readonly resolve: (sequence: bigint) => void
  readonly reject: (error: unknown) => void
}

/** A log in files of at least 16 MiB, each named for its first entry; those that nobody needs are removed. */
class FileLog implements OrderedLog {
  readonly #fileSystem: FileSystem
  readonly #folder: string
  readonly #bytesMax: number
  readonly #tail: LogTail
  /** Those before the one that is written to. Bounded by what is not released. */
  readonly #older: LogFile[] = []
  #current: LogFile
  #file: RandomAccessFile
  #size: number
  /** Bounded by `logBytesMax`. */
  #queue: PendingAppend[] = []
  #queuedBytes = 0
  #writing: Promise<void> | undefined
  #failure: unknown

  private constructor(folder: string, options: Required<SoloOptions>, opened: Opened) {
    this.#folder = folder
    this.#fileSystem = options.fileSystem
    this.#bytesMax = options.logBytesMax
    this.#current = opened.current
    this.#file = opened.file
    this.#size = opened.size
    this.#older.push(...opened.older)
    this.#tail = opened.tail
  }

  /** Reads what is there, and cuts off what a crash left half written. */
  static async open({ folder, lastSequence }: LogContext, options: SoloOptions): Promise<FileLog> {
    const { fileSystem = nodeFileSystem, logBytesMax = LOG_BYTES_MAX } = options
    await fileSystem.makeFolder(folder)
    return new FileLog(folder, { fileSystem, logBytesMax }, await openFiles(fileSystem, folder, lastSequence))
  }

  async append(bytes: Uint8Array): Promise<bigint> {
    if (this.#failure !== undefined) throw failed(this.#failure)
    if (this.#tail.sizeBytes + this.#queuedBytes + bytes.length > this.#bytesMax) throw full(this.#bytesMax)
    const { promise, resolve, reject } = Promise.withResolvers<bigint>()
    this.#queue.push({ bytes, resolve, reject })
    this.#queuedBytes += bytes.length
    this.#writing ??= this.#write()
    return await promise
  }

  read(from: bigint, { signal }: { readonly signal: AbortSignal }): AsyncIterable<LogEntry> {
    return this.#tail.read(from, signal)
  }

  async bounds(): Promise<LogBounds> {
    return this.#tail.bounds
  }

  release(sequence: bigint): void {
    this.#tail.release(sequence)
  }

  async close(): Promise<void> {
    await this.#writing
    this.#failure ??= new Error('the log is closed')
    await this.#file.close()
  }

  async #write(): Promise<void> {
    try {
      // Others come while these are synced, and are then synced together.
      while (this.#queue.length > 0 && this.#failure === undefined) await this.#writeAll(this.#queue.splice(0))
    } finally {
      this.#writing = undefined
    }
  }

  async #writeAll(appends: readonly PendingAppend[]): Promise<void> {
    try {
      const bytes = concatBytes(appends.flatMap((append) => [frameOf(append.bytes), append.bytes]))
      await this.#file.write(bytes, this.#size)
      await this.#file.sync()
      this.#size += bytes.length
      for (const append of appends) {
        this.#queuedBytes -= append.bytes.length
        append.resolve(this.#tail.push(append.bytes))
      }
      if (this.#size >= FILE_SIZE) await this.#beginFile()
    } catch (error) {
      this.#failure ??= error
      for (const append of [...appends, ...this.#queue.splice(0)]) append.reject(failed(error))
    }
  }

  async #beginFile(): Promise<void> {
    await this.#file.close()
    this.#older.push(this.#current)
    const { last, first } = this.#tail.bounds
    this.#current = fileAt(this.#folder, last + 1n)
    this.#file = await this.#fileSystem.open(this.#current.path)
    this.#size = 0
    await this.#fileSystem.syncFolder(this.#folder)
    await this.#removeBefore(first)
  }

  /** A file goes when the one after it begins at or before the first entry that is needed. */
  async #removeBefore(first: bigint): Promise<void> {
    for (;;) {
      const [oldest, next = this.#current] = this.#older
      if (oldest === undefined || next.first > first) return
      this.#older.shift()
      await this.#fileSystem.remove(oldest.path)
    }
  }
}

interface Opened {
  readonly older: readonly LogFile[]
  readonly current: LogFile
  readonly file: RandomAccessFile
  readonly size: number
  readonly tail: LogTail
}

/** @param lastSequence - Entries up to here are not needed. */
async function openFiles(fileSystem: FileSystem, folder: string, lastSequence: bigint): Promise<Opened> {
  const names = (await fileSystem.list(folder)).filter((name) => NAME.test(name)).sort()
  const files = names.map((name) => fileAt(folder, BigInt(name.slice(4))))
  const current = files.pop() ?? (await newFile(fileSystem, folder, lastSequence + 1n))
  const tail = new LogTail((files[0] ?? current).first)
  for (const { path, first } of files) {
    if (tail.bounds.last + 1n !== first) throw corrupt(path, 'the one before it ends elsewhere')
    const { size, fileSize } = await readEntries(fileSystem, path, tail)
    if (size !== fileSize) throw corrupt(path, `it has no entry at ${size}`)
  }
  if (files.length > 0 && tail.bounds.last + 1n !== current.first) throw corrupt(current.path, 'the one before it ends elsewhere')
  const { size, fileSize } = await readEntries(fileSystem, current.path, tail)
  if (tail.bounds.last < lastSequence) throw corrupt(current.path, `it ends at entry ${tail.bounds.last}, and blocks hold ${lastSequence}`)
  tail.release(lastSequence)
  const file = await fileSystem.open(current.path)
  // Never acknowledged.
  if (size !== fileSize) await file.truncate(size)
  // What a process wrote and did not sync before its end is read, and goes into blocks: it must not be gone after them.
  await file.sync()
  await fileSystem.syncFolder(folder)
  return { older: files, current, file, size, tail }
}

async function newFile(fileSystem: FileSystem, folder: string, first: bigint): Promise<LogFile> {
  const file = fileAt(folder, first)
  await (await fileSystem.open(file.path)).close()
  return file
}

async function readEntries(fileSystem: FileSystem, path: string, tail: LogTail): Promise<{ size: number; fileSize: number }> {
  const file = await fileSystem.openToRead(path)
  try {
    const fileSize = await file.size()
    const bytes = await file.read(0, fileSize)
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
    let size = 0
    while (size + FRAME_SIZE <= bytes.length) {
      const length = view.getUint32(size)
      const entry = bytes.subarray(size + FRAME_SIZE, size + FRAME_SIZE + length)
      // An empty entry with an empty sum is what a file is filled up with where its size came before its bytes.
      if (length === 0 || entry.length !== length || crc32(entry) !== view.getUint32(size + 4)) break
      tail.push(entry)
      size += FRAME_SIZE + length
    }
    return { size, fileSize }
  } finally {
    await file.close()
  }
}

function frameOf(bytes: Uint8Array): Uint8Array {
  const frame = new DataView(new ArrayBuffer(FRAME_SIZE))
  frame.setUint32(0, bytes.length)
  frame.setUint32(4, crc32(bytes))
  return new Uint8Array(frame.buffer)
}

function fileAt(folder: string, first: bigint): LogFile {
  return { path: join(folder, `log-${String(first).padStart(20, '0')}`), first }
}

function full(bytesMax: number): KumikoError {
  const message = `the log has ${bytesMax} bytes that no block accounts for: wait for blocks, or raise logBytesMax`
  return new KumikoError('fabric-orderer/log-full', message, { context: { bytesMax } })
}

function failed(cause: unknown): KumikoError {
  return new KumikoError('fabric-orderer/log-failed', 'the log cannot be written: mend the disk, and start the orderer anew', { cause })
}

function corrupt(path: string, why: string): KumikoError {
  const message = `the log "${path}" is corrupt (${why}): what was acknowledged may be lost; move the folder away to go on without`
  return new KumikoError('fabric-orderer/corrupt-log', message, { context: { path } })
}
