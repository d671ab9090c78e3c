import { randomBytes } from 'node:crypto'
import {
  assembleTransaction,
  buildProposal,
  Endorsement,
  Envelope,
  equalBytes,
  type ProposalRequest,
  type ProposalResponse,
  type SignedProposal,
  SignedProposal as SignedProposalMessage,
  type Signer,
  signProposal,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError, type Millis } from '@kumiko/interface'

/** What answers proposals: a peer. */
export interface Endorser {
  /** `peer0.org1.example.com`. */
  readonly name: string
  processProposal(signed: SignedProposal, options: { readonly signal: AbortSignal }): Promise<ProposalResponse>
}

/** A transaction that was endorsed and signed: to be ordered. */
export interface EndorsedTransaction {
  readonly txId: string
  /** An `Envelope`'s bytes. */
  readonly envelope: Uint8Array
  /** What the chaincode answered. */
  readonly payload: Uint8Array
}

/** What is asked of a chaincode, and by whom. */
export interface TransactionRequest extends Omit<ProposalRequest, 'nonce' | 'timestamp'> {
  readonly signer: Signer
  /** Unix milliseconds. */
  readonly now: Millis
  readonly signal: AbortSignal
}

/**
 * Has a transaction endorsed by each of these peers.
 * @throws KumikoError `fabric-devnet/refused` with the peer's own words; `fabric-devnet/endorsements-differ`.
 */
export async function endorseBy(endorsers: readonly Endorser[], request: TransactionRequest): Promise<EndorsedTransaction> {
  const { signer, now, signal } = request
  const timestamp = { seconds: BigInt(Math.floor(now / 1000)), nanos: Math.floor(now % 1000) * 1_000_000 }
  const { proposal, txId } = buildProposal({ ...request, nonce: new Uint8Array(randomBytes(24)), timestamp }, signer.creator)
  const signed = SignedProposalMessage.decode(signProposal(proposal, signer))
  if (isFault(signed)) throw new Error(signed.fault)
  const responses = await Promise.all(endorsers.map((endorser) => answerOf(endorser, signed, request, signal)))
  const [first] = responses
  if (first === undefined) throw refused(request, 'there is no peer to ask')
  if (responses.some(({ payload }) => !equalBytes(payload, first.payload))) throw differ(request, endorsers)
  const payload = assembleTransaction(
    proposal,
    first.payload,
    responses.map(({ endorsement }) => endorsement ?? Endorsement.create()),
  )
  if (isFault(payload)) throw new Error(payload.fault)
  const envelope = Envelope.encode({ payload, signature: signer.sign(payload) })
  return { txId, envelope, payload: first.response?.payload ?? new Uint8Array() }
}

async function answerOf(
  endorser: Endorser,
  signed: SignedProposal,
  request: TransactionRequest,
  signal: AbortSignal,
): Promise<ProposalResponse> {
  const answer = await endorser.processProposal(signed, { signal })
  const { status = 0, message = '' } = answer.response ?? {}
  if (status < 200 || status >= 400) throw refused(request, `${endorser.name} answers ${status}: ${message}`)
  return answer
}

function refused({ chaincode, args }: TransactionRequest, why: string): KumikoError {
  const [name = new Uint8Array()] = args
  const operation = `${chaincode} ${new TextDecoder().decode(name)}`
  return new KumikoError('fabric-devnet/refused', `${operation}: ${why}`, { context: { operation } })
}

function differ({ chaincode }: TransactionRequest, endorsers: readonly Endorser[]): KumikoError {
  const names = endorsers.map(({ name }) => name).join(', ')
  const message = `what ${names} answered for ${chaincode} differs: they must have the same blocks`
  return new KumikoError('fabric-devnet/endorsements-differ', message, { context: { chaincode } })
}
