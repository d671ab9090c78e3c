import type { AbortOptions, MessageStreamDirection } from '@libp2p/interface'
import type { Cancel } from './clock.ts'
import type { DisconnectReason } from './disconnect.ts'
import type { NodeId, NodeRecord, NodeSource } from './node.ts'

/** A capability's name and version, as Hello carries them. */
export interface CapabilityId {
  /** 1–8 ASCII characters. */
  readonly name: string
  /** 0 or more. */
  readonly version: number
}

/** ENR entries that a capability adds to our own record: key → RLP of the value. `undefined` removes the key. */
export type EnrEntries = Readonly<Record<string, Uint8Array | undefined>>

/** A devp2p sub-protocol. @see devp2p/rlpx.md § Capability Messaging */
export interface Capability extends CapabilityId {
  /** How many message codes it uses, from 0; sets the offsets of those behind it. */
  readonly length: number
  /** Entries for our own ENR. Asked at start and whenever the registry is told that they changed. */
  attributes?(): EnrEntries
  /**
   * Where its nodes are found, besides the Host's own discoveries: the dialer asks them from the time that it is offered until it is removed. Several
   * capabilities may name the same source. Whoever makes a source starts and stops it.
   */
  readonly sources?: readonly NodeSource[]
  /**
   * Tells whether a node that a source found may serve it, by the node's record. Absent: any may. Of what sources find, the dialer dials a node
   * if one of the capabilities that are offered accepts it; static and trusted nodes and those that someone asks to dial are not subject to this.
   *
   * @param node - Known without a record (`seq` 0), it has no entries; its record is asked for then, where the source can.
   * @returns A throw counts as false.
   */
  accepts?(node: NodeRecord): boolean
  /**
   * Serves one peer until it ends; called once a connection. Returning disconnects with `requested`, throwing with `subprotocol-error`.
   * Where it is absent, the capability is offered as a libp2p stream with protocol `/name/version` instead.
   */
  run?(channel: Channel, peer: Peer): Promise<void>
}

/** One message of a capability. */
export interface Message {
  /** 0 ≤ code < the capability's length. */
  readonly code: number
  /** Decompressed; the receiver owns it. */
  readonly payload: Uint8Array
}

/** One capability's messages with one peer: the hot path. Boundaries are kept. */
export interface Channel extends AsyncIterable<Message> {
  readonly capability: CapabilityId
  /**
   * Sends one message at once; it is never dropped while the connection lives, and ignored after. A connection whose remote lets more than
   * 64 MiB wait does not live: heed what is returned.
   *
   * @param payload - At most 16 MiB − 1; read before `send` returns, then the caller's again.
   * @returns False when the socket is behind: wait for {@link drain} before sending more.
   * @throws KumikoError `rlpx/bad-code` or `rlpx/message-too-large`.
   */
  send(code: number, payload: Uint8Array): boolean
  /** Resolves when the socket has caught up. @throws KumikoError `rlpx/closed` when the connection has ended. */
  drain(options?: AbortOptions): Promise<void>
  /**
   * The next message in order, or undefined when the connection has ended. At most one read may be under way, and
   * reading is what frees the ingress queue: one who does not read makes the remote wait.
   */
  read(options?: AbortOptions): Promise<Message | undefined>
  /**
   * Hands every message to `handler` at once instead of queueing it: the fastest way to read. The handler is called in order and must
   * not throw. While it is set, `read` and iteration give nothing. Undefined goes back to queueing.
   */
  onMessage: ((code: number, payload: Uint8Array) => void) | undefined
}

/** A connected peer, as a capability sees it. */
export interface Peer {
  readonly nodeId: NodeId
  /** Compressed secp256k1 public key, 33 bytes, proven by the handshake. */
  readonly publicKey: Uint8Array
  /** The client's name for itself, from Hello: at most 2 KiB, untrusted. */
  readonly clientId: string
  /** All that the remote offers, from Hello. */
  readonly capabilities: readonly CapabilityId[]
  readonly direction: MessageStreamDirection
  readonly remote: { readonly host: string; readonly port: number }
  /** Aborts when the connection ends. */
  readonly signal: AbortSignal
  /** Tells the remote why and closes. Idempotent. */
  disconnect(reason: DisconnectReason): void
}

/** The devp2p sub-protocols of a Host. They are never shown to identify. */
export interface CapabilityRegistry {
  /** Offers a capability on connections from now on. @throws KumikoError `host/duplicate-capability` or `host/bad-capability`. */
  add(capability: Capability): Cancel
  /** In name order, then version. A copy. */
  list(): Capability[]
  /** Tells whether a libp2p protocol id (`/eth/69`) is one of ours. */
  has(protocol: string): boolean
  /** Tells whether one of them accepts a node, or there are none. @see Capability.accepts */
  accepts(node: NodeRecord): boolean
  /** A capability's attributes changed: our record is made anew. */
  refresh(): void
  /** Called after each change. */
  subscribe(listener: () => void): Cancel
}

/** Counts what passes over one connection. Called on the hot path. */
export interface TrafficMeter {
  /** One message of a capability. @param sizeBytes - After decompression. */
  message(way: 'received' | 'sent', capability: CapabilityId, code: number, sizeBytes: number): void
  /** Bytes of the wire. */
  bytes(way: 'received' | 'sent', sizeBytes: number): void
}
