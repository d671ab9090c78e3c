import { type Fault, isFault } from '@kumiko/interface'
import { ChaincodeId, Response } from './chaincode.ts'
import { lackOf, Payload } from './envelope.ts'
import { Header, SignatureHeader } from './header.ts'
import { atLevel, faultAt } from './level.ts'
import { bytes, type Message, message, nested, repeatedNested } from './message.ts'
import { Endorsement, type Proposal, ProposalResponsePayload, proposalHash, withoutTransientMap } from './proposal.ts'
import { equalBytes } from './utf8-order.ts'

/** `protos.TransactionAction`. */
export interface TransactionAction {
  /** A `SignatureHeader`'s bytes: part of the proposal's hash. */
  readonly header: Uint8Array
  /** A {@link ChaincodeActionPayload}'s bytes. */
  readonly payload: Uint8Array
}

/** `protos.TransactionAction`. */
export const TransactionAction: Message<TransactionAction> = message<TransactionAction>('protos.TransactionAction', {
  header: bytes(1),
  payload: bytes(2),
})

/** `protos.Transaction`. */
export interface Transaction {
  /** Fabric takes no transaction with more or fewer than one. */
  readonly actions: readonly TransactionAction[]
}

/** `protos.Transaction`. */
export const Transaction: Message<Transaction> = message<Transaction>('protos.Transaction', {
  actions: repeatedNested(1, () => TransactionAction),
})

/** `protos.ChaincodeEndorsedAction`. */
export interface ChaincodeEndorsedAction {
  /** A `ProposalResponsePayload`'s bytes: what is endorsed. */
  readonly proposalResponsePayload: Uint8Array
  readonly endorsements: readonly Endorsement[]
}

/** `protos.ChaincodeEndorsedAction`. */
export const ChaincodeEndorsedAction: Message<ChaincodeEndorsedAction> = message<ChaincodeEndorsedAction>(
  'protos.ChaincodeEndorsedAction',
  {
    proposalResponsePayload: bytes(1),
    endorsements: repeatedNested(2, () => Endorsement),
  },
)

/** `protos.ChaincodeActionPayload`. */
export interface ChaincodeActionPayload {
  /** A `ChaincodeProposalPayload`'s bytes, without transient map. */
  readonly chaincodeProposalPayload: Uint8Array
  readonly action: ChaincodeEndorsedAction | undefined
}

/** `protos.ChaincodeActionPayload`. */
export const ChaincodeActionPayload: Message<ChaincodeActionPayload> = message<ChaincodeActionPayload>('protos.ChaincodeActionPayload', {
  chaincodeProposalPayload: bytes(1),
  action: nested(2, () => ChaincodeEndorsedAction),
})

/** What a chaincode did. `protos.ChaincodeAction`. */
export interface ChaincodeAction {
  /** A `TxReadWriteSet`'s bytes. */
  readonly results: Uint8Array
  /** A `ChaincodeEvent`'s bytes, or none. */
  readonly events: Uint8Array
  readonly response: Response | undefined
  readonly chaincodeId: ChaincodeId | undefined
}

/** `protos.ChaincodeAction`. */
export const ChaincodeAction: Message<ChaincodeAction> = message<ChaincodeAction>('protos.ChaincodeAction', {
  results: bytes(1),
  events: bytes(2),
  response: nested(3, () => Response),
  chaincodeId: nested(4, () => ChaincodeId),
})

/** An endorser transaction down to what was endorsed. */
export interface EndorserTransaction {
  /** The action's own, whose nonce and creator are there; Fabric does not compare them with the payload's. */
  readonly signature: SignatureHeader
  /** A `ChaincodeProposalPayload`'s bytes. */
  readonly proposalPayload: Uint8Array
  /** A `ProposalResponsePayload`'s bytes: what each endorsement is over, with the endorser. */
  readonly responsePayloadBytes: Uint8Array
  /** Its hash is that of the proposal. */
  readonly responsePayload: ProposalResponsePayload
  readonly endorsements: readonly Endorsement[]
}

/**
 * The data of a payload of type ENDORSER_TRANSACTION: one action, whose header has nonce and creator, and which answers its own proposal.
 * @returns `fabric-protocol/bad-transaction`: code 5 INVALID_ENDORSER_TRANSACTION.
 * @see Fabric `core/common/validation/msgvalidation.go` validateEndorserTransaction
 */
export function readEndorserTransaction(payload: Payload): EndorserTransaction | Fault {
  const transaction = Transaction.decode(payload.data)
  if (isFault(transaction)) return atLevel(BAD_TRANSACTION, transaction)
  const [action, ...others] = transaction.actions
  if (action === undefined || others.length > 0) return badTransaction(`it has ${transaction.actions.length} actions, not 1`)
  const read = readTransactionAction(action)
  if (isFault(read)) return atLevel(BAD_TRANSACTION, read)
  const header: Header = { channelHeader: payload.header?.channelHeader ?? new Uint8Array(), signatureHeader: action.header }
  const hash = proposalHash(header, read.proposalPayload)
  return equalBytes(hash, read.responsePayload.proposalHash) ? read : badTransaction('the proposal hash does not match')
}

/**
 * What the chaincode did: the extension of a response payload.
 * @returns `fabric-protocol/bad-action`: code 21 BAD_RESPONSE_PAYLOAD.
 */
export function readChaincodeAction(responsePayload: ProposalResponsePayload): ChaincodeAction | Fault {
  return atLevel('fabric-protocol/bad-action', ChaincodeAction.decode(responsePayload.extension))
}

/**
 * The payload, for its creator to sign, of a transaction with these endorsements of one response.
 * @param responsePayload - A `ProposalResponsePayload`'s bytes, the same from all endorsers.
 * @returns `fabric-protocol/bad-proposal` where the proposal is malformed.
 * @see Fabric `protoutil/txutils.go` CreateSignedTx
 */
export function assembleTransaction(
  proposal: Proposal,
  responsePayload: Uint8Array,
  endorsements: readonly Endorsement[],
): Uint8Array | Fault {
  const header = atLevel('fabric-protocol/bad-proposal', Header.decode(proposal.header))
  if (isFault(header)) return header
  const chaincodeProposalPayload = withoutTransientMap(proposal.payload)
  if (isFault(chaincodeProposalPayload)) return chaincodeProposalPayload
  const action = { proposalResponsePayload: responsePayload, endorsements }
  const payload = ChaincodeActionPayload.encode({ chaincodeProposalPayload, action })
  const data = Transaction.encode({ actions: [{ header: header.signatureHeader, payload }] })
  return Payload.encode({ header, data })
}

const BAD_TRANSACTION = 'fabric-protocol/bad-transaction'

function readTransactionAction(action: TransactionAction): EndorserTransaction | Fault {
  const signature = SignatureHeader.decode(action.header)
  if (isFault(signature)) return signature
  const lack = lackOf(signature)
  if (lack !== undefined) return badTransaction(lack)
  const payload = ChaincodeActionPayload.decode(action.payload)
  if (isFault(payload)) return payload
  if (payload.action === undefined) return badTransaction('nothing is endorsed')
  if (payload.chaincodeProposalPayload.length === 0) return badTransaction('it has no proposal')
  const { proposalResponsePayload: responsePayloadBytes, endorsements } = payload.action
  const responsePayload = ProposalResponsePayload.decode(responsePayloadBytes)
  if (isFault(responsePayload)) return responsePayload
  return { signature, proposalPayload: payload.chaincodeProposalPayload, responsePayloadBytes, responsePayload, endorsements }
}

function badTransaction(detail: string): Fault {
  return faultAt(BAD_TRANSACTION, detail)
}
