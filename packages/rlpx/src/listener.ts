import { readRlpxMultiaddr, rlpxMultiaddr } from '@kumiko/identity'
import { type ByteStream, KumikoError } from '@kumiko/interface'
import { type Listener, type ListenerEvents, TypedEventEmitter } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { StreamListener, StreamNetwork } from './tcp.ts'

/** What a listener does with what it hears. */
export interface RlpxListenerInit {
  readonly network: StreamNetwork
  /** Sets a connection up; must not reject. The signal aborts when the listener is closed. */
  readonly onStream: (stream: ByteStream, signal: AbortSignal) => Promise<void>
  /** Told of the port that was really taken. */
  readonly onPort: (port: number) => void
  /** Connections being set up at a time; those beyond are closed. */
  readonly maxPending: number
}

/** A listener of RLPx as libp2p has them. */
export function rlpxListener(init: RlpxListenerInit): Listener {
  return new RlpxListener(init)
}

class RlpxListener extends TypedEventEmitter<ListenerEvents> implements Listener {
  readonly #init: RlpxListenerInit
  readonly #abort = new AbortController()
  #server: StreamListener | undefined
  #pending = 0

  constructor(init: RlpxListenerInit) {
    super()
    this.#init = init
  }

  async listen(address: Multiaddr): Promise<void> {
    const read = readRlpxMultiaddr(address)
    if (read?.host === undefined || read.tcp === undefined)
      throw new KumikoError('rlpx/bad-listen-address', `cannot listen on ${address}: give /ip4/IP/tcp/PORT/rlpx`)
    this.#server = await this.#init.network.listen(read.host, read.tcp, (stream) => void this.#take(stream))
    this.#init.onPort(this.#server.port)
    this.safeDispatchEvent('listening')
  }

  getAddrs(): Multiaddr[] {
    if (this.#server === undefined) return []
    const address = rlpxMultiaddr({ host: this.#server.host, tcp: this.#server.port })
    return address === undefined ? [] : [address]
  }

  updateAnnounceAddrs(): void {}

  async close(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    this.#abort.abort(new KumikoError('rlpx/closed', 'the listener was closed'))
    await server.close()
    this.safeDispatchEvent('close')
  }

  async #take(stream: ByteStream): Promise<void> {
    if (this.#pending >= this.#init.maxPending) return stream.destroy()
    this.#pending++
    try {
      await this.#init.onStream(stream, this.#abort.signal)
    } catch (cause) {
      // Whatever one remote brings about, the listener goes on.
      stream.destroy()
      this.safeDispatchEvent('error', { detail: cause instanceof Error ? cause : new Error(String(cause)) })
    } finally {
      this.#pending--
    }
  }
}
