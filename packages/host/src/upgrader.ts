import { peerIdAt, stackOf } from '@kumiko/identity'
import type { Admission, Clock, Millis, Refusal, Ticket, TicketedUpgrade } from '@kumiko/interface'
import { deadline, isRefusal, KumikoError, raceAbort } from '@kumiko/interface'
import type {
  ClearableSignal,
  ComponentLogger,
  Connection,
  ConnectionEncrypter,
  ConnectionGater,
  ConnectionProtector,
  Libp2pEvents,
  Upgrader as Libp2pUpgrader,
  MessageStream,
  MessageStreamDirection,
  Metrics,
  MultiaddrConnection,
  PeerId,
  PeerStore,
  StreamMuxerFactory,
  TypedEventTarget,
  UpgraderOptions,
  UpgraderWithoutEncryptionOptions,
} from '@libp2p/interface'
import { ConnectionClosedError, InvalidMultiaddrError, InvalidPeerIdError } from '@libp2p/interface'
import type { Registrar } from '@libp2p/interface-internal'
import { CustomProgressEvent } from 'progress-events'
import { CONNECTION_TIMEOUTS, type ConnectionTimeouts, createConnection, refused } from './connection.ts'
import { joined, Outbox } from './outbox.ts'
import { countReceived } from './received.ts'
import { answerProtocol, askForProtocol } from './settle.ts'

/** How long connections take for what, at most. */
export interface UpgraderTimeouts extends ConnectionTimeouts {
  /** Until the connection of a remote that connected to us is ready. */
  readonly inboundUpgradeMs: Millis
}

/** As in js-libp2p. */
export const UPGRADER_TIMEOUTS: UpgraderTimeouts = { ...CONNECTION_TIMEOUTS, inboundUpgradeMs: 10_000 }

/** What the upgrader needs. */
export interface UpgraderComponents {
  readonly peerId: PeerId
  readonly peerStore: PeerStore
  readonly registrar: Registrar
  readonly events: TypedEventTarget<Libp2pEvents>
  readonly logger: ComponentLogger
  readonly connectionGater: ConnectionGater
  readonly connectionProtector?: ConnectionProtector
  readonly admission: Admission
  readonly clock: Clock
  readonly metrics?: Metrics
}

type UpgradeOptions = (UpgraderOptions | UpgraderWithoutEncryptionOptions) & TicketedUpgrade

/** A transport's connection, with the remote's identity proven. */
interface Secured {
  readonly stream: MessageStream
  readonly remotePeer: PeerId
  readonly encryption: string
  readonly muxerFactory: StreamMuxerFactory | undefined
}

/** One connection's upgrade. */
interface Upgrade {
  readonly maConn: MultiaddrConnection
  /** Who opened the socket. */
  readonly direction: MessageStreamDirection
  /** Who speaks first; differs from `direction` in a simultaneous open. */
  readonly isInitiator: boolean
  readonly options: UpgradeOptions
  readonly ticket: Ticket
}

/**
 * Turns a transport's connection into one that is secured, multiplexed and admitted.
 *
 * The gater's hooks and admission's checkpoints are asked in this order: connection, begin · encrypted, `ticket.encrypted` · upgraded,
 * `ticket.upgraded`. Whatever fails, the socket is closed and the ticket released.
 */
export class Upgrader implements Libp2pUpgrader {
  readonly #components: UpgraderComponents
  /** Best first, as they were added. */
  readonly #encrypters = new Map<string, ConnectionEncrypter>()
  /** Best first, as they were added. */
  readonly #muxers = new Map<string, StreamMuxerFactory>()
  readonly #timeouts: UpgraderTimeouts
  #connectionCount = 0

  constructor(components: UpgraderComponents, timeouts: UpgraderTimeouts = UPGRADER_TIMEOUTS) {
    this.#components = components
    this.#timeouts = timeouts
  }

  addEncrypter(encrypter: ConnectionEncrypter): void {
    this.#encrypters.set(encrypter.protocol, encrypter)
  }

  addMuxer(muxer: StreamMuxerFactory): void {
    this.#muxers.set(muxer.protocol, muxer)
  }

  getStreamMuxers(): Map<string, StreamMuxerFactory> {
    return this.#muxers
  }

  getConnectionEncrypters(): Map<string, ConnectionEncrypter> {
    return this.#encrypters
  }

  createInboundAbortSignal(signal: AbortSignal): ClearableSignal {
    return deadline(this.#components.clock, this.#timeouts.inboundUpgradeMs, signal)
  }

  /** @throws Whatever ended the upgrade; the socket is closed then. KumikoError `host/connection-denied`, or admission's refusal. */
  async upgradeInbound(maConn: MultiaddrConnection, options: UpgradeOptions): Promise<void> {
    const signal = this.createInboundAbortSignal(options.signal)
    try {
      await this.#begin(maConn, 'inbound', { ...options, signal })
    } finally {
      signal.clear()
    }
  }

  /** @throws Whatever ended the upgrade; the socket is closed then. KumikoError `host/connection-denied`, or admission's refusal. */
  async upgradeOutbound(maConn: MultiaddrConnection, options: UpgradeOptions): Promise<Connection> {
    return await this.#begin(maConn, 'outbound', options)
  }

  async #begin(maConn: MultiaddrConnection, direction: MessageStreamDirection, options: UpgradeOptions): Promise<Connection> {
    let ticket = options.ticket
    try {
      ticket ??= this.#admit(maConn, direction)
      const isInitiator = options.initiator ?? direction === 'outbound'
      // The muxer numbers its streams by this: in a simultaneous open both ends dialed, and one must act as if it had not.
      maConn.direction = isInitiator ? 'outbound' : 'inbound'
      // A gater, encrypter or protector of our caller's may never answer.
      return await raceAbort(this.#upgrade({ maConn, direction, isInitiator, options, ticket }), options.signal)
    } catch (error) {
      ticket?.release()
      maConn.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    }
  }

  async #upgrade(upgrade: Upgrade): Promise<Connection> {
    const { maConn, options, ticket } = upgrade
    this.#components.metrics?.trackMultiaddrConnection(maConn)
    if (!('skipEncryption' in options && options.skipEncryption)) joinPieces(maConn)
    await this.#askBefore(upgrade)
    const secured = await this.#secure(upgrade)
    if (secured.remotePeer.equals(this.#components.peerId)) throw new InvalidPeerIdError('The remote is ourselves')
    await this.#askEncrypted(upgrade, secured.remotePeer)
    const muxerFactory = options.muxerFactory ?? secured.muxerFactory ?? (await this.#negotiateMuxer(upgrade, secured.stream))
    await this.#askUpgraded(upgrade, secured.remotePeer)
    options.signal.throwIfAborted()
    if (maConn.status !== 'open') throw new ConnectionClosedError(`The remote closed the connection: ${maConn.status}`)
    const connection = this.#connect(upgrade, secured, muxerFactory)
    if (options.ticket === undefined) meter(connection, maConn, ticket)
    this.#components.events.safeDispatchEvent('connection:open', { detail: connection })
    return connection
  }

  #connect({ maConn, direction, options, ticket }: Upgrade, secured: Secured, muxerFactory: StreamMuxerFactory | undefined): Connection {
    const { clock, events } = this.#components
    this.#connectionCount += 1
    maConn.timeline.upgraded = clock.now()
    // What we have encrypted goes through a socket, and gains from being gathered; a transport that brings its own has its own way.
    const outbox = muxerFactory === undefined || secured.stream === maConn ? undefined : new Outbox(secured.stream, maConn)
    const connection = createConnection(this.#components, {
      id: `${this.#connectionCount}`,
      maConn,
      remotePeer: secured.remotePeer,
      direction,
      encryption: secured.encryption,
      limits: options.limits,
      muxer: muxerFactory?.createStreamMuxer(secured.stream),
      timeouts: this.#timeouts,
      outbox,
      ticket,
    })
    connection.addEventListener('close', () => {
      ticket.release()
      events.safeDispatchEvent('connection:close', { detail: connection })
    })
    return connection
  }

  async #secure(upgrade: Upgrade): Promise<Secured> {
    const { maConn, options } = upgrade
    if ('skipEncryption' in options && options.skipEncryption) {
      if (options.remotePeer === undefined) throw new InvalidMultiaddrError('skipEncryption needs remotePeer')
      return { stream: maConn, remotePeer: options.remotePeer, encryption: 'native', muxerFactory: undefined }
    }
    const protector = options.skipProtection === true ? undefined : this.#components.connectionProtector
    const stream = protector === undefined ? maConn : await protector.protect(maConn, { signal: options.signal })
    return await this.#encrypt(upgrade, stream)
  }

  async #encrypt({ maConn, isInitiator, options }: Upgrade, stream: MessageStream): Promise<Secured> {
    options.onProgress?.(new CustomProgressEvent(`upgrader:encrypt-${isInitiator ? 'outbound' : 'inbound'}-connection`))
    const encrypter = await this.#negotiate(stream, this.#encrypters, 'connectionEncrypters', isInitiator, options.signal)
    const expected = peerIdAt(maConn.remoteAddr)
    const secureOptions = {
      signal: options.signal,
      skipStreamMuxerNegotiation: options.muxerFactory !== undefined,
      ...(expected === undefined ? {} : { remotePeer: expected }),
    }
    const secured = isInitiator
      ? await encrypter.secureOutbound(stream, secureOptions)
      : await encrypter.secureInbound(stream, secureOptions)
    return {
      stream: secured.connection,
      remotePeer: secured.remotePeer,
      encryption: encrypter.protocol,
      muxerFactory: secured.streamMuxer,
    }
  }

  async #negotiateMuxer({ isInitiator, options }: Upgrade, stream: MessageStream): Promise<StreamMuxerFactory | undefined> {
    if (this.#muxers.size === 0) return undefined
    options.onProgress?.(new CustomProgressEvent(`upgrader:multiplex-${isInitiator ? 'outbound' : 'inbound'}-connection`))
    return await this.#negotiate(stream, this.#muxers, 'streamMuxers', isInitiator, options.signal)
  }

  async #negotiate<T>(
    stream: MessageStream,
    choices: ReadonlyMap<string, T>,
    option: string,
    isInitiator: boolean,
    signal: AbortSignal,
  ): Promise<T> {
    if (choices.size === 0) throw new KumikoError('host/bad-option', `${option} is empty: add one, or use a transport that brings its own`)
    const settle = isInitiator ? askForProtocol : answerProtocol
    const protocol = await settle(stream, [...choices.keys()], { clock: this.#components.clock, signal })
    const choice = choices.get(protocol)
    if (choice === undefined) throw new KumikoError('host/bad-option', `${option} does not hold ${protocol}`, { context: { protocol } })
    return choice
  }

  #admit(maConn: MultiaddrConnection, direction: MessageStreamDirection): Ticket {
    const address = maConn.remoteAddr
    const peerId = direction === 'outbound' ? peerIdAt(address) : undefined
    const answer = this.#components.admission.begin({
      direction,
      stack: stackOf(address),
      address,
      ...(peerId === undefined ? {} : { peerId }),
    })
    if (isRefusal(answer)) throw refused(answer)
    return answer
  }

  async #askBefore({ maConn, direction }: Upgrade): Promise<void> {
    const gater = this.#components.connectionGater
    if (direction === 'inbound') return deny('inbound-connection', await gater.denyInboundConnection?.(maConn))
    const peer = peerIdAt(maConn.remoteAddr)
    if (peer !== undefined) deny('outbound-connection', await gater.denyOutboundConnection?.(peer, maConn))
  }

  async #askEncrypted({ maConn, direction, options, ticket }: Upgrade, remotePeer: PeerId): Promise<void> {
    const gater = this.#components.connectionGater
    if (direction === 'inbound') deny('inbound-encrypted', await gater.denyInboundEncryptedConnection?.(remotePeer, maConn))
    else deny('outbound-encrypted', await gater.denyOutboundEncryptedConnection?.(remotePeer, maConn))
    if (options.ticket === undefined) refuse(ticket.encrypted(remotePeer))
  }

  async #askUpgraded({ maConn, direction, options, ticket }: Upgrade, remotePeer: PeerId): Promise<void> {
    const gater = this.#components.connectionGater
    if (direction === 'inbound') deny('inbound-upgraded', await gater.denyInboundUpgradedConnection?.(remotePeer, maConn))
    else deny('outbound-upgraded', await gater.denyOutboundUpgradedConnection?.(remotePeer, maConn))
    if (options.ticket === undefined) refuse(ticket.upgraded([]))
  }
}

/** A socket sends each piece by a call, and as a packet, of its own. */
function joinPieces(maConn: MultiaddrConnection): void {
  const send = maConn.send.bind(maConn)
  maConn.send = (data) => send(joined(data))
}

/** Counts the bytes of a connection, from the end of its set-up on. */
function meter(connection: Connection, maConn: MultiaddrConnection, ticket: Ticket): void {
  const received = countReceived(connection)
  const send = maConn.send.bind(maConn)
  maConn.send = (data) => {
    ticket.traffic.bytes('sent', data.byteLength)
    return send(data)
  }
  maConn.addEventListener('message', ({ data }) => {
    received.bytes += data.byteLength
    ticket.traffic.bytes('received', data.byteLength)
  })
}

function deny(stage: string, isDenied: boolean | undefined): void {
  if (isDenied !== true) return
  throw new KumikoError('host/connection-denied', `The connection gater denied the connection: ${stage}`, { context: { stage } })
}

function refuse(refusal: Refusal | undefined): void {
  if (refusal !== undefined) throw refused(refusal)
}
