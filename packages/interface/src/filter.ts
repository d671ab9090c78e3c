import type { MessageStreamDirection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'
import type { Cancel } from './clock.ts'

/** Which family of protocols carries a connection. */
export type Stack = 'rlpx' | 'libp2p'

/** What is known at the moment a filter is asked. */
export interface FilterPoint {
  /**
   * `dial`: before a socket is opened · `accept`: a socket came in · `encrypted`: the remote's identity is proven ·
   * `upgraded`: its protocols are known.
   */
  readonly stage: 'dial' | 'accept' | 'encrypted' | 'upgraded'
  readonly direction: MessageStreamDirection
  readonly stack: Stack
  readonly address: Multiaddr
  /** The address's IP, normalised (IPv4-mapped IPv6 as IPv4); undefined for names and relays. */
  readonly ip?: string
  /** Proven from `encrypted` on; before that, whom we mean to reach. */
  readonly peerId?: PeerId
  /** Shared protocols, at `upgraded` only: `/eth/69`. */
  readonly protocols?: readonly string[]
}

/** One rule's word. `undefined`: no opinion, ask the next. */
export type Verdict = 'accept' | 'deny' | undefined

/** A rule. Must not throw; a throw counts as `deny`. */
export type ConnectionFilter = (at: FilterPoint) => Verdict

/** Ordered rules that may be edited while running; the first with an opinion decides. */
export interface FilterList {
  /** What holds where no rule has an opinion. Default `accept`. */
  defaultVerdict: 'accept' | 'deny'
  /** Adds a rule behind the others. The returned function removes it. */
  add(filter: ConnectionFilter): Cancel
  /** Removes a rule; tells whether it was there. */
  remove(filter: ConnectionFilter): boolean
  /** The rules, in order. A copy. */
  list(): ConnectionFilter[]
  decide(at: FilterPoint): 'accept' | 'deny'
}
