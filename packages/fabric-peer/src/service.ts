import type { Clock } from '@kumiko/interface'
import type { ComponentLogger, Metrics } from '@libp2p/interface'
import { FabricPeer } from './fabric-peer.ts'
import type { FabricPeerOptions } from './options.ts'

/** What {@link fabricPeer} takes of a Host where its options do not say. */
export interface FabricPeerComponents {
  readonly logger: ComponentLogger
  readonly metrics?: Metrics | undefined
  readonly clock?: Clock | undefined
}

/** A peer as a service of a Host, which starts and stops it, and whose logs, metrics and clock it has. */
export function fabricPeer(options: FabricPeerOptions): (components: FabricPeerComponents) => FabricPeer {
  return ({ logger, metrics, clock }) => new FabricPeer({ logger, ...(metrics && { metrics }), ...(clock && { clock }), ...options })
}
