import type { Clock, ConnectionManager, Millis, Random } from '@kumiko/interface'
import { checkOptionNames, checkOptionNumbers, deadline, KumikoError, raceAbort } from '@kumiko/interface'
import type { ComponentLogger, Connection, Logger, Stream } from '@libp2p/interface'
import { UnsupportedProtocolError } from '@libp2p/interface'
import type { OwnStreamOptions } from './connection.ts'
import { receivedOver } from './received.ts'

/** js-libp2p's options of its connection monitor. */
export interface ConnectionMonitorInit {
  /** Default true. */
  readonly enabled?: boolean | undefined
  /** How often idle connections are pinged. Default 10,000. */
  readonly pingInterval?: Millis | undefined
  /** How long an answer is waited for: the longer of `minTimeout` and `pingInterval`, unless `maxTimeout` is given. It is not adapted: a late answer does no harm. */
  readonly pingTimeout?: { readonly minTimeout?: Millis | undefined; readonly maxTimeout?: Millis | undefined } | undefined
  /** End connections that are dead: see {@link ConnectionMonitor}. Default true. */
  readonly abortConnectionOnPingFailure?: boolean | undefined
  /** Of the ping protocol: `/ipfs/ping/1.0.0`. Default `ipfs`. */
  readonly protocolPrefix?: string | undefined
}

const OPTIONS: Readonly<Record<keyof ConnectionMonitorInit, true>> = {
  enabled: true,
  pingInterval: true,
  pingTimeout: true,
  abortConnectionOnPingFailure: true,
  protocolPrefix: true,
}

/** @throws KumikoError `host/bad-option`. */
export function checkMonitorOptions(init: ConnectionMonitorInit): void {
  checkOptionNames('host/bad-option', 'connectionMonitor', init, OPTIONS)
  checkOptionNumbers('host/bad-option', 'connectionMonitor', init, { pingInterval: 1 })
  checkOptionNames('host/bad-option', 'connectionMonitor.pingTimeout', init.pingTimeout ?? {}, { minTimeout: true, maxTimeout: true })
  checkOptionNumbers('host/bad-option', 'connectionMonitor.pingTimeout', init.pingTimeout ?? {}, { minTimeout: 0, maxTimeout: 1 })
}

/** What the monitor needs. */
export interface ConnectionMonitorComponents {
  readonly connectionManager: Pick<ConnectionManager, 'getConnections'>
  readonly clock: Clock
  readonly random: Random
  readonly logger: ComponentLogger
}

/** So many pings in a row without an answer, and without anything else that comes, and a connection is dead. */
const UNANSWERED_MAX = 3
/** What its transport encrypts passes by our meter; such transports (QUIC) find out by themselves who is gone. */
const NATIVE = 'native'
/** As in libp2p's ping. */
const PING_BYTES = 32

/** One connection, as seen last. */
interface Watched {
  received: number
  unanswered: number
  isPinged: boolean
}

/**
 * Measures the round trip time of libp2p connections over which nothing comes, and ends those that are dead. Whoever sends anything is alive, be
 * it no answer, or one that comes late, or that ping is not spoken: only several pings in a row after which not one byte came end a connection. RLPx has pings of
 * its own.
 */
export class ConnectionMonitor {
  readonly [Symbol.toStringTag]: string = '@kumiko/connection-monitor'
  readonly #components: ConnectionMonitorComponents
  readonly #log: Logger
  readonly #protocol: string
  readonly #intervalMs: Millis
  readonly #timeoutMs: Millis
  readonly #isAborting: boolean
  #watched = new Map<Connection, Watched>()
  /** Pings under way; at most one a connection. */
  readonly #pings = new Set<Promise<void>>()
  #stopping = new AbortController()
  #cancel = (): void => {}

  constructor(components: ConnectionMonitorComponents, init: ConnectionMonitorInit = {}) {
    const { pingInterval = 10_000, pingTimeout, abortConnectionOnPingFailure = true, protocolPrefix = 'ipfs' } = init
    this.#components = components
    this.#log = components.logger.forComponent('kumiko:connection-monitor')
    this.#protocol = `/${protocolPrefix}/ping/1.0.0`
    this.#intervalMs = pingInterval
    this.#timeoutMs = pingTimeout?.maxTimeout ?? Math.max(pingInterval, pingTimeout?.minTimeout ?? 0)
    this.#isAborting = abortConnectionOnPingFailure
  }

  start(): void {
    this.#stopping = new AbortController()
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#cancel()
    this.#stopping.abort()
    await Promise.all(this.#pings)
    this.#watched.clear()
  }

  #arm(): void {
    const { clock } = this.#components
    this.#cancel()
    this.#cancel = clock.at(clock.now() + this.#intervalMs, () => {
      this.#look()
      this.#arm()
    })
  }

  #look(): void {
    const before = this.#watched
    this.#watched = new Map()
    for (const connection of this.#components.connectionManager.getConnections()) {
      const received = receivedOver(connection)
      if (received === undefined || connection.status !== 'open') continue
      const watched = before.get(connection) ?? { received: 0, unanswered: 0, isPinged: false }
      this.#watched.set(connection, watched)
      const isIdle = received === watched.received
      if (!isIdle) watched.unanswered = 0
      watched.received = received
      if (!watched.isPinged && (isIdle || connection.rtt === undefined)) this.#begin(connection, watched)
    }
  }

  #begin(connection: Connection, watched: Watched): void {
    watched.isPinged = true
    const ping = this.#ping(connection, watched).finally(() => {
      watched.isPinged = false
      this.#pings.delete(ping)
    })
    this.#pings.add(ping)
  }

  /** Never rejects. */
  async #ping(connection: Connection, watched: Watched): Promise<void> {
    const { clock } = this.#components
    const startedAt = clock.now()
    const before = watched.received
    const inTime = deadline(clock, this.#timeoutMs, this.#stopping.signal)
    const bytes = Uint8Array.from({ length: PING_BYTES }, () => this.#components.random() * 256)
    try {
      connection.rtt = await roundTrip(connection, this.#protocol, bytes, clock, inTime)
      watched.unanswered = 0
    } catch (error) {
      // Its protocol was settled: that took two round trips.
      if (error instanceof Error && error.name === UNSUPPORTED) connection.rtt = (clock.now() - startedAt) / 2
      else if (inTime.aborted && !this.#stopping.signal.aborted) this.#unanswered(connection, watched, before)
      else this.#log('ping over %s failed - %e', connection.id, error)
    } finally {
      inTime.clear()
    }
  }

  /** @param before - What had come when the ping was sent. */
  #unanswered(connection: Connection, watched: Watched, before: number): void {
    const isSilent = receivedOver(connection) === before
    watched.unanswered = isSilent ? watched.unanswered + 1 : 0
    if (watched.unanswered < UNANSWERED_MAX || connection.status !== 'open' || connection.encryption === NATIVE) return
    this.#log('%p is dead: %d pings were not answered', connection.remotePeer, watched.unanswered)
    if (this.#isAborting) connection.abort(dead(connection))
  }
}

const UNSUPPORTED = new UnsupportedProtocolError().name

async function roundTrip(connection: Connection, protocol: string, bytes: Uint8Array, clock: Clock, signal: AbortSignal): Promise<Millis> {
  const options: OwnStreamOptions = { signal, runOnLimitedConnection: true, isUncounted: true }
  const stream = await raceAbort(connection.newStream(protocol, options), signal)
  try {
    const startedAt = clock.now()
    stream.send(bytes)
    await raceAbort(read(stream, bytes.length), signal)
    const tookMs = clock.now() - startedAt
    await stream.close({ signal })
    return tookMs
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
    throw error
  }
}

async function read(stream: Stream, sizeBytes: number): Promise<void> {
  let left = sizeBytes
  for await (const data of stream) {
    left -= data.byteLength
    if (left <= 0) return
  }
  throw new KumikoError('host/ping-unanswered', 'The remote closed the stream before it had answered')
}

function dead({ remoteAddr }: Connection): KumikoError {
  return new KumikoError('host/connection-dead', `Nothing comes from ${remoteAddr}: ${UNANSWERED_MAX} pings were not answered`)
}
