import { join } from 'node:path'
import { type Block, CHANNEL_ID, openEnvelope, readHeader } from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { type FileSystem, nodeFileSystem } from './blocks/file-system.ts'
import { Ledger, type LedgerOptions } from './ledger/ledger.ts'
import { emptyLedgerFolder, ledgerExists, noLedger } from './ledger/ledger-folder.ts'
import { LedgerLock } from './ledger/ledger-lock.ts'
import { readLedgerRecord } from './ledger/ledger-record.ts'
import { openBlocks } from './ledger/ledger-stores.ts'
import { Snapshot } from './snapshot/snapshot.ts'

/** Where a peer's ledgers are, and what each is made of. */
export interface LedgersOptions {
  /** For ledgers alone: each has a folder in it that is named for its channel. One process at a time. */
  readonly folder: string
  /** What a channel's ledger is opened with. */
  readonly ledger: (channelId: string) => Omit<LedgerOptions, 'folder' | 'channelId' | 'fileSystem'>
  /** Default: the system's own. */
  readonly fileSystem?: FileSystem
}

/** A ledger of a peer. */
export interface LedgerSummary {
  readonly channelId: string
  /** The number of its blocks. */
  readonly height: bigint
  /** Whether it is whole: one that is being made is not. A paused one is, but a peer leaves it alone. */
  readonly status: 'active' | 'paused' | 'under-construction'
}

/**
 * The ledgers of a peer, one a channel. What a crash left of one that was being made is removed when they are opened: make it again.
 * @see Fabric `core/ledger/ledgermgmt/ledger_mgmt.go`, `core/ledger/kvledger/kv_ledger_provider.go`
 */
export class Ledgers {
  readonly #options: LedgersOptions
  readonly #fileSystem: FileSystem
  readonly #lock: LedgerLock
  /** By channel: those that are open, or on their way. Bounded by the peer's channels. */
  readonly #open = new Map<string, Promise<Ledger>>()

  private constructor(options: LedgersOptions, lock: LedgerLock) {
    this.#options = options
    this.#fileSystem = options.fileSystem ?? nodeFileSystem
    this.#lock = lock
  }

  /** Opens the folder, and none of its ledgers. @throws KumikoError `fabric-ledger/in-use`, `fabric-ledger/corrupt-record`. */
  static async open(options: LedgersOptions): Promise<Ledgers> {
    const { folder, fileSystem = nodeFileSystem } = options
    await fileSystem.makeFolder(folder)
    // No channel has such a name.
    const lock = await LedgerLock.take(join(folder, '_lock'))
    try {
      for (const name of await channelFolders(folder, fileSystem)) await removeHalfMade(join(folder, name), fileSystem)
    } catch (error) {
      await lock.release()
      throw error
    }
    return new Ledgers(options, lock)
  }

  /** All ledgers, by their channels' names, open ones too. */
  async list(): Promise<LedgerSummary[]> {
    const summaries: LedgerSummary[] = []
    for (const channelId of await channelFolders(this.#options.folder, this.#fileSystem)) {
      const record = await readLedgerRecord(join(this.#options.folder, channelId), this.#fileSystem)
      if (record?.pending?.do === 'create') summaries.push({ channelId, height: 0n, status: 'under-construction' })
      else if (record !== undefined) {
        summaries.push({ channelId, height: await this.#heightOf(channelId), status: record.isPaused ? 'paused' : 'active' })
      }
    }
    return summaries
  }

  /**
   * Begins a channel's ledger, and opens it.
   * @param genesis - Block 0: it names the channel.
   * @throws KumikoError `fabric-ledger/bad-genesis`, `fabric-ledger/ledger-exists`, and what committing the block throws.
   */
  async create(genesis: Block): Promise<Ledger> {
    const channelId = channelOf(genesis)
    if (channelId === undefined) throw badGenesis()
    return await this.#after(channelId, (options, open) => {
      if (open !== undefined) throw ledgerExists(options.folder)
      return Ledger.create({ ...options, genesis })
    })
  }

  /**
   * Begins a channel's ledger with a snapshot, and opens it. The snapshot is read for its hashes before anything is made, then copied: from
   * then on its own folder is not needed.
   * @param folder - Of the snapshot, which names the channel. Compare `info.snapshotHash` with what others have before you trust it.
   * @throws KumikoError `fabric-ledger/no-snapshot`, `fabric-ledger/corrupt-snapshot`, `fabric-ledger/ledger-exists`, and as
   * {@link Ledger.open}.
   */
  async joinSnapshot(folder: string): Promise<Ledger> {
    const snapshot = await Snapshot.open(folder, this.#fileSystem)
    if (snapshot === undefined) throw noSnapshot(folder)
    await snapshot.verify()
    return await this.#after(snapshot.info.channelId, (options, open) => {
      if (open !== undefined) throw ledgerExists(options.folder)
      return Ledger.createFromSnapshot({ ...options, snapshot })
    })
  }

  /** A channel's ledger, opened where it is not, or was closed. @throws KumikoError As {@link Ledger.open}. */
  async get(channelId: string): Promise<Ledger> {
    if (!CHANNEL_ID.test(channelId)) throw noLedger(join(this.#options.folder, channelId))
    return await this.#after(channelId, async (options, open) => open ?? (await Ledger.open(options)))
  }

  /** Closes all ledgers. Wait for other calls first. */
  async close(): Promise<void> {
    const ledgers = await Promise.allSettled(this.#open.values())
    this.#open.clear()
    for (const ledger of ledgers) if (ledger.status === 'fulfilled' && ledger.value.isOpen) await ledger.value.close()
    await this.#lock.release()
  }

  /** One after the other for each channel. @param make - Told the ledger that is open, if one is. */
  #after(channelId: string, make: (options: LedgerOptions, open: Ledger | undefined) => Promise<Ledger>): Promise<Ledger> {
    const before = this.#open.get(channelId)
    const { folder, ledger } = this.#options
    const next = async (): Promise<Ledger> => {
      const open = await before?.catch(() => undefined)
      const options = { ...ledger(channelId), folder: join(folder, channelId), channelId, fileSystem: this.#fileSystem }
      try {
        return await make(options, open?.isOpen === true ? open : undefined)
      } catch (error) {
        if (open?.isOpen === true) this.#open.set(channelId, Promise.resolve(open))
        throw error
      }
    }
    const made = next()
    this.#open.set(channelId, made)
    return made
  }

  async #heightOf(channelId: string): Promise<bigint> {
    const open = await this.#open.get(channelId)?.catch(() => undefined)
    return open?.isOpen === true ? open.info.height : await readHeight(join(this.#options.folder, channelId), this.#fileSystem)
  }
}

async function channelFolders(folder: string, fileSystem: FileSystem): Promise<string[]> {
  return (await fileSystem.list(folder)).filter((name) => CHANNEL_ID.test(name)).sort()
}

async function removeHalfMade(folder: string, fileSystem: FileSystem): Promise<void> {
  const record = await readLedgerRecord(folder, fileSystem)
  if (record?.pending?.do !== 'create') return
  // What names it half-made goes last.
  await emptyLedgerFolder(folder, fileSystem)
  await fileSystem.remove(folder)
}

async function readHeight(folder: string, fileSystem: FileSystem): Promise<bigint> {
  const blocks = await openBlocks(folder, fileSystem)
  try {
    return blocks.info.height
  } finally {
    await blocks.close()
  }
}

function channelOf(genesis: Block): string | undefined {
  const [item] = genesis.data
  if (item === undefined || genesis.header.number !== 0n) return
  const payload = openEnvelope(item)
  const header = isFault(payload) ? payload : readHeader(payload)
  return isFault(header) || !CHANNEL_ID.test(header.channel.channelId) ? undefined : header.channel.channelId
}

function badGenesis(): KumikoError {
  const message = 'the block does not begin a channel: it is block 0, and its transaction names the channel'
  return new KumikoError('fabric-ledger/bad-genesis', message)
}

function noSnapshot(folder: string): KumikoError {
  return new KumikoError('fabric-ledger/no-snapshot', `there is no snapshot in "${folder}"`, { context: { folder } })
}
