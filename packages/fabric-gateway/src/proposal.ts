import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { type ReadProposal, readProposal, type SignedProposal } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** What a client asks a gateway for. */
export interface Asking {
  readonly signed: SignedProposal
  readonly proposal: ReadProposal
  readonly channelId: string
  readonly chaincode: string
  readonly hasTransientData: boolean
}

/**
 * What an evaluation is asked of.
 * @throws RpcError INVALID_ARGUMENT.
 * @see Fabric `internal/pkg/gateway/evaluate.go` getChannelAndChaincodeFromSignedProposal
 */
export function readEvaluation(signed: SignedProposal | undefined): Asking {
  if (signed === undefined || signed.proposalBytes.length === 0) throw cannotUnpack('a signed proposal is required')
  const asking = read(signed)
  if (typeof asking === 'string') throw cannotUnpack(asking)
  const lack = lackOf(asking)
  if (lack !== undefined) throw cannotUnpack(lack)
  return asking
}

/**
 * What an endorsement is asked of: what is missing in it is for the endorsers to refuse.
 * @throws RpcError INVALID_ARGUMENT.
 */
export function readEndorsement(signed: SignedProposal | undefined): Asking {
  if (signed === undefined || signed.proposalBytes.length === 0)
    throw new RpcError(RpcStatus.invalidArgument, 'the proposed transaction must contain a signed proposal')
  const asking = read(signed)
  if (typeof asking === 'string') throw new RpcError(RpcStatus.invalidArgument, asking)
  return asking
}

function read(signed: SignedProposal): Asking | string {
  const proposal = readProposal(signed.proposalBytes)
  if (isFault(proposal)) return `error unmarshalling Proposal: ${proposal.detail ?? proposal.fault}`
  const { channel, invocation, payload } = proposal
  const chaincode = invocation.chaincodeSpec?.chaincodeId?.name ?? ''
  return { signed, proposal, channelId: channel.channelId, chaincode, hasTransientData: payload.transientMap.size > 0 }
}

function lackOf({ proposal: { invocation }, channelId, chaincode }: Asking): string | undefined {
  if (channelId === '') return 'no channel id provided'
  const { chaincodeSpec: spec } = invocation
  if (spec === undefined) return `no chaincode spec is provided, channel id [${channelId}]`
  if (spec.chaincodeId === undefined) return `no chaincode id is provided, channel id [${channelId}]`
  return chaincode === '' ? `no chaincode name is provided, channel id [${channelId}]` : undefined
}

function cannotUnpack(why: string): RpcError {
  return new RpcError(RpcStatus.invalidArgument, `failed to unpack transaction proposal: ${why}`)
}
