import { rm } from 'node:fs/promises'
import { createServer, type Server, type Socket } from 'node:net'
import { KumikoError, raceAbort } from '@kumiko/interface'
import { Lines } from './lines.ts'
import {
  ANSWER_BYTES_MAX,
  failure,
  REQUEST_BYTES_MAX,
  RPC_ERRORS,
  type RpcMessage,
  type RpcRequest,
  readRequest,
  rpcErrorOf,
} from './rpc.ts'

/** What a method may use while it runs. */
export interface CallContext {
  /** Aborts when the client has gone, or the server stops. */
  readonly signal: AbortSignal
  /** Tells the client of something before the answer. */
  emit(value: unknown): void
}

/** Answers one kind of request. What it throws is told to the client. */
export type RpcMethod = (params: Readonly<Record<string, unknown>>, context: CallContext) => Promise<unknown>

/** Clients at a time; more are turned away. */
const CLIENTS_MAX = 32

/** Requests of one client that are under way; more are refused. */
const CALLS_MAX = 64

/** Serves JSON-RPC 2.0 over a Unix socket (a named pipe on Windows), one message a line. Whoever may open the socket may do all that it offers. */
export class ControlServer implements AsyncDisposable {
  readonly #path: string
  readonly #methods: Readonly<Record<string, RpcMethod>>
  readonly #server: Server
  readonly #clients = new Map<Socket, AbortController>()
  /** Bounded by clients and their calls. */
  readonly #calls = new Set<Promise<void>>()

  constructor(path: string, methods: Readonly<Record<string, RpcMethod>>) {
    this.#path = path
    this.#methods = methods
    this.#server = createServer((socket) => this.#serve(socket))
    this.#server.maxConnections = CLIENTS_MAX
  }

  /**
   * Listens. A socket that a killed process left is taken away: the folder's lock tells that nobody else uses it.
   *
   * @throws KumikoError `node/no-control`.
   */
  async listen(): Promise<void> {
    try {
      if (process.platform !== 'win32') await rm(this.#path, { force: true })
      await this.#bind()
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause)
      throw new KumikoError(
        'node/no-control',
        `cannot listen on "${this.#path}" for commands: ${why}: remove it, or choose another --data-dir`,
        { cause },
      )
    }
  }

  /** Lets all clients go, and waits for what they asked for to end. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { promise: closed, resolve } = Promise.withResolvers<void>()
    this.#server.close(() => resolve())
    for (const [socket, gone] of this.#clients) {
      gone.abort()
      socket.destroy()
    }
    if (this.#server.listening) await closed
    await Promise.all(this.#calls)
  }

  async #bind(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#server.once('error', reject)
    // Only we ourselves may open it.
    const mask = process.umask(0o177)
    try {
      this.#server.listen(this.#path, resolve)
    } finally {
      process.umask(mask)
    }
    await promise
    this.#server.off('error', reject)
    this.#server.on('error', () => {})
  }

  #serve(socket: Socket): void {
    const gone = new AbortController()
    const lines = new Lines(REQUEST_BYTES_MAX)
    this.#clients.set(socket, gone)
    socket.on('error', () => {})
    socket.on('close', () => {
      this.#clients.delete(socket)
      gone.abort()
    })
    let calls = 0
    socket.on('data', (chunk: Uint8Array) => {
      const whole = lines.push(chunk)
      if (whole === undefined) return void socket.destroy()
      for (const line of whole) {
        const request = readRequest(line)
        if ('code' in request) tell(socket, failure(null, request))
        else if (calls >= CALLS_MAX) tell(socket, failure(request.id, { code: RPC_ERRORS.failed, message: 'too many requests at a time' }))
        else {
          calls++
          this.#track(this.#call(socket, request, gone.signal).finally(() => calls--))
        }
      }
    })
  }

  #track(call: Promise<void>): void {
    const tracked = call.finally(() => this.#calls.delete(tracked))
    this.#calls.add(tracked)
  }

  /** Never throws. */
  async #call(socket: Socket, { id, method, params }: RpcRequest, signal: AbortSignal): Promise<void> {
    const run = Object.hasOwn(this.#methods, method) ? this.#methods[method] : undefined
    if (run === undefined) return tell(socket, failure(id, { code: RPC_ERRORS.method, message: `there is no method ${method}` }))
    const emit = (value: unknown): void => tell(socket, { jsonrpc: '2.0', method: 'value', params: { id, value } })
    try {
      const result = await raceAbort(run(params, { signal, emit }), signal)
      tell(socket, { jsonrpc: '2.0', id, result: result ?? null })
    } catch (error) {
      tell(socket, failure(id, rpcErrorOf(error)))
    }
  }
}

/** A client that does not read what it is told is cut off. */
function tell(socket: Socket, message: RpcMessage): void {
  if (socket.writable) socket.write(`${JSON.stringify(message)}\n`)
  if (socket.writableLength > 2 * ANSWER_BYTES_MAX) socket.destroy()
}
