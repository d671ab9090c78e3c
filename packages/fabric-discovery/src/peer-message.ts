import {
  AliveMessage,
  concatBytes,
  type DiscoveredPeer,
  encodeUtf8,
  type GossipEnvelope,
  GossipMessage,
  GossipTag,
  PeerProperties,
  SerializedIdentity,
  StateInfo,
  sha256,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { PeerInfo } from './endorsement-plan.ts'

/** Which of a peer's messages are shown. */
export interface ShownMessages {
  /** Its channel; undefined for a peer that is shown of none. */
  readonly channelId?: string
}

/**
 * A peer as clients are told of it: by what it said itself, or where that is absent, by unsigned messages of the same content. Fabric's clients look
 * at the content alone.
 */
export function discoveredPeer(peer: PeerInfo, { channelId }: ShownMessages): DiscoveredPeer {
  const pkiId = pkiIdOf(peer.identity)
  return {
    identity: peer.identity,
    membershipInfo: withoutSecret(peer.membershipInfo) ?? membershipMessage(peer, pkiId),
    stateInfo: channelId === undefined ? undefined : (peer.stateInfo ?? stateMessage(peer, pkiId, channelId)),
  }
}

/** How gossip names a peer. @param identity - A `SerializedIdentity`'s bytes. @see Fabric `internal/peer/gossip/mcs.go` GetPKIidOfCert */
export function pkiIdOf(identity: Uint8Array): Uint8Array {
  const read = SerializedIdentity.decode(identity)
  return isFault(read) ? sha256(identity) : sha256(encodeUtf8(read.mspId), read.idBytes)
}

/** Nobody outside its organisation is told what a peer keeps for that. */
function withoutSecret(envelope: GossipEnvelope | undefined): GossipEnvelope | undefined {
  return envelope && { ...envelope, secretEnvelope: undefined }
}

/** Nobody knows when it would have said it. */
const timestamp = { incNum: 0n, seqNum: 0n }

function membershipMessage({ endpoint }: PeerInfo, pkiId: Uint8Array): GossipEnvelope {
  const membership = { endpoint, metadata: new Uint8Array(), pkiId }
  return unsigned({ tag: GossipTag.empty, aliveMsg: AliveMessage.create({ membership, timestamp }) })
}

function stateMessage({ ledgerHeight, chaincodes }: PeerInfo, pkiId: Uint8Array, channelId: string): GossipEnvelope {
  const properties = PeerProperties.create({
    ledgerHeight,
    chaincodes: chaincodes.map((chaincode) => ({ ...chaincode, metadata: new Uint8Array() })),
  })
  const channelMac = sha256(concatBytes([pkiId, encodeUtf8(channelId)]))
  return unsigned({ tag: GossipTag.channelOrOrg, stateInfo: StateInfo.create({ timestamp, pkiId, channelMac, properties }) })
}

function unsigned(message: Partial<GossipMessage>): GossipEnvelope {
  return { payload: GossipMessage.encode(message), signature: new Uint8Array(), secretEnvelope: undefined }
}
