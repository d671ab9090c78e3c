import { createServer, type IncomingMessage, type RequestListener, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, isIPv6 } from 'node:net'
import { TLSSocket } from 'node:tls'
import { codeOf, KumikoError, type Millis } from '@kumiko/interface'
import type { Logger } from '@libp2p/interface'
import { BODY_MAX_BYTES, json, type OperationsResponse, type OperationsRoute } from './route.ts'

/** Our certificate, and who may come. */
export interface OperationsTls {
  /** PEM; those of CAs may follow. */
  readonly certificate: Uint8Array
  /** PEM, not encrypted. */
  readonly privateKey: Uint8Array
  /** PEM each: CAs of clients. Without any, nobody gets at what is not open. */
  readonly clientRootCas?: readonly Uint8Array[]
  /** Whether every client must show a certificate, for what is open too. Default false. */
  readonly requiresClientCertificate?: boolean
}

/** Where is listened, and to whom. */
export interface HttpServerOptions {
  /** `host:port`, IPv6 as `[::1]:port`; port 0 for any. */
  readonly listen: string
  readonly tls?: OperationsTls | undefined
  /** A connection on which so long nothing comes or goes is ended. Default 130 s: longer than the longest profile takes. */
  readonly idleTimeoutMs?: Millis
  readonly log: Logger | undefined
}

/** More connections at once are not taken. */
export const CONNECTIONS_MAX = 128

/** TLS has as long to begin as a request to come: half-open ones would take all connections that there may be. */
const HANDSHAKE_MS = 10_000
const IDLE_MS = 130_000
const TIMES = { headersTimeout: 10_000, requestTimeout: 10_000, keepAliveTimeout: 5_000, connectionsCheckingInterval: 1_000 }
const STOP_MS = 5_000

/**
 * Serves routes over HTTP. What a client sends is bounded in size and time; no request makes it throw.
 * @see Fabric `common/fabhttp/server.go`
 */
export class HttpServer {
  readonly #options: HttpServerOptions
  readonly #routes: () => readonly OperationsRoute[]
  #stopping = new AbortController()
  #server: Server | undefined

  constructor(options: HttpServerOptions, routes: () => readonly OperationsRoute[]) {
    this.#options = options
    this.#routes = routes
  }

  /** `host:port`, the real one. Undefined where it does not listen. */
  get address(): string | undefined {
    const address = this.#server?.address()
    return address === null || address === undefined || typeof address === 'string' ? undefined : addressText(address)
  }

  /** @throws KumikoError `operations/bad-address`, `operations/cannot-listen`, `operations/bad-tls`. */
  async start(): Promise<void> {
    const { host, port } = hostAndPort(this.#options.listen)
    this.#stopping = new AbortController()
    const server = this.#create((request, response) => void this.#serve(request, response))
    server.maxConnections = CONNECTIONS_MAX
    // Clients that never read their answer.
    server.timeout = this.#options.idleTimeoutMs ?? IDLE_MS
    server.on('clientError', (_error, socket) => socket.destroy())
    server.on('tlsClientError', () => {})
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen({ host, port }, resolve)
    await promise.catch((cause: unknown) => {
      const message = `cannot listen on ${this.#options.listen} (${codeOf(cause) ?? String(cause)}): choose another address`
      throw new KumikoError('operations/cannot-listen', message, { context: { listen: this.#options.listen }, cause })
    })
    server.on('error', (error) => this.#options.log?.error('operations: %e', error))
    this.#server = server
  }

  /** Ends all requests: those under way have some seconds. */
  async stop(): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    this.#stopping.abort()
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    server.closeIdleConnections()
    const timer = setTimeout(() => server.closeAllConnections(), STOP_MS)
    await promise
    clearTimeout(timer)
  }

  #create(listener: RequestListener): Server {
    const { tls } = this.#options
    if (tls === undefined) return createServer(TIMES, listener)
    const { certificate, privateKey, clientRootCas = [], requiresClientCertificate = false } = tls
    try {
      return createTlsServer(
        {
          ...TIMES,
          cert: Buffer.from(certificate),
          key: Buffer.from(privateKey),
          ca: clientRootCas.map((root) => Buffer.from(root)),
          requestCert: true,
          handshakeTimeout: HANDSHAKE_MS,
          rejectUnauthorized: requiresClientCertificate,
          minVersion: 'TLSv1.2',
        },
        listener,
      )
    } catch (cause) {
      throw new KumikoError('operations/bad-tls', 'the certificate or its key cannot be read: give both in PEM', { cause })
    }
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const gone = new AbortController()
    response.once('close', () => gone.abort())
    response.on('error', () => {})
    request.on('error', () => {})
    try {
      await write(response, await this.#answer(request, AbortSignal.any([gone.signal, this.#stopping.signal])))
    } catch (error) {
      if (!gone.signal.aborted) this.#options.log?.error('operations: %s failed: %e', request.url?.slice(0, 100), error)
      if (response.headersSent) response.destroy()
      else response.writeHead(500).end()
    }
  }

  async #answer(request: IncomingMessage, signal: AbortSignal): Promise<OperationsResponse> {
    const { method = '', url = '' } = request
    const [path = '', search] = url.split('?', 2)
    const route = this.#routes().find((each) => (each.path.endsWith('/') ? path.startsWith(each.path) : path === each.path))
    if (route === undefined) return { status: 404, contentType: 'text/plain; charset=utf-8', body: '404 page not found\n' }
    if (this.#options.tls !== undefined && route.isOpen !== true && !isTrusted(request)) return { status: 401 }
    const body = await readBody(request, route.bodyBytesMax ?? BODY_MAX_BYTES)
    if (body === undefined) return { ...json(413, { error: 'request body too large' }), headers: { connection: 'close' } }
    const query = new URLSearchParams(search ?? '')
    return await route.handle({ method, path, query, headers: request.headers, body, signal })
  }
}

function isTrusted({ socket }: IncomingMessage): boolean {
  return socket instanceof TLSSocket && socket.authorized
}

async function readBody(request: IncomingMessage, bytesMax: number): Promise<Uint8Array | undefined> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of request) {
    // A request without an encoding gives bytes.
    const bytes = chunk as Uint8Array
    size += bytes.length
    if (size > bytesMax) return
    chunks.push(bytes)
  }
  return new Uint8Array(Buffer.concat(chunks))
}

async function write(response: ServerResponse, { status, contentType, headers, body }: OperationsResponse): Promise<void> {
  response.writeHead(status, { ...headers, ...(contentType !== undefined && { 'content-type': contentType }) })
  if (body === undefined || typeof body === 'string' || body instanceof Uint8Array) {
    response.end(body)
    return
  }
  for await (const chunk of body) {
    if (response.destroyed) return
    if (!response.write(chunk)) await drained(response)
  }
  response.end()
}

async function drained(response: ServerResponse): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  response.once('drain', resolve)
  response.once('close', resolve)
  await promise
  response.off('drain', resolve)
  response.off('close', resolve)
}

function hostAndPort(listen: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]+)\]|([^:]*)):(\d{1,5})$/.exec(listen) ?? []
  const port = Number(digits ?? Number.NaN)
  if (!(port >= 0 && port <= 65_535)) {
    throw new KumikoError('operations/bad-address', `bad address "${listen}": want host:port, as 127.0.0.1:9443`, { context: { listen } })
  }
  const host = bracketed ?? plain ?? ''
  return { host: host === '' ? '0.0.0.0' : host, port }
}

function addressText({ address, port }: AddressInfo): string {
  return isIPv6(address) ? `[${address}]:${port}` : `${address}:${port}`
}
