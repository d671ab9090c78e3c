import { type Fault, isFault } from '@kumiko/interface'
import type { Block } from './block.ts'
import { concatBytes, joinBytes } from './hash.ts'
import { decodeVarint, encodeVarint } from './wire.ts'

/** Where bytes are in what they are read from or written to. */
export interface Span {
  readonly offset: number
  readonly length: number
}

/** A record of a block file, which holds a block. */
export interface BlockRecord {
  readonly block: Block
  /** Where each transaction's bytes are, from the start of the bytes that hold the record. */
  readonly transactions: readonly Span[]
  /** Where the next record starts. */
  readonly next: number
}

/** What ends a file of records: nothing more, or a record that is cut short as a crash leaves it. */
export type RecordsEnd = { readonly end: 'complete' } | { readonly end: 'torn'; readonly offset: number }

/**
 * Reads the record at an offset. Holds views of the bytes.
 * @param offset - Where a record starts: 0, or `next` of the one before.
 * @returns The record; the end, at the end or a length of 0; or `fabric-protocol/bad-block-record` for a whole record that is no block.
 * @see Fabric `common/ledger/blkstorage/block_serialization.go`, `blockfile_rw.go`
 */
export function readBlockRecord(bytes: Uint8Array, offset = 0): BlockRecord | RecordsEnd | Fault {
  if (offset >= bytes.length) return { end: 'complete' }
  const length = decodeVarint(bytes, offset)
  if (length === undefined) return { end: 'torn', offset }
  if (isFault(length)) return badRecord(offset, 'its length exceeds 64 bits')
  if (length.value === 0n) return { end: 'complete' }
  if (length.value > BigInt(bytes.length - length.next)) return { end: 'torn', offset }
  const next = length.next + Number(length.value)
  return readBody(new Cursor(bytes.subarray(0, next), length.next), offset)
}

/**
 * Writes a record.
 * @param allocate - Gives room for so many bytes: what is there is written over. Default: new memory.
 * @returns Its bytes, and where in them each transaction is.
 */
export function writeBlockRecord(
  block: Block,
  allocate: (size: number) => Uint8Array = (size) => new Uint8Array(size),
): { readonly bytes: Uint8Array; readonly transactions: readonly Span[] } {
  const { header, data, metadata } = block
  const head = concatBytes([encodeVarint(header.number), sized(header.dataHash), sized(header.previousHash), count(data)])
  const tail = concatBytes([count(metadata), ...metadata.map(sized)])
  const sizes = data.map((item) => encodeVarint(BigInt(item.length)))
  const size = data.reduce((sum, item, index) => sum + item.length + (sizes[index]?.length ?? 0), head.length + tail.length)
  // The transactions, most of it all, are copied once.
  const parts = [encodeVarint(BigInt(size)), head]
  const transactions: Span[] = []
  let offset = (parts[0]?.length ?? 0) + head.length
  for (const [index, item] of data.entries()) {
    const length = sizes[index] ?? new Uint8Array()
    parts.push(length, item)
    transactions.push({ offset: offset + length.length, length: item.length })
    offset += length.length + item.length
  }
  const bytes = allocate(offset + tail.length)
  joinBytes(bytes, [...parts, tail])
  return { bytes, transactions }
}

/** Reads a record's parts; the first that is not there ends it. */
class Cursor {
  readonly bytes: Uint8Array
  offset: number
  isBad = false

  constructor(bytes: Uint8Array, offset: number) {
    this.bytes = bytes
    this.offset = offset
  }

  number(): bigint {
    const read = this.isBad ? undefined : decodeVarint(this.bytes, this.offset)
    if (read === undefined || isFault(read)) {
      this.isBad = true
      return 0n
    }
    this.offset = read.next
    return read.value
  }

  span(): Span {
    const length = this.number()
    if (length > BigInt(this.bytes.length - this.offset)) this.isBad = true
    const span = { offset: this.offset, length: this.isBad ? 0 : Number(length) }
    this.offset += span.length
    return span
  }

  /** Each item takes a byte or more, so the bytes bound the loop. */
  spans(): Span[] {
    const spans: Span[] = []
    for (let left = this.number(); left > 0n && !this.isBad; left--) spans.push(this.span())
    return spans
  }

  view(span: Span): Uint8Array {
    return this.bytes.subarray(span.offset, span.offset + span.length)
  }
}

function readBody(cursor: Cursor, start: number): BlockRecord | Fault {
  const number = cursor.number()
  const dataHash = cursor.view(cursor.span())
  const previousHash = cursor.view(cursor.span())
  const transactions = cursor.spans()
  const metadata = cursor.spans().map((span) => cursor.view(span))
  if (cursor.isBad) return badRecord(start, 'a part is longer than the record')
  if (cursor.offset !== cursor.bytes.length) return badRecord(start, 'bytes follow the metadata')
  const data = transactions.map((span) => cursor.view(span))
  return { block: { header: { number, previousHash, dataHash }, data, metadata }, transactions, next: cursor.offset }
}

function sized(bytes: Uint8Array): Uint8Array {
  return concatBytes([encodeVarint(BigInt(bytes.length)), bytes])
}

function count(items: readonly unknown[]): Uint8Array {
  return encodeVarint(BigInt(items.length))
}

function badRecord(offset: number, detail: string): Fault {
  return { fault: 'fabric-protocol/bad-block-record', detail: `the record at byte ${offset}: ${detail}` }
}
