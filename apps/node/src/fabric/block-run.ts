import type { BlockSource, Channel } from '@kumiko/fabric-committer'
import type { Ledger } from '@kumiko/fabric-ledger'
import { type Block, readCommitHash, readTransactionsFilter } from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError, type Millis, systemClock } from '@kumiko/interface'
import { StoppedError } from '../failure.ts'
import type { BlockFolder } from './block-folder.ts'
import type { StoredBlock } from './block-lines.ts'
import type { PrivateDataByBlock } from './private-data-file.ts'

/** How far a run is. */
export interface RunProgress {
  /** The block that was taken in last. */
  readonly number: bigint
  readonly transactions: number
  readonly elapsedMs: Millis
}

/** What {@link runBlocks} takes in, and where. */
export interface BlockRun {
  readonly folder: BlockFolder
  /** Of private write sets what there is. */
  readonly privateData?: PrivateDataByBlock | undefined
  readonly channel: Pick<Channel, 'run' | 'height'>
  readonly ledger: Pick<Ledger, 'blocks'>
  /** After each of these there is a pause: all is committed up to it, and nothing is on its way. In ascending order. */
  readonly pauses?: readonly bigint[]
  readonly onPause?: (height: bigint) => Promise<void>
  /** Stops between two blocks. */
  readonly signal: AbortSignal
  /** Told of each block, in order, soon after it is committed. */
  readonly onBlock: (stored: StoredBlock, progress: RunProgress) => void | Promise<void>
}

/** What came of it. */
export interface RunReport {
  readonly blocks: number
  readonly transactions: number
  readonly elapsedMs: Millis
}

/**
 * Takes a folder's blocks in, from the ledger's height to the last.
 * @throws KumikoError `node/stopped` where the signal aborted, `node/block-refused`, `node/no-transaction`: what was taken in before is
 * kept. What the folder and the channel throw.
 */
export async function runBlocks(run: BlockRun): Promise<RunReport> {
  const telling = new Telling(run)
  const { folder, channel, pauses = [], onPause } = run
  try {
    for (const last of [...pauses.filter((pause) => pause < folder.last), folder.last]) {
      if (last < channel.height) continue
      const refusal = await channel.run(sourceOf(run, last, telling), { signal: run.signal })
      if (refusal !== undefined) throw refused(refusal, channel.height)
      await onPause?.(channel.height)
    }
  } catch (error) {
    await telling.catchUp()
    throw run.signal.aborted ? stopped(channel.height, error) : error
  }
  await telling.catchUp()
  return telling.report
}

/** `block 120 of 5000, 350 tx/s; ctrl-C stops`. */
export function progressText({ number, transactions, elapsedMs }: RunProgress, last: bigint): string {
  const rate = elapsedMs > 0 ? `, ${Math.round((transactions * 1000) / elapsedMs)} tx/s` : ''
  return `block ${number} of ${last}${rate}; ctrl-C stops`
}

/** What a block that is in a ledger came to. */
export function storedBlock(block: Block): StoredBlock {
  const hash = readCommitHash(block)
  return { header: block.header, codes: readTransactionsFilter(block) ?? new Uint8Array(), commitHash: isFault(hash) ? undefined : hash }
}

/** While one block is committed, the next is read: then there is time to tell of those before. */
function sourceOf({ folder, privateData }: BlockRun, last: bigint, telling: Telling): BlockSource {
  return {
    async *blocks(from) {
      for await (const block of folder.blocks(from)) {
        await telling.catchUp()
        const given = privateData?.get(block.header.number)
        const stray = given?.find(({ transactionNumber }) => transactionNumber >= block.data.length)
        if (stray !== undefined) throw noTransaction(block, stray.transactionNumber)
        yield given === undefined ? { block } : { block, privateData: given }
        if (block.header.number >= last) return
      }
    },
  }
}

/** Tells of blocks once they are in the ledger. */
class Telling {
  readonly #run: BlockRun
  readonly #first: bigint
  readonly #startedAt: Millis = systemClock.now()
  #next: bigint
  #transactions = 0

  constructor(run: BlockRun) {
    this.#run = run
    this.#first = run.channel.height
    this.#next = run.channel.height
  }

  get report(): RunReport {
    return { blocks: Number(this.#next - this.#first), transactions: this.#transactions, elapsedMs: systemClock.now() - this.#startedAt }
  }

  async catchUp(): Promise<void> {
    const { channel, ledger, onBlock } = this.#run
    for (; this.#next < channel.height; this.#next++) {
      const block = await ledger.blocks.block(this.#next)
      if (block === undefined) return
      this.#transactions += block.data.length
      const { transactions, elapsedMs } = this.report
      await onBlock(storedBlock(block), { number: this.#next, transactions, elapsedMs })
    }
  }
}

/** Faults whose details only name the block. */
const REASONS: ReadonlyMap<string, string> = new Map([
  ['fabric-protocol/bad-previous-hash', 'it does not follow the block before it: its previous hash is another'],
  ['fabric-protocol/bad-data-hash', 'its transactions do not hash to the data hash of its header'],
])

function refused({ fault, detail }: Fault, height: bigint): KumikoError {
  const message = `block ${height} is refused: ${REASONS.get(fault) ?? detail ?? fault} (${fault}); the ${height} blocks before it are kept: fetch it again from elsewhere`
  return new KumikoError('node/block-refused', message, { context: { fault, number: height } })
}

function noTransaction({ header, data }: Block, place: number): KumikoError {
  const message = `the private file has a write set for transaction ${place} of block ${header.number}, which has ${data.length}: correct blocks.${header.number}.${place}; the blocks before it are kept`
  return new KumikoError('node/no-transaction', message, { context: { number: header.number } })
}

function stopped(height: bigint, cause: unknown): StoppedError {
  return new StoppedError(`stopped after block ${height - 1n}`, cause)
}
