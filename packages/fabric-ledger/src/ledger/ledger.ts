import { join } from 'node:path'
import { type Block, BlockMetadataIndex, readCommitHash, readTransactionsFilter, withMetadata } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { BlockStore, type ChainInfo } from '../blocks/block-store.ts'
import { type FileSystem, nodeFileSystem } from '../blocks/file-system.ts'
import type { CollectionPolicies } from '../private-data/private-data.ts'
import { stateChanges } from '../state/state-changes.ts'
import type { OpenStateDatabase, StateDatabase, StateReader } from '../state/state-database.ts'
import { type BlockToCommit, type CommittedBlock, type SettledBlock, settleBlock } from './settle-block.ts'

/** Where a channel's ledger is, and what it is made of. */
export interface LedgerOptions {
  /** For the ledger alone: block files and databases have folders in it. No other process may have it open. */
  readonly folder: string
  readonly channelId: string
  /** Where the world state is. */
  readonly openState: OpenStateDatabase
  /** What is asked about collections. @param state - As the blocks before left it, whenever it is asked. */
  readonly policies: (state: StateReader) => CollectionPolicies
  /** Default: the system's own. */
  readonly fileSystem?: FileSystem
}

/** What a ledger says of itself. */
export interface LedgerInfo extends ChainInfo {
  /** Of the last block; undefined where it has none: block 0. */
  readonly commitHash: Uint8Array | undefined
}

/** The blocks of a ledger, to read. */
export type BlockReader = Pick<
  BlockStore,
  'first' | 'info' | 'block' | 'blockByHash' | 'transaction' | 'hasTransaction' | 'hasTransactions' | 'transactionIds' | 'blocks'
>

/**
 * A channel's ledger: block files, and what follows from them, kept together. A block goes to the private data's store, then to the block
 * files, both synced; then to state and history, which are made up for from the files after a crash.
 * @see Fabric `core/ledger/kvledger/kv_ledger.go`; research § 3.5.9
 */
export class Ledger {
  readonly channelId: string
  readonly #blocks: BlockStore
  readonly #state: StateDatabase
  readonly #policies: CollectionPolicies
  #commitHash: Uint8Array | undefined
  #isCommitting = false
  #failure: unknown

  private constructor(options: LedgerOptions, blocks: BlockStore, state: StateDatabase, commitHash: Uint8Array | undefined) {
    this.channelId = options.channelId
    this.#policies = options.policies(state)
    this.#blocks = blocks
    this.#state = state
    this.#commitHash = commitHash
  }

  /** Begins a ledger. @param options.genesis - Block 0: the channel's first configuration. */
  static async create(options: LedgerOptions & { readonly genesis: Block }): Promise<Ledger> {
    const { genesis, ...rest } = options
    const ledger = await Ledger.open(rest)
    const codes = readTransactionsFilter(genesis) ?? new Uint8Array(genesis.data.length)
    await ledger.commit({ block: withMetadata(genesis, BlockMetadataIndex.transactionsFilter, codes) })
    return ledger
  }

  /** Opens a ledger, and makes up for what a crash left undone. */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const { folder, fileSystem = nodeFileSystem } = options
    const blocks = await BlockStore.open({ folder: join(folder, 'blocks'), indexFolder: join(folder, 'index'), fileSystem })
    const state = await options.openState(join(folder, 'state'))
    const last = blocks.info.height > blocks.first ? await blocks.block(blocks.info.height - 1n) : undefined
    const hash = last && readCommitHash(last)
    return new Ledger(options, blocks, state, isFault(hash) ? undefined : hash)
  }

  /** Height and hashes. */
  get info(): LedgerInfo {
    return { ...this.#blocks.info, commitHash: this.#commitHash }
  }

  /** The blocks. */
  get blocks(): BlockReader {
    return this.#blocks
  }

  /** The world state after the last block. */
  get state(): StateReader & Pick<StateDatabase, 'entries' | 'refusal'> {
    return this.#state
  }

  /**
   * Validates the next block's reads, and stores it with all that follows from it. When it returns, block and private data outlive a loss of
   * power. One at a time.
   * @throws KumikoError where nothing was written: `fabric-ledger/commit-overlap`, `fabric-ledger/not-next`, and what {@link settleBlock}
   * throws. `fabric-ledger/halted` with a cause where writing failed, and from then on: close the ledger, and open it anew.
   */
  async commit(toCommit: BlockToCommit): Promise<CommittedBlock> {
    if (this.#failure !== undefined) throw halted(this.channelId, this.#failure)
    if (this.#isCommitting) throw new KumikoError('fabric-ledger/commit-overlap', 'wait for one commit before the next')
    this.#blocks.check(toCommit.block)
    this.#isCommitting = true
    try {
      const before = { state: this.#state, commitHash: this.#commitHash, policies: this.#policies, keys: NO_KEYS, stored: undefined }
      const settled = await settleBlock(toCommit, before)
      await this.#store(settled)
      const { codes, commitHash, updates, privateData } = settled
      return { number: toCommit.block.header.number, codes, commitHash, updates, missing: privateData.missing }
    } finally {
      this.#isCommitting = false
    }
  }

  /** Wait for other calls first. */
  async close(): Promise<void> {
    await this.#state.close()
    await this.#blocks.close()
  }

  async #store(settled: SettledBlock): Promise<void> {
    try {
      await this.#blocks.append(settled.block)
      await this.#state.apply([...stateChanges(settled.updates), ...settled.privateData.changes], this.#blocks.info.height)
      this.#commitHash = settled.commitHash
    } catch (error) {
      this.#failure = error
      throw halted(this.channelId, error)
    }
  }
}

const NO_KEYS = { plainKey: async () => undefined }

function halted(channelId: string, cause: unknown): KumikoError {
  const message = `the ledger of channel "${channelId}" halted, for it could not store a block: mend what is wrong, close it, and open it anew`
  return new KumikoError('fabric-ledger/halted', message, { context: { channelId }, cause })
}
