import { type CapabilityId, type DisconnectReason, KumikoError, type Peer, raceAbort } from '@kumiko/interface'
import type { Abortable } from './abort.ts'
import { type ChannelLink, QueuedChannel } from './channel.ts'

/** One end of a message pipe: what a capability's `run` is given. */
export interface PipeEnd {
  readonly channel: QueuedChannel
  /** The other end, as a peer. */
  readonly peer: Peer
  /** Resolves when either end disconnects, with the reason. */
  readonly disconnected: Promise<DisconnectReason>
}

/**
 * Two connected ends in memory, to try a capability without a network: `capability.run(end.channel, end.peer)`. Boundaries, order and
 * backpressure are as over RLPx.
 */
export function messagePipe(capability: CapabilityId): [PipeEnd, PipeEnd] {
  const ended = Promise.withResolvers<DisconnectReason>()
  const abort = new AbortController()
  const links = [new PipeLink(abort.signal), new PipeLink(abort.signal)] as const
  const channels = links.map((link) => new QueuedChannel(capability, link)) as [QueuedChannel, QueuedChannel]
  links[0].join(channels[1], links[1])
  links[1].join(channels[0], links[0])
  const disconnect = (reason: DisconnectReason): void => {
    if (abort.signal.aborted) return
    ended.resolve(reason)
    abort.abort(new KumikoError('rlpx/closed', `the pipe was closed: ${reason}`, { context: { reason } }))
    for (const channel of channels) channel.close()
  }
  const end = (channel: QueuedChannel, direction: Peer['direction'], fill: number): PipeEnd => ({
    channel,
    disconnected: ended.promise,
    peer: {
      nodeId: fill.toString(16).padStart(64, '0'),
      publicKey: new Uint8Array(33).fill(fill),
      clientId: 'message-pipe',
      capabilities: [channel.capability],
      direction,
      remote: { host: '127.0.0.1', port: fill },
      signal: abort.signal,
      disconnect,
    },
  })
  return [end(channels[0], 'outbound', 2), end(channels[1], 'inbound', 1)]
}

/** What one end sends through: into the other's queue. */
class PipeLink implements ChannelLink {
  readonly #signal: AbortSignal
  #other: QueuedChannel | undefined
  /** The link whose sends our own end's full queue holds back. */
  #sender: PipeLink | undefined
  #drained: PromiseWithResolvers<void> | undefined

  constructor(signal: AbortSignal) {
    this.#signal = signal
  }

  join(other: QueuedChannel, sender: PipeLink): void {
    this.#other = other
    this.#sender = sender
  }

  send(_index: number, code: number, payload: Uint8Array): boolean {
    if (!this.#signal.aborted) this.#other?.deliver(code, Uint8Array.from(payload))
    return this.#drained === undefined
  }

  async drain({ signal }: Abortable = {}): Promise<void> {
    signal?.throwIfAborted()
    this.#signal.throwIfAborted()
    if (this.#drained === undefined) return
    await raceAbort(this.#drained.promise, signal === undefined ? this.#signal : AbortSignal.any([this.#signal, signal]))
  }

  holds(isFull: boolean): void {
    this.#sender?.held(isFull)
  }

  held(isFull: boolean): void {
    if (isFull) this.#drained ??= Promise.withResolvers<void>()
    else {
      this.#drained?.resolve()
      this.#drained = undefined
    }
  }
}
