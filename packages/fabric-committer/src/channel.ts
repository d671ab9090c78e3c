import { type BlockReader, CONFIG_KEY, type CommittedBlock, type Ledger, type TransactionPrivateData } from '@kumiko/fabric-ledger'
import { LIFECYCLE_NAMESPACE } from '@kumiko/fabric-lifecycle'
import { channelBundle, channelMsp } from '@kumiko/fabric-msp'
import { type Block, blockHash, ConfigEnvelope, isConfigBlock } from '@kumiko/fabric-protocol'
import { type Fault, isFault, KumikoError, News, raceAbort } from '@kumiko/interface'
import { type ChainEnd, type CommitterBundle, checkNextBlock } from './block-intake.ts'
import type { BlockSource } from './block-source.ts'
import { ChaincodeRulebook } from './chaincode-rules.ts'
import type { CheckedTransaction } from './check-transaction.ts'
import { PolicyVerdicts } from './endorsement-check.ts'
import { keepIdentities } from './identity-cache.ts'
import { inlineChecker, type TransactionChecker } from './transaction-checker.ts'
import { type ChannelRules, type ValidatedBlock, validateBlock } from './validate-block.ts'
import { WorkerPool } from './worker-pool.ts'

/** What a channel's committer is made of. */
export interface ChannelOptions {
  /** Where blocks go; it has block 0, or a snapshot. Nobody else commits to it. The channel does not close it. */
  readonly ledger: CommitterLedger
  /** Threads that check signatures, from 1 on; 0, the default, for none: all is done in this one. */
  readonly workers?: number
}

/** What a committer asks of a ledger. */
export interface CommitterLedger extends Pick<Ledger, 'channelId' | 'info' | 'state' | 'commit'> {
  readonly blocks: Pick<BlockReader, 'block' | 'hasTransactions'>
}

/** A block as the ledger has it. */
export interface Commit {
  readonly number: bigint
  /** With validation codes and commit hash in its metadata. */
  readonly block: Block
}

/**
 * A channel's committer: takes blocks in order, judges them as Fabric's peers do, and commits them to the ledger.
 *
 * Where something fails that says nothing of a block (the database, a worker, a definition that cannot be read), the channel halts: nothing of
 * the block is stored, and nothing is taken until the channel is opened anew.
 * @see Fabric `core/committer`, `gossip/state`; research § 3.5
 */
export class Channel {
  readonly #ledger: CommitterLedger
  readonly #checker: TransactionChecker
  #rules: ChannelRules
  #height: bigint
  #isStoring = false
  #isClosed = false
  #failure: KumikoError | undefined
  readonly #news = new News()

  private constructor(ledger: CommitterLedger, checker: TransactionChecker, bundle: CommitterBundle) {
    this.#ledger = ledger
    this.#height = ledger.info.height
    this.#checker = checker
    this.#rules = rulesOf(bundle)
    checker.configure(bundle)
  }

  /**
   * Goes on where a ledger ends.
   * @throws KumikoError `fabric-committer/no-configuration` where the ledger's state has none that we can follow; `fabric-committer/bad-workers`.
   */
  static async open({ ledger, workers = 0 }: ChannelOptions): Promise<Channel> {
    const bundle = await readConfiguration(ledger)
    return new Channel(ledger, workers === 0 ? inlineChecker() : new WorkerPool(workers), bundle)
  }

  /** The number of blocks that the state has taken in too: the ledger's own height is ahead while a block is committed. */
  get height(): bigint {
    return this.#height
  }

  /** The channel as its configuration has it now. */
  get bundle(): CommitterBundle {
    return this.#rules.bundle
  }

  /** Why the channel halted, if it did. */
  get failure(): KumikoError | undefined {
    return this.#failure
  }

  /**
   * Judges a block and commits it. When it returns, the block outlives a loss of power. One at a time.
   * @returns Why the block is not the channel's next, where it is not: nothing changed then.
   * @throws KumikoError `fabric-committer/store-overlap`, `fabric-committer/closed`; `fabric-committer/halted` with a cause.
   */
  async store(block: Block, privateData: readonly TransactionPrivateData[] = []): Promise<CommittedBlock | Fault> {
    const end = this.#begin()
    try {
      return await this.#commit(block, privateData, this.#check(block, end))
    } finally {
      this.#isStoring = false
    }
  }

  /**
   * Commits what a source brings, from the ledger's end on. While a block is committed the next one's transactions are checked; one more is read
   * ahead.
   * @returns When the source ends; or why a block was not the channel's next: what was before it is committed.
   * @throws The signal's reason, when the block at hand is committed. What the source throws. As {@link store}.
   */
  async run(source: BlockSource, { signal }: { readonly signal?: AbortSignal } = {}): Promise<Fault | undefined> {
    let end = this.#begin()
    let last: Promise<CommittedBlock | Fault> | undefined
    // A source may wait long for its next block: it is told at once that the one before was not taken.
    const refused = new AbortController()
    const until = signal === undefined ? refused.signal : AbortSignal.any([signal, refused.signal])
    try {
      for await (const { block, privateData = [] } of source.blocks(end.height, { signal: until })) {
        if (this.#isClosed) throw closed(this.#ledger.channelId)
        signal?.throwIfAborted()
        const { bundle } = this
        const checked = this.#check(block, end)
        quietly(checked)
        const before = await last
        if (isFault(before)) return before
        // A block that configures the channel among other transactions is seen only now: what came after it is checked anew.
        last = this.#commit(block, privateData, this.bundle === bundle ? checked : this.#check(block, end))
        abortWhereNotTaken(last, refused)
        end = { height: block.header.number + 1n, currentHash: blockHash(block.header) }
        if (isConfigBlock(block)) await last
      }
      const found = await last
      return isFault(found) ? found : undefined
    } catch (error) {
      const found = refused.signal.aborted ? await last : await last?.catch(() => undefined)
      if (refused.signal.aborted && isFault(found)) return found
      throw error
    } finally {
      this.#isStoring = false
    }
  }

  /**
   * Blocks from a number on, those committed already and then each as it is committed: who asks the state then sees what it wrote. Holds none: a
   * slow listener reads from the ledger, and stops nobody.
   * @param from - May be above the height: it waits.
   * @param options.signal - Ends the loop.
   * @returns A loop that ends when the channel is closed, and throws KumikoError `fabric-committer/halted` where it halts.
   */
  async *commits(from: bigint, { signal }: { readonly signal?: AbortSignal } = {}): AsyncGenerator<Commit, void, undefined> {
    for (let number = from; signal?.aborted !== true && !this.#isClosed; ) {
      const news = this.#news.next
      const block = number < this.height ? await this.#ledger.blocks.block(number) : undefined
      if (block !== undefined) yield { number: number++, block }
      else if (this.#failure !== undefined) throw this.#failure
      else await raceAbort(news, signal).catch(() => undefined)
    }
  }

  /** Ends workers and loops. Wait for {@link store} and {@link run} first. */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#news.tell()
    await this.#checker.close()
  }

  #begin(): ChainEnd {
    const { channelId, info } = this.#ledger
    if (this.#failure !== undefined) throw this.#failure
    if (this.#isClosed) throw closed(channelId)
    if (this.#isStoring)
      throw new KumikoError('fabric-committer/store-overlap', 'wait for one block before the next', { context: { channelId } })
    this.#isStoring = true
    return info
  }

  /** What takes no state. */
  async #check(block: Block, end: ChainEnd): Promise<readonly CheckedTransaction[] | Fault> {
    return checkNextBlock(block, end, this.#rules.bundle) ?? (await this.#checker.check(block.data))
  }

  /** Judges and stores a block, which comes after all that were told before. */
  async #commit(
    block: Block,
    privateData: readonly TransactionPrivateData[],
    checking: Promise<readonly CheckedTransaction[] | Fault>,
  ): Promise<CommittedBlock | Fault> {
    try {
      const checked = await checking
      if (isFault(checked)) return checked
      const { transactions, committed, next } = await this.#validate(block, checked)
      const outcome = await this.#ledger.commit({ block, transactions, committed, privateData })
      this.#follow(outcome, next)
      return outcome
    } catch (error) {
      throw this.#halt(block, error)
    }
  }

  #validate(block: Block, checked: readonly CheckedTransaction[]): Promise<ValidatedBlock> {
    const { state, blocks } = this.#ledger
    return validateBlock(block, checked, this.#rules, { state, hasTransactions: (txIds) => blocks.hasTransactions(txIds) })
  }

  #follow({ number, updates }: CommittedBlock, next: CommitterBundle | undefined): void {
    this.#height = number + 1n
    if (next !== undefined) this.#configure(next)
    else if (updates.some(({ namespace }) => namespace === LIFECYCLE_NAMESPACE)) this.#rules.rulebook.forget()
    this.#news.tell()
  }

  #configure(bundle: CommitterBundle): void {
    this.#rules = rulesOf(bundle)
    this.#checker.configure(bundle)
  }

  #halt({ header: { number } }: Block, cause: unknown): KumikoError {
    const { channelId } = this.#ledger
    const message = `channel "${channelId}" halted at block ${number}: mend what is wrong, and open ledger and channel anew`
    this.#failure ??= new KumikoError('fabric-committer/halted', message, { context: { channelId, number }, cause })
    this.#news.tell()
    return this.#failure
  }
}

function rulesOf(bundle: CommitterBundle): ChannelRules {
  return { bundle, msps: keepIdentities(bundle.msps), rulebook: new ChaincodeRulebook(bundle), verdicts: new PolicyVerdicts() }
}

async function readConfiguration({ channelId, state }: CommitterLedger): Promise<CommitterBundle> {
  const [entry] = await state.getMany([{ namespace: '', key: CONFIG_KEY }])
  const envelope = ConfigEnvelope.decode(entry?.value ?? new Uint8Array())
  const config = isFault(envelope) ? envelope : envelope.config
  const bundle = config === undefined || isFault(config) ? config : channelBundle(channelId, config, channelMsp)
  if (bundle !== undefined && !isFault(bundle)) return bundle
  const why = bundle === undefined ? 'it has none' : `${bundle.fault}: ${bundle.detail ?? ''}`
  const message = `cannot follow the configuration in the state of channel "${channelId}" (${why})`
  throw new KumikoError('fabric-committer/no-configuration', message, { context: { channelId } })
}

/** Ends what goes on until then, where a block is refused or fails. */
function abortWhereNotTaken(work: Promise<CommittedBlock | Fault>, until: AbortController): void {
  const abort = (): void => until.abort()
  work.then((outcome) => isFault(outcome) && abort(), abort)
}

/** Somebody hears of it later. */
function quietly(work: Promise<unknown>): void {
  work.catch(() => undefined)
}

function closed(channelId: string): KumikoError {
  return new KumikoError('fabric-committer/closed', `the committer of channel "${channelId}" was closed`, { context: { channelId } })
}
