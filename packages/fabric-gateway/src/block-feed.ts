import { News, raceAbort } from '@kumiko/interface'
import { BlockEvents } from './block-events.ts'
import type { GatewayChannel } from './contract.ts'
import { KeptBlocks, type KeptBlocksLimits } from './kept-blocks.ts'

/** For streams that are about as far as one another. */
const KEPT: KeptBlocksLimits = { blocksMax: 64, bytesMax: 16 * 1024 * 1024 }

/** What becomes of a transaction. */
export interface TransactionStatus {
  /** A `ValidationCode`. */
  readonly code: number
  readonly blockNumber: bigint
}

/**
 * The blocks of a channel for all who follow it: whatever the number of streams, a new block is taken from the channel once and read once. It
 * follows the channel as long as somebody follows it.
 */
export class BlockFeed {
  readonly #channel: GatewayChannel
  readonly #kept = new KeptBlocks(KEPT)
  /** One for each call that waits: the service's limit is theirs. */
  readonly #awaited = new Map<string, Set<(status: TransactionStatus) => void>>()
  #followers = 0
  #following: AbortController | undefined
  /** The number of blocks that followers may see. */
  #height = 0n
  #failure: Error | undefined
  /** Of a new block or a failure. */
  readonly #news = new News()

  constructor(channel: GatewayChannel) {
    this.#channel = channel
  }

  /**
   * Blocks from a number on, without end.
   * @param first - May be above the height: it waits. Undefined: the next to be committed.
   * @throws What the channel's end or halt throws; the signal's reason.
   */
  async *from(first: bigint | undefined, signal: AbortSignal): AsyncGenerator<BlockEvents, void, undefined> {
    const release = this.#follow()
    try {
      for (let number = first ?? this.#channel.height; ; ) {
        signal.throwIfAborted()
        const news = this.#news.next
        const block = number < this.#height ? await this.#block(number) : undefined
        if (block !== undefined) {
          yield block
          number++
        } else if (this.#failure !== undefined) throw this.#failure
        else await raceAbort(news, signal)
      }
    } finally {
      release()
    }
  }

  /**
   * What became of a transaction, as soon as it is committed.
   * @throws As {@link from}, and what the ledger throws.
   */
  async statusOf(txId: string, signal: AbortSignal): Promise<TransactionStatus> {
    const release = this.#follow()
    // Waits first, looks then: nothing is missed in between. The first of an id counts: others are duplicates.
    let status: TransactionStatus | undefined
    const forget = this.#await(txId, (told) => {
      status ??= told
    })
    try {
      const found = await this.#channel.ledger.blocks.transaction(txId)
      if (found !== undefined && found.blockNumber < this.#channel.height)
        return { code: found.validationCode, blockNumber: found.blockNumber }
      return await this.#until(() => status, signal)
    } finally {
      forget()
      release()
    }
  }

  /** The block that a transaction is in. @returns Undefined where there is none yet. @throws What the ledger throws. */
  async blockOf(txId: string): Promise<bigint | undefined> {
    return (await this.#channel.ledger.blocks.transaction(txId))?.blockNumber
  }

  async #until<T>(look: () => T | undefined, signal: AbortSignal): Promise<T> {
    for (;;) {
      const news = this.#news.next
      const found = look()
      if (found !== undefined) return found
      if (this.#failure !== undefined) throw this.#failure
      await raceAbort(news, signal)
    }
  }

  /** @returns Undefined where the channel does not have it. */
  #block(number: bigint): Promise<BlockEvents | undefined> {
    return this.#kept.get(number, async () => {
      const block = await this.#channel.ledger.blocks.block(number)
      return block && new BlockEvents(block)
    })
  }

  #await(txId: string, told: (status: TransactionStatus) => void): () => void {
    const waiting = this.#awaited.get(txId) ?? new Set()
    this.#awaited.set(txId, waiting.add(told))
    return () => {
      waiting.delete(told)
      if (waiting.size === 0 && this.#awaited.get(txId) === waiting) this.#awaited.delete(txId)
    }
  }

  /** @returns To be called once. */
  #follow(): () => void {
    this.#followers++
    if (this.#following === undefined) {
      this.#following = new AbortController()
      this.#failure = undefined
      this.#height = this.#channel.height
      void this.#run(this.#height, this.#following.signal)
    }
    return () => {
      if (--this.#followers === 0) this.#stop()
    }
  }

  /** Nobody follows: nothing is kept. */
  #stop(): void {
    this.#following?.abort()
    this.#following = undefined
    this.#kept.clear()
  }

  async #run(from: bigint, signal: AbortSignal): Promise<void> {
    try {
      for await (const { block } of this.#channel.commits(from, { signal })) {
        if (signal.aborted) return
        this.#show(new BlockEvents(block))
      }
      if (!signal.aborted) this.#fail(new Error('unexpected close of commit notification channel'))
    } catch (error) {
      if (!signal.aborted) this.#fail(error instanceof Error ? error : new Error(String(error)))
    }
  }

  #show(block: BlockEvents): void {
    this.#height = block.number + 1n
    void this.#kept.get(block.number, async () => block)
    if (this.#awaited.size > 0)
      for (const { txId, code } of block.transactions)
        for (const told of this.#awaited.get(txId) ?? []) told({ code, blockNumber: block.number })
    this.#news.tell()
  }

  /** Those who follow hear of it; the next to come tries anew. */
  #fail(error: Error): void {
    this.#failure = error
    this.#following = undefined
    this.#news.tell()
  }
}
