import { type Block, BlockMetadataIndex, readTransactionsFilter, withMetadata } from '@kumiko/fabric-protocol'
import { KumikoError, Turns } from '@kumiko/interface'
import type { BlockStore, ChainInfo } from '../blocks/block-store.ts'
import { type FileSystem, nodeFileSystem } from '../blocks/file-system.ts'
import type { ConfigHistory } from '../config-history/config-history.ts'
import { type KeyModification, keyModifications } from '../history/key-modifications.ts'
import type { LatePrivateData } from '../private-data/late-private-data.ts'
import type { CollectionPolicies } from '../private-data/private-data.ts'
import type { WriteSetPlace } from '../private-data/private-data-records.ts'
import type { PrivateDataStore, Reconciled } from '../private-data/private-data-store.ts'
import { QueryExecutor, type QuerySources } from '../simulation/query-executor.ts'
import { Simulator } from '../simulation/simulator.ts'
import type { Snapshot } from '../snapshot/snapshot.ts'
import { writeSnapshot } from '../snapshot/write-snapshot.ts'
import { levelStateDatabase } from '../state/level-state-database.ts'
import type { OpenStateDatabase, StateReader } from '../state/state-database.ts'
import type { SnapshotStateDatabase } from '../state/with-snapshots.ts'
import { beginLedgerFolder, ledgerPaths, lockLedgerFolder, lockNewFolder, readyRecord } from './ledger-folder.ts'
import type { LedgerLock } from './ledger-lock.ts'
import { type LedgerRecord, writeLedgerRecord } from './ledger-record.ts'
import { closeLedgerStores, type LedgerStores, openLedgerStores } from './ledger-stores.ts'
import { type ReplayProgress, recover, takeIn, takeInLate } from './recovery.ts'
import { type BlockToCommit, type CommittedBlock, type SettledBlock, settleBlock } from './settle-block.ts'

/** Where a channel's ledger is, and what it is made of. */
export interface LedgerOptions {
  /** For the ledger alone: block files and databases have folders in it. No other process may have it open. */
  readonly folder: string
  /** The channel's name. */
  readonly channelId: string
  /** What is asked about collections. @param state - As the blocks before left it, whenever it is asked. */
  readonly policies: (state: StateReader) => CollectionPolicies
  /** Where the world state is. Default: LevelDB, in the folder. */
  readonly openState?: OpenStateDatabase
  /** Whether to keep a history of keys. Default true. */
  readonly history?: boolean
  /** Told, while the ledger is opened, of each block that a database lacked. */
  readonly onReplay?: (progress: ReplayProgress) => void
  /** Where block files are. Default: the system's own. */
  readonly fileSystem?: FileSystem
}

/** What a ledger says of itself. */
export interface LedgerInfo extends ChainInfo {
  /** Of the last block; undefined where it has none: block 0. */
  readonly commitHash: Uint8Array | undefined
}

/** The blocks of a ledger, to read. */
export type BlockReader = Omit<BlockStore, 'append' | 'check' | 'close' | 'endOf'>

/** What a query of a ledger may read. */
export type LedgerQueryOptions = Omit<QuerySources, 'state' | 'history'>

/** The private data of a ledger's blocks, to read: of those that are there, though after a rollback there is that of others too. */
export type PrivateDataReader = Pick<PrivateDataStore, 'read' | 'missing'>

/**
 * A channel's ledger: block files, and what follows from them, kept together. A block's private data goes to its store, then the block to its
 * file, both synced; then state and history are told, unsynced, for opening tells them again of what they lack.
 *
 * Changes are made one after the other, in the order of the calls. Reading needs no turn.
 * @see Fabric `core/ledger/kvledger/kv_ledger.go`; research § 3.5.9
 */
export class Ledger {
  readonly channelId: string
  /** How many blocks there were before the ledger was rolled back: it is not up to date before it has them again. 0 where it was not. */
  readonly heightBefore: bigint
  readonly #policies: CollectionPolicies
  readonly #stores: LedgerStores
  readonly #lock: LedgerLock
  #commitHash: Uint8Array | undefined
  readonly #turns = new Turns()
  #failure: unknown
  #isOpen = true

  private constructor(record: LedgerRecord, stores: LedgerStores, lock: LedgerLock, policies: CollectionPolicies, commitHash?: Uint8Array) {
    this.channelId = record.channelId
    this.heightBefore = record.heightBefore
    this.#policies = policies
    this.#stores = stores
    this.#lock = lock
    this.#commitHash = commitHash
  }

  /**
   * Begins a ledger. Broken off, there is none: it may be done again.
   * @param options.genesis - Block 0: the channel's first configuration. Where its metadata has no codes, it is taken as valid.
   * @throws KumikoError `fabric-ledger/ledger-exists`, and what {@link Ledger.open} and {@link commit} throw.
   */
  static async create({ genesis, ...options }: LedgerOptions & { readonly genesis: Block }): Promise<Ledger> {
    const codes = readTransactionsFilter(genesis) ?? new Uint8Array(genesis.data.length)
    const block = withMetadata(genesis, BlockMetadataIndex.transactionsFilter, codes)
    return await Ledger.#make(
      options,
      async () => {},
      async (ledger) => void (await ledger.commit({ block })),
    )
  }

  /**
   * Begins a ledger with a snapshot, of which it keeps a copy. Broken off, there is none: it may be done again.
   * @param options.snapshot - Whose hash is trusted.
   * @throws KumikoError `fabric-ledger/ledger-exists`, `fabric-ledger/corrupt-snapshot`, and what {@link Ledger.open} throws.
   * @see Fabric `core/ledger/kvledger/snapshot.go` CreateFromSnapshot
   */
  static async createFromSnapshot({ snapshot, ...options }: LedgerOptions & { readonly snapshot: Snapshot }): Promise<Ledger> {
    const start = async () => void (await snapshot.copyTo(ledgerPaths(options.folder).start))
    return await Ledger.#make(options, start, async () => {})
  }

  /**
   * Opens a ledger, ends what was begun with it, and makes up for what a crash left undone.
   * @throws KumikoError `fabric-ledger/no-ledger`, `fabric-ledger/half-made`, `fabric-ledger/other-channel`, `fabric-ledger/in-use`; what
   * `recover` throws; and what opening each of the stores throws.
   */
  static async open(options: LedgerOptions): Promise<Ledger> {
    const { folder, channelId, openState = levelStateDatabase(), fileSystem = nodeFileSystem } = options
    const lock = await lockLedgerFolder(folder, fileSystem)
    try {
      const record = await readyRecord({ folder, openState, fileSystem })
      if (record.channelId !== channelId) throw otherChannel(folder, record.channelId, channelId)
      return await Ledger.#over(options, record, lock)
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  /** Whether it was not closed. */
  get isOpen(): boolean {
    return this.#isOpen
  }

  /** Height and hashes. */
  get info(): LedgerInfo {
    return { ...this.#stores.blocks.info, commitHash: this.#commitHash }
  }

  /** The blocks. */
  get blocks(): BlockReader {
    return this.#stores.blocks
  }

  /** The world state as the last block left it. A snapshot of it stays as it is: close it, or blocks may have to wait for it. */
  get state(): Omit<SnapshotStateDatabase, 'apply' | 'drop' | 'close'> {
    return this.#stores.state
  }

  /** The private data of the blocks. */
  get privateData(): PrivateDataReader {
    const { blocks, privateData } = this.#stores
    return {
      read: async (number, filter) => (number < blocks.info.height ? await privateData.read(number, filter) : undefined),
      missing: async (options) => {
        const last = blocks.info.height - 1n
        const newest = options.newest === undefined || options.newest > last ? last : options.newest
        return newest < 0n ? [] : await privateData.missing({ ...options, newest })
      },
    }
  }

  /** Which collections chaincodes had before a block: private data is read by those. */
  get collectionConfigs(): Pick<ConfigHistory, 'mostRecentBelow'> {
    return this.#stores.configHistory
  }

  /** What became of a key, newest first. @throws KumikoError `fabric-ledger/no-history`, `fabric-ledger/corrupt-history`. */
  history(namespace: string, key: string): AsyncGenerator<KeyModification> {
    const { history, blocks } = this.#stores
    if (history === undefined) throw noHistory(this.channelId)
    return keyModifications(history, blocks, namespace, key)
  }

  /** Reads the state at the height that it has now. Close it. @param options - What collections there are; how much it may read. */
  async query(options: LedgerQueryOptions = {}): Promise<QueryExecutor> {
    return await QueryExecutor.begin(this.#sources(options))
  }

  /** Simulates a transaction at the height that the state has now. Close it. @param options - As for {@link query}. */
  async simulate(options: LedgerQueryOptions = {}): Promise<Simulator> {
    return await Simulator.begin(this.#sources(options))
  }

  /**
   * Validates the next block's reads, and stores it with all that follows from it. When it returns, block and private data outlive a loss of
   * power.
   * @throws KumikoError where nothing was written: `fabric-ledger/not-next`, and what `settleBlock` throws. `fabric-ledger/halted` with a
   * cause where writing failed, and for each change from then on: mend what is wrong, close the ledger, and open it anew.
   */
  async commit(toCommit: BlockToCommit): Promise<CommittedBlock> {
    return await this.#exclusive(async () => {
      const { blocks, state, privateData: keys } = this.#stores
      const { number } = toCommit.block.header
      blocks.check(toCommit.block)
      const stored = number < keys.height ? await keys.read(number) : undefined
      const before = { state, commitHash: this.#commitHash, policies: this.#policies, keys, stored }
      const settled = await settleBlock(toCommit, before)
      await this.#orHalt(() => this.#store(settled))
      const { codes, commitHash, updates, privateData } = settled
      return { number, codes, commitHash, updates, missing: privateData.missing }
    })
  }

  /**
   * Takes in private data of old blocks that came late.
   * @param unfound - What nobody had: it is asked for again later.
   * @throws KumikoError `fabric-ledger/halted`.
   */
  async reconcile(late: readonly LatePrivateData[], unfound: readonly WriteSetPlace[] = []): Promise<Reconciled> {
    return await this.#exclusive(() =>
      this.#orHalt(async () => {
        const reconciled = await this.#stores.privateData.reconcile(late, unfound)
        await takeInLate(reconciled.stored, this.#stores, this.#policies)
        return reconciled
      }),
    )
  }

  /** Takes a snapshot after the last block; blocks wait for it. @param folder - That is made. @throws As `writeSnapshot`. */
  async writeSnapshot(folder: string): Promise<Snapshot> {
    return await this.#exclusive(() => {
      const { blocks, state, configHistory } = this.#stores
      const commitHash = this.#commitHash ?? new Uint8Array()
      return writeSnapshot({ channelId: this.channelId, blocks, state, configHistory, commitHash }, { folder })
    })
  }

  /** Waits for the changes before. */
  async close(): Promise<void> {
    await this.#turns.settled()
    if (!this.#isOpen) return
    this.#isOpen = false
    try {
      await closeLedgerStores(this.#stores)
    } finally {
      await this.#lock.release()
    }
  }

  static async #make(options: LedgerOptions, begin: () => Promise<void>, fill: (ledger: Ledger) => Promise<void>): Promise<Ledger> {
    const { folder, channelId, fileSystem = nodeFileSystem } = options
    const lock = await lockNewFolder(folder, fileSystem)
    try {
      const record = await beginLedgerFolder(folder, channelId, fileSystem)
      await begin()
      const ledger = await Ledger.#over(options, record, lock)
      try {
        await fill(ledger)
        await writeLedgerRecord(folder, { ...record, pending: undefined }, fileSystem)
      } catch (error) {
        await closeLedgerStores(ledger.#stores)
        throw error
      }
      return ledger
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  static async #over(options: LedgerOptions, record: LedgerRecord, lock: LedgerLock): Promise<Ledger> {
    const {
      folder,
      policies,
      openState = levelStateDatabase(),
      history: hasHistory = true,
      fileSystem = nodeFileSystem,
      onReplay,
    } = options
    const stores = await openLedgerStores({ folder, openState, hasHistory, fileSystem })
    try {
      // Of a database outside the folder one that was not made to its end may have left something.
      if (record.pending?.do === 'create' && stores.state.height > 0n) await stores.state.drop()
      const collections = policies(stores.state)
      const commitHash = await recover(stores, { policies: collections, ...(onReplay && { onReplay }) })
      return new Ledger(record, stores, lock, collections, commitHash)
    } catch (error) {
      await closeLedgerStores(stores)
      throw error
    }
  }

  #sources(options: LedgerQueryOptions): QuerySources {
    const sources = { ...options, state: this.#stores.state }
    return this.#stores.history === undefined ? sources : { ...sources, history: (...key) => this.history(...key) }
  }

  /** In the persist order of Fabric: what cannot be made again first. */
  async #store(settled: SettledBlock): Promise<void> {
    const { blocks, privateData } = this.#stores
    await privateData.commit(settled.block.header.number, settled.privateData, this.#policies)
    await blocks.append(
      settled.block,
      settled.transactions.map(({ txId }) => txId),
    )
    await takeIn(settled, this.#stores, this.#policies)
    this.#commitHash = settled.commitHash
  }

  async #exclusive<T>(run: () => Promise<T>): Promise<T> {
    return await this.#turns.take(() => {
      if (!this.#isOpen) throw closed(this.channelId)
      if (this.#failure !== undefined) throw halted(this.channelId, this.#failure)
      return run()
    })
  }

  async #orHalt<T>(run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      this.#failure = error
      throw halted(this.channelId, error)
    }
  }
}

function otherChannel(folder: string, found: string, channelId: string): KumikoError {
  const message = `the ledger in "${folder}" is that of channel "${found}", not "${channelId}"`
  return new KumikoError('fabric-ledger/other-channel', message, { context: { folder, found, channelId } })
}

function noHistory(channelId: string): KumikoError {
  const message = `the ledger of channel "${channelId}" keeps no history of keys: open it with history, and it is made of the blocks`
  return new KumikoError('fabric-ledger/no-history', message, { context: { channelId } })
}

function closed(channelId: string): KumikoError {
  return new KumikoError('fabric-ledger/closed', `the ledger of channel "${channelId}" is closed: open it anew`, { context: { channelId } })
}

function halted(channelId: string, cause: unknown): KumikoError {
  const message = `the ledger of channel "${channelId}" halted, for it could not store something: mend what is wrong, close it, and open it anew`
  return new KumikoError('fabric-ledger/halted', message, { context: { channelId }, cause })
}
