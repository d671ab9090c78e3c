import type { PeerId, Secp256k1PrivateKey } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { EnrEntries } from './capability.ts'
import type { Cancel, Millis } from './clock.ts'
import type { NodeId, NodeRecord } from './node.ts'

/** Who we are: one secp256k1 key under all its names. */
export interface Identity {
  /** 32 bytes. Never logged. */
  readonly secretKey: Uint8Array
  /** The same key as libp2p holds it. */
  readonly privateKey: Secp256k1PrivateKey
  /** Compressed, 33 bytes. */
  readonly publicKey: Uint8Array
  readonly nodeId: NodeId
  readonly peerId: PeerId
  /** What we tell others of ourselves; changes while we run. */
  readonly record: LocalRecord
  /** The record now, as `enode://…`. */
  readonly enode: string
  /** The record now, as `enr:…`. */
  readonly enr: string
}

/** An endpoint's half in one IP family. */
export type IpFamily = 4 | 6

/** Our own node record, made anew whenever something in it changes. */
export interface LocalRecord {
  /** The record as others see it, signed. */
  readonly node: NodeRecord
  readonly seq: bigint
  /** Sets or removes entries: `tcp`, `udp`, or a capability's own. Values are RLP. */
  setEntries(entries: EnrEntries): void
  /**
   * The libp2p addresses told, best first: as many as fit into the record beside all else, 16 at most. `/…/rlpx` ones and hosts that are
   * nowhere are left out; our own PeerId at their ends is, too.
   */
  setMultiaddrs(addresses: readonly Multiaddr[]): void
  /** An address that is known to be right: it beats prediction. Undefined takes it back. */
  setStaticIp(family: IpFamily, ip: string | undefined): void
  /** Used where nothing better is known. */
  setFallback(family: IpFamily, ip: string | undefined, udp?: number): void
  setPorts(family: IpFamily, ports: { readonly tcp?: number | undefined; readonly udp?: number | undefined }): void
  /**
   * A remote says which endpoint of ours it sees. Ten in agreement, within five minutes, make a prediction: each in a network of its own (IPv4 /24,
   * IPv6 /32; within a site each address counts), and of the family of which it speaks.
   */
  statement(from: string, endpoint: { readonly ip: string; readonly udp: number }, now: Millis): void
  /** We sent to a remote unasked; tells a full-cone NAT from others. */
  contact(to: string, now: Millis): void
  /** Called after the record changed. */
  subscribe(listener: (node: NodeRecord) => void): Cancel
}
