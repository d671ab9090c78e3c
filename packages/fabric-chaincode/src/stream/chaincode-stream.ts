import { ChaincodeAdditionalParams, ChaincodeId, ChaincodeMessage, ChaincodeMessageType } from '@kumiko/fabric-protocol'
import { isFault, type Millis } from '@kumiko/interface'
import { messageName } from './message-name.ts'

/** What whoever holds the stream must do. `Execution` is what was given to {@link ChaincodeStream.execute}. */
export type StreamEffect<Execution> =
  | { readonly do: 'send'; readonly message: ChaincodeMessage }
  /** Look whether the chaincode may come under this name, then call {@link ChaincodeStream.accept} or {@link ChaincodeStream.end}. */
  | { readonly do: 'register'; readonly name: string }
  /** Do what the chaincode asks for, then call {@link ChaincodeStream.answer}. */
  | { readonly do: 'handle'; readonly request: ChaincodeMessage; readonly execution: Execution }
  /** The execution is over. */
  | { readonly do: 'settle'; readonly execution: Execution; readonly outcome: ExecutionOutcome }
  /** Close the stream. */
  | { readonly do: 'end'; readonly reason: string }

/** What became of an execution: what the chaincode sent at its end (`completed` or `error`), or why it did not come to that. */
export type ExecutionOutcome = ChaincodeMessage | ExecutionFailure

/** Why the chaincode did not end a transaction. */
export interface ExecutionFailure {
  readonly failure: 'timeout' | 'stream-terminated' | 'aborted'
  /** Fabric's words. */
  readonly message: string
}

/** Bounds and intervals of a stream. */
export interface StreamLimits {
  /** How long the chaincode may take to say who it is. */
  readonly registerTimeoutMs: number
  /** How long a transaction may run. */
  readonly executeTimeoutMs: number
  /** How often a sign of life is sent; 0 for never. The Node.js shim ends its process when it gets one. */
  readonly keepaliveMs: number
  /** Transactions at once. */
  readonly executionsMax: number
}

/** A transaction on its way to the chaincode. */
export interface OutgoingTransaction<Execution> {
  readonly execution: Execution
  /** `init` or `transaction`. */
  readonly message: ChaincodeMessage
}

interface Running<Execution> {
  readonly execution: Execution
  readonly deadline: Millis
  /** It came while a request was being handled, and waits for that. */
  end: ChaincodeMessage | undefined
}

/** As many as the shims are told they may send in one message: Fabric 3.1's defaults. The handlers take any number. */
const ADDITIONAL_PARAMS = ChaincodeAdditionalParams.encode({
  useWriteBatch: true,
  maxSizeWriteBatch: 1000,
  useGetMultipleKeys: true,
  maxSizeGetMultipleKeys: 1000,
})

const { register, registered, ready, completed, error, response, keepalive, invokeChaincode } = ChaincodeMessageType

/** Requests that a chaincode may make in a transaction. */
const REQUESTS: ReadonlySet<number> = new Set([
  ChaincodeMessageType.getState,
  ChaincodeMessageType.putState,
  ChaincodeMessageType.delState,
  invokeChaincode,
  ChaincodeMessageType.getStateByRange,
  ChaincodeMessageType.getQueryResult,
  ChaincodeMessageType.queryStateNext,
  ChaincodeMessageType.queryStateClose,
  ChaincodeMessageType.getHistoryForKey,
  ChaincodeMessageType.getStateMetadata,
  ChaincodeMessageType.putStateMetadata,
  ChaincodeMessageType.getPrivateDataHash,
  ChaincodeMessageType.purgePrivateData,
  ChaincodeMessageType.writeBatchState,
  ChaincodeMessageType.getStateMultiple,
])

/**
 * The peer's end of a chaincode's stream, whoever dialed. First the chaincode registers; from then on it gets transactions, and asks for what
 * they need: one request at a time in each, a second one is dropped. Holds as many transactions as {@link StreamLimits} says, each with at
 * most one request, and no socket, timer or state.
 *
 * Unlike Fabric, a transaction that ends while its last request is still being handled ends after it: so what it writes does not depend on
 * which of two threads is faster. And a chaincode that may not register is told so by the stream's end, instead of being left to wait.
 * @see Fabric `core/chaincode/handler.go`, `transaction_contexts.go`, `active_transactions.go`; research § 2.2
 */
export class ChaincodeStream<Execution> {
  readonly #limits: StreamLimits
  readonly #running = new Map<string, Running<Execution>>()
  /** Transactions with a request that is being handled: at most those that ran when it came. */
  readonly #active = new Set<string>()
  #state: 'created' | 'established' | 'ready' | 'ended' = 'created'
  #keepaliveAt: Millis
  #registerUntil: Millis

  constructor(limits: StreamLimits, now: Millis) {
    this.#limits = limits
    this.#registerUntil = now + limits.registerTimeoutMs
    this.#keepaliveAt = limits.keepaliveMs > 0 ? now + limits.keepaliveMs : Number.POSITIVE_INFINITY
  }

  /** Whether transactions can be executed. */
  get isReady(): boolean {
    return this.#state === 'ready'
  }

  /** When {@link expire} is due; Infinity if never. */
  get deadline(): Millis {
    // All have the same time: the first that came is the first that is due.
    const [first] = this.#running.values()
    return Math.min(this.#keepaliveAt, this.#registerUntil, first?.deadline ?? Number.POSITIVE_INFINITY)
  }

  /** Takes a message of the chaincode's. */
  receive(message: ChaincodeMessage): StreamEffect<Execution>[] {
    if (message.type === keepalive || this.#state === 'ended') return []
    if (this.#state === 'created') return this.#receiveFirst(message)
    if (message.type === completed || message.type === error) return this.#receiveEnd(message)
    if (this.#state === 'ready' && REQUESTS.has(message.type)) return this.#receiveRequest(message)
    return this.#cannotHandle(message)
  }

  /** The chaincode may come under the name that it gave. */
  accept(): StreamEffect<Execution>[] {
    if (this.#state !== 'established') return []
    this.#state = 'ready'
    const messages = [{ type: registered }, { type: ready, payload: ADDITIONAL_PARAMS }]
    return messages.map((message) => ({ do: 'send', message: ChaincodeMessage.create(message) }))
  }

  /**
   * Sends a transaction.
   * @returns Or, in Fabric's words, why that cannot be.
   */
  execute({ execution, message }: OutgoingTransaction<Execution>, now: Millis): StreamEffect<Execution>[] | string {
    const key = keyOf(message)
    if (this.#state !== 'ready') return STREAM_TERMINATED.message
    if (this.#running.has(key)) return `txid: ${message.txid}(${message.channelId}) exists`
    if (this.#running.size >= this.#limits.executionsMax) return `the chaincode has ${this.#running.size} transactions to execute already`
    this.#running.set(key, { execution, deadline: now + this.#limits.executeTimeoutMs, end: undefined })
    return [{ do: 'send', message }]
  }

  /** Answers a request. @param outcome - The response's payload; or a text, why it failed. */
  answer(request: ChaincodeMessage, outcome: Uint8Array | string): StreamEffect<Execution>[] {
    if (this.#state === 'ended') return []
    const key = keyOf(request)
    this.#active.delete(key)
    const effects: StreamEffect<Execution>[] = [answerTo(request, outcome)]
    const end = this.#running.get(key)?.end
    return end === undefined ? effects : [...effects, ...this.#settle(key, end)]
  }

  /** Gives a transaction up: nobody waits for it any more. */
  abort({ message }: OutgoingTransaction<Execution>): StreamEffect<Execution>[] {
    return this.#settle(keyOf(message), ABORTED)
  }

  /** Ends transactions whose time is up; sends a sign of life. */
  expire(now: Millis): StreamEffect<Execution>[] {
    if (this.#registerUntil <= now) return this.end('the chaincode has not registered in time')
    const effects: StreamEffect<Execution>[] = []
    for (const [key, { deadline }] of this.#running) {
      if (deadline > now) break
      effects.push(...this.#settle(key, TIMEOUT))
    }
    if (this.#keepaliveAt <= now && this.#state !== 'ended') {
      this.#keepaliveAt = now + this.#limits.keepaliveMs
      effects.push({ do: 'send', message: ChaincodeMessage.create({ type: keepalive }) })
    }
    return effects
  }

  /** Ends the stream, and all transactions with it. @param reason - For who is at the other end. */
  end(reason: string): StreamEffect<Execution>[] {
    if (this.#state === 'ended') return []
    this.#state = 'ended'
    this.#registerUntil = Number.POSITIVE_INFINITY
    this.#keepaliveAt = Number.POSITIVE_INFINITY
    this.#active.clear()
    const settled = [...this.#running.keys()].flatMap((key) => this.#settle(key, STREAM_TERMINATED))
    return [...settled, { do: 'end', reason }]
  }

  #receiveFirst(message: ChaincodeMessage): StreamEffect<Execution>[] {
    if (message.type !== register) return this.#cannotHandle(message)
    const id = ChaincodeId.decode(message.payload)
    if (isFault(id)) return this.end(`could not unmarshal registration info: ${id.detail}`)
    if (id.name === '') return this.end('error in handling register chaincode, chaincodeID name is empty')
    this.#state = 'established'
    this.#registerUntil = Number.POSITIVE_INFINITY
    return [{ do: 'register', name: id.name }]
  }

  /** Of a transaction that is over, or never was, nobody waits for the end. */
  #receiveEnd(message: ChaincodeMessage): StreamEffect<Execution>[] {
    const key = keyOf(message)
    const running = this.#running.get(key)
    if (running === undefined) return []
    if (!this.#active.has(key)) return this.#settle(key, message)
    running.end ??= message
    return []
  }

  #receiveRequest(request: ChaincodeMessage): StreamEffect<Execution>[] {
    const key = keyOf(request)
    if (this.#active.has(key)) return []
    const running = this.#running.get(key)
    if (running === undefined) return [answerTo(request, `${failed(request)}: ${noContext(request)}`)]
    if (running.end !== undefined) return []
    this.#active.add(key)
    return [{ do: 'handle', request, execution: running.execution }]
  }

  #cannotHandle({ type, txid }: ChaincodeMessage): StreamEffect<Execution>[] {
    const message = `[${txid.slice(0, 64)}] Fabric side handler cannot handle message (${messageName(type)}) while in ${this.#state} state`
    return this.end(`error handling message, ending stream: ${message}`)
  }

  #settle(key: string, outcome: ExecutionOutcome): StreamEffect<Execution>[] {
    const running = this.#running.get(key)
    if (running === undefined) return []
    this.#running.delete(key)
    return [{ do: 'settle', execution: running.execution, outcome }]
  }
}

const TIMEOUT: ExecutionFailure = { failure: 'timeout', message: 'timeout expired while executing transaction' }
const STREAM_TERMINATED: ExecutionFailure = { failure: 'stream-terminated', message: 'chaincode stream terminated' }
const ABORTED: ExecutionFailure = { failure: 'aborted', message: 'context canceled' }

/** How Fabric begins to tell of a request that failed. */
export function failed({ type, txid }: ChaincodeMessage): string {
  return `${messageName(type)} failed: transaction ID: ${txid}`
}

/** What is kept of a transaction, since no channel's name has a U+0000. */
function keyOf({ channelId, txid }: ChaincodeMessage): string {
  return `${channelId}\0${txid}`
}

function noContext({ type }: ChaincodeMessage): string {
  return type === invokeChaincode ? 'could not get valid transaction' : 'no ledger context'
}

function answerTo<Execution>(request: ChaincodeMessage, outcome: Uint8Array | string): StreamEffect<Execution> {
  const { txid, channelId } = request
  const answer =
    typeof outcome === 'string' ? { type: error, payload: new TextEncoder().encode(outcome) } : { type: response, payload: outcome }
  return { do: 'send', message: ChaincodeMessage.create({ ...answer, txid, channelId }) }
}
