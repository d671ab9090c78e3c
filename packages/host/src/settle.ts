import type { Cancel, Clock, Millis } from '@kumiko/interface'
import { isFault } from '@kumiko/interface'
import type { MessageStream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'
import { InvalidMessageError, StreamResetError, TimeoutError, UnsupportedProtocolError } from '@libp2p/interface'
import { Initiator, type Negotiator, Responder, type Step } from './negotiation.ts'

/** When to give up. */
export interface SettleOptions {
  readonly clock: Clock
  /** Undefined: only the signal ends it. */
  readonly timeoutMs?: Millis | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Asks for one of `protocols`, the first that the remote serves. What the remote sent behind the last token is put back into the stream.
 *
 * @param protocols - Best first.
 * @throws `UnsupportedProtocolError`; `InvalidMessageError` for what is no token, `StreamResetError` for a stream that ends, `TimeoutError`; the signal's reason.
 */
export async function askForProtocol(stream: MessageStream, protocols: readonly string[], options: SettleOptions): Promise<string> {
  if (protocols.length === 0) throw new UnsupportedProtocolError('No protocol was asked for')
  const initiator = new Initiator(protocols)
  return await new Settling(stream, initiator, options, protocols).run(initiator.start())
}

/** Answers a remote that asks for a protocol, until it has found one of ours. @throws As {@link askForProtocol}. */
export async function answerProtocol(stream: MessageStream, protocols: readonly string[], options: SettleOptions): Promise<string> {
  return await new Settling(stream, new Responder(protocols), options, protocols).run()
}

/** A negotiation on a stream. It listens until it ends. */
class Settling {
  readonly #stream: MessageStream
  readonly #negotiator: Negotiator
  readonly #options: SettleOptions
  readonly #protocols: readonly string[]
  readonly #settled = Promise.withResolvers<string>()
  #cancel: Cancel | undefined

  constructor(stream: MessageStream, negotiator: Negotiator, options: SettleOptions, protocols: readonly string[]) {
    this.#stream = stream
    this.#negotiator = negotiator
    this.#options = options
    this.#protocols = protocols
  }

  async run(first?: Uint8Array): Promise<string> {
    const { signal, timeoutMs, clock } = this.#options
    signal?.throwIfAborted()
    const stream = this.#stream
    stream.addEventListener('message', this.#onMessage)
    stream.addEventListener('close', this.#onClose)
    stream.addEventListener('remoteCloseWrite', this.#onEnd)
    signal?.addEventListener('abort', this.#onAbort)
    if (timeoutMs !== undefined) this.#cancel = clock.at(clock.now() + timeoutMs, this.#onTimeout)
    try {
      if (first !== undefined) stream.send(first)
      this.#onEnd()
      return await this.#settled.promise
    } finally {
      this.#forget()
    }
  }

  readonly #onMessage = ({ data }: StreamMessageEvent): void => {
    try {
      this.#received(data.subarray())
    } catch (error) {
      this.#fail(error)
    }
  }

  #received(bytes: Uint8Array): void {
    const step = this.#negotiator.receive(bytes)
    if (isFault(step)) this.#fail(new InvalidMessageError(`${step.fault}: ${step.detail}`))
    else if (step.do === 'refuse') this.#fail(new UnsupportedProtocolError(`The remote serves none of ${this.#protocols.join(', ')}`))
    else this.#proceed(step)
  }

  #proceed(step: Exclude<Step, { do: 'refuse' }>): void {
    if (step.send !== undefined) this.#stream.send(step.send)
    if (step.do === 'wait') {
      this.#onEnd()
      return
    }
    this.#forget()
    if (step.rest.length > 0) this.#stream.unshift(step.rest)
    this.#settled.resolve(step.protocol)
  }

  readonly #onClose = ({ error }: StreamCloseEvent): void => {
    this.#fail(error ?? ended())
  }

  /** The remote says no more, and what it said has been read. */
  readonly #onEnd = (): void => {
    const stream = this.#stream
    const isAtEnd = 'remoteWriteStatus' in stream && stream.remoteWriteStatus === 'closed' && stream.readBufferLength === 0
    if (isAtEnd) this.#fail(ended())
  }

  readonly #onAbort = (): void => this.#fail(this.#options.signal?.reason)

  readonly #onTimeout = (): void => this.#fail(new TimeoutError(`The protocol was not settled within ${this.#options.timeoutMs} ms`))

  #fail(reason: unknown): void {
    this.#forget()
    this.#settled.reject(reason)
  }

  /** Idempotent. */
  #forget(): void {
    const stream = this.#stream
    stream.removeEventListener('message', this.#onMessage)
    stream.removeEventListener('close', this.#onClose)
    stream.removeEventListener('remoteCloseWrite', this.#onEnd)
    this.#options.signal?.removeEventListener('abort', this.#onAbort)
    this.#cancel?.()
    this.#cancel = undefined
  }
}

function ended(): StreamResetError {
  return new StreamResetError('The stream ended before its protocol was settled')
}
