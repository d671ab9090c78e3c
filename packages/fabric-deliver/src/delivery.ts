import type { Endpoint } from '@kumiko/fabric-grpc'
import { type Fault, isFault, KumikoError, type Millis } from '@kumiko/interface'
import type { Intake } from './intake.ts'
import { readResponse } from './response.ts'
import type { Rotation } from './rotation.ts'
import type { Seek, SeekStart } from './seek.ts'
import { isRefusal, statusFault } from './status.ts'

/** How patient a delivery is. All in milliseconds. */
export interface DeliveryTimes {
  /** For the connection, TLS included. */
  readonly connectTimeoutMs: Millis
  /** How long a stream may give nothing before another endpoint is asked: an orderer that holds blocks back looks like an idle channel. */
  readonly silenceMaxMs: Millis
  /** Waited after the first failure. */
  readonly retryInitialMs: Millis
  /** Times this after each more. */
  readonly retryFactor: number
  readonly retryMaxMs: Millis
  /** Without a block from anywhere for so long since the first failure, the delivery gives up. May be Infinity. */
  readonly reconnectTotalMs: Millis
}

/** A stream that came to an end which we did not ask for. */
export interface StreamBreak {
  readonly address: string
  readonly fault: Fault
  /** How many items the stream gave. */
  readonly gave: number
  /** When the next is asked, from now. */
  readonly retryMs: Millis
}

/** What is to be done. `open` and `close` are about the one stream that there is at a time; after `end` and `fail` nothing follows. */
export type DeliveryEffect<T> =
  | { readonly do: 'open'; readonly endpoint: Endpoint; readonly seek: Seek }
  | { readonly do: 'close' }
  | { readonly do: 'give'; readonly item: T }
  | { readonly do: 'tell'; readonly broken: StreamBreak }
  | { readonly do: 'end' }
  | { readonly do: 'fail'; readonly error: KumikoError }

/** What a delivery is to bring. */
export interface DeliveryPlan<T> {
  readonly from: SeekStart
  /** The last block to bring; undefined: no end. */
  readonly until: bigint | undefined
  readonly intake: Intake<T>
  readonly rotation: Rotation
  readonly times: DeliveryTimes
}

type State =
  | { readonly at: 'waiting'; readonly until: Millis }
  | { readonly at: 'connecting'; readonly endpoint: Endpoint; readonly until: Millis }
  | { readonly at: 'streaming'; readonly endpoint: Endpoint; readonly gave: number; readonly silentUntil: Millis }
  | { readonly at: 'over' }

const OVER: State = { at: 'over' }

/**
 * Brings blocks in order, each once, from whichever endpoint gives them. Holds no stream and no timer.
 *
 * Any end of a stream is a failure: the next endpoint is asked for the next block after a time that grows with the failures in a row. A stream
 * that gave something ends the row, unless it ended in a lie: so one that lies cannot keep us busy by telling the truth in between.
 * @see Fabric `internal/pkg/peer/blocksprovider/blocksprovider.go` DeliverBlocks
 */
export class Delivery<T> {
  readonly #plan: DeliveryPlan<T>
  #state: State = OVER
  /** The next number; undefined as long as the start is a place, and nothing came. */
  #next: bigint | undefined
  #failures = 0
  /** The first failure since the last item. */
  #troubledSince: Millis | undefined
  /** By address: who refuses us since the last item. At most as many as there are endpoints. */
  readonly #refusals = new Map<string, Fault>()
  #endpoints: readonly Endpoint[] | undefined

  constructor(plan: DeliveryPlan<T>) {
    this.#plan = plan
    this.#next = typeof plan.from === 'bigint' ? plan.from : undefined
    this.#endpoints = plan.intake.endpoints
  }

  /** When {@link expire} is due. */
  get deadline(): Millis {
    switch (this.#state.at) {
      case 'over':
        return Number.POSITIVE_INFINITY
      case 'streaming':
        return this.#state.silentUntil
      default:
        return this.#state.until
    }
  }

  start(now: Millis): DeliveryEffect<T>[] {
    const { until } = this.#plan
    if (until !== undefined && this.#next !== undefined && this.#next > until) return [{ do: 'end' }]
    return this.#open(now)
  }

  /** The stream's connection stands. */
  connected(now: Millis): DeliveryEffect<T>[] {
    if (this.#state.at === 'connecting') this.#state = this.#streaming(this.#state.endpoint, 0, now)
    return []
  }

  /** @param bytes - A message of the stream's, kept. */
  receive(bytes: Uint8Array, now: Millis): DeliveryEffect<T>[] {
    this.connected(now)
    if (this.#state.at !== 'streaming') return []
    const response = readResponse(bytes)
    if (isFault(response)) return this.#broken(response, now, true)
    if (response.status !== undefined) return this.#broken(statusFault(response.status), now, false)
    const accepted = this.#plan.intake.accept(response, this.#next)
    if (isFault(accepted)) return this.#broken(accepted, now, true)
    this.#refusals.clear()
    this.#troubledSince = undefined
    this.#next = accepted.number + 1n
    const { endpoint, gave } = this.#state
    this.#state = this.#streaming(endpoint, gave + 1, now)
    return [{ do: 'give', item: accepted.item }, ...this.#after(accepted.number, endpoint, now)]
  }

  /** The stream failed, or ended. */
  broken(fault: Fault, now: Millis): DeliveryEffect<T>[] {
    return this.#broken(fault, now, false)
  }

  /** What came is not taken for now: the stream is silent because of us. */
  pause(): void {
    if (this.#state.at === 'streaming') this.#state = { ...this.#state, silentUntil: Number.POSITIVE_INFINITY }
  }

  resume(now: Millis): void {
    if (this.#state.at === 'streaming') this.#state = this.#streaming(this.#state.endpoint, this.#state.gave, now)
  }

  expire(now: Millis): DeliveryEffect<T>[] {
    if (now < this.deadline) return []
    switch (this.#state.at) {
      case 'waiting':
        return this.#open(now)
      case 'connecting':
        return this.#broken({ fault: 'fabric-deliver/timeout', detail: 'no connection in time' }, now, false)
      case 'streaming':
        return this.#silent(this.#state.endpoint, this.#state.gave, now)
      default:
        return []
    }
  }

  #open(now: Millis): DeliveryEffect<T>[] {
    const { from, until, rotation, times } = this.#plan
    const endpoint = rotation.next()
    this.#state = { at: 'connecting', endpoint, until: now + times.connectTimeoutMs }
    const seek = { start: this.#next ?? from, waits: true }
    return [{ do: 'open', endpoint, seek: until === undefined ? seek : { ...seek, stop: until } }]
  }

  /** What follows an item besides the next one: the end, or a stream to whom the configuration names now. */
  #after(number: bigint, endpoint: Endpoint, now: Millis): DeliveryEffect<T>[] {
    const { until, intake, rotation } = this.#plan
    if (number === until) {
      this.#state = OVER
      return [{ do: 'close' }, { do: 'end' }]
    }
    if (intake.endpoints === this.#endpoints) return []
    this.#endpoints = intake.endpoints
    if (intake.endpoints === undefined || intake.endpoints.length === 0) return []
    rotation.replace(intake.endpoints)
    return rotation.has(endpoint) ? [] : [{ do: 'close' }, ...this.#open(now)]
  }

  /** No failure: an idle channel is silent too. */
  #silent(endpoint: Endpoint, gave: number, now: Millis): DeliveryEffect<T>[] {
    const fault = { fault: 'fabric-deliver/silent', detail: `nothing for ${this.#plan.times.silenceMaxMs} ms` }
    return [{ do: 'close' }, { do: 'tell', broken: { address: endpoint.address, fault, gave, retryMs: 0 } }, ...this.#open(now)]
  }

  #broken(fault: Fault, now: Millis, isLie: boolean): DeliveryEffect<T>[] {
    if (this.#state.at !== 'connecting' && this.#state.at !== 'streaming') return []
    const { endpoint } = this.#state
    const gave = this.#state.at === 'streaming' ? this.#state.gave : 0
    const retryMs = this.#count(gave > 0 && !isLie)
    if (isRefusal(fault)) this.#refusals.set(endpoint.address, fault)
    this.#troubledSince ??= now
    const error = this.#hopeless(fault, now + retryMs - this.#troubledSince)
    if (error !== undefined) {
      this.#state = OVER
      return [{ do: 'close' }, { do: 'fail', error }]
    }
    this.#state = { at: 'waiting', until: now + retryMs }
    return [{ do: 'close' }, { do: 'tell', broken: { address: endpoint.address, fault, gave, retryMs } }]
  }

  /** @returns How long to wait. */
  #count(endsRow: boolean): Millis {
    const { retryInitialMs, retryFactor, retryMaxMs } = this.#plan.times
    if (endsRow) this.#failures = 0
    const delayMs = retryInitialMs * retryFactor ** this.#failures
    this.#failures++
    return Math.min(delayMs, retryMaxMs)
  }

  #hopeless(fault: Fault, troubledMs: Millis): KumikoError | undefined {
    const { rotation, times } = this.#plan
    const context = { fault: fault.fault, detail: fault.detail, failures: this.#failures }
    if (isRefusal(fault) && this.#refusals.size >= rotation.addresses) {
      return new KumikoError(fault.fault, `every endpoint refuses: ${fault.detail ?? fault.fault}`, { context })
    }
    if (troubledMs <= times.reconnectTotalMs) return
    const message = `no block within ${times.reconnectTotalMs} ms: look at the endpoints and at the network (${fault.detail ?? fault.fault})`
    return new KumikoError('fabric-deliver/given-up', message, { context })
  }

  #streaming(endpoint: Endpoint, gave: number, now: Millis): State {
    return { at: 'streaming', endpoint, gave, silentUntil: now + this.#plan.times.silenceMaxMs }
  }
}
