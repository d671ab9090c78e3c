import type { AbortOptions, MessageStreamDirection, PeerId } from '@libp2p/interface'
import type { ConnectionManager as Libp2pConnectionManager } from '@libp2p/interface-internal'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Admission, AdmissionLimits, Refusal } from './admission.ts'
import type { CapabilityId } from './capability.ts'
import type { Cancel, Millis } from './clock.ts'
import type { DialTo } from './dialer.ts'
import type { DisconnectReason } from './disconnect.ts'
import type { AddressFilters, FilterList, Stack } from './filter.ts'

/** Who may connect and who may stay. */
export interface ConnectionManager extends Libp2pConnectionManager {
  readonly admission: Admission
  readonly filters: FilterList
  readonly addressFilters: AddressFilters
  /** At most this many peers, trusted ones aside; static ones that we dial may pass it. Lowering it prunes. */
  maxPeers: number
  /** What becomes of a newcomer when `maxPeers` or `limits.total` is reached: it is refused, or another may go for it. */
  readonly atLimit: 'refuse' | 'prune'
  /** Bounds besides `maxPeers`; its members may be set while running. */
  readonly limits: AdmissionLimits
  /** A trusted peer passes every limit. */
  addTrusted(peer: DialTo): void
  removeTrusted(peer: DialTo): boolean
  isTrusted(peer: PeerId): boolean
  /** Refuses a peer, or a network (`10.0.0.0/8`), until the ban ends; who is connected is dropped. @param durationMs - Default: for good. */
  ban(target: PeerId | string, options?: { readonly durationMs?: Millis; readonly detail?: string }): void
  unban(target: PeerId | string): boolean
  isBanned(target: PeerId | Multiaddr): boolean
  /** Why a connection of this stack that we dial would be refused now, whatever its address: bans, `maxPeers`, limits. Undefined: it would not. */
  dialRefusal(peer: PeerId, stack: Stack): Refusal | undefined
  /** Connected peers, oldest first. */
  peers(): ConnectedPeer[]
  /** Tells the remote why, closes all of its connections, and waits for that. */
  disconnect(peer: PeerId, reason?: DisconnectReason, options?: AbortOptions): Promise<void>
  /** Ends the connections that a ban or a filter would refuse now, since an edited filter drops nobody. @returns How many there were. */
  dropDenied(options?: AbortOptions): Promise<number>
  /**
   * Waits until all bans and address filters so far are in the datastore, those that are to be kept. What is there survives any end.
   *
   * @throws KumikoError `connection-manager/not-stored`. They hold all the same, and the next edit or call tries again.
   */
  flush(options?: AbortOptions): Promise<void>
  /** What passed over all connections since the start. */
  traffic(): Traffic
  /** What went wrong with connections since the start. */
  failures(): Failures
  /** Peers coming and going, and messages where `enableMsgEvents` is set. The listener must not throw. */
  subscribe(listener: (event: PeerEvent) => void): Cancel
}

/** How often what went wrong, by code. */
export interface Failures {
  /** Why connections ended, and attempts at them: `rlpx/bad-auth`. */
  readonly faults: Readonly<Record<string, number>>
  /** What admission refused: `connection-manager/too-many-peers`. */
  readonly refusals: Readonly<Record<string, number>>
}

/** A peer with at least one connection. */
export interface ConnectedPeer {
  readonly peerId: PeerId
  readonly connections: readonly PeerConnection[]
  readonly isTrusted: boolean
  readonly isStatic: boolean
  readonly since: Millis
  readonly traffic: Traffic
}

/** One connection of a peer. */
export interface PeerConnection {
  readonly stack: Stack
  readonly direction: MessageStreamDirection
  readonly address: Multiaddr
  /** Shared protocols, as far as they are known. */
  readonly protocols: readonly string[]
  /** When it opened. */
  readonly since: Millis
  /** Open streams; of RLPx, its capabilities. */
  readonly openStreams: number
}

/** Counters, since the start of what they count. */
export interface Traffic {
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly messagesReceived: number
  readonly messagesSent: number
  /** By `name/version`. */
  readonly capabilities: Readonly<Record<string, CapabilityTraffic>>
}

/** Counters of one capability. Sizes are after decompression. */
export interface CapabilityTraffic {
  readonly bytesReceived: number
  readonly bytesSent: number
  readonly messagesReceived: number
  readonly messagesSent: number
}

/** What happens to peers, as go-ethereum's `admin_peerEvents` tells it. */
export type PeerEvent =
  | {
      readonly type: 'add'
      readonly peerId: PeerId
      readonly stack: Stack
      readonly direction: MessageStreamDirection
      readonly address: Multiaddr
    }
  /** `detail`: the reason that was told, by us or by the remote, else the fault, where one is known. */
  | { readonly type: 'drop'; readonly peerId: PeerId; readonly detail?: string }
  | {
      readonly type: 'msgsend' | 'msgrecv'
      readonly peerId: PeerId
      readonly capability: CapabilityId
      readonly code: number
      readonly sizeBytes: number
    }
