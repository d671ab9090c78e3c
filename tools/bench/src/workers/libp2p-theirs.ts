import type { Libp2p } from '@libp2p/interface'
import { createLibp2p } from 'libp2p'
import { type NodeOptions, partsOf } from './libp2p-parts.ts'

/** js-libp2p's node, its limits on connections opened so far that the benchmark does not meet them. */
export async function createNode(options: NodeOptions): Promise<Libp2p> {
  const many = Number.POSITIVE_INFINITY
  return await createLibp2p({
    ...partsOf(options),
    connectionManager: { maxConnections: many, inboundConnectionThreshold: many, maxIncomingPendingConnections: many },
  })
}
