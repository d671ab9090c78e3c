import type { Address, Peer, PeerData } from '@libp2p/interface'

/** Tells whether a `patch` or `merge` of data would leave a peer as it is. What is not sure, would not. */
export function changesNothing(how: 'patch' | 'merge', peer: Peer, data: PeerData): boolean {
  if (data.tags !== undefined || Object.values(data).includes(null)) return false
  return (
    hasKey(peer, data) &&
    hasEnvelope(peer, data) &&
    hasProtocols(how, peer, data) &&
    hasMetadata(how, peer, data) &&
    hasAddresses(how, peer, data)
  )
}

/** A key of RSA's is not in the peer id: only the store knows whether it has it. */
function hasKey({ id }: Peer, { publicKey }: PeerData): boolean {
  return publicKey === undefined || (id.type !== 'RSA' && id.publicKey?.equals(publicKey) === true)
}

function hasEnvelope(peer: Peer, { peerRecordEnvelope }: PeerData): boolean {
  return peerRecordEnvelope === undefined || areSame(peer.peerRecordEnvelope, peerRecordEnvelope)
}

function hasProtocols(how: 'patch' | 'merge', peer: Peer, { protocols }: PeerData): boolean {
  if (protocols === undefined) return true
  if (how === 'patch' && new Set(protocols).size !== peer.protocols.length) return false
  return protocols.every((protocol) => peer.protocols.includes(protocol))
}

function hasMetadata(how: 'patch' | 'merge', peer: Peer, { metadata }: PeerData): boolean {
  if (metadata === undefined) return true
  const entries = metadata instanceof Map ? [...metadata] : Object.entries(metadata)
  if (how === 'patch' && entries.length !== peer.metadata.size) return false
  return entries.every(([key, value]) => areSame(peer.metadata.get(key), value))
}

function hasAddresses(how: 'patch' | 'merge', peer: Peer, { addresses, multiaddrs }: PeerData): boolean {
  if (addresses === undefined && multiaddrs === undefined) return true
  const told = [...(multiaddrs ?? []).map((multiaddr) => ({ multiaddr, isCertified: false })), ...(addresses ?? [])]
  const texts = new Set(told.map(({ multiaddr }) => multiaddr.toString()))
  if (texts.size !== told.length || (how === 'patch' && told.length !== peer.addresses.length)) return false
  return told.every((one) => peer.addresses.some((known) => isKnownAs(known, one)))
}

function isKnownAs(known: Address, { multiaddr, isCertified = false }: Address): boolean {
  return known.isCertified === isCertified && known.multiaddr.toString() === multiaddr.toString()
}

function areSame(left: Uint8Array | undefined, right: unknown): boolean {
  return left !== undefined && right instanceof Uint8Array && Buffer.compare(left, right) === 0
}
