import {
  type AbortOptions,
  type CreateStreamOptions,
  type Logger,
  type MessageStreamDirection,
  MuxerClosedError,
  type Stream,
  type StreamMuxer,
  type StreamMuxerEvents,
  type StreamMuxerFactory,
  type StreamMuxerStatus,
  TypedEventEmitter,
  UnsupportedProtocolError,
} from '@libp2p/interface'
import { CapabilityStream } from './capability-stream.ts'
import { type CapabilityChannel, protocolOf } from './connection.ts'

/** What libp2p calls the multiplexing of capabilities. */
export const DEVP2P_MUXER: string = '/devp2p/5'

/** What a muxer of capabilities is made of. */
export interface CapabilityMuxerInit {
  readonly channels: readonly CapabilityChannel[]
  readonly direction: MessageStreamDirection
  readonly log: Logger
  /** Tells whether somebody handles a protocol's incoming streams. */
  isHandled(protocol: string): boolean
}

/**
 * The capabilities of one connection as libp2p streams. Both sides have each of them from the start: devp2p opens nothing. Capabilities that
 * are served by their own `run` are not among them.
 */
export class CapabilityMuxer extends TypedEventEmitter<StreamMuxerEvents> implements StreamMuxer {
  readonly protocol: string = DEVP2P_MUXER
  status: StreamMuxerStatus = 'open'
  streams: Stream[] = []
  /** Not yet handed to anybody, by protocol. */
  readonly #free = new Map<string, CapabilityStream>()
  readonly #isHandled: CapabilityMuxerInit['isHandled']

  constructor({ channels, direction, log, isHandled }: CapabilityMuxerInit) {
    super()
    this.#isHandled = isHandled
    for (const { capability, channel } of channels) {
      if (capability.run === undefined) this.#free.set(protocolOf(capability), new CapabilityStream(channel, direction, log))
    }
  }

  /** Streams are offered once somebody listens: js-libp2p's upgrader does so some time after it has made the muxer. */
  override addEventListener(...args: Parameters<TypedEventEmitter<StreamMuxerEvents>['addEventListener']>): void {
    super.addEventListener(...args)
    if (args[0] === 'stream') queueMicrotask(() => this.#offerHandled())
  }

  /**
   * Hands out the stream of a shared capability that nobody handles.
   *
   * @throws `UnsupportedProtocolError` for everything else: libp2p's monitor and identify ask for their own protocols on every connection, and
   * take this error, and no other, for an answer. `MuxerClosedError` once the connection closes.
   */
  async createStream({ protocol = '' }: CreateStreamOptions = {}): Promise<Stream> {
    if (this.status !== 'open') throw new MuxerClosedError('The connection is closed')
    const stream = this.#free.get(protocol)
    if (stream === undefined) throw new UnsupportedProtocolError(`${protocol} is no free capability of this connection`)
    this.#take(protocol, stream)
    return stream
  }

  abort(error: Error): void {
    this.status = 'closed'
    for (const stream of this.streams) stream.abort(error)
    this.streams = []
  }

  async close(options?: AbortOptions): Promise<void> {
    if (this.status !== 'open') return
    this.status = 'closing'
    await Promise.all(this.streams.map((stream) => stream.close(options)))
    this.abort(new MuxerClosedError('The connection is closed'))
  }

  #offerHandled(): void {
    for (const [protocol, stream] of this.#free) if (this.#isHandled(protocol)) this.#offer(protocol, stream)
  }

  #offer(protocol: string, stream: CapabilityStream): void {
    this.#take(protocol, stream)
    this.safeDispatchEvent('stream', { detail: stream })
  }

  #take(protocol: string, stream: CapabilityStream): void {
    this.#free.delete(protocol)
    this.streams = [...this.streams, stream]
  }
}

/** A factory for one connection's muxer, as the upgrader asks for it. */
export function capabilityMuxer(init: CapabilityMuxerInit): StreamMuxerFactory {
  return { protocol: DEVP2P_MUXER, createStreamMuxer: () => new CapabilityMuxer(init) }
}
