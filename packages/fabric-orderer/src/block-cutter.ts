import type { BatchSize, Envelope } from '@kumiko/fabric-protocol'

/** What became of an envelope. */
export interface Ordered<T> {
  /** Blocks to be, in order: none, one or two, each with one item or more. */
  readonly batches: readonly (readonly T[])[]
  /** Does anything wait for the next block? */
  readonly isPending: boolean
}

/**
 * Cuts envelopes into blocks by number and size. Holds at most `maxMessageCount` of them, and `preferredMaxBytes`.
 * @see Fabric `orderer/common/blockcutter/blockcutter.go`
 */
export class BlockCutter<T> {
  #pending: T[] = []
  #pendingBytes = 0

  /** How many envelopes wait for the next block. */
  get pendingCount(): number {
    return this.#pending.length
  }

  /**
   * Takes an envelope.
   * @param sizeBytes - Of the envelope, by {@link envelopeSize}: above `preferredMaxBytes` it is alone in a block.
   */
  order(item: T, sizeBytes: number, { preferredMaxBytes, maxMessageCount }: BatchSize): Ordered<T> {
    if (sizeBytes > preferredMaxBytes) return { batches: [...this.#cutIfAny(), [item]], isPending: false }
    const batches = this.#pendingBytes + sizeBytes > preferredMaxBytes ? this.#cutIfAny() : []
    this.#pending.push(item)
    this.#pendingBytes += sizeBytes
    if (this.#pending.length >= maxMessageCount) batches.push(this.cut())
    return { batches, isPending: this.#pending.length > 0 }
  }

  /** What waits, as a block; empty where nothing does. */
  cut(): readonly T[] {
    const batch = this.#pending
    this.#pending = []
    this.#pendingBytes = 0
    return batch
  }

  #cutIfAny(): (readonly T[])[] {
    return this.#pending.length === 0 ? [] : [this.cut()]
  }
}

/** The size that counts for blocks: payload and signature, without what is around them. */
export function envelopeSize({ payload, signature }: Envelope): number {
  return payload.length + signature.length
}
