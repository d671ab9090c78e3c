import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import type { UdpEndpoint } from '@kumiko/interface'

/** What came, and from where. */
export interface Datagram {
  readonly bytes: Uint8Array
  readonly from: UdpEndpoint
}

/** Datagrams kept until they are taken; more are lost, as the system would lose them. */
const QUEUE_MAX = 4096

/** A plain UDP socket on a loopback address, at any port. It keeps what comes until it is asked for. */
export class TesterSocket implements AsyncDisposable {
  readonly #socket: Socket
  readonly #queue: Datagram[] = []
  #wake: () => void = () => {}
  #isOpen = true

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.on('error', () => {}) // a refused send; the check notices that nothing comes
    socket.on('message', (bytes, { address, port }) => {
      if (this.#queue.length < QUEUE_MAX) this.#queue.push({ bytes: new Uint8Array(bytes), from: { ip: address, port } })
      this.#wake()
    })
  }

  /** @param port - Default: any. @throws what the system refuses. */
  static async bind(ip: string, port = 0): Promise<TesterSocket> {
    const socket = createSocket('udp4')
    socket.bind(port, ip)
    await once(socket, 'listening')
    return new TesterSocket(socket)
  }

  get endpoint(): UdpEndpoint {
    const { address, port } = this.#socket.address()
    return { ip: address, port }
  }

  send(bytes: Uint8Array, to: UdpEndpoint): void {
    if (this.#isOpen) this.#socket.send(bytes, to.port, to.ip)
  }

  /** Takes the next datagram, one taker at a time. @returns Undefined where none came in that time, or the socket was closed. */
  async next(waitMs: number): Promise<Datagram | undefined> {
    const end = performance.now() + waitMs
    for (;;) {
      const datagram = this.#queue.shift()
      const restMs = end - performance.now()
      if (datagram !== undefined || !this.#isOpen || restMs <= 0) return datagram
      await this.#arrival(restMs)
    }
  }

  async close(): Promise<void> {
    if (!this.#isOpen) return
    this.#isOpen = false
    const closed = once(this.#socket, 'close')
    this.#socket.close()
    this.#wake()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #arrival(waitMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    await new Promise<void>((resolve) => {
      this.#wake = resolve
      if (waitMs !== Number.POSITIVE_INFINITY) timer = setTimeout(resolve, waitMs)
    })
    clearTimeout(timer)
  }
}
