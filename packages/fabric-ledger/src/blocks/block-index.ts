import {
  blockHash,
  concatBytes,
  decodeOrderPreservingVarint,
  decodeUtf8,
  encodeOrderPreservingVarint,
  encodeUtf8,
  type Message,
  message,
  nested,
  readTransactionsFilter,
  type Span,
  uint32,
  uint64,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError } from '@kumiko/interface'
import { KeyWriter } from '../key-writer.ts'
import { type Level, type LevelFolder, type Operation, openLevel, writeAll } from '../level.ts'
import type { BlockFilesEnd, StoredBlock } from './block-files.ts'
import { BlockLocation } from './block-location.ts'
import { transactionIdOf } from './transaction-id.ts'

/** Where a transaction is, and what validation made of it. */
export interface TransactionEntry {
  readonly blockNumber: bigint
  /** Its place in the block, from 0. */
  readonly transactionNumber: number
  /** A `ValidationCode`. */
  readonly validationCode: number
  /** The envelope's bytes. Undefined where the transaction is known of a snapshot, which tells no more than its id. */
  readonly location: BlockLocation | undefined
}

/** Ids of a block's transactions, by their place; undefined, or the list too short, where one is not known. */
export type KnownIds = readonly (string | undefined)[]

/** How far the index goes. */
export interface Checkpoint {
  /** The number of blocks in the index. */
  readonly height: bigint
  /** Where in the files the last of them ends. */
  readonly end: BlockFilesEnd
}

const FOLDER: LevelFolder = {
  code: 'fabric-ledger/index-not-open',
  name: 'the index',
  otherwise: 'remove the folder, and it is made anew of the block files',
  compression: false,
}

/** Ids that are remembered to be absent. */
const ABSENT_MAX = 10_000

/** The layout of keys and values: a folder of another is not read. */
const FORMAT = 3

/** As Fabric's: about a megabyte. */
const BATCH_SIZE = 10_000

/** Ids that no client made may be as long as envelopes. */
const BATCH_BYTES_MAX = 4 * 1024 * 1024

const SPAN_SIZE = 8

const CHECKPOINT = encodeUtf8('c')
const TRANSACTIONS = { gte: encodeUtf8('t'), lt: encodeUtf8('u') }

interface StoredCheckpoint {
  readonly format: number
  readonly height: bigint
  readonly file: bigint
  readonly offset: bigint
}
const StoredCheckpoint: Message<StoredCheckpoint> = message<StoredCheckpoint>('Checkpoint', {
  format: uint32(1),
  height: uint64(2),
  file: uint64(3),
  offset: uint64(4),
})

interface StoredEntry {
  readonly blockNumber: bigint
  readonly transactionNumber: number
  readonly validationCode: number
  readonly location: BlockLocation | undefined
}
const StoredEntry: Message<StoredEntry> = message<StoredEntry>('TransactionEntry', {
  blockNumber: uint64(1),
  transactionNumber: uint32(2),
  validationCode: uint32(3),
  location: nested(4, () => BlockLocation),
})

/**
 * Where blocks and transactions are, in LevelDB. It is not synced: after a loss of power it lags behind the files, which are synced before
 * it is told of a block, and {@link BlockFiles} tells it again.
 */
export class BlockIndex {
  readonly #folder: string
  readonly #level: Level
  /** Ids that were last asked for and have no transaction: most likely the next block's, which are then not looked up again. */
  #absent: ReadonlySet<string> = new Set()

  private constructor(folder: string, level: Level) {
    this.#folder = folder
    this.#level = level
  }

  /** @param folder - Made where missing. @throws KumikoError `fabric-ledger/index-not-open`: another process has it, or it is broken. */
  static async open(folder: string): Promise<BlockIndex> {
    const level = await openLevel(folder, FOLDER)
    return new BlockIndex(folder, level)
  }

  /** @returns Height 0 for an empty index. @throws KumikoError `fabric-ledger/corrupt-index`. */
  async checkpoint(): Promise<Checkpoint> {
    const bytes = await this.#level.get(CHECKPOINT)
    if (bytes === undefined) return { height: 0n, end: { file: 0, offset: 0 } }
    const { format, height, file, offset } = this.#read(StoredCheckpoint.decode(bytes))
    if (format !== FORMAT) throw this.corrupt(`it has format ${format}, not ${FORMAT}`)
    return { height, end: { file: Number(file), offset: Number(offset) } }
  }

  /**
   * Adds a block, all of it or nothing.
   * @param txIds - Its transactions' ids, as {@link transactionIdOf} has them, where they are known.
   * @throws KumikoError `fabric-ledger/no-validation-codes`.
   */
  async add(stored: StoredBlock, txIds: KnownIds = []): Promise<void> {
    const { header } = stored.block
    const location = BlockLocation.encode(stored.location)
    const { file, offset, length } = stored.location
    const checkpoint = StoredCheckpoint.encode({ format: FORMAT, height: header.number + 1n, file, offset: offset + length })
    const blockEntries = [
      [numberKey(header.number), location],
      [hashKey(blockHash(header)), location],
      [spansKey(header.number), writeSpans(stored.transactions)],
    ] as const
    const entries = await this.#firstOf([...entriesOf(stored, txIds)])
    await writeAll(this.#level, operationsOf(blockEntries, entries, checkpoint))
    this.#absent = new Set()
  }

  /**
   * Adds the transactions before a snapshot, for an index that has nothing yet. Broken off, it has nothing as before, and may do it again.
   * @param height - The snapshot's.
   * @param txIds - Each once; held in parts.
   * @throws What the ids' reading does; KumikoError `fabric-ledger/corrupt-index`: it has some of the blocks before.
   */
  async begin(height: bigint, txIds: AsyncIterable<string>): Promise<void> {
    const before = (await this.checkpoint()).height
    if (before >= height) return
    if (before > 0n) throw this.corrupt(`it begins before block ${height}, which the ledger begins with`)
    const writer = new KeyWriter()
    let keys: Uint8Array[] = []
    let size = 0
    for await (const txId of txIds) {
      const key = putTransactionKey(writer, txId).slice()
      keys.push(key)
      size += key.length
      if (keys.length < BATCH_SIZE && size < BATCH_BYTES_MAX) continue
      await this.#level.batch(keys.map(emptyAt))
      keys = []
      size = 0
    }
    const checkpoint = StoredCheckpoint.encode({ format: FORMAT, height, file: 0n, offset: 0n })
    await this.#level.batch([...keys.map(emptyAt), { type: 'put', key: CHECKPOINT, value: checkpoint }])
  }

  /** The ids of all transactions, each once, the shorter first, then by their UTF-8: as they were when the loop began. */
  async *transactionIds(): AsyncGenerator<string, void, undefined> {
    for await (const key of this.#level.keys(TRANSACTIONS)) yield this.#read(transactionIdIn(key))
  }

  /** Where the block of a number is. */
  async byNumber(number: bigint): Promise<BlockLocation | undefined> {
    return await this.#locate(numberKey(number))
  }

  /** Where the block of a hash is. */
  async byHash(hash: Uint8Array): Promise<BlockLocation | undefined> {
    return await this.#locate(hashKey(hash))
  }

  /** Where a transaction of a block is, by its place in the block. */
  async transactionAt(number: bigint, transactionNumber: number): Promise<BlockLocation | undefined> {
    const [block, spans] = await Promise.all([this.byNumber(number), this.#level.get(spansKey(number))])
    const span = spans && readSpan(spans, transactionNumber)
    return block && span && locationIn(block, span)
  }

  /**
   * The first transaction of an id: later ones are duplicates. Read at once: LevelDB knows ids that it does not have, which proposals are asked
   * about, by filters in memory, and to hand one read to another thread costs ten times as much.
   */
  transaction(txId: string): TransactionEntry | undefined {
    if (!txId.isWellFormed()) return
    const bytes = this.#level.getSync(transactionKey(txId))
    return bytes === undefined ? undefined : this.#read(StoredEntry.decode(bytes))
  }

  /** Which ids have a transaction; one answer an id, in their order. */
  async hasTransactions(txIds: readonly string[]): Promise<readonly boolean[]> {
    const before = this.#absent
    const found = await this.#level.hasMany(transactionKeys(txIds.map((txId) => txId.toWellFormed())))
    // An answer from before a block says nothing after it.
    if (this.#absent === before) this.#absent = new Set(txIds.filter((_, at) => found[at] !== true).slice(0, ABSENT_MAX))
    return found
  }

  /** Those whose ids have no transaction yet. Ids that were asked for since the last block are known. */
  async #firstOf(entries: readonly (readonly [string, TransactionEntry])[]): Promise<typeof entries> {
    const unknown = entries.map(([txId]) => txId).filter((txId) => !this.#absent.has(txId))
    const found = unknown.length === 0 ? [] : await this.#level.hasMany(transactionKeys(unknown))
    const there = new Set(unknown.filter((_, at) => found[at] === true))
    return there.size === 0 ? entries : entries.filter(([txId]) => !there.has(txId))
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  async #locate(key: Uint8Array): Promise<BlockLocation | undefined> {
    const bytes = await this.#level.get(key)
    return bytes === undefined ? undefined : this.#read(BlockLocation.decode(bytes))
  }

  #read<T>(value: T | Fault): T {
    if (isFault(value)) throw this.corrupt(value.detail ?? value.fault)
    return value
  }

  /** @returns KumikoError `fabric-ledger/corrupt-index`. */
  corrupt(why: string): KumikoError {
    const message = `the index "${this.#folder}" is corrupt (${why}): remove the folder, and it is made anew of the block files`
    return new KumikoError('fabric-ledger/corrupt-index', message, { context: { folder: this.#folder } })
  }
}

/** The entries of a block's transactions that have an id, invalid ones too; of those with one id the first. */
function entriesOf({ block, location, transactions }: StoredBlock, txIds: KnownIds): ReadonlyMap<string, TransactionEntry> {
  const blockNumber = block.header.number
  const codes = readTransactionsFilter(block)
  if (codes === undefined) throw noValidationCodes(blockNumber)
  const entries = new Map<string, TransactionEntry>()
  for (const [transactionNumber, item] of block.data.entries()) {
    const txId = txIds[transactionNumber] ?? transactionIdOf(item)
    const [span, validationCode] = [transactions[transactionNumber], codes[transactionNumber]]
    if (txId === undefined || span === undefined || validationCode === undefined || entries.has(txId)) continue
    entries.set(txId, { blockNumber, transactionNumber, validationCode, location: locationIn(location, span) })
  }
  return entries
}

function locationIn({ file, offset }: BlockLocation, span: Span): BlockLocation {
  return { file, offset: offset + BigInt(span.offset), length: BigInt(span.length) }
}

/** 8 bytes a transaction: where it begins in the block's record, and how long it is. A block is far smaller than 4 GiB. */
function writeSpans(spans: readonly Span[]): Uint8Array {
  const bytes = new Uint8Array(spans.length * SPAN_SIZE)
  const view = new DataView(bytes.buffer)
  for (const [index, { offset, length }] of spans.entries()) {
    view.setUint32(index * SPAN_SIZE, offset)
    view.setUint32(index * SPAN_SIZE + 4, length)
  }
  return bytes
}

function readSpan(bytes: Uint8Array, index: number): Span | undefined {
  const at = index * SPAN_SIZE
  if (at + SPAN_SIZE > bytes.length) return
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  return { offset: view.getUint32(at), length: view.getUint32(at + 4) }
}

function numberKey(number: bigint): Uint8Array {
  return concatBytes([encodeUtf8('n'), encodeOrderPreservingVarint(number)])
}

function spansKey(number: bigint): Uint8Array {
  return concatBytes([encodeUtf8('s'), encodeOrderPreservingVarint(number)])
}

function hashKey(hash: Uint8Array): Uint8Array {
  return concatBytes([encodeUtf8('h'), hash])
}

/** What a block adds, the checkpoint last. */
function* operationsOf(
  block: readonly (readonly [key: Uint8Array, value: Uint8Array])[],
  transactions: readonly (readonly [txId: string, entry: TransactionEntry])[],
  checkpoint: Uint8Array,
): Generator<Operation> {
  for (const [key, value] of block) yield { type: 'put', key, value }
  const writer = new KeyWriter()
  for (const [txId, entry] of transactions) yield { type: 'put', key: putTransactionKey(writer, txId), value: StoredEntry.encode(entry) }
  yield { type: 'put', key: CHECKPOINT, value: checkpoint }
}

function transactionKey(txId: string): Uint8Array {
  return putTransactionKey(new KeyWriter(), txId)
}

function transactionKeys(txIds: readonly string[]): Uint8Array[] {
  const writer = new KeyWriter()
  return txIds.map((txId) => putTransactionKey(writer, txId).slice())
}

/** An id's length stands before it, so that ids are in the order that snapshots have them in. */
function putTransactionKey(writer: KeyWriter, txId: string): Uint8Array {
  const id = encodeUtf8(txId)
  return writer.text('t').number(BigInt(id.length)).bytes(id).key()
}

function transactionIdIn(key: Uint8Array): string | Fault {
  const size = decodeOrderPreservingVarint(key, 1)
  if (isFault(size)) return size
  return (
    decodeUtf8(key.subarray(size.next, size.next + Number(size.value))) ?? {
      fault: 'fabric-ledger/corrupt-index',
      detail: 'an id is no text',
    }
  )
}

function emptyAt(key: Uint8Array): { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array } {
  return { type: 'put', key, value: new Uint8Array() }
}

/** @returns KumikoError `fabric-ledger/no-validation-codes`. */
export function noValidationCodes(number: bigint): KumikoError {
  const message = `block ${number} has no validation code for each transaction: validate it, and write them to its metadata, before it is stored`
  return new KumikoError('fabric-ledger/no-validation-codes', message, { context: { number } })
}
