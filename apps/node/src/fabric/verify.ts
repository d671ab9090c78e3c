import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { Ledger, levelStateDatabase, type StateKey, type VersionedValue } from '@kumiko/fabric-ledger'
import { checkBlock, equalBytes, toHex } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { StoppedError } from '../failure.ts'
import type { BlockFolder } from './block-folder.ts'
import { codesText, type StoredBlock } from './block-lines.ts'
import { type RunProgress, runBlocks, storedBlock } from './block-run.ts'
import type { CoreConfig } from './core-config.ts'

/** What {@link verifyLedger} is to do. */
export interface VerifyOptions {
  readonly ledger: Ledger
  readonly core: CoreConfig
  readonly workers: number
  readonly signal: AbortSignal
  readonly onBlock: (progress: RunProgress & { readonly last: bigint }) => void
}

/** What was found right. */
export interface VerifyReport {
  readonly channel: string
  readonly height: number
  /** The first block that was looked at; later ones where an earlier run had been stopped there. */
  readonly from: number
  /** Keys of the state that were compared. Null where the ledger began with a snapshot: then only hashes are followed. */
  readonly stateKeys: number | null
}

/**
 * Does the whole ledger again from block 0, in a ledger beside it, and compares: hashes, the orderers' signatures, validation codes, commit
 * hashes, and at the end the state, but for private data in the plain. Where it was stopped, it goes on. A ledger that began with a snapshot has
 * not the blocks for that: of these the hashes are followed.
 * @throws KumikoError `node/ledger-wrong`, `node/stopped`.
 */
export async function verifyLedger(options: VerifyOptions): Promise<VerifyReport> {
  const { ledger, core } = options
  if (ledger.blocks.first > 0n) return await followHashes(options)
  const path = join(core['peer.fileSystemPath'], 'verify', ledger.channelId)
  const again = await openAgain(ledger, path)
  try {
    const from = again.info.height
    await storeAgain(again, options)
    const stateKeys = await compareStates(ledger, again)
    await again.close()
    await rm(path, { recursive: true, force: true, maxRetries: 3 })
    return { channel: ledger.channelId, height: Number(ledger.info.height), from: Number(from), stateKeys }
  } finally {
    await again.close()
  }
}

/** Goes on with the ledger of a run that was stopped, if it is of these blocks. */
async function openAgain(ledger: Ledger, folder: string): Promise<Ledger> {
  const { channelId } = ledger
  const options = { folder, channelId, openState: levelStateDatabase(), policies: collectionPolicies({ channelId }), history: false }
  const before = await Ledger.open(options).catch(() => undefined)
  if (before !== undefined) {
    const { height, currentHash } = before.info
    const same = height > 0n && height <= ledger.info.height ? await ledger.blocks.blockByHash(currentHash) : undefined
    if (same?.header.number === height - 1n) return before
    await before.close()
  }
  await rm(folder, { recursive: true, force: true, maxRetries: 3 })
  const genesis = await ledger.blocks.block(0n)
  if (genesis === undefined) throw wrong(0n, 'it is not there')
  return await Ledger.create({ ...options, genesis })
}

async function storeAgain(again: Ledger, { ledger, workers, signal, onBlock }: VerifyOptions): Promise<void> {
  const channel = await Channel.open({ ledger: again, workers })
  const last = ledger.info.height - 1n
  const folder: BlockFolder = { path: '', first: 0n, last, blocks: (from) => ledger.blocks.blocks(from) }
  try {
    await runBlocks({
      folder,
      channel,
      ledger: again,
      signal,
      onBlock: async (stored, progress) => {
        const recorded = await ledger.blocks.block(stored.header.number)
        if (recorded !== undefined) assertSame(storedBlock(recorded), stored)
        onBlock({ ...progress, last })
      },
    })
  } catch (error) {
    if (error instanceof StoppedError) throw new StoppedError(`${error.message}; run it again to go on`, error)
    if (error instanceof KumikoError && error.code === 'node/block-refused')
      throw wrong(again.info.height, error.message.replace(/;.*$/, ''), error)
    throw error
  } finally {
    await channel.close()
  }
}

function assertSame(recorded: StoredBlock, right: StoredBlock): void {
  const { number } = right.header
  if (!equalBytes(recorded.codes, right.codes))
    throw wrong(number, `its validation codes are ${codesText(recorded.codes)}, where ${codesText(right.codes)} is right`)
  const [found, wanted] = [recorded, right].map(({ commitHash }) => (commitHash === undefined ? 'none' : toHex(commitHash)))
  if (found !== wanted) throw wrong(number, `its commit hash is ${found}, where ${wanted} is right`)
}

type Entry = StateKey & VersionedValue

async function compareStates(ledger: Ledger, again: Ledger): Promise<number> {
  let count = 0
  const [found, right] = [shared(ledger), shared(again)]
  try {
    for (;;) {
      const [a, b] = [(await found.next()).value, (await right.next()).value]
      if (a === undefined && b === undefined) return count
      if (a === undefined || b === undefined || !isSame(a, b)) throw wrongState(a, b)
      count++
    }
  } finally {
    await Promise.all([found.return(undefined), right.return(undefined)])
  }
}

/** All but private data in the plain, which peers need not have. */
async function* shared(ledger: Ledger): AsyncGenerator<Entry, undefined, undefined> {
  for await (const entry of ledger.state.entries()) if (!entry.namespace.includes('$$p')) yield entry
  return undefined
}

function isSame(a: Entry, b: Entry): boolean {
  const isSameVersion = a.version.blockNumber === b.version.blockNumber && a.version.transactionNumber === b.version.transactionNumber
  return (
    a.namespace === b.namespace && a.key === b.key && isSameVersion && equalBytes(a.value, b.value) && equalBytes(a.metadata, b.metadata)
  )
}

async function followHashes({ ledger, signal, onBlock }: VerifyOptions): Promise<VerifyReport> {
  const { first, info } = ledger.blocks
  let previous = (await ledger.blocks.block(first))?.header
  for await (const block of ledger.blocks.blocks(first)) {
    if (signal.aborted) throw new StoppedError(`stopped before block ${block.header.number}; run it again`)
    const { number } = block.header
    const fault = number === first ? undefined : checkBlock(block, previous)
    if (fault !== undefined) throw wrong(number, fault.detail ?? fault.fault)
    previous = block.header
    onBlock({ number, transactions: 0, elapsedMs: 0, last: info.height - 1n })
  }
  return { channel: ledger.channelId, height: Number(info.height), from: Number(first), stateKeys: null }
}

function wrong(number: bigint, why: string, cause?: unknown): KumikoError {
  const mend = `kumiko ledger rollback to block ${number > 0n ? number - 1n : 0n} and import the blocks again`
  return new KumikoError('node/ledger-wrong', `block ${number} of the ledger is wrong: ${why}; mend it: ${mend}`, {
    context: { number },
    cause,
  })
}

function wrongState(found: Entry | undefined, right: Entry | undefined): KumikoError {
  const { namespace = '', key = '' } = (found === undefined ? right : found) ?? {}
  const message = `the state is wrong at key ${JSON.stringify(key)} of namespace "${namespace}"; mend it: kumiko ledger rebuild-dbs`
  return new KumikoError('node/ledger-wrong', message, { context: { namespace, key } })
}
