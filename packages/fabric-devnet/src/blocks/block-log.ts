import type { Block } from '@kumiko/fabric-protocol'
import { type BlockSummary, summarizeBlock } from './block-summary.ts'

/** A channel of a peer, as far as its blocks are read. */
export interface BlockLogChannel {
  readonly height: bigint
  readonly ledger: { readonly blocks: { block(number: bigint): Promise<Block | undefined> } }
  commits(from: bigint, options: { readonly signal?: AbortSignal }): AsyncIterable<{ readonly block: Block }>
}

/** The blocks of a network, as one of its peers committed them. */
export interface BlockLog {
  /** The number of blocks. */
  readonly height: bigint
  /** A block in words; undefined where it is not there yet. */
  get(number: bigint | number): Promise<BlockSummary | undefined>
  /** A block as it is, with validation codes and commit hash. */
  raw(number: bigint | number): Promise<Block | undefined>
  /**
   * Blocks from a number on, then each as it is committed.
   * @param from - Default 0.
   * @param options.signal - Ends the loop.
   */
  from(from?: bigint | number, options?: { readonly signal?: AbortSignal }): AsyncGenerator<BlockSummary, void, undefined>
}

/** @param channel - Asked each time: a peer that is revived has another one. */
export function blockLog(channel: () => BlockLogChannel): BlockLog {
  return {
    get height() {
      return channel().height
    },
    get: async (number) => {
      const block = await channel().ledger.blocks.block(BigInt(number))
      return block && summarizeBlock(block)
    },
    raw: (number) => channel().ledger.blocks.block(BigInt(number)),
    from: async function* (from = 0, options = {}) {
      for await (const { block } of channel().commits(BigInt(from), options)) yield summarizeBlock(block)
    },
  }
}
