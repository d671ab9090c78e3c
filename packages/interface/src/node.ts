import type { AbortOptions, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** keccak-256 of the 64-byte public key, as 64 lower-case hex digits: what discv4 and discv5 call a node by. */
export type NodeId = string

/** Where a node listens. */
export interface NodeEndpoint {
  /** An IPv4 or IPv6 address without brackets, or a DNS name. */
  readonly host: string
  /** 1–65535; undefined where the node takes no TCP connections. */
  readonly tcp?: number
  /** 1–65535; undefined where the node runs no discovery. */
  readonly udp?: number
}

/** A node that is known, however it was learned: from an enode URL, an ENR, a multiaddr. Immutable. */
export interface NodeRecord {
  readonly nodeId: NodeId
  /** Compressed secp256k1 public key, 33 bytes. */
  readonly publicKey: Uint8Array
  /** The same key as libp2p names it. Computed on first use. */
  readonly peerId: PeerId
  /** Best first; at most one for each of IPv4, IPv6 and DNS. Empty where nothing is known. */
  readonly endpoints: readonly NodeEndpoint[]
  /**
   * The endpoints that take TCP connections, as `/…/tcp/…/rlpx/p2p/…`, and behind them the libp2p addresses that its ENR tells (`multiaddrs`, at
   * most 16). Computed on first use.
   */
  readonly addresses: readonly Multiaddr[]
  /** The sequence number of the ENR; 0n for a node that has none. */
  readonly seq: bigint
  /** The RLP of one ENR entry, or undefined. The caller must not write to it. */
  entry(key: string): Uint8Array | undefined
}

/** What a discovery gives the dialer. Sources are mixed fairly. */
export interface NodeSource {
  /** For the log and for metrics: `discv4`. */
  readonly name: string
  /**
   * Nodes, one by one, found only as fast as they are taken: no `next()`, no lookup. May end; may repeat nodes.
   * `return()` and the signal free what it holds.
   */
  nodes(options?: AbortOptions): AsyncIterable<NodeRecord>
  /**
   * Asks a node itself for its record. Absent: the source cannot.
   *
   * @param node - One that the source gave, known without a record (`seq` 0).
   * @returns Undefined where it did not answer, or has none. May reject: that counts as no answer.
   */
  requestEnr?(node: NodeRecord, options?: AbortOptions): Promise<NodeRecord | undefined>
}
