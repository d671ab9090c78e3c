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

/**
 * Ordered rules that may be edited while running; the first with an opinion decides. A connection manager asks in this order: its
 * {@link AddressFilters} whether they deny · these rules · the address filters whether they accept · both defaults, of which one denial is enough.
 */
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

/** What a rule on a network does. `none`: it says nothing, and neither the rules before it nor the default action hold. */
export type FilterAction = 'none' | 'accept' | 'deny'

/**
 * Rules on IP networks, as go-libp2p's filter set has them: of the rules that an address matches, the one that was added **last** decides,
 * however narrow. Each edit holds at once, for what is dialed or comes in from then on; who is connected stays.
 *
 * A mask is `/ip4/10.0.0.0/ipcidr/8`, `/ip6/fd00::/ipcidr/8`, an address alone, or `10.0.0.0/8`. IPv4-mapped IPv6 is IPv4; bits beyond the
 * prefix are cleared. Where rules are kept in a datastore, `ConnectionManager.flush` tells when an edit is there.
 */
export interface AddressFilters {
  /** What holds where no rule matches: also for relays, names and all else that has no IP. Default `accept`. */
  defaultAction: FilterAction
  /**
   * Adds a rule behind the others. For a network that has one, the action is changed, and the rule stays where it is.
   *
   * @throws KumikoError `connection-manager/bad-mask`, `connection-manager/too-many-filters`, `connection-manager/not-started`.
   */
  addFilter(mask: string | Multiaddr, action: FilterAction): void
  /** Removes the rule on this very network, whatever its action; tells whether there was one. @throws as {@link addFilter}. */
  remove(mask: string | Multiaddr): boolean
  /** Masks with an action, in order, as `/ip4/10.0.0.0/ipcidr/8`. */
  filtersFor(action: FilterAction): string[]
  /** The action of the rule on this very network. @throws KumikoError `connection-manager/bad-mask`. */
  actionFor(mask: string | Multiaddr): FilterAction | undefined
  /** Tells whether these rules deny an address. @throws KumikoError `connection-manager/bad-target` for a text that is no multiaddr. */
  isBlocked(address: string | Multiaddr): boolean
}
