import { connect, type Socket } from 'node:net'
import { encodeResp, type Resp, RespReader } from './resp.ts'

interface Waiter {
  resolve(value: Resp): void
  reject(error: Error): void
}

/** A connection to a Redis server. Commands are answered in their order. */
export class RespClient {
  readonly #socket: Socket
  readonly #waiters: Waiter[] = []
  readonly #reader = new RespReader()

  private constructor(socket: Socket) {
    this.#socket = socket
    socket.setEncoding('latin1')
    socket.on('data', (chunk) => this.#read(String(chunk)))
    socket.on('error', (error) => this.#end(error))
    socket.on('close', () => this.#end(new Error('redis has hung up')))
  }

  /** @param address - `host:port`. */
  static connect(address: string): RespClient {
    const [host = '', port = '6379'] = address.split(/:(?=\d+$)/)
    return new RespClient(connect(Number(port), host))
  }

  /** @throws Error where the server answers with one, or is gone. */
  async command(...words: string[]): Promise<Resp> {
    const { promise, resolve, reject } = Promise.withResolvers<Resp>()
    this.#waiters.push({ resolve, reject })
    this.#socket.write(encodeResp(words))
    return await promise
  }

  close(): void {
    this.#socket.destroy()
  }

  #read(chunk: string): void {
    try {
      for (const value of this.#reader.push(chunk)) this.#answer(value)
    } catch (error) {
      this.#socket.destroy(error instanceof Error ? error : undefined)
    }
  }

  #answer(value: Resp): void {
    const waiter = this.#waiters.shift()
    if (typeof value === 'object' && value !== null && 'fault' in value) waiter?.reject(new Error(`redis: ${value.fault}`))
    else waiter?.resolve(value)
  }

  #end(error: Error): void {
    for (const waiter of this.#waiters.splice(0)) waiter.reject(error)
  }
}
