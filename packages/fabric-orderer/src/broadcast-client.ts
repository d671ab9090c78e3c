import { Status } from '@kumiko/fabric-deliver'
import { type ClientTls, type Endpoint, GrpcClient, RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import type { BroadcastResponse, Envelope } from '@kumiko/fabric-protocol'
import { type Millis, type Random, raceAbort } from '@kumiko/interface'
import { BROADCAST } from './services.ts'

/** How orderers are sent to. */
export interface BroadcastClientOptions {
  /** Where they ask for our certificate. */
  readonly clientTls?: ClientTls
  /** How long one orderer may take, in ms. Default 30,000, as a gateway's `broadcastTimeout`. */
  readonly timeoutMs?: Millis
  /** For their order. Default `Math.random`. */
  readonly random?: Random
}

/** An orderer that did not take an envelope, and why. */
export interface BroadcastFailure {
  readonly endpoint: Endpoint
  /** What the connection failed with, or the orderer's answer in Fabric's words. */
  readonly message: string
  /** Of the answer, where there was one. */
  readonly status: number | undefined
}

/** How a broadcast ended. */
export type BroadcastResult =
  /** One orderer, or a quorum of them, took it: it will be in a block. */
  | { readonly outcome: 'accepted'; readonly response: BroadcastResponse }
  /** An orderer refused it, as all would: status 4xx. */
  | { readonly outcome: 'rejected'; readonly response: BroadcastResponse; readonly endpoint: Endpoint }
  /** Nobody took it: it may be in a block all the same where an orderer failed after it had it. Try again later. */
  | { readonly outcome: 'unavailable'; readonly failures: readonly BroadcastFailure[] }

/** How one envelope is sent. */
export interface BroadcastOptions {
  /** Ends the broadcast with the signal's reason. */
  readonly signal?: AbortSignal
  /** How many orderers a channel of BFT has: all are sent to, and a quorum must take it. Default: one that takes it is enough. */
  readonly bftClusterSize?: number
}

const TIMEOUT_MS = 30_000

/** What an orderer of BFT says to an envelope that another client, or orderer, brought before. */
const REQUEST_EXISTS = 'failed to submit request: request already exists'

const STATUS_NAMES: ReadonlyMap<number, string> = new Map([
  [Status.success, 'SUCCESS'],
  [Status.badRequest, 'BAD_REQUEST'],
  [Status.forbidden, 'FORBIDDEN'],
  [Status.notFound, 'NOT_FOUND'],
  [Status.requestEntityTooLarge, 'REQUEST_ENTITY_TOO_LARGE'],
  [Status.internalServerError, 'INTERNAL_SERVER_ERROR'],
  [Status.notImplemented, 'NOT_IMPLEMENTED'],
  [Status.serviceUnavailable, 'SERVICE_UNAVAILABLE'],
])

/** An answer that is no success, as Fabric's gateway tells it. */
export function unsuccessful({ status, info }: BroadcastResponse): string {
  return `received unsuccessful response from orderer: status=${STATUS_NAMES.get(status) ?? ''}, info=${info}`
}

/** Sends envelopes to a channel's orderers. */
export interface BroadcastClient {
  /**
   * Sends to the orderers in a random order, until one takes it or refuses it (4xx); the next is tried where one fails, or has status 5xx. To all at
   * once on a channel of BFT.
   * @throws The signal's reason.
   */
  broadcast(envelope: Envelope, options?: BroadcastOptions): Promise<BroadcastResult>
  /** Goes on with other orderers; connections to those that stay are kept. */
  replace(endpoints: readonly Endpoint[]): void
  /** Ends connections, and what is under way. */
  close(): void
}

/**
 * A client of real orderers, ours or Fabric's, with the rules of Fabric's gateway. It holds a connection to each that it needed.
 * @see Fabric `internal/pkg/gateway/submit.go` submitNonBFT, submitBFT
 */
export function broadcastClient(endpoints: readonly Endpoint[], options: BroadcastClientOptions = {}): BroadcastClient {
  return new Client(endpoints, options)
}

type Attempt = { readonly response: BroadcastResponse } | { readonly failure: BroadcastFailure }

class Client implements BroadcastClient {
  readonly #options: BroadcastClientOptions
  readonly #random: Random
  #endpoints: readonly Endpoint[]
  /** By endpoint; of those that are gone, none. */
  readonly #clients = new Map<Endpoint, GrpcClient>()

  constructor(endpoints: readonly Endpoint[], options: BroadcastClientOptions) {
    this.#endpoints = endpoints
    this.#options = options
    this.#random = options.random ?? Math.random
  }

  async broadcast(envelope: Envelope, { signal, bftClusterSize }: BroadcastOptions = {}): Promise<BroadcastResult> {
    signal?.throwIfAborted()
    const all = bftClusterSize === undefined ? this.#one(envelope, signal) : this.#quorum(envelope, bftQuorum(bftClusterSize), signal)
    return await raceAbort(all, signal)
  }

  replace(endpoints: readonly Endpoint[]): void {
    this.#endpoints = endpoints
    for (const [endpoint, client] of this.#clients) {
      if (endpoints.includes(endpoint)) continue
      client.close()
      this.#clients.delete(endpoint)
    }
  }

  close(): void {
    this.replace([])
  }

  async #one(envelope: Envelope, signal: AbortSignal | undefined): Promise<BroadcastResult> {
    const failures: BroadcastFailure[] = []
    for (const endpoint of this.#shuffled()) {
      const attempt = await this.#send(endpoint, envelope, signal)
      if (signal?.aborted) break
      if ('failure' in attempt) {
        failures.push(attempt.failure)
        continue
      }
      const { response } = attempt
      if (response.status === Status.success) return { outcome: 'accepted', response }
      if (response.status >= 400 && response.status < 500) return { outcome: 'rejected', response, endpoint }
      failures.push(failureOf(endpoint, response))
    }
    return { outcome: 'unavailable', failures }
  }

  async #quorum(envelope: Envelope, quorum: number, signal: AbortSignal | undefined): Promise<BroadcastResult> {
    const endpoints = this.#endpoints
    const failures: BroadcastFailure[] = []
    let [accepted, decided] = [0, false]
    const { promise, resolve } = Promise.withResolvers<BroadcastResult>()
    const settle = (result: BroadcastResult): void => {
      decided = true
      resolve(result)
    }
    const count = (endpoint: Endpoint, attempt: Attempt): void => {
      if (decided) return
      const failure = 'failure' in attempt ? attempt.failure : bftFailureOf(endpoint, attempt.response)
      if (failure === undefined) accepted++
      else failures.push(failure)
      if (accepted >= quorum) settle({ outcome: 'accepted', response: { status: Status.success, info: '' } })
      else if (failures.length > endpoints.length - quorum) settle({ outcome: 'unavailable', failures })
    }
    for (const endpoint of endpoints) void this.#send(endpoint, envelope, signal).then((attempt) => count(endpoint, attempt))
    if (endpoints.length < quorum) settle({ outcome: 'unavailable', failures })
    return await promise
  }

  /** A stream of its own: an answer is then to this envelope. */
  async #send(endpoint: Endpoint, envelope: Envelope, signal: AbortSignal | undefined): Promise<Attempt> {
    try {
      const timeoutMs = this.#options.timeoutMs ?? TIMEOUT_MS
      const stream = this.#client(endpoint).duplex(BROADCAST, { timeoutMs, ...(signal && { signal }) })
      stream.send(envelope)
      for await (const response of stream.messages) return { response }
      throw new RpcError(RpcStatus.unknown, 'EOF')
    } catch (error) {
      return { failure: { endpoint, message: error instanceof Error ? error.message : String(error), status: undefined } }
    }
  }

  #client(endpoint: Endpoint): GrpcClient {
    const known = this.#clients.get(endpoint)
    if (known !== undefined) return known
    const { clientTls } = this.#options
    const client = new GrpcClient(endpoint, { reconnectMaxMs: 1000, ...(clientTls && { clientTls }) })
    if (this.#endpoints.includes(endpoint)) this.#clients.set(endpoint, client)
    return client
  }

  #shuffled(): Endpoint[] {
    return this.#endpoints
      .map((endpoint) => ({ endpoint, place: this.#random() }))
      .sort((a, b) => a.place - b.place)
      .map(({ endpoint }) => endpoint)
  }
}

/** How many of a cluster's orderers are enough. @see Fabric `internal/pkg/gateway/submit.go` computeBFTQuorum */
function bftQuorum(size: number): number {
  const faulty = Math.floor((size - 1) / 3)
  return Math.ceil((size + faulty + 1) / 2)
}

function bftFailureOf(endpoint: Endpoint, response: BroadcastResponse): BroadcastFailure | undefined {
  const { status, info } = response
  const isKnown = status === Status.serviceUnavailable && info === REQUEST_EXISTS
  return status === Status.success || isKnown ? undefined : failureOf(endpoint, response)
}

function failureOf(endpoint: Endpoint, response: BroadcastResponse): BroadcastFailure {
  return { endpoint, message: unsuccessful(response), status: response.status }
}
