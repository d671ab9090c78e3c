import { type CapabilityId, type Channel, KumikoError, type Message } from '@kumiko/interface'
import type { Abortable } from './abort.ts'

/** What a channel needs of the connection that carries it. */
export interface ChannelLink {
  /** Sends at once. @returns False when the socket is behind. */
  send(index: number, code: number, payload: Uint8Array): boolean
  /** Resolves when the socket has caught up; rejects when the connection ends. */
  drain(options?: Abortable): Promise<void>
  /** A queue went over its bound, or is under half of it again. */
  holds(isFull: boolean): void
}

/** Bounds of one capability's ingress queue. Beyond either, the socket is not read. */
export interface QueueBounds {
  readonly messagesMax: number
  readonly bytesMax: number
}

/** A thousand small messages, or one large one and the next. */
export const DEFAULT_QUEUE_BOUNDS: QueueBounds = { messagesMax: 1024, bytesMax: 1 << 20 }

interface Waiting {
  readonly resolve: (message: Message | undefined) => void
}

/** One capability's messages on one connection, or on one end of a message pipe. */
export class QueuedChannel implements Channel {
  readonly capability: CapabilityId
  readonly #link: ChannelLink
  readonly #index: number
  readonly #bounds: QueueBounds
  #queue: Message[] = []
  #taken = 0
  #bytes = 0
  #isFull = false
  #isClosed = false
  #waiting: Waiting | undefined
  #handler: ((code: number, payload: Uint8Array) => void) | undefined

  /** @param index - Of the capability among the shared ones. */
  constructor(capability: CapabilityId, link: ChannelLink, index = 0, bounds: QueueBounds = DEFAULT_QUEUE_BOUNDS) {
    this.capability = { name: capability.name, version: capability.version }
    this.#link = link
    this.#index = index
    this.#bounds = bounds
  }

  send(code: number, payload: Uint8Array): boolean {
    return this.#link.send(this.#index, code, payload)
  }

  drain(options?: Abortable): Promise<void> {
    return this.#link.drain(options)
  }

  get onMessage(): ((code: number, payload: Uint8Array) => void) | undefined {
    return this.#handler
  }

  set onMessage(handler: ((code: number, payload: Uint8Array) => void) | undefined) {
    this.#handler = handler
    while (this.#handler !== undefined) {
      const message = this.#shift()
      if (message === undefined) return
      this.#handler(message.code, message.payload)
    }
  }

  async read({ signal }: Abortable = {}): Promise<Message | undefined> {
    signal?.throwIfAborted()
    if (this.#waiting !== undefined)
      throw new KumikoError('rlpx/concurrent-read', 'a read of this channel is under way: await it before the next')
    const message = this.#shift()
    if (message !== undefined || this.#isClosed) return message
    const { promise, resolve, reject } = Promise.withResolvers<Message | undefined>()
    this.#waiting = { resolve }
    if (signal === undefined) return promise
    const abort = (): void => {
      this.#waiting = undefined
      reject(signal.reason)
    }
    signal.addEventListener('abort', abort, { once: true })
    return promise.finally(() => signal.removeEventListener('abort', abort))
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Message, void, undefined> {
    for (let message = await this.read(); message !== undefined; message = await this.read()) yield message
  }

  /** The connection's side: a message came. */
  deliver(code: number, payload: Uint8Array): void {
    if (this.#isClosed) return
    if (this.#handler !== undefined) {
      this.#handler(code, payload)
      return
    }
    if (this.#waiting !== undefined) {
      this.#settle({ code, payload })
      return
    }
    this.#queue.push({ code, payload })
    this.#bytes += payload.length
    this.#weigh()
  }

  /** The connection's side: it has ended. What is queued can still be read. */
  close(): void {
    this.#isClosed = true
    this.#settle(undefined)
  }

  #settle(message: Message | undefined): void {
    const waiting = this.#waiting
    this.#waiting = undefined
    waiting?.resolve(message)
  }

  #shift(): Message | undefined {
    const message = this.#queue[this.#taken]
    if (message === undefined) return undefined
    this.#taken++
    this.#bytes -= message.payload.length
    if (this.#taken === this.#queue.length) {
      this.#queue = []
      this.#taken = 0
    }
    this.#weigh()
    return message
  }

  #weigh(): void {
    const { messagesMax, bytesMax } = this.#bounds
    const messages = this.#queue.length - this.#taken
    const isOver = messages >= messagesMax || this.#bytes >= bytesMax
    const isUnderHalf = messages * 2 <= messagesMax && this.#bytes * 2 <= bytesMax
    if (this.#isFull ? !isUnderHalf : !isOver) return
    this.#isFull = !this.#isFull
    this.#link.holds(this.#isFull)
  }
}
