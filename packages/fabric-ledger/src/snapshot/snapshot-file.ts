import { createHash } from 'node:crypto'
import { concatBytes, decodeUtf8, decodeVarint, encodeUtf8, encodeVarint } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import type { FileSystem, RandomAccessFile } from '../blocks/file-system.ts'

/** 128 MiB: more than a block's transaction can be. */
const RECORD_SIZE_MAX = 128 * 1024 * 1024

/** The first byte of each file. */
const FORMAT = 1
const CHUNK_SIZE = 64 * 1024
const VARINT_SIZE_MAX = 10

/**
 * Writes a file of a snapshot: numbers, and bytes with their length before them. Holds 64 KiB.
 * @see Fabric `common/ledger/snapshot/file.go` FileWriter
 */
export class SnapshotFileWriter {
  readonly #file: RandomAccessFile
  readonly #hash = createHash('sha256')
  readonly #pending = new Uint8Array(CHUNK_SIZE)
  #pendingSize = 0
  #offset = 0

  private constructor(file: RandomAccessFile) {
    this.#file = file
  }

  /** @param path - Where no file is. */
  static async create(fileSystem: FileSystem, path: string): Promise<SnapshotFileWriter> {
    const writer = new SnapshotFileWriter(await fileSystem.open(path))
    await writer.#append(Uint8Array.of(FORMAT))
    return writer
  }

  /** @param value - 0 to 2⁶⁴ − 1. */
  async number(value: bigint): Promise<void> {
    await this.#append(encodeVarint(value))
  }

  async bytes(value: Uint8Array): Promise<void> {
    await this.number(BigInt(value.length))
    await this.#append(value)
  }

  /** @throws KumikoError `fabric-protocol/bad-string`. */
  async text(value: string): Promise<void> {
    await this.bytes(encodeUtf8(value))
  }

  /** Syncs the file, but {@link close}s it not. @returns Its SHA-256 in hex. */
  async finish(): Promise<string> {
    await this.#flush()
    await this.#file.sync()
    return this.#hash.digest('hex')
  }

  /** Call it in any case. */
  async close(): Promise<void> {
    await this.#file.close()
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (this.#pendingSize + bytes.length > CHUNK_SIZE) await this.#flush()
    if (bytes.length > CHUNK_SIZE) return await this.#write(bytes)
    this.#pending.set(bytes, this.#pendingSize)
    this.#pendingSize += bytes.length
  }

  async #flush(): Promise<void> {
    const size = this.#pendingSize
    this.#pendingSize = 0
    if (size > 0) await this.#write(this.#pending.subarray(0, size))
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#hash.update(bytes)
    await this.#file.write(bytes, this.#offset)
    this.#offset += bytes.length
  }
}

/**
 * Reads a file of a snapshot that anybody may have made: what is wrong with it comes as `fabric-ledger/corrupt-snapshot`, which tells the file
 * and the byte. Holds 64 KiB or a record. Read nothing after a fault.
 * @see Fabric `common/ledger/snapshot/file.go` FileReader
 */
export class SnapshotFileReader {
  readonly #name: string
  readonly #file: RandomAccessFile
  readonly #size: number
  readonly #hash = createHash('sha256')
  #chunk: Uint8Array = new Uint8Array()
  /** Where the next thing is: in the chunk, and the chunk's own place in the file. */
  #at = 0
  #chunkOffset = 0

  private constructor(name: string, file: RandomAccessFile, size: number) {
    this.#name = name
    this.#file = file
    this.#size = size
  }

  /** @param name - For faults. @param file - That the reader closes. */
  static async open(name: string, file: RandomAccessFile): Promise<SnapshotFileReader | Fault> {
    const reader = new SnapshotFileReader(name, file, await file.size())
    await reader.#fill(1)
    const format = reader.#chunk[reader.#at++]
    return format === FORMAT ? reader : reader.#fault(`its format is ${format ?? 'missing'}, not ${FORMAT}`)
  }

  /** A number, 0 to 2⁶⁴ − 1. */
  async number(): Promise<bigint | Fault> {
    if (this.#chunk.length - this.#at < VARINT_SIZE_MAX) await this.#fill(VARINT_SIZE_MAX)
    const number = decodeVarint(this.#chunk, this.#at)
    if (number === undefined) return this.#fault('it is cut short')
    if (isFault(number)) return this.#fault('a number exceeds 64 bits')
    this.#at = number.next
    return number.value
  }

  /** Bytes of the caller's own, though perhaps a view of more. */
  async bytes(): Promise<Uint8Array | Fault> {
    const length = await this.number()
    if (typeof length !== 'bigint') return length
    if (length > RECORD_SIZE_MAX) return this.#fault(`a record of ${length} bytes is longer than ${RECORD_SIZE_MAX}`)
    if (length > this.#size - this.#offset) return this.#fault(`it is cut short in a record of ${length} bytes`)
    await this.#fill(Number(length))
    if (this.#chunk.length - this.#at < length) return this.#fault('it became shorter')
    const bytes = this.#chunk.subarray(this.#at, this.#at + Number(length))
    this.#at += bytes.length
    return bytes
  }

  /** Bytes that must be UTF-8. */
  async text(): Promise<string | Fault> {
    const bytes = await this.bytes()
    return isFault(bytes) ? bytes : (decodeUtf8(bytes) ?? this.#fault('text is not UTF-8'))
  }

  /** @returns The SHA-256 of all of the file in hex; a fault where more follows. */
  async finish(): Promise<string | Fault> {
    return this.#offset < this.#size ? this.#fault('more follows than it should hold') : this.#hash.digest('hex')
  }

  /** What is wrong at the place that the reader is at. */
  fault(why: string): Fault {
    return this.#fault(why)
  }

  async close(): Promise<void> {
    await this.#file.close()
  }

  get #offset(): number {
    return this.#chunkOffset + this.#at
  }

  /** Makes the chunk hold so many bytes from where we are, or all that there are. */
  async #fill(length: number): Promise<void> {
    const rest = this.#chunk.subarray(this.#at)
    if (rest.length >= length) return
    const start = this.#chunkOffset + this.#chunk.length
    const more = await this.#file.read(start, Math.min(Math.max(length - rest.length, CHUNK_SIZE), this.#size - start))
    this.#hash.update(more)
    this.#chunkOffset += this.#at
    this.#at = 0
    this.#chunk = rest.length === 0 ? more : concatBytes([rest, more])
  }

  #fault(why: string): Fault {
    return { fault: 'fabric-ledger/corrupt-snapshot', detail: `${this.#name}: ${why}, at byte ${this.#offset}` }
  }
}

/** The SHA-256 of a file in hex, however large. @param take - Is given each part of it, in order. */
export async function hashFile(file: RandomAccessFile, take?: (bytes: Uint8Array, offset: number) => Promise<void>): Promise<string> {
  const hash = createHash('sha256')
  for (let offset = 0; ; ) {
    const bytes = await file.read(offset, CHUNK_SIZE * 16)
    if (bytes.length === 0) return hash.digest('hex')
    hash.update(bytes)
    await take?.(bytes, offset)
    offset += bytes.length
  }
}
