import { ChaincodeEvent, Response } from './chaincode.ts'
import { Envelope } from './envelope.ts'
import { bytes, int32, type Message, message, nested, repeatedNested, repeatedString, string, uint64 } from './message.ts'
import { SignedProposal } from './proposal.ts'
import { SeekPosition } from './seek-position.ts'

/** `gateway.EvaluateRequest`. */
export interface EvaluateRequest {
  readonly transactionId: string
  readonly channelId: string
  readonly proposedTransaction: SignedProposal | undefined
  /** MSP ids; empty: any. */
  readonly targetOrganizations: readonly string[]
}

/** `gateway.EvaluateRequest`. */
export const EvaluateRequest: Message<EvaluateRequest> = message<EvaluateRequest>('gateway.EvaluateRequest', {
  transactionId: string(1),
  channelId: string(2),
  proposedTransaction: nested(3, () => SignedProposal),
  targetOrganizations: repeatedString(4),
})

/** `gateway.EvaluateResponse`. */
export interface EvaluateResponse {
  readonly result: Response | undefined
}

/** `gateway.EvaluateResponse`. */
export const EvaluateResponse: Message<EvaluateResponse> = message<EvaluateResponse>('gateway.EvaluateResponse', {
  result: nested(1, () => Response),
})

/** `gateway.EndorseRequest`. */
export interface EndorseRequest {
  readonly transactionId: string
  readonly channelId: string
  readonly proposedTransaction: SignedProposal | undefined
  /** MSP ids, one peer of each; empty: what the policies ask for. */
  readonly endorsingOrganizations: readonly string[]
}

/** `gateway.EndorseRequest`. */
export const EndorseRequest: Message<EndorseRequest> = message<EndorseRequest>('gateway.EndorseRequest', {
  transactionId: string(1),
  channelId: string(2),
  proposedTransaction: nested(3, () => SignedProposal),
  endorsingOrganizations: repeatedString(4),
})

/** `gateway.EndorseResponse`. */
export interface EndorseResponse {
  /** Without signature: the client's to add. */
  readonly preparedTransaction: Envelope | undefined
}

/** `gateway.EndorseResponse`. */
export const EndorseResponse: Message<EndorseResponse> = message<EndorseResponse>('gateway.EndorseResponse', {
  preparedTransaction: nested(1, () => Envelope),
})

/** `gateway.SubmitRequest`. */
export interface SubmitRequest {
  readonly transactionId: string
  readonly channelId: string
  readonly preparedTransaction: Envelope | undefined
}

/** `gateway.SubmitRequest`. */
export const SubmitRequest: Message<SubmitRequest> = message<SubmitRequest>('gateway.SubmitRequest', {
  transactionId: string(1),
  channelId: string(2),
  preparedTransaction: nested(3, () => Envelope),
})

/** `gateway.SubmitResponse`: an orderer took the transaction. */
export type SubmitResponse = object

/** `gateway.SubmitResponse`. */
export const SubmitResponse: Message<SubmitResponse> = message<SubmitResponse>('gateway.SubmitResponse', {})

/** `gateway.SignedCommitStatusRequest`. */
export interface SignedCommitStatusRequest {
  /** A {@link CommitStatusRequest}'s bytes: what is signed. */
  readonly request: Uint8Array
  readonly signature: Uint8Array
}

/** `gateway.SignedCommitStatusRequest`. */
export const SignedCommitStatusRequest: Message<SignedCommitStatusRequest> = message<SignedCommitStatusRequest>(
  'gateway.SignedCommitStatusRequest',
  { request: bytes(1), signature: bytes(2) },
)

/** `gateway.CommitStatusRequest`. */
export interface CommitStatusRequest {
  readonly transactionId: string
  readonly channelId: string
  /** A `SerializedIdentity`'s bytes: who asks. */
  readonly identity: Uint8Array
}

/** `gateway.CommitStatusRequest`. */
export const CommitStatusRequest: Message<CommitStatusRequest> = message<CommitStatusRequest>('gateway.CommitStatusRequest', {
  transactionId: string(1),
  channelId: string(2),
  identity: bytes(3),
})

/** `gateway.CommitStatusResponse`. */
export interface CommitStatusResponse {
  /** A `ValidationCode`. */
  readonly result: number
  readonly blockNumber: bigint
}

/** `gateway.CommitStatusResponse`. */
export const CommitStatusResponse: Message<CommitStatusResponse> = message<CommitStatusResponse>('gateway.CommitStatusResponse', {
  result: int32(1),
  blockNumber: uint64(2),
})

/** `gateway.SignedChaincodeEventsRequest`. */
export interface SignedChaincodeEventsRequest {
  /** A {@link ChaincodeEventsRequest}'s bytes: what is signed. */
  readonly request: Uint8Array
  readonly signature: Uint8Array
}

/** `gateway.SignedChaincodeEventsRequest`. */
export const SignedChaincodeEventsRequest: Message<SignedChaincodeEventsRequest> = message<SignedChaincodeEventsRequest>(
  'gateway.SignedChaincodeEventsRequest',
  { request: bytes(1), signature: bytes(2) },
)

/** `gateway.ChaincodeEventsRequest`. */
export interface ChaincodeEventsRequest {
  readonly channelId: string
  readonly chaincodeId: string
  /** A `SerializedIdentity`'s bytes: who asks. */
  readonly identity: Uint8Array
  /** Absent: the next block to be committed. */
  readonly startPosition: SeekPosition | undefined
  /** Where the ledger has it, events come after this transaction's, wherever the start position is. */
  readonly afterTransactionId: string
}

/** `gateway.ChaincodeEventsRequest`. */
export const ChaincodeEventsRequest: Message<ChaincodeEventsRequest> = message<ChaincodeEventsRequest>('gateway.ChaincodeEventsRequest', {
  channelId: string(1),
  chaincodeId: string(2),
  identity: bytes(3),
  startPosition: nested(4, () => SeekPosition),
  afterTransactionId: string(5),
})

/** The events of a block. `gateway.ChaincodeEventsResponse`. */
export interface ChaincodeEventsResponse {
  /** In the order of the block's transactions. */
  readonly events: readonly ChaincodeEvent[]
  readonly blockNumber: bigint
}

/** `gateway.ChaincodeEventsResponse`. */
export const ChaincodeEventsResponse: Message<ChaincodeEventsResponse> = message<ChaincodeEventsResponse>(
  'gateway.ChaincodeEventsResponse',
  { events: repeatedNested(1, () => ChaincodeEvent), blockNumber: uint64(2) },
)

/** What one peer or orderer said, among an error's details. `gateway.ErrorDetail`. */
export interface ErrorDetail {
  /** `host:port`. */
  readonly address: string
  readonly mspId: string
  readonly message: string
}

/** `gateway.ErrorDetail`. */
export const ErrorDetail: Message<ErrorDetail> = message<ErrorDetail>('gateway.ErrorDetail', {
  address: string(1),
  mspId: string(2),
  message: string(3),
})

/** A proposal with what was signed of it, as clients keep it for signing elsewhere. `gateway.ProposedTransaction`. */
export interface ProposedTransaction {
  readonly transactionId: string
  readonly proposal: SignedProposal | undefined
  readonly endorsingOrganizations: readonly string[]
}

/** `gateway.ProposedTransaction`. */
export const ProposedTransaction: Message<ProposedTransaction> = message<ProposedTransaction>('gateway.ProposedTransaction', {
  transactionId: string(1),
  proposal: nested(2, () => SignedProposal),
  endorsingOrganizations: repeatedString(3),
})

/** An endorsed transaction, as clients keep it for signing elsewhere. `gateway.PreparedTransaction`. */
export interface PreparedTransaction {
  readonly transactionId: string
  readonly envelope: Envelope | undefined
}

/** `gateway.PreparedTransaction`. */
export const PreparedTransaction: Message<PreparedTransaction> = message<PreparedTransaction>('gateway.PreparedTransaction', {
  transactionId: string(1),
  envelope: nested(2, () => Envelope),
})
