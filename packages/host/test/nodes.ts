import { createHost, type HostOptions } from '@kumiko/host'
import type { Host } from '@kumiko/interface'
import type { ServiceMap } from '@libp2p/interface'
import { noise } from '@libp2p/noise'
import { tcp } from '@libp2p/tcp'
import { yamux } from '@libp2p/yamux'

/** What a node of js-libp2p's modules on loopback is made of, ours and a vanilla one alike. */
export const libp2pParts = () => ({
  addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
  transports: [tcp()],
  connectionEncrypters: [noise()],
  streamMuxers: [yamux()],
})

/** A started Host of js-libp2p's modules on loopback. The caller stops it. */
export async function startHost<Services extends ServiceMap = ServiceMap>(options: HostOptions<Services> = {}): Promise<Host<Services>> {
  return await createHost<Services>({ ...libp2pParts(), start: true, ...options })
}

/** The first address of a node. */
export function addressOf(node: Pick<Host, 'getMultiaddrs'>): ReturnType<Host['getMultiaddrs']>[number] {
  const [address] = node.getMultiaddrs()
  if (address === undefined) throw new Error('the node listens nowhere')
  return address
}
