import type { AbortOptions, Connection, DialTarget, OpenConnectionProgressEvents, PendingDial } from '@libp2p/interface'
import type { ProgressOptions } from 'progress-events'
import type { Cancel } from './clock.ts'
import type { NodeRecord, NodeSource } from './node.ts'

/** Whom to dial: as libp2p says it, a node, or the text of an enode URL, an ENR or a multiaddr. */
export type DialTo = DialTarget | NodeRecord | string

/** Options of one dial. */
export interface DialToOptions extends AbortOptions, ProgressOptions<OpenConnectionProgressEvents> {
  /** Dial even where a connection is open. */
  readonly force?: boolean
  /** Only addresses of the stack that can serve this protocol: `/eth/69`, `/ipfs/ping/1.0.0`. */
  readonly protocol?: string
  /** Higher goes first; 50 by default, as in js-libp2p. */
  readonly priority?: number
  /** False: act as the responder of a simultaneous open (hole punching). */
  readonly initiator?: boolean
}

/** Why a node is not dialed. */
export type DialRefusal =
  | 'self'
  | 'dialing'
  | 'connected'
  | 'recently-dialed'
  | 'net-restricted'
  | 'no-endpoint'
  | 'banned'
  /** By the capabilities. @see CapabilityRegistry.accepts */
  | 'not-accepted'

/** Whom to dial and when. */
export interface Dialer {
  /**
   * A third of the peers at 3: `floor(maxPeers / dialRatio)` slots, at least 1, are for nodes of sources that we dial. 0 when dialing is off. Peers
   * that are dialed for other reasons (asked for, static, kept, wanted by number, tag or protocol) are not bound by it.
   */
  readonly dialRatio: number
  /**
   * Connects, or joins the dial to the same peer that is already under way. A peer's addresses are raced, in the order of their rank. `onProgress`
   * is told each step by js-libp2p's events, of a dial that is joined those that are left.
   *
   * @throws KumikoError `dialer/…`, with the errors of the addresses as cause.
   */
  dial(target: DialTo, options?: DialToOptions): Promise<Connection>
  /** Keeps a node connected: dialed now, and again with back-off whenever it is not connected. @throws KumikoError `dialer/bad-target`. */
  addStatic(target: DialTo): void
  /** Stops keeping it connected; an open connection stays. Tells whether it was static. */
  removeStatic(target: DialTo): boolean
  isStatic(peer: NodeRecord['peerId']): boolean
  /** An inbound connection of this peer is being set up: it is not dialed unasked until the returned function is called. */
  inbound(peer: NodeRecord['peerId']): Cancel
  /** Dials what a source finds and a capability accepts, while there are free slots. Sources are mixed fairly. */
  addSource(source: NodeSource): Cancel
  /** Dials that wait or are under way, each with the addresses that it tries as soon as these are known. */
  getDialQueue(): PendingDial[]
  status(): DialerStatus
}

/** The dialer at a glance. */
export interface DialerStatus {
  /** Dials under way. */
  readonly dialing: number
  /** Static nodes. */
  readonly static: number
  /** Nodes not to be dialed again yet. */
  readonly history: number
  /** Free slots for nodes that we dial. */
  readonly freeSlots: number
  /** Refused candidates since the start, by reason. */
  readonly refused: Readonly<Partial<Record<DialRefusal, number>>>
}
