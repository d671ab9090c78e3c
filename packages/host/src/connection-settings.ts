import { type ConnectionManagerOptions, connectionManager, maskFilter, pruneByValue } from '@kumiko/connection-manager'
import { type DialerOptions, dialer, type Rank, rankAddresses, rankBySorter } from '@kumiko/dialer'
import { checkOptionNames, type Millis } from '@kumiko/interface'
import type { AddressSorter, MultiaddrResolver } from '@libp2p/interface'
import { dnsaddrResolver } from './dnsaddr-resolver.ts'
import { badOption, type HostOptions } from './options.ts'
import { UPGRADER_TIMEOUTS, type UpgraderTimeouts } from './upgrader.ts'

/** js-libp2p's settings of its connection manager. Times are in ms. */
export interface ConnectionManagerInit {
  /** There are never more. Default 300. */
  readonly maxConnections?: number | undefined
  readonly addressSorter?: AddressSorter | undefined
  /** Default 16. */
  readonly maxParallelDials?: number | undefined
  /** Default 500. */
  readonly maxDialQueueLength?: number | undefined
  /** Those behind are left out. Default 16. */
  readonly maxPeerAddrsToDial?: number | undefined
  /** Default 10,000. */
  readonly dialTimeout?: Millis | undefined
  /** Default 6,000. */
  readonly addressDialTimeout?: Millis | undefined
  /** Default 1,000. */
  readonly connectionCloseTimeout?: Millis | undefined
  /** Default 10,000. */
  readonly inboundUpgradeTimeout?: Millis | undefined
  /** Default 10,000. */
  readonly outboundStreamProtocolNegotiationTimeout?: Millis | undefined
  /** Default 10,000. */
  readonly inboundStreamProtocolNegotiationTimeout?: Millis | undefined
  /** Networks let in whatever other rules say; they do not pass `maxConnections`. */
  readonly allow?: readonly string[] | undefined
  /** Networks that are never let in. */
  readonly deny?: readonly string[] | undefined
  /** Connections a second from one address. Default 5. */
  readonly inboundConnectionThreshold?: number | undefined
  /** No more dials than these go at a time, either, since there is one bound for each direction. Default 50. */
  readonly maxIncomingPendingConnections?: number | undefined
  /** Of peers tagged `keep-alive…`. Default 5. */
  readonly reconnectRetries?: number | undefined
  /** Before the first retry, doubled each time. Default 1,000. */
  readonly reconnectRetryInterval?: Millis | undefined
  /** Always 2. */
  readonly reconnectBackoffFactor?: 2 | undefined
  /** `/dnsaddr` is resolved without, so that {@link dnsaddrResolver} changes nothing; others are refused. */
  readonly resolvers?: Readonly<Record<string, MultiaddrResolver>> | undefined
}

const SETTINGS: Readonly<Record<keyof ConnectionManagerInit, true>> = {
  maxConnections: true,
  addressSorter: true,
  maxParallelDials: true,
  maxDialQueueLength: true,
  maxPeerAddrsToDial: true,
  dialTimeout: true,
  addressDialTimeout: true,
  connectionCloseTimeout: true,
  inboundUpgradeTimeout: true,
  outboundStreamProtocolNegotiationTimeout: true,
  inboundStreamProtocolNegotiationTimeout: true,
  allow: true,
  deny: true,
  inboundConnectionThreshold: true,
  maxIncomingPendingConnections: true,
  reconnectRetries: true,
  reconnectRetryInterval: true,
  reconnectBackoffFactor: true,
  resolvers: true,
}

const DIALING = [
  'addressSorter',
  'maxParallelDials',
  'maxDialQueueLength',
  'maxPeerAddrsToDial',
  'dialTimeout',
  'addressDialTimeout',
  'reconnectRetries',
  'reconnectRetryInterval',
] as const satisfies readonly (keyof ConnectionManagerInit)[]

/** What a Host makes of these settings. */
export type ConnectionParts = Required<Pick<HostOptions, 'connectionManager' | 'dialer' | 'timeouts'>>

/**
 * Gives each of js-libp2p's settings to the part whose it is.
 *
 * @param dialing - The caller's own dialer, which then has its settings itself.
 * @throws KumikoError `host/bad-option`; `connection-manager/bad-mask` for `allow` and `deny`.
 */
export function connectionParts(init: ConnectionManagerInit, dialing: HostOptions['dialer']): ConnectionParts {
  checkOptionNames('host/bad-option', 'connectionManager', init, SETTINGS)
  const misplaced = dialing === undefined ? undefined : DIALING.find((name) => init[name] !== undefined)
  if ((init.reconnectBackoffFactor ?? 2) !== 2) throw badOption('connectionManager.reconnectBackoffFactor', 'is always 2: leave it out')
  const resolver = Object.entries(init.resolvers ?? {}).find(([, value]) => value !== dnsaddrResolver)?.[0]
  if (resolver !== undefined)
    throw badOption(`connectionManager.resolvers.${resolver}`, 'is no resolver of ours: leave it out, or give dns')
  if (misplaced !== undefined) throw badOption(`connectionManager.${misplaced}`, 'is the dialer’s: set it in dialer()')
  return {
    connectionManager: connectionManager(managerOptions(init)),
    dialer: dialing ?? dialer(dialerOptions(init)),
    timeouts: timeouts(init),
  }
}

/** At the limit, as in js-libp2p, who is worth less goes for who is worth more, and one that came and is not in use for one that is dialed. */
function managerOptions(init: ConnectionManagerInit): ConnectionManagerOptions {
  const { maxConnections = 300, inboundConnectionThreshold = 5, maxParallelDials = 0, allow = [], deny = [] } = init
  return {
    maxPeers: maxConnections,
    limits: { total: maxConnections },
    prune: pruneByValue,
    atLimit: 'prune',
    maxPendingPeers: init.maxIncomingPendingConnections ?? Math.max(50, maxParallelDials),
    inboundRate: { perIp: { count: inboundConnectionThreshold, intervalMs: 1_000 } },
    filters: [...deny.map((mask) => maskFilter(mask, 'deny')), ...allow.map((mask) => maskFilter(mask, 'accept'))],
    closeTimeoutMs: init.connectionCloseTimeout ?? UPGRADER_TIMEOUTS.closeMs,
  }
}

/** Nothing is dialed unasked, as in js-libp2p, so that no slots are kept for it. */
function dialerOptions(init: ConnectionManagerInit): DialerOptions {
  const { maxParallelDials = 16, maxDialQueueLength = 500, dialTimeout = 10_000, addressDialTimeout = 6_000 } = init
  return {
    dialRatio: 0,
    maxActiveDials: Math.min(maxParallelDials, init.maxIncomingPendingConnections ?? Number.POSITIVE_INFINITY),
    maxDialQueueLength,
    dialTimeoutMs: dialTimeout,
    addressTimeoutMs: addressDialTimeout,
    reconnectRetries: init.reconnectRetries ?? 5,
    reconnectMs: init.reconnectRetryInterval ?? 1_000,
    rank: rank(init),
  }
}

function rank({ addressSorter, maxPeerAddrsToDial = Number.POSITIVE_INFINITY }: ConnectionManagerInit): Rank {
  const order: Rank = addressSorter === undefined ? rankAddresses : rankBySorter(addressSorter)
  return (addresses) => order(addresses).slice(0, maxPeerAddrsToDial)
}

function timeouts(init: ConnectionManagerInit): UpgraderTimeouts {
  return {
    inboundUpgradeMs: init.inboundUpgradeTimeout ?? UPGRADER_TIMEOUTS.inboundUpgradeMs,
    inboundStreamMs: init.inboundStreamProtocolNegotiationTimeout ?? UPGRADER_TIMEOUTS.inboundStreamMs,
    outboundStreamMs: init.outboundStreamProtocolNegotiationTimeout ?? UPGRADER_TIMEOUTS.outboundStreamMs,
    closeMs: init.connectionCloseTimeout ?? UPGRADER_TIMEOUTS.closeMs,
  }
}
