import { Worker } from 'node:worker_threads'
import { Config } from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import type { CommitterBundle } from './block-intake.ts'
import type { CheckedTransaction } from './check-transaction.ts'
import { type CheckedBatch, unpackChecked } from './checked-batch.ts'
import type { TransactionChecker } from './transaction-checker.ts'
import { type FromWorker, joinItems, type ToWorker } from './worker-message.ts'

/** Threads at most: more than any machine has use for. */
export const WORKERS_MAX = 64

/** Transactions in a batch, at most; a block is cut into some for each worker, so that none waits for another for long. */
const BATCH_MAX = 32
const BATCHES_PER_WORKER = 4

/** Sources run as they are; what was built has another ending. */
const IS_SOURCE = import.meta.url.endsWith('.ts')
const WORKER_URL = new URL(IS_SOURCE ? './check-worker.ts' : './check-worker.js', import.meta.url)

interface Waiting {
  readonly worker: PoolWorker
  settle(checked: CheckedBatch): void
  fail(error: KumikoError): void
}

interface PoolWorker {
  readonly thread: Worker
  /** Batches that it was given and has not answered. */
  load: number
}

/**
 * Checks in threads of their own: {@link TransactionChecker}. Where one of them fails, all of the pool does, for good: a transaction of which
 * nothing is known must not be judged.
 * @param count - Of threads: 1 to {@link WORKERS_MAX}.
 */
export class WorkerPool implements TransactionChecker {
  readonly #workers: readonly PoolWorker[]
  /** By number; bounded by the blocks that are checked at once, which are two. */
  readonly #waiting = new Map<number, Waiting>()
  #batch = 0
  #failure: KumikoError | undefined
  #isClosed = false

  constructor(count: number) {
    if (!Number.isInteger(count) || count < 1 || count > WORKERS_MAX) {
      throw new KumikoError('fabric-committer/bad-workers', `${count} workers: give 1 to ${WORKERS_MAX}, or 0 for none`)
    }
    this.#workers = Array.from({ length: count }, () => this.#start())
  }

  configure(bundle: CommitterBundle): void {
    const message: ToWorker = { kind: 'configure', channelId: bundle.channelId, config: Config.encode(bundle.config) }
    for (const { thread } of this.#workers) thread.postMessage(message)
  }

  async check(items: readonly Uint8Array[]): Promise<readonly CheckedTransaction[]> {
    const size = Math.min(BATCH_MAX, Math.ceil(items.length / (this.#workers.length * BATCHES_PER_WORKER)))
    const batches: Promise<CheckedTransaction[]>[] = []
    for (let at = 0; at < items.length; at += size) batches.push(this.#checkBatch(items.slice(at, at + size)))
    return (await Promise.all(batches)).flat()
  }

  async close(): Promise<void> {
    this.#isClosed = true
    this.#fail(new Error('the pool was closed'))
    await Promise.all(this.#workers.map(({ thread }) => thread.terminate()))
  }

  async #checkBatch(items: readonly Uint8Array[]): Promise<CheckedTransaction[]> {
    if (this.#failure !== undefined) throw this.#failure
    const worker = this.#workers.reduce((least, other) => (other.load < least.load ? other : least))
    const answer = Promise.withResolvers<CheckedBatch>()
    const batch = this.#batch++
    this.#waiting.set(batch, { worker, settle: answer.resolve, fail: answer.reject })
    worker.load++
    const { lengths, bytes } = joinItems(items)
    const message: ToWorker = { kind: 'check', batch, lengths, bytes }
    worker.thread.postMessage(message, [bytes])
    return unpackChecked(items, await answer.promise)
  }

  #start(): PoolWorker {
    const thread = new Worker(WORKER_URL, IS_SOURCE ? { execArgv: ['--conditions=@kumiko/source'] } : {})
    thread.on('message', ({ batch, checked }: FromWorker) => {
      const waiting = this.#waiting.get(batch)
      if (waiting === undefined) return
      this.#waiting.delete(batch)
      waiting.worker.load--
      waiting.settle(checked)
    })
    thread.on('error', (error) => this.#fail(error))
    thread.on('messageerror', (error) => this.#fail(error))
    thread.on('exit', (code) => {
      if (!this.#isClosed) this.#fail(new Error(`a worker ended with code ${code}`))
    })
    return { thread, load: 0 }
  }

  #fail(cause: unknown): void {
    const message = 'a worker that checks transactions failed: nothing is known of the block at hand'
    this.#failure ??= new KumikoError('fabric-committer/worker-failed', message, { cause })
    for (const { fail } of this.#waiting.values()) fail(this.#failure)
    this.#waiting.clear()
  }
}
