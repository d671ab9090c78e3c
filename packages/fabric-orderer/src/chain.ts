import type { Block } from '@kumiko/fabric-protocol'
import { KumikoError, News, raceAbort } from '@kumiko/interface'
import { type BlockContent, type BlockSigner, type ChainTip, nextBlock, tipAfter } from './block-writer.ts'
import type { ChainStore } from './chain-store.ts'

/** A channel's blocks as they grow: makes the next one, and tells who follows them. */
export class Chain {
  readonly channelId: string
  readonly #store: ChainStore
  readonly #signer: BlockSigner
  readonly #closed = new AbortController()
  readonly #failed = new AbortController()
  #tip: ChainTip
  readonly #news = new News()

  constructor(channelId: string, store: ChainStore, tip: ChainTip, signer: BlockSigner) {
    this.channelId = channelId
    this.#store = store
    this.#tip = tip
    this.#signer = signer
  }

  /** The number of blocks. */
  get height(): bigint {
    return this.#store.height
  }

  /** Aborted when no more blocks come: with the reason. */
  get failed(): AbortSignal {
    return this.#failed.signal
  }

  /** @returns Undefined where there is none yet. */
  async block(number: bigint): Promise<Block | undefined> {
    return await this.#store.block(number)
  }

  /** Is this very envelope in a block? See {@link ChainStore.has}. */
  async has(envelope: Uint8Array): Promise<boolean> {
    return await this.#store.has(envelope)
  }

  /** As `OrdererChannel.blocks`. */
  async *blocks(from: bigint, signal: AbortSignal | undefined): AsyncGenerator<Block, void, undefined> {
    for (let number = from; signal?.aborted !== true && !this.#closed.signal.aborted; ) {
      const news = this.#news.next
      const block = number < this.height ? await this.block(number) : undefined
      if (block !== undefined) {
        number++
        yield block
      } else if (this.failed.aborted) throw halted(this.channelId, this.failed.reason)
      else await raceAbort(news, signal).catch(() => undefined)
    }
  }

  /** Writes the next block: it outlives a loss of power then. One at a time. @throws KumikoError as `BlockStore.append`. */
  async write(content: BlockContent): Promise<void> {
    const block = nextBlock(this.#tip, content, this.#signer)
    await this.#store.append(block)
    this.#tip = tipAfter(block, content.isConfig ? block.header.number : this.#tip.lastConfig)
    this.#news.tell()
  }

  /** Tells that no more blocks come. */
  fail(reason: unknown): void {
    this.#failed.abort(reason)
    this.#news.tell()
  }

  /** Ends all loops. */
  end(): void {
    this.#closed.abort()
    this.#news.tell()
  }

  async close(): Promise<void> {
    this.end()
    await this.#store.close()
  }
}

function halted(channelId: string, cause: unknown): KumikoError {
  const why = cause instanceof Error ? cause.message : String(cause)
  const message = `channel ${channelId} makes no more blocks (${why}): mend what failed, and start the orderer anew`
  return new KumikoError('fabric-orderer/halted', message, { cause, context: { channelId } })
}
