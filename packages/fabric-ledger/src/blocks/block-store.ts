import { type Block, type BlockHeader, blockHash, checkBlock, readTransactionsFilter } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { BLOCK_FILE_SIZE_MAX, BlockFiles, type BlockFilesOptions } from './block-files.ts'
import { BlockIndex, noValidationCodes } from './block-index.ts'
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

/**
 * A channel's blocks, from block 0 on: files in Fabric's format, and an index of them.
 *
 * An append writes to the file, syncs the file, then writes to the index. So a crash leaves an index that lags, never one that is ahead; and
 * at most one block that was not acknowledged, which opening keeps where it is whole, and cuts off where it is not.
 */
export class BlockStore {
  readonly #files: BlockFiles
  readonly #index: BlockIndex
  #last: BlockHeader | undefined
  #isAppending = false
  #failure: unknown

  private constructor(files: BlockFiles, index: BlockIndex, last: BlockHeader | undefined) {
    this.#files = files
    this.#index = index
    this.#last = last
  }

  /**
   * Opens the store, or begins one, and mends what a crash left.
   * @throws KumikoError `fabric-ledger/corrupt-block-file`, `fabric-ledger/corrupt-index`, `fabric-ledger/index-not-open`.
   */
  static async open(options: BlockStoreOptions): Promise<BlockStore> {
    const { folder, indexFolder, fileSystem = nodeFileSystem, fileSizeMax = BLOCK_FILE_SIZE_MAX } = options
    await fileSystem.makeFolder(folder)
    const index = await BlockIndex.open(indexFolder)
    try {
      return await BlockStore.over(index, { folder, fileSystem, fileSizeMax })
    } catch (error) {
      await index.close()
      throw error
    }
  }

  /** Opens the files over an index that is open. The store closes it. */
  static async over(index: BlockIndex, options: BlockFilesOptions): Promise<BlockStore> {
    const { height, end } = await index.checkpoint()
    let last: BlockHeader | undefined
    let isFirst = true
    const files = await BlockFiles.open(options, end, async (stored) => {
      if (!isFirst || height === 0n) assertNext(stored.block, last)
      else if (stored.block.header.number !== height) throw notNext(stored.block, `block ${height} is next in the index`)
      await index.add(stored)
      last = stored.block.header
      isFirst = false
    })
    try {
      const indexed = last === undefined && height > 0n ? await index.byNumber(height - 1n) : undefined
      if (indexed !== undefined) last = (await files.readBlock(indexed)).header
    } catch (error) {
      await files.close()
      throw error
    }
    return new BlockStore(files, index, last)
  }

  /** Height and hashes. */
  get info(): ChainInfo {
    const last = this.#last
    if (last === undefined) return { height: 0n, currentHash: new Uint8Array(), previousHash: new Uint8Array() }
    return { height: last.number + 1n, currentHash: blockHash(last), previousHash: last.previousHash }
  }

  /**
   * Adds the next block, with its validation codes in its metadata. When it returns, the block outlives a loss of power. One at a time.
   * @throws KumikoError `fabric-ledger/not-next`, `fabric-ledger/no-validation-codes`, `fabric-ledger/append-overlap`: nothing was written.
   * What the disk throws; from then on `fabric-ledger/store-failed`, until the store is opened anew: the block may be there then, or not.
   */
  async append(block: Block): Promise<void> {
    if (this.#failure !== undefined) throw storeFailed(this.#failure)
    if (this.#isAppending) throw new KumikoError('fabric-ledger/append-overlap', 'wait for one append before the next')
    assertNext(block, this.#last)
    if (readTransactionsFilter(block) === undefined) throw noValidationCodes(block.header.number)
    this.#isAppending = true
    try {
      await this.#index.add(await this.#files.append(block))
      this.#last = block.header
    } catch (error) {
      this.#failure = error
      throw error
    } finally {
      this.#isAppending = false
    }
  }

  /** @returns Undefined where there is none. @throws KumikoError `fabric-ledger/corrupt-block-file`. */
  async block(number: bigint): Promise<Block | undefined> {
    const location = await this.#index.byNumber(number)
    return location === undefined ? undefined : await this.#files.readBlock(location)
  }

  /** @param hash - Of the header. @returns Undefined where there is none. @throws KumikoError `fabric-ledger/corrupt-block-file`. */
  async blockByHash(hash: Uint8Array): Promise<Block | undefined> {
    const location = await this.#index.byHash(hash)
    return location === undefined ? undefined : await this.#files.readBlock(location)
  }

  /** The first transaction of an id, valid or not: later ones are duplicates. @throws KumikoError `fabric-ledger/corrupt-block-file`. */
  async transaction(txId: string): Promise<ProcessedTransaction | undefined> {
    const entry = await this.#index.transaction(txId)
    if (entry === undefined) return
    const { location, ...found } = entry
    return { ...found, envelope: await this.#files.read(location) }
  }

  /** Tells whether a transaction of an id is in a block: another one is a duplicate. Reads no block. */
  async hasTransaction(txId: string): Promise<boolean> {
    return (await this.#index.transaction(txId)) !== undefined
  }

  /**
   * The blocks from a number on, to the last one that is there when the loop gets to it. Holds one block at a time.
   * @throws KumikoError `fabric-ledger/corrupt-block-file`.
   */
  async *blocks(from = 0n): AsyncGenerator<Block, void, undefined> {
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

function assertNext(block: Block, last: BlockHeader | undefined): void {
  const fault = checkBlock(block, last)
  if (fault !== undefined) throw notNext(block, fault.detail ?? fault.fault)
}

function notNext(block: Block, why: string): KumikoError {
  const { number } = block.header
  return new KumikoError('fabric-ledger/not-next', `block ${number} does not follow the last one (${why})`, { context: { number } })
}

function storeFailed(cause: unknown): KumikoError {
  return new KumikoError('fabric-ledger/store-failed', 'an append failed before: close the store and open it anew', { cause })
}
