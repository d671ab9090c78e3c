import { createServer, type Server, type Socket } from 'node:net'
import { type Resp, RespReader } from './resp.ts'

/** As much of Redis as test-plans need: RPUSH and BLPOP, on loopback. */
export class RespServer implements AsyncDisposable {
  /** `host:port`. */
  readonly address: string
  readonly #server: Server
  readonly #sockets: Set<Socket>

  private constructor(server: Server, sockets: Set<Socket>, port: number) {
    this.#server = server
    this.#sockets = sockets
    this.address = `127.0.0.1:${port}`
  }

  static async start(): Promise<RespServer> {
    const lists = new Lists()
    const sockets = new Set<Socket>()
    const server = createServer((socket) => {
      sockets.add(socket)
      socket.once('close', () => sockets.delete(socket))
      serve(socket, lists)
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const address = server.address()
    return new RespServer(server, sockets, typeof address === 'object' && address !== null ? address.port : 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#sockets) socket.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }
}

function serve(socket: Socket, lists: Lists): void {
  const reader = new RespReader()
  socket.setEncoding('latin1')
  socket.on('error', () => {}) // its end is told by 'close'
  socket.on('data', (chunk) => {
    try {
      for (const command of reader.push(String(chunk))) obey(socket, lists, wordsOf(command))
    } catch {
      socket.destroy()
    }
  })
}

function obey(socket: Socket, lists: Lists, [name = '', key = '', ...rest]: readonly string[]): void {
  const [first = ''] = rest
  switch (name.toUpperCase()) {
    case 'RPUSH':
      socket.write(`:${lists.push(key, first)}\r\n`)
      return
    case 'BLPOP': // its last word is the seconds, 0: for ever
      lists.pop(key, Number(rest.at(-1)) * 1000, (value) => {
        socket.write(value === undefined ? '*-1\r\n' : bulks(key, value), 'latin1')
      })
      return
    default:
      socket.write(`-ERR unknown command '${name}'\r\n`)
  }
}

/** Words of one character a byte. */
function bulks(...words: string[]): string {
  return `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`
}

function wordsOf(command: Resp): string[] {
  return Array.isArray(command) ? command.map(String) : []
}

/** Texts by key, and those who wait for one. */
class Lists {
  readonly #values = new Map<string, string[]>()
  readonly #waiters = new Map<string, ((value: string) => void)[]>()

  /** @returns How many the key has now. */
  push(key: string, value: string): number {
    const waiter = this.#waiters.get(key)?.shift()
    if (waiter !== undefined) waiter(value)
    const values = this.#values.get(key) ?? []
    if (waiter === undefined) values.push(value)
    this.#values.set(key, values)
    return values.length
  }

  /** Takes the first, or waits for one. */
  pop(key: string, timeoutMs: number, take: (value: string | undefined) => void): void {
    const value = this.#values.get(key)?.shift()
    if (value !== undefined) {
      take(value)
      return
    }
    const waiters = this.#waiters.get(key) ?? []
    this.#waiters.set(key, waiters)
    const timer = setTimeout(
      () => {
        waiters.splice(waiters.indexOf(waiter), 1)
        take(undefined)
      },
      timeoutMs || 2 ** 31 - 1,
    )
    const waiter = (pushed: string): void => {
      clearTimeout(timer)
      take(pushed)
    }
    waiters.push(waiter)
  }
}
