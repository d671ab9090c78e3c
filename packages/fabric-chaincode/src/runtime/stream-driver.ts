import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import type { ChaincodeMessage } from '@kumiko/fabric-protocol'
import { Alarm, type Clock } from '@kumiko/interface'
import type { Execution } from '../requests/execution.ts'
import {
  ChaincodeStream,
  type ExecutionOutcome,
  type OutgoingTransaction,
  type StreamEffect,
  type StreamLimits,
} from '../stream/chaincode-stream.ts'
import type { ChaincodeMetrics } from './chaincode-metrics.ts'
import type { ChaincodeDuplex } from './connector.ts'

/** Who is told of a stream's chaincode. */
export interface StreamRegistry {
  /** @returns Why it may not come under the name, in Fabric's words; undefined where it may. */
  register(name: string, driver: StreamDriver): string | undefined
  /** It was told so, and takes transactions. */
  ready(name: string, driver: StreamDriver): void
}

/** What a driver needs. */
export interface StreamDriverOptions {
  readonly limits: StreamLimits
  readonly clock: Clock
  readonly registry: StreamRegistry
  readonly metrics: ChaincodeMetrics
}

interface Pending {
  readonly execution: Execution
  readonly settle: (outcome: ExecutionOutcome) => void
}

/** Joins a chaincode's stream with its machine, the clock and the requests. */
export class StreamDriver {
  readonly #stream: ChaincodeDuplex
  readonly #machine: ChaincodeStream<Pending>
  readonly #clock: Clock
  readonly #alarm: Alarm
  readonly #registry: StreamRegistry
  readonly #metrics: ChaincodeMetrics
  #isBehind = false
  /** There is nothing to read any more. */
  #isOver = false
  /** Why the peer ended it. */
  #reason: string | undefined

  constructor(stream: ChaincodeDuplex, { limits, clock, registry, metrics }: StreamDriverOptions) {
    this.#stream = stream
    this.#clock = clock
    this.#registry = registry
    this.#metrics = metrics
    this.#machine = new ChaincodeStream(limits, clock.now())
    this.#alarm = new Alarm(clock, () => this.#perform(this.#machine.expire(this.#clock.now())))
  }

  /** Whether it takes transactions. */
  get isReady(): boolean {
    return this.#machine.isReady
  }

  /** Serves the stream until it ends. @throws Error as `ChaincodeStreams.attach`. */
  async run(): Promise<void> {
    try {
      this.#alarm.set(this.#machine.deadline)
      await this.#read()
    } catch (error) {
      if (this.#reason === undefined) throw error
    } finally {
      this.#isOver = true
      this.#perform(this.#machine.end('the chaincode has ended the stream'))
      this.#alarm.cancel()
      this.#stream.end()
    }
    if (this.#reason !== undefined) throw new Error(this.#reason)
  }

  /**
   * Executes a transaction.
   * @param signal - Gives it up.
   * @returns What became of it; or, in Fabric's words, why it cannot be executed.
   */
  async execute(execution: Execution, message: ChaincodeMessage, signal?: AbortSignal): Promise<ExecutionOutcome | string> {
    const { promise, resolve } = Promise.withResolvers<ExecutionOutcome>()
    const transaction: OutgoingTransaction<Pending> = { execution: { execution, settle: resolve }, message }
    const effects = this.#machine.execute(transaction, this.#clock.now())
    if (typeof effects === 'string') return effects
    const abort = (): void => this.#perform(this.#machine.abort(transaction))
    signal?.addEventListener('abort', abort, { once: true })
    this.#perform(effects)
    if (signal?.aborted === true) abort()
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', abort)
      await execution.queries.closeAll()
    }
  }

  /** Ends the stream. @param reason - For who is at the other end. */
  end(reason: string): void {
    this.#perform(this.#machine.end(reason))
  }

  async #read(): Promise<void> {
    for await (const message of this.#stream.messages) {
      this.#perform(this.#machine.receive(message))
      if (this.#reason !== undefined) return
      if (this.#isBehind) await this.#drained()
    }
  }

  #perform(effects: readonly StreamEffect<Pending>[]): void {
    for (const effect of effects) this.#performOne(effect)
    this.#alarm.set(this.#machine.deadline)
  }

  #performOne(effect: StreamEffect<Pending>): void {
    switch (effect.do) {
      case 'send':
        if (!this.#stream.send(effect.message)) this.#isBehind = true
        break
      case 'register':
        this.#register(effect.name)
        break
      case 'handle':
        this.#handle(effect.request, effect.execution).catch((error: unknown) => this.end(String(error)))
        break
      case 'settle':
        effect.execution.settle(effect.outcome)
        break
      case 'end':
        this.#end(effect.reason)
    }
  }

  #register(name: string): void {
    const refused = this.#registry.register(name, this)
    this.#perform(refused === undefined ? this.#machine.accept() : this.#machine.end(refused))
    if (refused === undefined) this.#registry.ready(name, this)
  }

  #end(reason: string): void {
    if (this.#isOver) return
    this.#reason = reason
    this.#stream.fail(new RpcError(RpcStatus.unknown, reason))
  }

  async #handle(request: ChaincodeMessage, { execution }: Pending): Promise<void> {
    const beganAt = this.#clock.now()
    this.#metrics.requested(request.type)
    const outcome = await execution.answer(request)
    this.#perform(this.#machine.answer(request, outcome))
    this.#metrics.answered(request.type, this.#clock.now() - beganAt)
  }

  async #drained(): Promise<void> {
    await this.#stream.drained()
    this.#isBehind = false
  }
}
