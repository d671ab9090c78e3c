import type { Message } from '@kumiko/interface'
import { type AbortOptions, type Logger, type MessageStreamDirection, StreamMessageEvent } from '@libp2p/interface'
import { AbstractStream, type SendResult } from '@libp2p/utils'
import type { Uint8ArrayList } from 'uint8arraylist'
import type { QueuedChannel } from './channel.ts'
import { protocolOf } from './connection.ts'

/**
 * A capability as a libp2p stream. A datum is one message, its code in front: `[code, ...payload]`. libp2p's own streams merge what is sent and
 * received in a row; this one keeps the boundaries, and reads from the channel only what is listened for.
 */
export class CapabilityStream extends AbstractStream {
  readonly #channel: QueuedChannel
  #isReading = false
  /** Came while the stream was paused. */
  #held: Message | undefined

  constructor(channel: QueuedChannel, direction: MessageStreamDirection, log: Logger) {
    super({ id: protocolOf(channel.capability), protocol: protocolOf(channel.capability), direction, log })
    this.#channel = channel
    // The remote does not hear of it: what it goes on sending must not fill the queue, which would keep the whole connection from being read.
    this.addEventListener('close', () => {
      channel.onMessage = () => {}
    })
  }

  override send(data: Uint8Array | Uint8ArrayList): boolean {
    const bytes = data.subarray()
    const canSendMore = this.#channel.send(bytes[0] ?? 0, bytes.subarray(1))
    if (!canSendMore && !this.writableNeedsDrain) {
      this.writableNeedsDrain = true
      this.#channel.drain().then(
        () => this.safeDispatchEvent('drain'),
        () => {},
      )
    }
    return canSendMore
  }

  override addEventListener(...args: Parameters<AbstractStream['addEventListener']>): void {
    super.addEventListener(...args)
    // Called by the base class's constructor, too, when there is no channel yet.
    if (args[0] === 'message') queueMicrotask(() => this.#read())
  }

  override resume(): void {
    super.resume()
    this.#read()
  }

  override async close(_options?: AbortOptions): Promise<void> {
    // devp2p cannot close one capability: the stream ends on our side, the connection goes on.
    this.onTransportClosed()
  }

  sendData(): SendResult {
    throw new TypeError('messages are sent whole')
  }
  sendReset(): void {}
  sendPause(): void {}
  sendResume(): void {}
  async sendCloseWrite(): Promise<void> {}
  async sendCloseRead(): Promise<void> {}

  get #isListening(): boolean {
    return this.readStatus === 'readable' && this.listenerCount('message') > 0
  }

  #read(): void {
    if (!this.#isReading) void this.#readAll()
  }

  async #readAll(): Promise<void> {
    this.#isReading = true
    while (this.#isListening) {
      const message = this.#held ?? (await this.#channel.read())
      this.#held = undefined
      if (message === undefined) {
        this.onTransportClosed()
        break
      }
      if (this.#isListening) this.dispatchEvent(new StreamMessageEvent(datumOf(message)))
      else this.#held = message
    }
    this.#isReading = false
  }
}

function datumOf({ code, payload }: Message): Uint8Array {
  const datum = new Uint8Array(1 + payload.length)
  datum[0] = code
  datum.set(payload, 1)
  return datum
}
