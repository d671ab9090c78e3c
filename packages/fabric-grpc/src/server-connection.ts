import { createHash } from 'node:crypto'
import { constants, type ServerHttp2Session } from 'node:http2'
import { TLSSocket } from 'node:tls'
import type { Cancel, Clock, Millis } from '@kumiko/interface'
import { PingPolice } from './ping-police.ts'
import { RpcError, RpcStatus } from './rpc-error.ts'
import type { CallConnection, ServerCall } from './server-call.ts'

/** Which pings a listener sends and takes. */
export interface KeepaliveOptions {
  /** How often a client is pinged. Default 2 h. Fabric's `peer.keepalive.interval`. */
  readonly keepaliveIntervalMs: Millis
  /** How long it may take to answer. Default 20 s. Fabric's `peer.keepalive.timeout`. */
  readonly keepaliveTimeoutMs: Millis
  /** Clients that ping more often are cut off. Default 1 min. Fabric's `peer.keepalive.minInterval`. */
  readonly keepaliveIntervalMinMs: Millis
}

/** What a connection is made of. */
export interface ConnectionSettings extends Partial<KeepaliveOptions> {
  readonly clock: Clock
  readonly messageBytesMax: number
  readonly connectTimeoutMs: Millis
}

/** How long the word that a connection ends may take. */
const PARTING_MS = 100

/** A client's connection, with the calls on it. */
export class ServerConnection implements CallConnection {
  readonly clock: Clock
  readonly messageBytesMax: number
  readonly remote: string
  readonly #session: ServerHttp2Session
  readonly #settings: ConnectionSettings
  readonly #police: PingPolice
  /** Those being served, and whether they are streams. As many as the listener allows. */
  readonly #calls = new Map<ServerCall, boolean>()
  #certificateHash: Uint8Array | null | undefined
  #isParting = false
  #cancelTimer: Cancel

  constructor(session: ServerHttp2Session, settings: ConnectionSettings) {
    const { clock, messageBytesMax, keepaliveIntervalMinMs = 60_000, connectTimeoutMs } = settings
    this.clock = clock
    this.messageBytesMax = messageBytesMax
    this.#session = session
    this.#settings = settings
    this.#police = new PingPolice(keepaliveIntervalMinMs)
    const { remoteAddress = '', remotePort = 0 } = session.socket
    this.remote = `${remoteAddress.includes(':') ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`
    session.on('error', () => {})
    session.on('ping', () => this.#pinged())
    session.once('close', () => this.#cancelTimer())
    this.#cancelTimer = clock.at(clock.now() + connectTimeoutMs, () => session.destroy())
    session.once('remoteSettings', () => this.#watch())
  }

  get clientCertificateHash(): Uint8Array | undefined {
    this.#certificateHash ??= hashOfClient(this.#session) ?? null
    return this.#certificateHash ?? undefined
  }

  sent(): void {
    this.#police.sent()
  }

  hold(call: ServerCall, isStream: boolean): void {
    this.#calls.set(call, isStream)
  }

  release(call: ServerCall): void {
    this.#calls.delete(call)
  }

  /** Takes no more calls, and has streams end. */
  drain(reason: RpcError): void {
    for (const [call, isStream] of this.#calls) if (isStream) call.abort(reason)
    this.#session.close()
  }

  destroy(reason: RpcError): void {
    for (const call of this.#calls.keys()) call.abort(reason)
    this.#session.destroy()
  }

  #watch(): void {
    const { keepaliveIntervalMs = 7_200_000 } = this.#settings
    this.#cancelTimer()
    this.#cancelTimer = this.clock.at(this.clock.now() + keepaliveIntervalMs, () => this.#ping())
  }

  #ping(): void {
    const { keepaliveTimeoutMs = 20_000 } = this.#settings
    if (this.#session.destroyed) return
    this.#cancelTimer = this.clock.at(this.clock.now() + keepaliveTimeoutMs, () => this.#session.destroy())
    this.#session.ping((error) => {
      if (error === null) this.#watch()
    })
  }

  #pinged(): void {
    if (this.#isParting || this.#police.allows(this.clock.now())) return
    this.#isParting = true
    this.#session.goaway(constants.NGHTTP2_ENHANCE_YOUR_CALM, 0, Buffer.from('too_many_pings'))
    this.#cancelTimer()
    // So that it is told why.
    this.#cancelTimer = this.clock.at(this.clock.now() + PARTING_MS, () =>
      this.destroy(new RpcError(RpcStatus.unavailable, 'too many pings')),
    )
  }
}

function hashOfClient({ socket }: ServerHttp2Session): Uint8Array | undefined {
  if (!(socket instanceof TLSSocket)) return
  const certificate = socket.getPeerX509Certificate()
  return certificate && new Uint8Array(createHash('sha256').update(certificate.raw).digest())
}
