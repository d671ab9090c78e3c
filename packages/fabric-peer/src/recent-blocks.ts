import type { BlockReader } from '@kumiko/fabric-ledger'
import type { Block } from '@kumiko/fabric-protocol'
import { BoundedMap } from '@kumiko/interface'

/** So many blocks are kept. */
const KEPT_MAX = 4

/**
 * The last blocks of a ledger, each read once for all who follow the channel. Holds {@link KEPT_MAX} blocks at most; older ones are read from the
 * ledger each time.
 */
export class RecentBlocks {
  readonly #blocks: Pick<BlockReader, 'block' | 'info'>
  /** By number, in the order in which they were asked for. */
  readonly #kept = new BoundedMap<bigint, Promise<Block | undefined>>(KEPT_MAX)

  constructor(blocks: Pick<BlockReader, 'block' | 'info'>) {
    this.#blocks = blocks
  }

  /** @returns Undefined where the ledger has no such block. @throws As the ledger's `block`. */
  block(number: bigint): Promise<Block | undefined> {
    const kept = this.#kept.get(number)
    if (kept !== undefined) return kept
    const { height } = this.#blocks.info
    const block = this.#blocks.block(number)
    if (number >= height || number < height - BigInt(KEPT_MAX)) return block
    this.#kept.set(number, block)
    block.catch(() => this.#kept.delete(number))
    return block
  }
}
