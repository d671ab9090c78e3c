import { ipOf, peerIdAt, stackOf } from '@kumiko/identity'
import type { FilterList, FilterPoint } from '@kumiko/interface'
import type { ConnectionGater, MultiaddrConnection, PeerId } from '@libp2p/interface'
import type { Multiaddr } from '@multiformats/multiaddr'

/** Lets a filter list speak through libp2p's gater, so that it also holds where admission is not asked: in a vanilla node. */
export function gaterOf(filters: FilterList): ConnectionGater {
  const denies =
    (stage: FilterPoint['stage'], direction: FilterPoint['direction']) =>
    (peerId: PeerId, { remoteAddr }: MultiaddrConnection): boolean =>
      filters.decide(filterPoint(stage, direction, remoteAddr, peerId)) === 'deny'
  return {
    denyDialMultiaddr: (address) => filters.decide(filterPoint('dial', 'outbound', address)) === 'deny',
    denyInboundConnection: ({ remoteAddr }) => filters.decide(filterPoint('accept', 'inbound', remoteAddr)) === 'deny',
    denyOutboundConnection: denies('dial', 'outbound'),
    denyInboundEncryptedConnection: denies('encrypted', 'inbound'),
    denyOutboundEncryptedConnection: denies('encrypted', 'outbound'),
    denyInboundUpgradedConnection: denies('upgraded', 'inbound'),
    denyOutboundUpgradedConnection: denies('upgraded', 'outbound'),
  }
}

/** What a filter is told of an address. @param peerId - Default: the peer that the address names. */
export function filterPoint(
  stage: FilterPoint['stage'],
  direction: FilterPoint['direction'],
  address: Multiaddr,
  peerId: PeerId | undefined = peerIdAt(address),
  protocols?: readonly string[],
): FilterPoint {
  const ip = ipOf(address)
  return {
    stage,
    direction,
    stack: stackOf(address),
    address,
    ...(ip === undefined ? {} : { ip }),
    ...(peerId === undefined ? {} : { peerId }),
    ...(protocols === undefined ? {} : { protocols }),
  }
}
