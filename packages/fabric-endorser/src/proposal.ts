import {
  ChaincodeHeaderExtension,
  type ChaincodeInput,
  ChaincodeInvocationSpec,
  ChaincodeProposalPayload,
  ChannelHeader,
  Header,
  type Message,
  Proposal,
  proposalHash,
  type ReadProposal,
  SignatureHeader,
  type SignedProposal,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** A proposal that cannot be worked on. */
export interface Refused {
  /** Why, in Fabric's words: the client reads it. */
  readonly refused: string
}

/** A proposal with what an endorser works on. */
export interface UnpackedProposal {
  readonly signed: SignedProposal
  readonly read: ReadProposal
  readonly chaincode: string
  /** As the client wrote it: its decorations are not to be trusted. */
  readonly input: ChaincodeInput
  /** Over the proposal without its transient map: what is endorsed names it. */
  readonly hash: Uint8Array
}

/**
 * Opens a proposal. Never throws.
 * @see Fabric `core/endorser/msgvalidation.go` UnpackProposal
 */
export function unpackProposal(signed: SignedProposal): UnpackedProposal | Refused {
  const proposal = decode(Proposal, signed.proposalBytes)
  if (isRefused(proposal)) return proposal
  const headers = unpackHeaders(proposal)
  if (isRefused(headers)) return headers
  const chaincode = nameOf(headers.extension)
  if (isRefused(chaincode)) return chaincode
  const payload = decode(ChaincodeProposalPayload, proposal.payload)
  if (isRefused(payload)) return payload
  const invocation = decode(ChaincodeInvocationSpec, payload.input)
  if (isRefused(invocation)) return invocation
  if (invocation.chaincodeSpec === undefined) return { refused: 'chaincode invocation spec did not contain chaincode spec' }
  const { input } = invocation.chaincodeSpec
  if (input === undefined) return { refused: 'chaincode input did not contain any input' }
  const hash = proposalHash(headers.header, ChaincodeProposalPayload.encode({ input: payload.input }))
  return { signed, read: { proposal, ...headers, payload, invocation }, chaincode, input, hash }
}

/** Tells a refusal from what was asked for. */
export function isRefused(value: object | string | undefined): value is Refused {
  return typeof value === 'object' && 'refused' in value
}

/** Decodes a part of a proposal, or says of what kind it should have been. @see Fabric `protoutil/unmarshalers.go` */
export function decode<T extends object>(type: Message<T>, bytes: Uint8Array): T | Refused {
  const decoded = type.decode(bytes)
  if (!isFault(decoded)) return decoded
  return { refused: `error unmarshalling ${type.name.replace(/^.*\./, '')}: ${decoded.detail ?? decoded.fault}` }
}

type Headers = Pick<ReadProposal, 'header' | 'channel' | 'signature' | 'extension'>

function unpackHeaders(proposal: Proposal): Headers | Refused {
  const header = decode(Header, proposal.header)
  if (isRefused(header)) return header
  const channel = decode(ChannelHeader, header.channelHeader)
  if (isRefused(channel)) return channel
  const signature = decode(SignatureHeader, header.signatureHeader)
  if (isRefused(signature)) return signature
  const extension = decode(ChaincodeHeaderExtension, channel.extension)
  return isRefused(extension) ? extension : { header, channel, signature, extension }
}

function nameOf({ chaincodeId }: ChaincodeHeaderExtension): string | Refused {
  if (chaincodeId === undefined) return { refused: 'ChaincodeHeaderExtension.ChaincodeId is nil' }
  return chaincodeId.name === '' ? { refused: 'ChaincodeHeaderExtension.ChaincodeId.Name is empty' } : chaincodeId.name
}
