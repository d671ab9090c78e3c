import { curve as bestCurve, type Curve, peerIdOf, randomBytes, readRlpxMultiaddr, registerRlpx, rlpxMultiaddr } from '@kumiko/identity'
import {
  type Attempt,
  type ByteStream,
  type Capability,
  checkOptionNames,
  checkOptionNumbers,
  isRefusal,
  KumikoError,
  optionalComponent,
  type RandomBytes,
  systemClock,
  type Ticket,
  type TicketedUpgrade,
  type VanillaComponents,
} from '@kumiko/interface'
import {
  type Connection,
  type CreateListenerOptions,
  type DialTransportOptions,
  type Listener,
  type Logger,
  type PeerId,
  type Startable,
  serviceCapabilities,
  type Transport,
  transportSymbol,
  type Upgrader,
} from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import { DEFAULT_QUEUE_BOUNDS, type QueueBounds } from './channel.ts'
import { acceptRlpx, type CapabilityChannel, type ConnectionOptions, connectRlpx, protocolOf, type RlpxConnection } from './connection.ts'
import { rlpxListener } from './listener.ts'
import { rlpxMultiaddrConnection } from './multiaddr-connection.ts'
import { capabilityMuxer } from './muxer.ts'
import { DEFAULT_TIMING, type SessionTiming } from './session.ts'
import { type StreamNetwork, tcpNetwork } from './tcp.ts'

/** Options of the RLPx transport. */
export interface RlpxOptions {
  /** What we offer; a Host's registry may add more. */
  readonly capabilities?: readonly Capability[]
  /** Our name in Hello. Default: the node's user agent. */
  readonly clientId?: string
  /** How long to wait for what. Default as in go-ethereum. */
  readonly timing?: Partial<SessionTiming>
  /** Bounds of each capability's ingress queue. */
  readonly queue?: QueueBounds
  /** How many bytes may wait for a remote to read them; beyond, it is given up. Default 64 MiB. */
  readonly writeBytesMax?: number
  /** Inbound handshakes at a time, in a node that has no admission of its own. Default 50. */
  readonly maxPendingPeers?: number
  /** Default: the fastest that loads. */
  readonly curve?: Curve
  readonly randomBytes?: RandomBytes
  /** What carries the bytes. Default: TCP. */
  readonly network?: StreamNetwork
}

const OPTIONS: Readonly<Record<keyof RlpxOptions, true>> = {
  capabilities: true,
  clientId: true,
  timing: true,
  queue: true,
  writeBytesMax: true,
  maxPendingPeers: true,
  curve: true,
  randomBytes: true,
  network: true,
}

/** What the transport needs of the node, ours or a vanilla js-libp2p one. */
export type RlpxComponents = Pick<VanillaComponents, 'privateKey' | 'logger' | 'registrar' | 'peerStore' | 'events' | 'nodeInfo'> &
  Partial<Pick<VanillaComponents, 'admission' | 'capabilities' | 'clock'>>

/**
 * RLPx as a part: a libp2p transport that brings its own encryption and multiplexing.
 *
 * @throws KumikoError `rlpx/bad-option` for a name that is none, or a number that cannot be meant.
 */
export function rlpx(options: RlpxOptions = {}): (components: RlpxComponents) => Transport & Startable {
  checkOptionNames('rlpx/bad-option', 'rlpx', options, OPTIONS)
  checkOptionNumbers('rlpx/bad-option', 'rlpx', options, { writeBytesMax: 1, maxPendingPeers: 1 })
  const { timing = {}, queue = DEFAULT_QUEUE_BOUNDS } = options
  checkOptionNames('rlpx/bad-option', 'rlpx.timing', timing, { handshakeMs: true, pingMs: true, readMs: true })
  checkOptionNumbers('rlpx/bad-option', 'rlpx.timing', timing, { handshakeMs: 1, pingMs: 1, readMs: 1 })
  checkOptionNames('rlpx/bad-option', 'rlpx.queue', queue, { messagesMax: true, bytesMax: true })
  checkOptionNumbers('rlpx/bad-option', 'rlpx.queue', queue, { messagesMax: 1, bytesMax: 1 })
  return (components) => new RlpxTransport(components, options)
}

/** Remotes that are given time to read why. Beyond, they are cut off. */
const LEAVING_MAX = 256

class RlpxTransport implements Transport, Startable {
  readonly [transportSymbol] = true
  readonly [Symbol.toStringTag] = '@kumiko/rlpx'
  readonly [serviceCapabilities]: string[] = ['@libp2p/transport']
  readonly #components: RlpxComponents
  readonly #options: RlpxOptions
  readonly #log: Logger
  readonly #network: StreamNetwork
  /** Whose streams are not closed: open ones, those being set up, and those whose remotes are being told why. */
  readonly #connections = new Set<RlpxConnection>()
  /** Those of them that have ended. At most {@link LEAVING_MAX} are waited for. */
  readonly #leaving = new Set<RlpxConnection>()
  #listenPort = 0

  constructor(components: RlpxComponents, options: RlpxOptions) {
    registerRlpx()
    this.#components = components
    this.#options = options
    this.#network = options.network ?? tcpNetwork
    this.#log = components.logger.forComponent('kumiko:rlpx')
    if (components.privateKey.type !== 'secp256k1') {
      throw new KumikoError(
        'rlpx/wrong-key',
        `RLPx needs a secp256k1 key, and the node has one of type ${components.privateKey.type}: give it another privateKey`,
      )
    }
    const registry = optionalComponent(components, 'capabilities')
    for (const capability of options.capabilities ?? []) registry?.add(capability)
  }

  start(): void {}

  /** Waits until every stream is closed: connections have been ended by then, and a remote that was told why has 2 s to read it. */
  async stop(): Promise<void> {
    for (const connection of this.#connections) connection.disconnect('client-quitting')
    await Promise.all([...this.#connections].map(({ closed }) => closed))
    await new Promise(setImmediate) // Node's handles go one turn after their sockets
  }

  /** @throws KumikoError `rlpx/no-peer-id`, `rlpx/connect-failed`, `rlpx/disconnected`, or the code of a fault or refusal. */
  async dial(address: Multiaddr, { upgrader, signal }: DialTransportOptions): Promise<Connection> {
    const target = readRlpxMultiaddr(address)
    const publicKey = target?.publicKey && this.#curve.expand(target.publicKey)
    if (target?.host === undefined || target.tcp === undefined || publicKey === undefined) {
      throw new KumikoError('rlpx/no-peer-id', `cannot dial ${address}: RLPx needs /tcp/PORT/rlpx/p2p/PEER-ID with a secp256k1 peer id`)
    }
    const { host, tcp } = target
    const remotePeer = this.#peerIdOf(publicKey)
    const ticket = this.#begin({ direction: 'outbound', stack: 'rlpx', address, peerId: remotePeer })
    const connection = await releasedOnThrow(ticket, async () => {
      const stream = await this.#network.dial(host, tcp, signal)
      return await connectRlpx(stream, publicKey, this.#connectionOptions(ticket), signal)
    })
    const init = this.#upgradeOf(connection, remotePeer, address)
    const upgraded = await destroyedOnThrow(connection, () =>
      upgrader.upgradeOutbound(init.maConn, { ...init.options, signal, ...ticketed(ticket) }),
    )
    this.#serve(connection, upgraded)
    return upgraded
  }

  createListener({ upgrader }: CreateListenerOptions): Listener {
    return rlpxListener({
      network: this.#network,
      onStream: (stream, signal) => this.#accept(stream, upgrader, signal),
      onPort: (port) => {
        this.#listenPort = port
      },
      maxPending:
        optionalComponent(this.#components, 'admission') === undefined ? (this.#options.maxPendingPeers ?? 50) : Number.POSITIVE_INFINITY,
    })
  }

  listenFilter = (addresses: Multiaddr[]): Multiaddr[] =>
    addresses.filter((address) => {
      const read = readRlpxMultiaddr(address)
      return read?.isRlpx === true && read.host !== undefined
    })

  dialFilter = (addresses: Multiaddr[]): Multiaddr[] =>
    this.listenFilter(addresses).filter((address) => readRlpxMultiaddr(address)?.publicKey !== undefined)

  async #accept(stream: ByteStream, upgrader: Upgrader, signal: AbortSignal): Promise<void> {
    const address = rlpxMultiaddr({ host: stream.remote.host, tcp: stream.remote.port })
    if (address === undefined) return stream.destroy()
    try {
      const ticket = this.#begin({ direction: 'inbound', stack: 'rlpx', address })
      const connection = await releasedOnThrow(ticket, () => acceptRlpx(stream, this.#connectionOptions(ticket), signal))
      const remotePeer = peerIdOf(connection.publicKey)
      const init = this.#upgradeOf(connection, remotePeer, address)
      const upgraded = await destroyedOnThrow(connection, () =>
        this.#opened(address, () => upgrader.upgradeInbound(init.maConn, { ...init.options, signal, ...ticketed(ticket) })),
      )
      this.#serve(connection, upgraded)
    } catch (error) {
      this.#log('inbound connection from %a failed - %e', address, error)
      // A connection closes its stream itself: at once, or when the remote has had time to read why.
      if (stream.handler === undefined) stream.destroy()
    }
  }

  /** The upgrader tells of an inbound connection by event only. */
  async #opened(address: Multiaddr, upgrade: () => Promise<void>): Promise<Connection | undefined> {
    const { events } = this.#components
    let found: Connection | undefined
    const listen = ({ detail }: CustomEvent<Connection>): void => {
      if (detail.direction === 'inbound' && `${detail.remoteAddr}/`.startsWith(`${address}/`)) found = detail
    }
    events.addEventListener('connection:open', listen)
    try {
      await upgrade()
    } finally {
      events.removeEventListener('connection:open', listen)
    }
    return found
  }

  get #curve(): Curve {
    return this.#options.curve ?? bestCurve
  }

  #peerIdOf(publicKey: Uint8Array): PeerId {
    return peerIdOf(this.#curve.compress(publicKey))
  }

  /** @throws KumikoError with the refusal's code. */
  #begin(attempt: Attempt): Ticket | undefined {
    const ticket = optionalComponent(this.#components, 'admission')?.begin(attempt)
    if (isRefusal(ticket)) throw new KumikoError(ticket.code, ticket.detail, { context: { reason: ticket.reason } })
    return ticket
  }

  #connectionOptions(ticket: Ticket | undefined): ConnectionOptions {
    const { clientId, timing, queue, writeBytesMax } = this.#options
    const { privateKey, nodeInfo } = this.#components
    const secretKey = privateKey.raw
    return {
      session: {
        curve: this.#curve,
        randomBytes: this.#options.randomBytes ?? randomBytes,
        secretKey,
        publicKey: this.#publicKey(),
        clientId: clientId ?? nodeInfo.userAgent,
        listenPort: this.#listenPort,
        capabilities: optionalComponent(this.#components, 'capabilities')?.list() ?? this.#options.capabilities ?? [],
        timing: { ...DEFAULT_TIMING, ...timing },
      },
      clock: optionalComponent(this.#components, 'clock') ?? systemClock,
      awaitServe: true,
      onBegin: (connection) => this.#follow(connection, ticket),
      ...(queue === undefined ? {} : { queue }),
      ...(writeBytesMax === undefined ? {} : { writeBytesMax }),
      ...(ticket === undefined
        ? {}
        : {
            traffic: ticket.traffic,
            checkpoints: {
              encrypted: (publicKey: Uint8Array) => ticket.encrypted(this.#peerIdOf(publicKey)),
              upgraded: (protocols: readonly string[]) => ticket.upgraded(protocols),
            },
          }),
    }
  }

  #follow(connection: RlpxConnection, ticket: Ticket | undefined): void {
    this.#connections.add(connection)
    connection.onEnd((end) => {
      ticket?.ended(end)
      this.#leaving.add(connection)
      // Its slot is free already: without a bound, whoever is refused could keep sockets open as fast as it shakes hands.
      if (this.#leaving.size > LEAVING_MAX) connection.destroy()
    })
    void connection.closed.then(() => {
      this.#connections.delete(connection)
      this.#leaving.delete(connection)
    })
  }

  #ownPublicKey: Uint8Array | undefined
  #publicKey(): Uint8Array {
    this.#ownPublicKey ??= this.#curve.publicKey(this.#components.privateKey.raw)
    return this.#ownPublicKey
  }

  #upgradeOf(connection: RlpxConnection, remotePeer: PeerId, address: Multiaddr) {
    const { registrar } = this.#components
    const muxerFactory = capabilityMuxer({
      channels: connection.channels,
      direction: connection.direction,
      log: this.#log,
      isHandled: (protocol) => {
        try {
          return registrar.getHandler(protocol) !== undefined
        } catch {
          return false
        }
      },
    })
    const maConn = rlpxMultiaddrConnection(connection, address, this.#log)
    return { maConn, options: { skipEncryption: true as const, skipProtection: true, remotePeer, muxerFactory } }
  }

  /** Runs the capabilities, and lets registrar topologies know of them as identify would. */
  #serve(connection: RlpxConnection, upgraded: Connection | undefined): void {
    for (const entry of connection.channels) void this.#run(entry, connection)
    connection.serve()
    if (upgraded === undefined) return
    const protocols = connection.channels.map(({ capability }) => protocolOf(capability))
    const { events, peerStore } = this.#components
    const peerId = upgraded.remotePeer
    peerStore.merge(peerId, { protocols }).then(
      () =>
        events.safeDispatchEvent('peer:identify', {
          detail: { peerId, listenAddrs: [], protocols, agentVersion: connection.clientId, connection: upgraded },
        }),
      (error: unknown) => this.#log('could not store the protocols of %p - %e', peerId, error),
    )
  }

  async #run({ capability, channel }: CapabilityChannel, connection: RlpxConnection): Promise<void> {
    if (capability.run === undefined) return
    try {
      await capability.run(channel, connection)
      connection.disconnect('requested')
    } catch (error) {
      if (connection.end === undefined) this.#log.error('%s failed - %e', protocolOf(capability), error)
      connection.disconnect('subprotocol-error')
    }
  }
}

function ticketed(ticket: Ticket | undefined): TicketedUpgrade {
  return ticket === undefined ? {} : { ticket }
}

async function releasedOnThrow<T>(ticket: Ticket | undefined, act: () => Promise<T>): Promise<T> {
  try {
    return await act()
  } catch (error) {
    ticket?.release()
    throw error
  }
}

/** Not every upgrader closes what it refuses: js-libp2p's leaves that to the transport. */
async function destroyedOnThrow<T>(connection: RlpxConnection, upgrade: () => Promise<T>): Promise<T> {
  try {
    return await upgrade()
  } catch (error) {
    if (connection.end === undefined) connection.destroy()
    throw error
  }
}
