import { withPeer } from '@kumiko/identity'
import type { Clock, Disconnectable, DisconnectReason, Millis, Refusal, Ticket } from '@kumiko/interface'
import { deadline, disconnectSymbol, isDisconnectable, isRefusal, KumikoError } from '@kumiko/interface'
import type {
  AbortOptions,
  ConnectionLimits,
  Connection as Libp2pConnection,
  Logger,
  MessageStreamDirection,
  MessageStreamEvents,
  MessageStreamStatus,
  Metrics,
  MultiaddrConnection,
  MultiaddrConnectionTimeline,
  NewStreamOptions,
  PeerId,
  PeerStore,
  Stream,
  StreamCloseEvent,
  StreamHandlerOptions,
  StreamMiddleware,
  StreamMuxer,
} from '@libp2p/interface'
import {
  StreamCloseEvent as CloseEvent,
  ConnectionClosedError,
  connectionSymbol,
  LimitedConnectionError,
  TooManyInboundProtocolStreamsError,
  TooManyOutboundProtocolStreamsError,
  TypedEventEmitter,
} from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import { CustomProgressEvent } from 'progress-events'
import { tellEarlyEnd } from './early-end.ts'
import type { Outbox } from './outbox.ts'
import { INBOUND_STREAMS_MAX, OUTBOUND_STREAMS_MAX } from './registrar.ts'
import { answerProtocol, askForProtocol, type SettleOptions } from './settle.ts'

/** How long a connection takes for what, at most. */
export interface ConnectionTimeouts {
  /** Until the protocol of a stream that the remote opened is settled. */
  readonly inboundStreamMs: Millis
  /** Until the protocol of a stream that we open is settled, unless the caller's signal says otherwise. */
  readonly outboundStreamMs: Millis
  /** To close gracefully, unless the caller's signal says otherwise. */
  readonly closeMs: Millis
}

/** As in js-libp2p. */
export const CONNECTION_TIMEOUTS: ConnectionTimeouts = { inboundStreamMs: 10_000, outboundStreamMs: 10_000, closeMs: 1_000 }

/** What a connection needs. */
export interface ConnectionComponents {
  readonly peerStore: PeerStore
  readonly registrar: Registrar
  readonly clock: Clock
  readonly metrics?: Metrics
}

/** What the upgrader has settled. */
export interface ConnectionInit {
  readonly id: string
  readonly maConn: MultiaddrConnection
  readonly remotePeer: PeerId
  readonly direction: MessageStreamDirection
  /** The encrypter's protocol; `native` where the transport encrypts. */
  readonly encryption: string
  /** Undefined: no streams can be opened. */
  readonly muxer?: StreamMuxer | undefined
  readonly limits?: ConnectionLimits | undefined
  /** Default {@link CONNECTION_TIMEOUTS}. */
  readonly timeouts?: ConnectionTimeouts
  /** What the muxer's frames wait in, if they do. */
  readonly outbox?: Outbox | undefined
  /** Asked for the place of each stream. Whoever holds it releases it. */
  readonly ticket?: Pick<Ticket, 'stream'> | undefined
}

/** How a Host opens streams of its own. */
export interface OwnStreamOptions extends NewStreamOptions {
  /** No limit counts it: it takes no place from those who use the protocol. Whoever sets it keeps a bound. */
  readonly isUncounted?: boolean
}

type ConnectionEvents = Omit<MessageStreamEvents, 'drain' | 'message' | 'end'>

/** A secured and multiplexed connection. Each protocol is recorded with the peer once a connection, not once a stream. */
export function createConnection(components: ConnectionComponents, init: ConnectionInit): Libp2pConnection & Partial<Disconnectable> {
  return new Connection(components, init)
}

class Connection extends TypedEventEmitter<ConnectionEvents> implements Libp2pConnection {
  readonly [connectionSymbol] = true
  readonly [Symbol.toStringTag] = 'Connection'
  readonly id: string
  readonly remoteAddr: Multiaddr
  readonly remotePeer: PeerId
  readonly direction: MessageStreamDirection
  readonly encryption: string
  readonly multiplexer?: string
  readonly limits?: ConnectionLimits
  readonly direct: boolean
  readonly log: Logger
  rtt?: number
  /** There where the transport's connection or muxer can say why it ends. */
  readonly [disconnectSymbol]?: (reason: DisconnectReason) => void
  readonly #components: ConnectionComponents
  readonly #maConn: MultiaddrConnection
  readonly #muxer: StreamMuxer | undefined
  readonly #timeouts: ConnectionTimeouts
  readonly #outbox: Outbox | undefined
  readonly #ticket: Pick<Ticket, 'stream'> | undefined
  /** Streams that are open, by protocol; undefined while there are none. Bounded by the muxer's streams. */
  readonly #counts: Record<MessageStreamDirection, Map<string, number> | undefined> = { inbound: undefined, outbound: undefined }
  /** Protocols recorded with the peer. Bounded by what both sides serve. */
  readonly #recorded = new Set<string>()

  constructor(components: ConnectionComponents, init: ConnectionInit) {
    super()
    this.#components = components
    this.#maConn = init.maConn
    this.#muxer = init.muxer
    this.#timeouts = init.timeouts ?? CONNECTION_TIMEOUTS
    this.#outbox = init.outbox
    this.#ticket = init.ticket
    this.id = init.id
    this.remotePeer = init.remotePeer
    this.remoteAddr = withPeer(init.maConn.remoteAddr, init.remotePeer)
    this.direction = init.direction
    this.encryption = init.encryption
    if (init.muxer !== undefined) this.multiplexer = init.muxer.protocol
    if (init.limits !== undefined) this.limits = init.limits
    this.direct = !init.maConn.remoteAddr.getComponents().some((component) => component.name === 'p2p-circuit')
    this.log = init.maConn.log
    const ends: readonly (object | undefined)[] = [init.muxer, init.maConn]
    const end = ends.find(isEndWithReason)
    if (end !== undefined) this[disconnectSymbol] = (reason) => end[disconnectSymbol](reason)
    this.#maConn.addEventListener('close', (event) => this.#closed(event), { once: true })
    this.#muxer?.addEventListener('stream', (event) => void this.#incoming(event.detail))
  }

  get streams(): Stream[] {
    return this.#muxer?.streams ?? []
  }

  get status(): MessageStreamStatus {
    return this.#maConn.status
  }

  get timeline(): MultiaddrConnectionTimeline {
    return this.#maConn.timeline
  }

  /**
   * Opens a stream and settles its protocol; a muxer that knows the protocol at once is believed.
   *
   * @throws `ConnectionClosedError`, `LimitedConnectionError`, `TooManyOutboundProtocolStreamsError`, `UnsupportedProtocolError`, and as
   * `askForProtocol`; KumikoError `host/no-muxer`, or admission's refusal.
   */
  async newStream(protocols: string | string[], options: OwnStreamOptions = {}): Promise<Stream> {
    const wanted = [protocols].flat()
    const muxer = this.#openMuxer(options)
    options.onProgress?.(new CustomProgressEvent('connection:open-stream', { connection: this, protocols: wanted }))
    const only = wanted.length === 1 ? wanted[0] : undefined
    const stream = await muxer.createStream({
      ...(only === undefined ? {} : { protocol: only }),
      ...(options.signal === undefined ? {} : { signal: options.signal }),
    })
    const opened = await this.#opened(stream, wanted, options)
    options.onProgress?.(new CustomProgressEvent('connection:opened-stream', { connection: this, stream: opened }))
    return opened
  }

  /** Closes gracefully; what does not close in time is aborted. @throws The signal's reason then. */
  async close(options: AbortOptions = {}): Promise<void> {
    const timeout = options.signal === undefined ? deadline(this.#components.clock, this.#timeouts.closeMs) : undefined
    const bounded = timeout === undefined ? options : { ...options, signal: timeout }
    try {
      await this.#muxer?.close(bounded)
      this.#outbox?.flush()
      await this.#maConn.close(bounded)
    } catch (error) {
      this.abort(asError(error))
      throw error
    } finally {
      timeout?.clear()
    }
  }

  abort(error: Error): void {
    this.#muxer?.abort(error)
    this.#maConn.abort(error)
  }

  #openMuxer(options: NewStreamOptions): StreamMuxer {
    if (this.#muxer === undefined) throw noMuxer(this.remoteAddr)
    if (this.status !== 'open' || this.#muxer.status !== 'open') throw new ConnectionClosedError(`The connection is ${this.status}`)
    if (this.limits !== undefined && options.runOnLimitedConnection !== true) throw limited()
    return this.#muxer
  }

  async #ask(stream: Stream, protocols: string[], options: OwnStreamOptions): Promise<string> {
    const asked = askForProtocol(stream, protocols, this.#settleOptions(options))
    this.#outbox?.hurry()
    return await asked
  }

  async #opened(stream: Stream, protocols: string[], options: OwnStreamOptions): Promise<Stream> {
    const { registrar, metrics } = this.#components
    try {
      if (stream.protocol === '') stream.protocol = await this.#ask(stream, protocols, options)
      if (options.isUncounted !== true) this.#holdOutbound(stream, options)
      this.#record(stream.protocol)
      metrics?.trackProtocolStream(stream)
      const wrapped = await runMiddleware(stream, this, registrar.getMiddleware(stream.protocol))
      tellEarlyEnd(wrapped)
      return wrapped
    } catch (error) {
      stream.abort(asError(error))
      throw error
    }
  }

  #holdOutbound(stream: Stream, options: NewStreamOptions): void {
    const limit = this.#handlerOptions(stream.protocol)?.maxOutboundStreams ?? options.maxOutboundStreams ?? OUTBOUND_STREAMS_MAX
    if (this.#count(stream) >= limit) throw new TooManyOutboundProtocolStreamsError(`Over ${limit} streams of ${stream.protocol}`)
    this.#hold(stream)
  }

  #settleOptions({ signal }: AbortOptions): SettleOptions {
    const { clock } = this.#components
    return signal === undefined ? { clock, timeoutMs: this.#timeouts.outboundStreamMs } : { clock, signal }
  }

  async #incoming(stream: Stream): Promise<void> {
    try {
      await this.#accept(stream)
    } catch (error) {
      this.log('incoming stream failed - %e', error)
      stream.abort(asError(error))
    }
  }

  async #accept(stream: Stream): Promise<void> {
    const { registrar, metrics, clock } = this.#components
    if (stream.protocol === '') {
      stream.protocol = await answerProtocol(stream, registrar.getProtocols(), { clock, timeoutMs: this.#timeouts.inboundStreamMs })
      this.#outbox?.hurry()
    }
    const { handler, options } = registrar.getHandler(stream.protocol)
    const limit = options.maxInboundStreams ?? INBOUND_STREAMS_MAX
    if (this.#count(stream) >= limit) throw new TooManyInboundProtocolStreamsError(`Over ${limit} streams of ${stream.protocol}`)
    if (this.limits !== undefined && options.runOnLimitedConnection !== true) throw limited()
    this.#hold(stream)
    this.#record(stream.protocol)
    metrics?.trackProtocolStream(stream)
    const wrapped = await runMiddleware(stream, this, registrar.getMiddleware(stream.protocol))
    tellEarlyEnd(wrapped)
    await handler(wrapped, this)
  }

  /** Does not keep the stream waiting. What the store does not take is known from identify, too. */
  #record(protocol: string): void {
    if (this.#recorded.has(protocol)) return
    this.#recorded.add(protocol)
    this.#components.peerStore
      .merge(this.remotePeer, { protocols: [protocol] })
      .catch((error: unknown) => this.log('could not store that %p serves %s - %e', this.remotePeer, protocol, error))
  }

  #count({ protocol, direction }: Stream): number {
    return this.#counts[direction]?.get(protocol) ?? 0
  }

  /** Counts a stream until it closes. @throws Admission's refusal. */
  #hold(stream: Stream): void {
    const { protocol, direction } = stream
    const place = this.#ticket?.stream(protocol, direction)
    if (isRefusal(place)) throw refused(place)
    const counts = this.#counts[direction] ?? new Map<string, number>()
    this.#counts[direction] = counts
    counts.set(protocol, (counts.get(protocol) ?? 0) + 1)
    const release = (): void => {
      place?.()
      const left = (counts.get(protocol) ?? 0) - 1
      if (left > 0) counts.set(protocol, left)
      else counts.delete(protocol)
      if (counts.size === 0) this.#counts[direction] = undefined
    }
    if (stream.status === 'open' || stream.status === 'closing') stream.addEventListener('close', release, { once: true })
    else release()
  }

  #handlerOptions(protocol: string): StreamHandlerOptions | undefined {
    try {
      return this.#components.registrar.getHandler(protocol).options
    } catch {
      return undefined
    }
  }

  #closed(event: StreamCloseEvent): void {
    this.timeline.close ??= this.#components.clock.now()
    this.dispatchEvent(new CloseEvent(event.local, event.error))
  }
}

function isEndWithReason(end: object | undefined): end is Disconnectable {
  return end !== undefined && isDisconnectable(end)
}

/** Each middleware hands on the stream, perhaps wrapped; one that never calls `next` keeps the stream to itself. */
async function runMiddleware(stream: Stream, connection: Libp2pConnection, chain: readonly StreamMiddleware[]): Promise<Stream> {
  let current = stream
  for (const middleware of chain) {
    const { promise, resolve, reject } = Promise.withResolvers<Stream>()
    runOne(middleware, current, connection, resolve).catch(reject)
    current = await promise
  }
  return current
}

/** Async, so that a middleware that throws at once rejects, too. */
async function runOne(middleware: StreamMiddleware, ...[stream, connection, next]: Parameters<StreamMiddleware>): Promise<void> {
  await middleware(stream, connection, next)
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error))
}

/** What a refused connection or stream ends with: admission's code, and the reason that a devp2p remote is told. */
export function refused({ code, detail, reason }: Refusal): KumikoError {
  return new KumikoError(code, detail, { context: { reason } })
}

function limited(): LimitedConnectionError {
  return new LimitedConnectionError('The connection is limited: pass runOnLimitedConnection, or connect directly first')
}

function noMuxer(address: Multiaddr): KumikoError {
  return new KumikoError('host/no-muxer', `The connection to ${address} has no stream muxer: add one to streamMuxers`, {
    context: { address: address.toString() },
  })
}
