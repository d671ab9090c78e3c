import type { EventEmitter } from 'node:events'
import {
  constants,
  createSecureServer,
  createServer,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type SecureServerOptions,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type ServerOptions,
} from 'node:http2'
import type { Socket } from 'node:net'
import { type Clock, codeOf, KumikoError, type Millis, systemClock } from '@kumiko/interface'
import type { ComponentLogger, Logger, Metrics } from '@libp2p/interface'
import type { BoundMethod } from './contract.ts'
import { type ListenerMetrics, listenerMetrics } from './listener-metrics.ts'
import { RpcError, RpcStatus } from './rpc-error.ts'
import { run } from './serve.ts'
import { ServerCall } from './server-call.ts'
import { type KeepaliveOptions, ServerConnection } from './server-connection.ts'

/** How a listener shows who it is, and learns who its clients are. */
export interface ListenerTls {
  /** PEM; certificates of CAs may follow. */
  readonly certificate: Uint8Array
  /** PEM, not encrypted. */
  readonly privateKey: Uint8Array
  /** Certificates in PEM of the CAs that clients' certificates must come from, where one is required. */
  readonly clientRootCas?: readonly Uint8Array[]
  /**
   * Default false: clients may show a certificate, of any CA, to which they prove to have the key. Its hash binds their requests to the connection;
   * it says nothing about who they are. Fabric's `peer.tls.clientAuthRequired`.
   */
  readonly requiresClientCertificate?: boolean
}

/** How a listener is made. */
export interface GrpcListenerOptions extends Partial<KeepaliveOptions> {
  /** `host:port`, IPv6 as `[::1]:port`; no host for all interfaces, port 0 for any that is free. */
  readonly listen: string
  /** Default: without TLS. */
  readonly tls?: ListenerTls
  /** For one message either way. Default 100 MiB, as in Fabric. */
  readonly messageBytesMax?: number
  /** How many calls one connection may have open, each with 64 KiB that were not asked for yet. Default 2,500. */
  readonly streamsMax?: number
  /** Default 10,000. */
  readonly connectionsMax?: number
  /** How long a connection may take to begin. Default 5 s, as in Fabric. */
  readonly connectTimeoutMs?: Millis
  /** Default: the system's. */
  readonly clock?: Clock
  /** Counts connections and calls, by Fabric's names. */
  readonly metrics?: Metrics
  readonly logger?: ComponentLogger
}

const DEFAULT_GRACE_MS = 1000
/** In MB. Node counts what waits to be written too: the default cuts off a client with a thousand streams. */
const SESSION_MEMORY_MB = 1024

/**
 * A gRPC server on one address: services are added to it, and then it is started. Over HTTP/2 of Node itself: what `@grpc/grpc-js` has for a server
 * neither takes a certificate that it need not have, nor tells pings that come too often, and takes more time for each call.
 */
export class GrpcListener {
  readonly #options: GrpcListenerOptions
  readonly #clock: Clock
  readonly #log: Logger | undefined
  readonly #metrics: ListenerMetrics | undefined
  readonly #methods = new Map<string, BoundMethod>()
  /** At most {@link GrpcListenerOptions.connectionsMax}. */
  readonly #sockets = new Set<Socket>()
  readonly #connections = new Set<ServerConnection>()
  #server: Http2Server | Http2SecureServer | undefined
  /** The port that {@link #server} has: to ask it is to ask the system. */
  #port = 0
  #clientRootCas: readonly Uint8Array[]

  /** Opens nothing. @throws KumikoError `fabric-grpc/bad-options`. */
  constructor(options: GrpcListenerOptions) {
    this.#options = options
    this.#clock = options.clock ?? systemClock
    this.#log = options.logger?.forComponent('kumiko:fabric-grpc')
    this.#metrics = options.metrics && listenerMetrics(options.metrics)
    this.#clientRootCas = options.tls?.clientRootCas ?? []
    splitAddress(options.listen)
    if (options.tls?.requiresClientCertificate && this.#clientRootCas.length === 0) {
      throw new KumikoError('fabric-grpc/bad-options', 'tls.clientRootCas: give the CAs of the certificates that clients must have')
    }
  }

  /** Adds methods; also while it serves. @throws KumikoError `fabric-grpc/duplicate-method`. */
  add(...bound: BoundMethod[]): this {
    for (const each of bound) {
      const { path } = each.method
      if (this.#methods.has(path)) throw new KumikoError('fabric-grpc/duplicate-method', `${path} is served already`)
      this.#methods.set(path, each)
    }
    return this
  }

  /** `host:port` with the port that it has. @throws KumikoError `fabric-grpc/not-started`. */
  get address(): string {
    if (this.#server !== undefined) return `${splitAddress(this.#options.listen).hostText}:${this.#port}`
    throw new KumikoError('fabric-grpc/not-started', `${this.#options.listen}: start the listener first`)
  }

  /** Listens. @throws KumikoError `fabric-grpc/listen-failed`; `fabric-grpc/bad-options` for TLS that is none. */
  async start(): Promise<void> {
    if (this.#server !== undefined) return
    const { host, port } = splitAddress(this.#options.listen)
    const server = this.#createServer()
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    server.once('error', reject)
    server.listen({ port, ...(host !== '' && { host }) }, resolve)
    try {
      await promise
    } catch (cause) {
      const why = codeOf(cause) === 'EADDRINUSE' ? 'the port is taken: choose another, or 0 for any' : textOf(cause)
      throw new KumikoError('fabric-grpc/listen-failed', `cannot listen at ${this.#options.listen}: ${why}`, { cause })
    }
    server.off('error', reject)
    server.on('error', (error: Error) => this.#log?.error('listener failed: %s', error.message))
    const bound = server.address()
    this.#port = bound !== null && typeof bound === 'object' ? bound.port : 0
    this.#server = server
  }

  /** Takes clients' certificates of these CAs from now on, in new connections. @param clientRootCas - One or more, in PEM. */
  trust(clientRootCas: readonly Uint8Array[]): void {
    const { tls } = this.#options
    if (!tls?.requiresClientCertificate) return
    this.#clientRootCas = clientRootCas
    if (this.#server && 'setSecureContext' in this.#server) this.#server.setSecureContext(secureOptions(tls, clientRootCas))
  }

  /**
   * Listens no more; streams are told to end by their signals, other calls may end by themselves; what is left is cut off.
   * @param graceMs - How long they may take. Default 1 s.
   */
  async stop(graceMs: Millis = DEFAULT_GRACE_MS): Promise<void> {
    const server = this.#server
    if (server === undefined) return
    this.#server = undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    server.close(() => resolve())
    const reason = new RpcError(RpcStatus.unavailable, 'the server is shutting down')
    for (const connection of this.#connections) connection.drain(reason)
    const cancel = this.#clock.at(this.#clock.now() + graceMs, () => {
      for (const connection of this.#connections) connection.destroy(reason)
      for (const socket of this.#sockets) socket.destroy()
    })
    await promise
    cancel()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  #createServer(): Http2Server | Http2SecureServer {
    const { tls, streamsMax = 2500, connectionsMax = 10_000, connectTimeoutMs = 5000 } = this.#options
    const common: ServerOptions = { maxSessionMemory: SESSION_MEMORY_MB, settings: { maxConcurrentStreams: streamsMax, enablePush: false } }
    const server = tls ? this.#createSecure(tls, { ...common, handshakeTimeout: connectTimeoutMs }) : createServer(common)
    server.maxConnections = connectionsMax
    // Two kinds of server, whose events are the same.
    const events: EventEmitter = server
    events.on('connection', (socket: Socket) => this.#accept(socket))
    events.on('session', (session: ServerHttp2Session) => this.#open(session, connectTimeoutMs))
    events.on('sessionError', (error: Error) => this.#log?.trace('connection failed: %s', error.message))
    events.on('tlsClientError', (error: Error) => this.#log?.('no TLS with a client: %s', error.message))
    return server
  }

  #createSecure(tls: ListenerTls, options: SecureServerOptions): Http2SecureServer {
    try {
      return createSecureServer({ ...options, ...secureOptions(tls, this.#clientRootCas) })
    } catch (cause) {
      throw new KumikoError('fabric-grpc/bad-options', `tls: ${textOf(cause)}`, { cause })
    }
  }

  #accept(socket: Socket): void {
    socket.setNoDelay(true)
    // Stays: an error that nobody hears ends the process.
    socket.on('error', () => {})
    this.#sockets.add(socket)
    socket.once('close', () => this.#sockets.delete(socket))
  }

  #open(session: ServerHttp2Session, connectTimeoutMs: Millis): void {
    const { messageBytesMax = 104_857_600 } = this.#options
    const connection = new ServerConnection(session, { ...this.#options, clock: this.#clock, messageBytesMax, connectTimeoutMs })
    this.#connections.add(connection)
    this.#metrics?.opened()
    session.once('close', () => {
      this.#connections.delete(connection)
      this.#metrics?.closed()
    })
    session.on('stream', (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => this.#serve(connection, stream, headers))
  }

  #serve(connection: ServerConnection, stream: ServerHttp2Stream, headers: IncomingHttpHeaders): void {
    // Its closing is heard of as well.
    stream.on('error', () => {})
    if (!headers['content-type']?.startsWith('application/grpc')) {
      if (stream.destroyed || stream.closed) return
      stream.respond({ ':status': constants.HTTP_STATUS_UNSUPPORTED_MEDIA_TYPE }, { endStream: true })
      return
    }
    const path = headers[':path'] ?? ''
    const bound = this.#methods.get(path)
    const call = new ServerCall(stream, headers, connection)
    if (bound === undefined) {
      call.finish(this.#unknown(path))
      return
    }
    const problem = encodingProblem(headers['grpc-encoding'])
    if (problem !== undefined) call.finish(problem)
    if (call.isOver) return
    connection.hold(call, bound.method.kind !== 'unary')
    this.#metrics?.received(bound.method)
    void run(bound, call).then(() => {
      connection.release(call)
      this.#metrics?.completed(bound.method)
    })
  }

  #unknown(path: string): RpcError {
    const at = path.lastIndexOf('/')
    const [service, method] = [path.slice(1, at), path.slice(at + 1)].map((part) => part.slice(0, 100))
    const isKnown = [...this.#methods.keys()].some((known) => known.startsWith(path.slice(0, at + 1)))
    const text = isKnown ? `unknown method ${method} for service ${service}` : `unknown service ${service}`
    return new RpcError(RpcStatus.unimplemented, text)
  }
}

/** Fabric's servers have no compression either, and refuse a call that announces some, whether or not a message has it. */
function encodingProblem(encoding: string | string[] | undefined): RpcError | undefined {
  if (encoding === undefined || encoding === '' || encoding === 'identity') return
  const text = `grpc: Decompressor is not installed for grpc-encoding ${JSON.stringify(String(encoding).slice(0, 100))}`
  return new RpcError(RpcStatus.unimplemented, text)
}

interface Address {
  readonly host: string
  /** As in an address. */
  readonly hostText: string
  readonly port: number
}

function splitAddress(address: string): Address {
  const at = address.lastIndexOf(':')
  const hostText = address.slice(0, at)
  const port = Number(address.slice(at + 1))
  if (at >= 0 && /^\d+$/.test(address.slice(at + 1)) && port <= 65_535)
    return { host: hostText.replace(/^\[(.*)\]$/, '$1'), hostText, port }
  throw new KumikoError('fabric-grpc/bad-options', `listen: ${address} is not host:port`)
}

function secureOptions(tls: ListenerTls, clientRootCas: readonly Uint8Array[]): SecureServerOptions {
  const isRequired = tls.requiresClientCertificate === true
  return {
    cert: Buffer.from(tls.certificate),
    key: Buffer.from(tls.privateKey),
    minVersion: 'TLSv1.2',
    ALPNProtocols: ['h2'],
    requestCert: true,
    rejectUnauthorized: isRequired,
    ...(isRequired && { ca: clientRootCas.map((root) => Buffer.from(root)) }),
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
