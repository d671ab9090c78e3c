import { type Endorsement, endorse, type SignedProposal, type Signer } from '@kumiko/fabric-protocol'

/** What is to be endorsed. */
export interface ToEndorse {
  /** A `ProposalResponsePayload`'s bytes. */
  readonly payload: Uint8Array
  readonly signedProposal: SignedProposal
  readonly channelId: string
  /** The peer. */
  readonly signer: Signer
}

/** What was endorsed. */
export interface Endorsed {
  readonly endorsement: Endorsement
  /** Of {@link ToEndorse.payload}, or what the plugin made of it. */
  readonly payload: Uint8Array
}

/** Endorses in its own way: a chaincode's definition names it. @see Fabric `core/handlers/endorsement/api/endorsement.go` Plugin */
export type EndorsementPlugin = (what: ToEndorse) => Endorsed | Promise<Endorsed>

/** Signs with the peer's identity: `escc`. @see Fabric `core/handlers/endorsement/builtin/default_endorsement.go` */
export const escc: EndorsementPlugin = ({ payload, signer }) => ({ endorsement: endorse(payload, signer), payload })
