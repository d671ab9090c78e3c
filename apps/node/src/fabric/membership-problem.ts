import type { LocalMsp } from '@kumiko/fabric-msp'
import type { PeerChannel } from '@kumiko/fabric-peer'
import { SerializedIdentity } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/**
 * Sees that a peer is of the organisation on a channel that it says it is of: nothing that it signs counts there otherwise.
 * @returns In words, with the mend where one is known; undefined where all is well.
 */
export function membershipProblem(
  { channelId, bundle }: Pick<PeerChannel, 'channelId' | 'bundle'>,
  { creator, msp }: LocalMsp,
): string | undefined {
  const organizations = [...(bundle.application?.organizations.values() ?? [])]
  const own = SerializedIdentity.decode(creator)
  const isOf = (organization: (typeof organizations)[number]): boolean => {
    const identity = isFault(own) ? own : organization.msp.identityFrom(own.idBytes)
    return !isFault(identity) && identity.validate() === undefined
  }
  const named = organizations.find(({ mspId }) => mspId === msp.mspId)
  if (named !== undefined && isOf(named)) return
  const real = organizations.find(isOf)
  if (real !== undefined)
    return `on channel ${channelId} the peer's certificate is of ${real.mspId}, not of ${msp.mspId}: set peer.localMspId, or CORE_PEER_LOCALMSPID`
  if (named !== undefined)
    return `on channel ${channelId} the peer's certificate is of no CA of ${msp.mspId}: see peer.mspConfigPath, or CORE_PEER_MSPCONFIGPATH`
  const ids = organizations.map(({ mspId }) => mspId).join(', ')
  return `on channel ${channelId} there is no ${msp.mspId}: see peer.localMspId, or CORE_PEER_LOCALMSPID; the channel has ${ids || 'no organisation'}`
}
