import type { Libp2p } from '@libp2p/interface'
import { createLibp2p } from 'libp2p'
import { type NodeOptions, partsOf } from './libp2p-parts.ts'

/** js-libp2p's node, its limits on connections opened so far that the benchmark does not meet them. */
export async function createNode(options: NodeOptions): Promise<Libp2p> {
  const many = Number.POSITIVE_INFINITY
  return await createLibp2p({
    ...partsOf(options),
    // Else the monitor ends healthy connections of a process that is busy for some seconds.
    connectionMonitor: { abortConnectionOnPingFailure: false },
    connectionManager: { maxConnections: many, inboundConnectionThreshold: many, maxIncomingPendingConnections: many },
  })
}
