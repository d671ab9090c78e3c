import type { MessageStreamDirection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { TrafficMeter } from './capability.ts'
import type { Cancel } from './clock.ts'
import type { DisconnectReason } from './disconnect.ts'
import type { Fault } from './errors.ts'
import type { Stack } from './filter.ts'

/** Why a connection is refused. */
export interface Refusal {
  /** What a devp2p remote is told. */
  readonly reason: DisconnectReason
  /** `connection-manager/what`, for logs, metrics and errors. */
  readonly code: string
  /** For a person. */
  readonly detail: string
}

/** A connection that begins. */
export interface Attempt {
  readonly direction: MessageStreamDirection
  readonly stack: Stack
  /** The remote's address. */
  readonly address: Multiaddr
  /** Outbound: whom we mean to reach. */
  readonly peerId?: PeerId
}

/**
 * Decides which connections may be set up and stay. Transports that bring their own encryption (RLPx) ask it themselves and hand the
 * ticket on to the upgrader; for all others the upgrader asks.
 */
export interface Admission {
  /** Takes a pending slot, or refuses. Never throws. */
  begin(attempt: Attempt): Ticket | Refusal
}

/**
 * Bounds on connections that stay. Undefined: no bound. They may be changed while running; lowering one refuses newcomers and drops
 * nobody. A trusted peer passes all of them.
 */
export interface AdmissionLimits {
  /** All of them together, on both stacks; unlike `maxPeers` it counts connections, not peers. Static peers do not pass it. */
  total?: number | undefined
  inbound?: number | undefined
  outbound?: number | undefined
  /** Connections of the RLPx stack; a peer has at most one. */
  rlpx?: number | undefined
  /** Connections of the libp2p stack. */
  libp2p?: number | undefined
  /** From or to one IP address. */
  perIp?: number | undefined
  /** From or to one /24 of IPv4 or /64 of IPv6. */
  perSubnet?: number | undefined
  /** Connections of the libp2p stack with one peer. */
  perPeer?: number | undefined
  /**
   * By protocol: connections that share a capability (`eth/69`), or streams of a libp2p protocol (`/ipfs/kad/1.0.0`) that are open at once,
   * over all connections, in each direction.
   */
  perProtocol?: Readonly<Record<string, number>> | undefined
}

/** How a connection ended, or an attempt at one. */
export interface ConnectionEnd {
  readonly by: 'remote' | 'local'
  /** What was told, if anything. */
  readonly reason?: DisconnectReason
  /** What went wrong, if that is why. */
  readonly fault?: Fault
}

/** One connection's way through admission. Every ticket must be released, whatever happens. */
export interface Ticket {
  /** Counts what passes over the connection. */
  readonly traffic: TrafficMeter
  /** First checkpoint: the remote's identity is proven. */
  encrypted(peerId: PeerId): Refusal | undefined
  /**
   * Second checkpoint: the shared protocols are known. The first is repeated, since other connections came and went meanwhile. If it
   * passes, the pending slot is given back and the connection counts as a peer's.
   *
   * @param protocols - Shared protocols; for RLPx an empty list is refused as `useless-peer`, for libp2p it says nothing.
   */
  upgraded(protocols: readonly string[]): Refusal | undefined
  /**
   * A stream is about to be opened, or came in, and its protocol is settled. Never throws.
   *
   * @returns What gives the stream's place back once it has ended (idempotent), or why it is refused.
   */
  stream(protocol: string, direction: MessageStreamDirection): Cancel | Refusal
  /** Why the connection ended, where its transport knows: counted, and told of where its peer drops. Before {@link release}. */
  ended(end: ConnectionEnd): void
  /** The connection has ended, or never came to be. Gives back what the ticket holds. Idempotent. */
  release(): void
}

/**
 * What a transport that asked {@link Admission} itself adds to the upgrader's options:
 * `upgradeInbound(maConn, { skipEncryption: true, remotePeer, muxerFactory, signal, ticket })`. An upgrader that does not know it ignores it.
 *
 * With a ticket the upgrader asks admission nothing: the transport has passed both checkpoints, or refused. From the call on the ticket is
 * the upgrader's, which releases it once, when the upgrade fails or when the connection has closed.
 */
export interface TicketedUpgrade {
  readonly ticket?: Ticket
}

/** Tells a refusal from a ticket, or from what gives a place back. */
export function isRefusal(value: Ticket | Cancel | Refusal | undefined): value is Refusal {
  return value !== undefined && 'reason' in value
}
