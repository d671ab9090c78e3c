import {
  type AdmissionLimits,
  type ConnectionFilter,
  checkOptionNames,
  checkOptionNumbers,
  type DialTo,
  type FilterAction,
  KumikoError,
  type Millis,
} from '@kumiko/interface'
import type { AddressFilter } from './address-filters.ts'
import { checkInboundRate, type InboundRate } from './inbound-pace.ts'
import type { Prune } from './prune.ts'

/** Options of {@link AddressFilters}. */
export interface AddressFilterOptions {
  /** The rules to begin with, in order. */
  readonly filters?: readonly AddressFilter[]
  /** What holds where no rule matches. Default `accept`. */
  readonly defaultAction?: FilterAction
  /**
   * Keep what is edited while running in the node's datastore. From the first edit on, what is kept is the whole of the rules, and `filters` and
   * `defaultAction` do not hold any more. Default false.
   */
  readonly persist?: boolean
}

const FILTER_OPTIONS: Readonly<Record<keyof AddressFilterOptions, true>> = { filters: true, defaultAction: true, persist: true }

/** Options of {@link connectionManager}. */
export interface ConnectionManagerOptions {
  /** Peers, each counted once however many connections it has. Default 50. */
  readonly maxPeers?: number
  /** Connections being set up, inbound and outbound each; inbound, a quarter of them from one IPv4 address or IPv6 /64. Default 50. */
  readonly maxPendingPeers?: number
  /** Bounds besides. Default: `perPeer` 8, all others none. */
  readonly limits?: AdmissionLimits
  /** Rules, in order. */
  readonly filters?: readonly ConnectionFilter[]
  /** Rules on IP networks. */
  readonly addressFilters?: AddressFilterOptions
  /** Keep bans in the node's datastore. Default false. */
  readonly persistBans?: boolean
  /** Peers that pass every limit. */
  readonly trusted?: readonly DialTo[]
  /** How long an address waits between its inbound attempts over RLPx. Default 30,000; 0: not at all. */
  readonly inboundThrottleMs?: Millis
  /** How often libp2p connections may come in. Default: 5 a second from one address. */
  readonly inboundRate?: InboundRate
  /** Hold `inboundThrottleMs` and `inboundRate.perIp` for loopback and private networks, too. Default false. */
  readonly isLanThrottled?: boolean
  /** Tell subscribers of every message. Default false, since it costs. */
  readonly enableMsgEvents?: boolean
  /** Who goes when there are more peers than `maxPeers`, or for a newcomer. Default {@link pruneYoungest}. */
  readonly prune?: Prune
  /**
   * What becomes of a newcomer when `maxPeers` or `limits.total` is reached: it is refused, or `prune` is asked whether another goes for it. The
   * other has gone before the newcomer is let in. Default `refuse`.
   */
  readonly atLimit?: 'refuse' | 'prune'
  /** How long a connection has to end well before it is cut off; at stop, all of them together. Default 2,000. */
  readonly closeTimeoutMs?: Millis
}

const OPTIONS: Readonly<Record<keyof ConnectionManagerOptions, true>> = {
  maxPeers: true,
  maxPendingPeers: true,
  limits: true,
  filters: true,
  addressFilters: true,
  persistBans: true,
  trusted: true,
  inboundThrottleMs: true,
  inboundRate: true,
  isLanThrottled: true,
  enableMsgEvents: true,
  prune: true,
  atLimit: true,
  closeTimeoutMs: true,
}

/** @throws KumikoError `connection-manager/bad-option` for what is no option, or has no meaning. Counts and targets are checked where they are used. */
export function checkOptions(options: ConnectionManagerOptions): void {
  checkOptionNames('connection-manager/bad-option', 'connectionManager', options, OPTIONS)
  checkOptionNumbers('connection-manager/bad-option', 'connectionManager', options, { inboundThrottleMs: 0, closeTimeoutMs: 0 })
  checkInboundRate(options.inboundRate ?? {})
  if (!['refuse', 'prune', undefined].includes(options.atLimit)) {
    throw new KumikoError('connection-manager/bad-option', `atLimit is ${options.atLimit}: want refuse or prune`)
  }
  checkOptionNames('connection-manager/bad-option', 'connectionManager.addressFilters', options.addressFilters ?? {}, FILTER_OPTIONS)
}
