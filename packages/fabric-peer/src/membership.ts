import type { PeerInfo } from '@kumiko/fabric-discovery'

/** Which other peers there are. A list, for now; gossip is to take its place. */
export interface Membership {
  /** The other peers of a channel that are alive, as they tell of themselves. */
  peers(channelId: string): readonly PeerInfo[] | Promise<readonly PeerInfo[]>
  /** The other peers that are alive, whatever their channels. Default: none are told of. */
  localPeers?(): readonly PeerInfo[] | Promise<readonly PeerInfo[]>
}
