import type { BlockEvents } from './block-events.ts'

/** What is kept, at most. */
export interface KeptBlocksLimits {
  readonly blocksMax: number
  /** Of all blocks together, one alone excepted. */
  readonly bytesMax: number
}

interface Kept {
  readonly read: Promise<BlockEvents | undefined>
  /** 0 before it is read. */
  sizeBytes: number
}

/** Blocks that several streams read at about the same time: each is read once. Of more than the limits say, the oldest go. */
export class KeptBlocks {
  readonly #limits: KeptBlocksLimits
  /** In the order in which they were read. */
  readonly #kept = new Map<bigint, Kept>()
  #bytes = 0

  constructor(limits: KeptBlocksLimits) {
    this.#limits = limits
  }

  /** A block that is kept, or is read now. @returns Undefined where there is none. @throws What reading throws. */
  get(number: bigint, read: () => Promise<BlockEvents | undefined>): Promise<BlockEvents | undefined> {
    const known = this.#kept.get(number)
    if (known !== undefined) return known.read
    const kept: Kept = { read: read(), sizeBytes: 0 }
    this.#kept.set(number, kept)
    kept.read.then(
      (block) => this.#measure(number, kept, block),
      () => this.#drop(number, kept),
    )
    return kept.read
  }

  /** Keeps none. */
  clear(): void {
    this.#kept.clear()
    this.#bytes = 0
  }

  #measure(number: bigint, kept: Kept, block: BlockEvents | undefined): void {
    if (block === undefined) this.#drop(number, kept)
    if (block === undefined || this.#kept.get(number) !== kept) return
    kept.sizeBytes = block.sizeBytes
    this.#bytes += kept.sizeBytes
    for (const [oldest, other] of this.#kept) {
      if (this.#kept.size <= this.#limits.blocksMax && (this.#bytes <= this.#limits.bytesMax || other === kept)) return
      this.#drop(oldest, other)
    }
  }

  #drop(number: bigint, kept: Kept): void {
    if (this.#kept.get(number) !== kept) return
    this.#kept.delete(number)
    this.#bytes -= kept.sizeBytes
  }
}
