import { connectionManager } from '@kumiko/connection-manager'
import { createLibp2p } from '@kumiko/host'
import type { Libp2p } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { type NodeOptions, partsOf } from './libp2p-parts.ts'

/** Our Host, its limits on connections opened so far that the benchmark does not meet them. */
export async function createNode(options: NodeOptions, encrypter = noise()): Promise<Libp2p> {
  return await createLibp2p({
    ...partsOf(options, encrypter),
    connectionManager: connectionManager({ maxPeers: 100_000, maxPendingPeers: 1_000 }),
  })
}
