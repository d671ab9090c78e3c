import { type Fault, isFault } from '@kumiko/interface'
import { ChaincodeId, ChaincodeInvocationSpec, Response } from './chaincode.ts'
import { ChaincodeInterest } from './chaincode-interest.ts'
import { concatBytes, sha256 } from './hash.ts'
import { ChannelHeader, Header, HeaderType, SignatureHeader, Timestamp, transactionId } from './header.ts'
import { atLevel } from './level.ts'
import { bytes, decodeRequest, int32, type Message, map, message, nested } from './message.ts'
import type { SignedData, Signer } from './signed-data.ts'

/** `protos.ChaincodeHeaderExtension`: the extension of an endorser transaction's channel header. */
export interface ChaincodeHeaderExtension {
  readonly chaincodeId: ChaincodeId | undefined
}

/** `protos.ChaincodeHeaderExtension`. */
export const ChaincodeHeaderExtension: Message<ChaincodeHeaderExtension> = message<ChaincodeHeaderExtension>(
  'protos.ChaincodeHeaderExtension',
  {
    chaincodeId: nested(2, () => ChaincodeId),
  },
)

/** `protos.ChaincodeProposalPayload`. */
export interface ChaincodeProposalPayload {
  /** A `ChaincodeInvocationSpec`'s bytes. */
  readonly input: Uint8Array
  /** For the endorsers only: never in a transaction, nor in the proposal's hash. */
  readonly transientMap: ReadonlyMap<string, Uint8Array>
}

/** `protos.ChaincodeProposalPayload`. */
export const ChaincodeProposalPayload: Message<ChaincodeProposalPayload> = message<ChaincodeProposalPayload>(
  'protos.ChaincodeProposalPayload',
  {
    input: bytes(1),
    transientMap: map(2, bytes),
  },
)

/** `protos.Proposal`. */
export interface Proposal {
  /** A {@link Header}'s bytes. */
  readonly header: Uint8Array
  /** A {@link ChaincodeProposalPayload}'s bytes. */
  readonly payload: Uint8Array
  readonly extension: Uint8Array
}

/** `protos.Proposal`. */
export const Proposal: Message<Proposal> = message<Proposal>('protos.Proposal', {
  header: bytes(1),
  payload: bytes(2),
  extension: bytes(3),
})

/** `protos.SignedProposal`. */
export interface SignedProposal {
  /** A {@link Proposal}'s bytes: what is signed. */
  readonly proposalBytes: Uint8Array
  readonly signature: Uint8Array
}

/** `protos.SignedProposal`. */
export const SignedProposal: Message<SignedProposal> = message<SignedProposal>('protos.SignedProposal', {
  proposalBytes: bytes(1),
  signature: bytes(2),
})

/** What endorsers sign. `protos.ProposalResponsePayload`. */
export interface ProposalResponsePayload {
  readonly proposalHash: Uint8Array
  /** A `ChaincodeAction`'s bytes. */
  readonly extension: Uint8Array
}

/** `protos.ProposalResponsePayload`. */
export const ProposalResponsePayload: Message<ProposalResponsePayload> = message<ProposalResponsePayload>(
  'protos.ProposalResponsePayload',
  {
    proposalHash: bytes(1),
    extension: bytes(2),
  },
)

/** `protos.Endorsement`. */
export interface Endorsement {
  /** A `SerializedIdentity`'s bytes. */
  readonly endorser: Uint8Array
  /** Over the proposal response payload's bytes, then the endorser's. */
  readonly signature: Uint8Array
}

/** `protos.Endorsement`. */
export const Endorsement: Message<Endorsement> = message<Endorsement>('protos.Endorsement', { endorser: bytes(1), signature: bytes(2) })

/** What an endorser answers. `protos.ProposalResponse`. */
export interface ProposalResponse {
  readonly version: number
  readonly timestamp: Timestamp | undefined
  readonly response: Response | undefined
  /** A {@link ProposalResponsePayload}'s bytes. */
  readonly payload: Uint8Array
  readonly endorsement: Endorsement | undefined
  /** What the transaction came to: gateways look at it. Absent from what has no read-write set, and from peers before 2.4. */
  readonly interest: ChaincodeInterest | undefined
}

/** `protos.ProposalResponse`. */
export const ProposalResponse: Message<ProposalResponse> = message<ProposalResponse>('protos.ProposalResponse', {
  version: int32(1),
  timestamp: nested(2, () => Timestamp),
  response: nested(4, () => Response),
  payload: bytes(5),
  endorsement: nested(6, () => Endorsement),
  interest: nested(7, () => ChaincodeInterest),
})

/** A proposal down to what it asks for. */
export interface ReadProposal {
  readonly proposal: Proposal
  readonly header: Header
  readonly channel: ChannelHeader
  readonly signature: SignatureHeader
  readonly extension: ChaincodeHeaderExtension
  readonly payload: ChaincodeProposalPayload
  readonly invocation: ChaincodeInvocationSpec
}

/** What a client asks of a chaincode. */
export interface ProposalRequest {
  readonly channelId: string
  readonly chaincode: string
  /** The function's name first. */
  readonly args: readonly Uint8Array[]
  readonly transientMap?: ReadonlyMap<string, Uint8Array>
  readonly isInit?: boolean
  /** Random bytes: Fabric takes 24. */
  readonly nonce: Uint8Array
  readonly timestamp: Timestamp
}

/**
 * A signed proposal down to what it asks for.
 * @returns `fabric-protocol/bad-proposal` where any level is malformed. Whether the fields make sense is the endorser's to say.
 */
export function readProposal(proposalBytes: Uint8Array): ReadProposal | Fault {
  return atLevel(
    'fabric-protocol/bad-proposal',
    decodeRequest(() => decodeProposal(proposalBytes)),
  )
}

/** @returns `fabric-protocol/bad-header-extension`: code 19 BAD_HEADER_EXTENSION. */
export function readHeaderExtension(header: ChannelHeader): ChaincodeHeaderExtension | Fault {
  return atLevel('fabric-protocol/bad-header-extension', ChaincodeHeaderExtension.decode(header.extension))
}

/** A proposal as `fabric-gateway` and the peer's own tools write it. @see Fabric `protoutil/proputils.go` */
export function buildProposal(request: ProposalRequest, creator: Uint8Array): { readonly proposal: Proposal; readonly txId: string } {
  const signature: SignatureHeader = { creator, nonce: request.nonce }
  const chaincodeId = ChaincodeId.create({ name: request.chaincode })
  const txId = transactionId(signature)
  const channelHeader = ChannelHeader.encode({
    type: HeaderType.endorserTransaction,
    timestamp: request.timestamp,
    channelId: request.channelId,
    txId,
    extension: ChaincodeHeaderExtension.encode({ chaincodeId }),
  })
  const { args, isInit = false, transientMap = new Map() } = request
  const input = { args, isInit, decorations: new Map() }
  const invocation = ChaincodeInvocationSpec.encode({ chaincodeSpec: { type: 0, chaincodeId, input, timeout: 0 } })
  const header = Header.encode({ channelHeader, signatureHeader: SignatureHeader.encode(signature) })
  return { proposal: Proposal.create({ header, payload: ChaincodeProposalPayload.encode({ input: invocation, transientMap }) }), txId }
}

/** Signs a proposal, as gateways and endorsers take it. */
export function signProposal(proposal: Proposal, signer: Signer): Uint8Array {
  const proposalBytes = Proposal.encode(proposal)
  return SignedProposal.encode({ proposalBytes, signature: signer.sign(proposalBytes) })
}

/** What the client signed. */
export function proposalSignedData(signed: SignedProposal, signature: SignatureHeader): SignedData {
  return { identity: signature.creator, message: signed.proposalBytes, signature: signed.signature }
}

/**
 * A proposal's hash over bytes as they are in a transaction, where no transient map is.
 * @param header - In a transaction: the payload's channel header, and the *action's* signature header.
 * @param payload - A {@link ChaincodeProposalPayload}'s bytes without transient map.
 * @see Fabric `protoutil/proputils.go` GetProposalHash2
 */
export function proposalHash(header: Header, payload: Uint8Array): Uint8Array {
  return sha256(header.channelHeader, header.signatureHeader, payload)
}

/**
 * A proposal payload as it goes into a transaction: its transient map removed, what Fabric does not know kept out too.
 * @returns `fabric-protocol/bad-proposal`.
 * @see Fabric `protoutil/proputils.go` GetBytesProposalPayloadForTx
 */
export function withoutTransientMap(payload: Uint8Array): Uint8Array | Fault {
  const decoded = ChaincodeProposalPayload.decode(payload)
  if (isFault(decoded)) return atLevel('fabric-protocol/bad-proposal', decoded)
  return ChaincodeProposalPayload.encode({ input: decoded.input })
}

/** What an endorser signs: the response payload's bytes, then its own identity's. */
export function endorsementMessage(responsePayload: Uint8Array, endorser: Uint8Array): Uint8Array {
  return concatBytes([responsePayload, endorser])
}

/** Endorses a response payload's bytes. */
export function endorse(responsePayload: Uint8Array, signer: Signer): Endorsement {
  return { endorser: signer.creator, signature: signer.sign(endorsementMessage(responsePayload, signer.creator)) }
}

/** What endorsers signed, in the order that policies look at them. */
export function endorsementSignedData(responsePayload: Uint8Array, endorsements: readonly Endorsement[]): readonly SignedData[] {
  return endorsements.map(({ endorser, signature }) => ({
    identity: endorser,
    message: endorsementMessage(responsePayload, endorser),
    signature,
  }))
}

function decodeProposal(source: Uint8Array): ReadProposal | Fault {
  const proposal = Proposal.decode(source)
  if (isFault(proposal)) return proposal
  const header = Header.decode(proposal.header)
  if (isFault(header)) return header
  const channel = ChannelHeader.decode(header.channelHeader)
  if (isFault(channel)) return channel
  const signature = SignatureHeader.decode(header.signatureHeader)
  if (isFault(signature)) return signature
  const extension = ChaincodeHeaderExtension.decode(channel.extension)
  if (isFault(extension)) return extension
  const payload = ChaincodeProposalPayload.decode(proposal.payload)
  if (isFault(payload)) return payload
  const invocation = ChaincodeInvocationSpec.decode(payload.input)
  if (isFault(invocation)) return invocation
  return { proposal, header, channel, signature, extension, payload, invocation }
}
