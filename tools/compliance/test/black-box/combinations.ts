import { connectionManager, maskFilter, pruneByValue } from '@kumiko/connection-manager'
import { dialer, rankAddresses, rankBySorter } from '@kumiko/dialer'
import { createLibp2p as createHost } from '@kumiko/host'
import { rlpx } from '@kumiko/rlpx'
import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Libp2p, ServiceMap } from '@libp2p/interface'
import { createLibp2p, type Libp2pOptions } from 'libp2p'
import type { CreateNode } from './stage.ts'

/** Whose node, of whose parts. */
export type CombinationName = (typeof NAMES)[number]

export const NAMES = ['libp2p × theirs', 'libp2p × ours', 'Host × theirs', 'Host × ours'] as const

/**
 * How each combination makes a node. `theirs`: js-libp2p's modules alone, as its options name them. `ours`: besides them RLPx as a transport,
 * our dialer and our connection manager: options of a Host, services of a js-libp2p node.
 */
export const COMBINATIONS: Readonly<Record<CombinationName, CreateNode>> = {
  'libp2p × theirs': createLibp2p,
  'libp2p × ours': async (options) => {
    const keyed = await withKey(options)
    const { manager, dialing } = partsOf(options)
    const services = {
      connectionManager: manager,
      admission: ({ connectionManager: made }: { connectionManager: { admission: unknown } }) => made.admission,
      dialer: dialing,
      ...options.services,
    }
    return (await createLibp2p({ ...keyed, transports: transportsOf(keyed), services } as unknown as Libp2pOptions)) as never
  },
  'Host × theirs': host,
  'Host × ours': async (options) => {
    const keyed = await withKey(options)
    const { manager, dialing } = partsOf(options)
    return await host({
      ...keyed,
      transports: transportsOf(keyed),
      connectionManager: manager,
      dialer: dialing,
      timeouts: timeoutsOf(options),
    } as never)
  },
}

/** A Host. js-libp2p types factories on a class of its own; modules need less, and find it here. */
async function host<S extends ServiceMap>(options: Libp2pOptions<S>): Promise<Libp2p<S>> {
  return await createHost<S>(options as never)
}

/** A key that RLPx can use, where a check does not ask for another. */
async function withKey<S extends ServiceMap>(options: Libp2pOptions<S>): Promise<Libp2pOptions<S>> {
  return options.privateKey === undefined ? { ...options, privateKey: await generateKeyPair('secp256k1') } : options
}

/** Nothing is sent over RLPx here: that is for other tests. It must not be in the way. */
function transportsOf<S extends ServiceMap>({ transports = [], privateKey }: Libp2pOptions<S>): unknown[] {
  const mute = { name: 'mute', version: 1, length: 1, run: async (channel: { read(): unknown }) => void (await channel.read()) }
  return privateKey?.type === 'secp256k1' ? [...transports, rlpx({ capabilities: [mute] })] : transports
}

/** The upgrader is the Host's own: in a Host of our parts its times are an option of their own. */
function timeoutsOf<S extends ServiceMap>({ connectionManager: { inboundUpgradeTimeout } = {} }: Libp2pOptions<S>): object {
  return inboundUpgradeTimeout === undefined ? {} : { inboundUpgradeMs: inboundUpgradeTimeout }
}

/** Our parts with the settings of js-libp2p's that they have, too. */
function partsOf<S extends ServiceMap>({
  connectionManager: settings = {},
}: Libp2pOptions<S>): {
  manager: ReturnType<typeof connectionManager>
  dialing: ReturnType<typeof dialer>
} {
  const { maxConnections, maxIncomingPendingConnections, inboundConnectionThreshold: count, allow = [], deny = [] } = settings
  const { maxParallelDials, dialTimeout, addressDialTimeout, addressSorter, maxPeerAddrsToDial } = settings
  return {
    manager: connectionManager({
      ...(maxConnections === undefined
        ? {}
        : { maxPeers: maxConnections, limits: { total: maxConnections }, atLimit: 'prune' as const, prune: pruneByValue }),
      ...(maxIncomingPendingConnections === undefined ? {} : { maxPendingPeers: maxIncomingPendingConnections }),
      ...(count === undefined ? {} : { inboundRate: { perIp: { count, intervalMs: 1_000 } } }),
      filters: [...deny.map((mask) => maskFilter(mask, 'deny')), ...allow.map((mask) => maskFilter(mask, 'accept'))],
    }),
    dialing: dialer({
      dialRatio: 0,
      ...(maxParallelDials === undefined ? {} : { maxActiveDials: maxParallelDials }),
      ...(dialTimeout === undefined ? {} : { dialTimeoutMs: dialTimeout }),
      ...(addressDialTimeout === undefined ? {} : { addressTimeoutMs: addressDialTimeout }),
      rank: (addresses) =>
        (addressSorter === undefined ? rankAddresses : rankBySorter(addressSorter))(addresses).slice(0, maxPeerAddrsToDial),
    }),
  }
}
