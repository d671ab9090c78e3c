import { type BoundMethod, limited, serve, type UnaryMethod, unary } from '@kumiko/fabric-grpc'
import { ProposalResponse, SignedProposal } from '@kumiko/fabric-protocol'
import type { Endorser, EndorserOptions } from './contract.ts'

/** `protos.Endorser/ProcessProposal`. */
export const PROCESS_PROPOSAL: UnaryMethod<SignedProposal, ProposalResponse> = unary(
  '/protos.Endorser/ProcessProposal',
  SignedProposal,
  ProposalResponse,
)

/** Fabric's `peer.limits.concurrency.endorserService`. */
const PROPOSALS_MAX = 2500

/** Serves an endorser: for a listener. A client that has gone ends its simulation. */
export function endorserService(
  { processProposal }: Endorser,
  { proposalsMax = PROPOSALS_MAX }: EndorserOptions['limits'] = {},
): BoundMethod[] {
  return limited([serve(PROCESS_PROPOSAL, (signed, { signal }) => processProposal(signed, { signal }))], proposalsMax)
}
