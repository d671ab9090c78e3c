import type { MessageStreamDirection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { TrafficMeter } from './capability.ts'
import type { DisconnectReason } from './disconnect.ts'
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
  /** The connection has ended, or never came to be. Gives back what the ticket holds. Idempotent. */
  release(): void
}

/** Tells a refusal from a ticket. */
export function isRefusal(value: Ticket | Refusal | undefined): value is Refusal {
  return value !== undefined && 'reason' in value
}
