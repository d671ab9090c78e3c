import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { type CollectionPolicies, Ledger, levelStateDatabase, memoryStateDatabase, type StateReader } from '@kumiko/fabric-ledger'
import { readConfigTransaction } from '@kumiko/fabric-msp'
import type { Block } from '@kumiko/fabric-protocol'
import { codeOf, isFault, KumikoError } from '@kumiko/interface'
import { StoppedError } from '../failure.ts'
import { openBlockFolder } from './block-folder.ts'
import type { StoredBlock } from './block-lines.ts'
import { type RunProgress, type RunReport, runBlocks, storedBlock } from './block-run.ts'
import { readPrivateDataFile } from './private-data-file.ts'

/** What {@link replay} is to do. */
export interface ReplayOptions {
  /** The folder of `block_N.block` files, from block 0 on. */
  readonly blocks: string
  /** A file of private write sets. */
  readonly privateData?: string | undefined
  /** For the ledger, which stays there. Undefined: a temporary one, which is removed. */
  readonly dataDir?: string | undefined
  readonly stateDatabase: 'memory' | 'leveldb'
  /** Threads that check signatures; 0 for none. */
  readonly workers: number
  readonly signal: AbortSignal
  readonly onBlock: (stored: StoredBlock, progress: RunProgress & { readonly last: bigint }) => void | Promise<void>
  /** Given the ledger with all blocks, before it is closed. */
  readonly onEnd: (ledger: Ledger) => Promise<void>
}

/**
 * Validates and commits a folder's blocks into a ledger of their own. Private write sets that are given are taken whoever may have them.
 * @throws KumikoError `node/not-empty`, `node/bad-genesis`, `node/block-refused`, `node/stopped`; of folder and files, theirs.
 */
export async function replay(options: ReplayOptions): Promise<RunReport> {
  const { signal } = options
  const folder = await openBlockFolder(resolve(options.blocks))
  const privateData = options.privateData === undefined ? undefined : await readPrivateDataFile(options.privateData)
  const genesis = await firstOf(folder.blocks(0n))
  await using place = await placeOf(options.dataDir)
  const channelId = channelOf(genesis, folder.path)
  const policies = privateData === undefined ? collectionPolicies({ channelId }) : forAll(collectionPolicies({ channelId }))
  const openState = options.stateDatabase === 'memory' ? memoryStateDatabase() : levelStateDatabase()
  const ledger = await Ledger.create({ folder: place.path, channelId, genesis, openState, policies })
  try {
    const channel = await Channel.open({ ledger, workers: options.workers })
    try {
      const { last } = folder
      await options.onBlock(storedBlock((await ledger.blocks.block(0n)) ?? genesis), { number: 0n, transactions: 1, elapsedMs: 0, last })
      const report = await runBlocks({
        folder,
        privateData,
        channel,
        ledger,
        signal,
        onBlock: (stored, progress) => options.onBlock(stored, { ...progress, last }),
      })
      await options.onEnd(ledger)
      return { ...report, blocks: report.blocks + 1, transactions: report.transactions + genesis.data.length }
    } finally {
      await channel.close()
    }
  } catch (error) {
    throw error instanceof StoppedError ? withMend(error, options.dataDir) : error
  } finally {
    await ledger.close()
  }
}

/** The channel that block 0 begins. @throws KumikoError `node/bad-genesis`. */
export function channelOf({ header, data: [item] }: Block, path: string): string {
  const transaction = item === undefined || header.number !== 0n ? undefined : readConfigTransaction(item)
  if (transaction !== undefined && !isFault(transaction)) return transaction.channelId
  const why = transaction === undefined ? `it is block ${header.number}` : (transaction.detail ?? transaction.fault)
  throw new KumikoError('node/bad-genesis', `${path}: block 0 does not begin a channel (${why}): give a channel's genesis block`, {
    context: { path },
  })
}

function withMend(error: StoppedError, dataDir: string | undefined): StoppedError {
  const mend = dataDir === undefined ? 'the temporary ledger is gone: name --data-dir to keep one' : `its ledger is kept in "${dataDir}"`
  return new StoppedError(`${error.message}; ${mend}; run it again to begin anew`, error)
}

async function firstOf<T>(items: AsyncIterable<T>): Promise<T> {
  for await (const item of items) return item
  throw new KumikoError('node/no-blocks', 'there is no block')
}

function forAll(policies: (state: StateReader) => CollectionPolicies): (state: StateReader) => CollectionPolicies {
  return (state) => {
    const own = policies(state)
    return { blockToLive: (namespace, collection) => own.blockToLive(namespace, collection), isEligible: async () => true }
  }
}

async function placeOf(dataDir: string | undefined): Promise<{ readonly path: string } & AsyncDisposable> {
  if (dataDir === undefined) {
    const path = await mkdtemp(join(tmpdir(), 'kumiko-replay-'))
    return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true, maxRetries: 3 }) }
  }
  const names = await readdir(dataDir).catch((cause: unknown) => {
    if (codeOf(cause) === 'ENOENT') return []
    const message = `cannot use folder "${dataDir}" (${codeOf(cause) ?? String(cause)}): choose another with --data-dir`
    throw new KumikoError('node/bad-data-folder', message, { context: { dataDir }, cause })
  })
  if (names.length === 0) return { path: resolve(dataDir), [Symbol.asyncDispose]: async () => {} }
  const message = `folder "${dataDir}" is not empty: a replay begins anew; choose another with --data-dir, or remove it`
  throw new KumikoError('node/not-empty', message, { context: { dataDir } })
}
