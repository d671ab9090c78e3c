import { type Block, type BlockHeader, blockHash, checkBlockAt, readTransactionsFilter } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { BLOCK_FILE_SIZE_MAX, BlockFiles, type BlockFilesEnd, type BlockFilesOptions } from './block-files.ts'
import { BlockIndex, type KnownIds, noValidationCodes } from './block-index.ts'
import type { BlockLocation } from './block-location.ts'
import { type FileSystem, nodeFileSystem } from './file-system.ts'

/** Where a channel's blocks are. */
export interface BlockStoreOptions {
  /** The folder of the block files: a Fabric peer's `chains/chains/<channel>` will do, as long as the peer does not run. */
  readonly folder: string
  /** The folder of the index. Where it is missing, it is made of the files. No other process may have it open. */
  readonly indexFolder: string
  /** Default: the system's own. */
  readonly fileSystem?: FileSystem
  /** In bytes, at which a new file begins. Default 64 MiB, as in Fabric. */
  readonly fileSizeMax?: number
  /** Where the ledger began with a snapshot: the same each time. Default: the blocks begin with block 0. */
  readonly start?: BlockStoreStart
}

/** What a store that begins after a snapshot knows of the blocks before it. */
export interface BlockStoreStart extends ChainInfo {
  /** Of all transactions before, each once. Read where the index has nothing. */
  transactionIds(): AsyncIterable<string>
}

/** What `qscc` tells as GetChainInfo. `common.BlockchainInfo`. */
export interface ChainInfo {
  /** The number of blocks. */
  readonly height: bigint
  /** Of the last block; empty where there is none. */
  readonly currentHash: Uint8Array
  /** Of the block before it; empty where there is none. */
  readonly previousHash: Uint8Array
}

/** A transaction as the ledger has it. `protos.ProcessedTransaction`. */
export interface ProcessedTransaction {
  readonly blockNumber: bigint
  /** Its place in the block, from 0. */
  readonly transactionNumber: number
  /** A `ValidationCode`. */
  readonly validationCode: number
  /** An `Envelope`'s bytes. */
  readonly envelope: Uint8Array
}

const EMPTY: ChainInfo = { height: 0n, currentHash: new Uint8Array(), previousHash: new Uint8Array() }

/**
 * A channel's blocks, from block 0 or a snapshot on: files in Fabric's format, and an index of them.
 *
 * An append writes to the file, syncs the file, then writes to the index. So a crash leaves an index that lags, never one that is ahead; and
 * at most one block that was not acknowledged, which opening keeps where it is whole, and cuts off where it is not.
 */
export class BlockStore {
  readonly #files: BlockFiles
  readonly #index: BlockIndex
  /** The number of the first block that is here, or will be. */
  readonly first: bigint
  #info: ChainInfo
  /** Parts of the block that {@link check} found to be the next. */
  #checked: Pick<Block, 'header' | 'data'> | undefined
  #isAppending = false
  #failure: unknown

  private constructor(files: BlockFiles, index: BlockIndex, first: bigint, info: ChainInfo) {
    this.#files = files
    this.#index = index
    this.first = first
    this.#info = info
  }

  /**
   * Opens the store, or begins one, and mends what a crash left.
   * @throws KumikoError `fabric-ledger/corrupt-block-file`, `fabric-ledger/corrupt-index`, `fabric-ledger/index-not-open`. What reading the
   * start's transaction ids throws.
   */
  static async open(options: BlockStoreOptions): Promise<BlockStore> {
    const { folder, indexFolder, fileSystem = nodeFileSystem, fileSizeMax = BLOCK_FILE_SIZE_MAX, start } = options
    await fileSystem.makeFolder(folder)
    const index = await BlockIndex.open(indexFolder)
    try {
      return await BlockStore.over(index, { folder, fileSystem, fileSizeMax }, start)
    } catch (error) {
      await index.close()
      throw error
    }
  }

  /** Opens the files over an index that is open. The store closes it. */
  static async over(index: BlockIndex, options: BlockFilesOptions, start?: BlockStoreStart): Promise<BlockStore> {
    if (start !== undefined) await index.begin(start.height, start.transactionIds())
    const { height, end } = await index.checkpoint()
    const before = start ?? EMPTY
    let info = height === before.height ? chainInfo(before) : undefined
    const files = await BlockFiles.open(options, end, async (stored) => {
      if (info !== undefined) assertNext(stored.block, info)
      else if (stored.block.header.number !== height) throw notNext(stored.block, `block ${height} is next in the index`)
      await index.add(stored)
      info = infoAfter(stored.block.header)
    })
    try {
      info ??= infoAfter((await files.readBlock(await lastOf(index, height))).header)
    } catch (error) {
      await files.close()
      throw error
    }
    return new BlockStore(files, index, before.height, info)
  }

  /** Height and hashes. */
  get info(): ChainInfo {
    return this.#info
  }

  /**
   * Is the block the next one, and are its transactions those of its header? {@link append} asks the same, and hashes those no second time.
   * @throws KumikoError `fabric-ledger/not-next`.
   */
  check({ header, data }: Block): void {
    if (this.#checked?.header === header && this.#checked.data === data) return
    assertNext({ header, data, metadata: [] }, this.#info)
    this.#checked = { header, data }
  }

  /**
   * Adds the next block, with its validation codes in its metadata. When it returns, the block outlives a loss of power. One at a time.
   * @param txIds - Its transactions' ids where they are known: what is found by them is taken for them.
   * @throws KumikoError `fabric-ledger/not-next`, `fabric-ledger/no-validation-codes`, `fabric-ledger/append-overlap`: nothing was written.
   * What the disk throws; from then on `fabric-ledger/store-failed`, until the store is opened anew: the block may be there then, or not.
   */
  async append(block: Block, txIds: KnownIds = []): Promise<void> {
    if (this.#failure !== undefined) throw storeFailed(this.#failure)
    if (this.#isAppending) throw new KumikoError('fabric-ledger/append-overlap', 'wait for one append before the next')
    this.check(block)
    if (readTransactionsFilter(block) === undefined) throw noValidationCodes(block.header.number)
    this.#isAppending = true
    try {
      await this.#index.add(await this.#files.append(block), txIds)
      this.#info = infoAfter(block.header)
      this.#checked = undefined
    } catch (error) {
      this.#failure = error
      throw error
    } finally {
      this.#isAppending = false
    }
  }

  /**
   * @returns Undefined where there is none.
   * @throws KumikoError `fabric-ledger/corrupt-block-file`, `fabric-ledger/before-snapshot`: only blocks from {@link first} on are here.
   */
  async block(number: bigint): Promise<Block | undefined> {
    if (number < this.first) throw beforeSnapshot(`block ${number}`, this.first)
    const location = await this.#index.byNumber(number)
    return location === undefined ? undefined : await this.#files.readBlock(location)
  }

  /** @param hash - Of the header. @returns Undefined where there is none. @throws KumikoError `fabric-ledger/corrupt-block-file`. */
  async blockByHash(hash: Uint8Array): Promise<Block | undefined> {
    const location = await this.#index.byHash(hash)
    return location === undefined ? undefined : await this.#files.readBlock(location)
  }

  /**
   * The first transaction of an id, valid or not: later ones are duplicates.
   * @throws KumikoError `fabric-ledger/corrupt-block-file`, `fabric-ledger/before-snapshot`: it is in a block that is not here.
   */
  async transaction(txId: string): Promise<ProcessedTransaction | undefined> {
    const entry = this.#index.transaction(txId)
    if (entry === undefined) return
    const { location, ...found } = entry
    if (location === undefined) throw beforeSnapshot(`transaction ${txId}`, this.first)
    return { ...found, envelope: await this.#files.read(location) }
  }

  /**
   * A transaction by its place: an `Envelope`'s bytes. Reads no more of the block.
   * @param transactionNumber - Its place in the block, from 0.
   * @returns Undefined where there is none.
   * @throws KumikoError `fabric-ledger/before-snapshot`: only blocks from {@link first} on are here.
   */
  async envelopeAt(number: bigint, transactionNumber: number): Promise<Uint8Array | undefined> {
    if (number < this.first) throw beforeSnapshot(`block ${number}`, this.first)
    const location = await this.#index.transactionAt(number, transactionNumber)
    return location === undefined ? undefined : await this.#files.read(location)
  }

  /** Tells whether a transaction of an id is in a block: another one is a duplicate. Reads no block. */
  async hasTransaction(txId: string): Promise<boolean> {
    return this.#index.transaction(txId) !== undefined
  }

  /** The same for many ids at once: one answer an id, in their order. */
  async hasTransactions(txIds: readonly string[]): Promise<readonly boolean[]> {
    return await this.#index.hasTransactions(txIds)
  }

  /** Where in the files a block ends. @returns Undefined where there is none. */
  async endOf(number: bigint): Promise<BlockFilesEnd | undefined> {
    const location = await this.#index.byNumber(number)
    return location === undefined ? undefined : { file: Number(location.file), offset: Number(location.offset + location.length) }
  }

  /** The ids of all transactions, duplicates and invalid ones too, each once; the shorter first, then by their UTF-8. */
  transactionIds(): AsyncGenerator<string, void, undefined> {
    return this.#index.transactionIds()
  }

  /**
   * The blocks from a number on, to the last one that is there when the loop gets to it. Holds one block at a time.
   * @param from - Default: {@link first}.
   * @throws KumikoError `fabric-ledger/corrupt-block-file`, `fabric-ledger/before-snapshot`.
   */
  async *blocks(from: bigint = this.first): AsyncGenerator<Block, void, undefined> {
    for (let number = from; ; number++) {
      const block = await this.block(number)
      if (block === undefined) return
      yield block
    }
  }

  /** Closes files and index. Wait for other calls first. */
  async close(): Promise<void> {
    await this.#files.close()
    await this.#index.close()
  }
}

function chainInfo({ height, currentHash, previousHash }: ChainInfo): ChainInfo {
  return { height, currentHash, previousHash }
}

function infoAfter(header: BlockHeader): ChainInfo {
  return { height: header.number + 1n, currentHash: blockHash(header), previousHash: header.previousHash }
}

async function lastOf(index: BlockIndex, height: bigint): Promise<BlockLocation> {
  const location = await index.byNumber(height - 1n)
  if (location === undefined) throw index.corrupt(`it has no block ${height - 1n}, its last`)
  return location
}

function assertNext(block: Block, { height, currentHash }: ChainInfo): void {
  const fault = checkBlockAt(block, height, currentHash)
  if (fault !== undefined) throw notNext(block, fault.detail ?? fault.fault)
}

function beforeSnapshot(what: string, first: bigint): KumikoError {
  const message = `${what} is not here: the ledger began with a snapshot, and its first block is ${first}`
  return new KumikoError('fabric-ledger/before-snapshot', message, { context: { first } })
}

function notNext(block: Block, why: string): KumikoError {
  const { number } = block.header
  return new KumikoError('fabric-ledger/not-next', `block ${number} does not follow the last one (${why})`, { context: { number } })
}

function storeFailed(cause: unknown): KumikoError {
  return new KumikoError('fabric-ledger/store-failed', 'an append failed before: close the store and open it anew', { cause })
}
