import type { TransactionPrivateData } from '@kumiko/fabric-ledger'
import type { Block } from '@kumiko/fabric-protocol'
import { KumikoError, type Millis, systemClock } from '@kumiko/interface'
import type { StoredBlock } from './block-lines.ts'
import type { PrivateDataByBlock } from './private-data-file.ts'

/** Takes blocks in: a channel of the committer. */
export interface BlockStoring {
  store(block: Block, privateData?: readonly TransactionPrivateData[]): Promise<Omit<StoredBlock, 'header'>>
}

/** How far a run is. */
export interface RunProgress {
  /** The block that was taken in last. */
  readonly number: bigint
  readonly transactions: number
  readonly elapsedMs: Millis
}

/** What {@link runBlocks} does. */
export interface BlockRun {
  readonly blocks: AsyncIterable<Block>
  readonly privateData?: PrivateDataByBlock | undefined
  readonly channel: BlockStoring
  /** Aborts between two blocks. */
  readonly signal: AbortSignal
  readonly onBlock: (stored: StoredBlock, progress: RunProgress) => void | Promise<void>
}

/** The outcome of a run that came to its end. */
export interface RunReport {
  readonly blocks: number
  readonly transactions: number
  readonly elapsedMs: Millis
}

/**
 * Takes blocks in, one after the other.
 * @throws KumikoError `node/stopped` where the signal aborted: all blocks that `onBlock` was told of are kept. Of the blocks and the channel, theirs.
 */
export async function runBlocks({ blocks, privateData, channel, signal, onBlock }: BlockRun): Promise<RunReport> {
  const startedAt = systemClock.now()
  let [count, transactions] = [0, 0]
  for await (const block of blocks) {
    if (signal.aborted) throw new KumikoError('node/stopped', 'stopped')
    const { number } = block.header
    const { codes, commitHash } = await channel.store(block, privateData?.get(number))
    count++
    transactions += block.data.length
    await onBlock({ header: block.header, codes, commitHash }, { number, transactions, elapsedMs: systemClock.now() - startedAt })
  }
  return { blocks: count, transactions, elapsedMs: systemClock.now() - startedAt }
}

/** `block 120 of 5000, 350 tx/s`. */
export function progressText({ number, transactions, elapsedMs }: RunProgress, last: bigint): string {
  const rate = elapsedMs > 0 ? `, ${Math.round((transactions * 1000) / elapsedMs)} tx/s` : ''
  return `block ${number} of ${last}${rate}; ctrl-C stops`
}
