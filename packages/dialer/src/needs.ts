import type { ConnectionManager, HostComponents } from '@kumiko/interface'
import { type DnsQueries, type ResolveTxt, systemTxt, txtOf } from './system-txt.ts'

/** What the dialer needs from its node. Those that are optional are ours: a vanilla js-libp2p node lacks them. */
export type DialerComponents = Pick<
  HostComponents,
  'peerId' | 'events' | 'logger' | 'peerStore' | 'peerRouting' | 'transportManager' | 'addressManager' | 'connectionGater'
> &
  Partial<Pick<HostComponents, 'capabilities' | 'clock' | 'random'>> & {
    /** js-libp2p's, where there is one. */
    readonly dns?: DnsQueries
    readonly connectionManager: Pick<ConnectionManager, 'getConnections' | 'getMaxConnections'> &
      Partial<Pick<ConnectionManager, 'filters' | 'isBanned' | 'isTrusted' | 'maxPeers' | 'atLimit' | 'dialRefusal'>>
  }

/** How many peers the node may have. */
export function maxPeersOf({ connectionManager }: DialerComponents): number {
  return connectionManager.maxPeers ?? connectionManager.getMaxConnections()
}

/** Looks TXT records up: by the node's component `dns`, where it has one: a node may lack it, and throw for its name. */
export function systemTxtOf(components: DialerComponents): ResolveTxt {
  try {
    const { dns } = components
    return dns === undefined ? systemTxt : txtOf(dns)
  } catch {
    return systemTxt
  }
}
