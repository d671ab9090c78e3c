import type { GossipEnvelope } from '@kumiko/fabric-protocol'

/** A chaincode that a peer is ready to run. */
export interface PeerChaincode {
  readonly name: string
  /** The sequence of the definition that it has, as decimal digits: Fabric's discovery compares this, not the version. */
  readonly version: string
}

/** A peer as discovery knows it. */
export interface PeerInfo {
  readonly mspId: string
  /** `host:port` as clients reach it. */
  readonly endpoint: string
  /** A `SerializedIdentity`'s bytes. */
  readonly identity: Uint8Array
  /** How many blocks of the channel it has. */
  readonly ledgerHeight: bigint
  /** What it can endorse on the channel. */
  readonly chaincodes: readonly PeerChaincode[]
  /** What it said and signed itself of its channel; made up of the above, and unsigned, where it is absent. */
  readonly stateInfo?: GossipEnvelope
  /** What it said and signed itself of where it is; as {@link PeerInfo.stateInfo}. */
  readonly membershipInfo?: GossipEnvelope
}

/** One way to endorse: of each group so many peers, which are distinct within the group. */
export type Layout = ReadonlyMap<string, number>

/** Who must endorse what. */
export interface EndorsementPlan {
  /** The interest's first chaincode. */
  readonly chaincode: string
  /** Peers that one principal means and that run all chaincodes of the interest, by the group's name (`G0`): as Fabric names them. A peer may be in several. */
  readonly groups: ReadonlyMap<string, readonly PeerInfo[]>
  /** Any of them is enough: one or more. */
  readonly layouts: readonly Layout[]
}
