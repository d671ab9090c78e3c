import { type Capability, type Channel, type Clock, type Millis, type Peer, sleep, systemClock } from '@kumiko/interface'

const PING = 0
const PONG = 1

/** Options of {@link pingPong}. */
export interface PingPongOptions {
  /** From a pong to the next ping. Default `Infinity`: we only answer. */
  readonly intervalMs?: Millis
  /** A ping of ours was answered. */
  readonly onPong?: (peer: Peer, roundTripMs: Millis) => void
  readonly clock?: Clock
}

/**
 * The capability `pingpong/1`: code 0 is a ping with a number of 4 bytes, code 1 the pong with the same number. At most one ping of ours is
 * under way. One who answers what was not asked is disconnected for `breach-of-protocol`.
 */
export function pingPong(options: PingPongOptions = {}): Capability {
  return {
    name: 'pingpong',
    version: 1,
    length: 2,
    async run(channel, peer) {
      const pings = new Pings(channel, peer, options)
      // Both end when the connection does, since the peer's signal aborts then.
      await Promise.all([pings.send(), pings.answer()])
    },
  }
}

/** The pings of one connection. */
class Pings {
  readonly #channel: Channel
  readonly #peer: Peer
  readonly #clock: Clock
  readonly #intervalMs: Millis
  readonly #onPong: PingPongOptions['onPong']
  #number = 0
  /** The ping under way, and what tells of its pong. */
  #awaited: { readonly number: number; readonly resolve: () => void } | undefined

  constructor(channel: Channel, peer: Peer, { intervalMs = Number.POSITIVE_INFINITY, onPong, clock = systemClock }: PingPongOptions) {
    this.#channel = channel
    this.#peer = peer
    this.#clock = clock
    this.#intervalMs = intervalMs
    this.#onPong = onPong
  }

  async send(): Promise<void> {
    const { signal } = this.#peer
    while (!signal.aborted && this.#intervalMs !== Number.POSITIVE_INFINITY) {
      const sentAt = this.#clock.now()
      const isAnswered = await this.#ping(signal)
      if (!isAnswered) return
      this.#onPong?.(this.#peer, this.#clock.now() - sentAt)
      await sleep(this.#clock, this.#intervalMs, signal).catch(() => {})
    }
  }

  async answer(): Promise<void> {
    for await (const { code, payload } of this.#channel) {
      const number = payload.length === 4 ? new DataView(payload.buffer, payload.byteOffset).getUint32(0) : undefined
      if (number === undefined) return this.#peer.disconnect('breach-of-protocol')
      if (code === PING) {
        if (!this.#channel.send(PONG, payload)) await this.#channel.drain()
      } else if (this.#awaited?.number === number) {
        this.#awaited.resolve()
      } else {
        return this.#peer.disconnect('breach-of-protocol')
      }
    }
  }

  /** @returns False where the connection ended first. */
  async #ping(signal: AbortSignal): Promise<boolean> {
    const { promise, resolve } = Promise.withResolvers<boolean>()
    const number = this.#number
    this.#number = (number + 1) >>> 0
    this.#awaited = { number, resolve: () => resolve(true) }
    const end = (): void => resolve(false)
    signal.addEventListener('abort', end, { once: true })
    const payload = new Uint8Array(4)
    new DataView(payload.buffer).setUint32(0, number)
    this.#channel.send(PING, payload)
    const isAnswered = await promise
    signal.removeEventListener('abort', end)
    this.#awaited = undefined
    return isAnswered
  }
}
