import type { ChannelBundle } from '@kumiko/fabric-msp'
import {
  ChaincodeEvent,
  type CommonHeader,
  type EndorserTransaction,
  type Envelope,
  endorsementMessage,
  HeaderType,
  type Payload,
  readChaincodeAction,
  readEndorserTransaction,
  readEnvelope,
  readHeaderExtension,
  readPayload,
  readTransactionHeader,
  transactionId,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** What checks without state ask of a channel. */
export type TransactionRules = Pick<ChannelBundle, 'channelId'> & { readonly msps: Pick<ChannelBundle['msps'], 'deserialize'> }

/** An endorsement, with what its signature is worth. */
export interface CheckedEndorsement {
  /** A `SerializedIdentity`'s bytes. */
  readonly endorser: Uint8Array
  /** Whether that identity made the signature over what is endorsed. Not whether it is valid: policies ask that. */
  readonly isVerified: boolean
}

/** An endorser transaction that is well formed and signed by its creator; what the state says of it is still open. */
export interface EndorsedTransaction {
  readonly kind: 'endorsed'
  readonly txId: string
  /** What is wrong before the read-write set is looked at, if the id is no duplicate; then nothing below is known. */
  readonly faultBeforeSet: ValidationCode | undefined
  /** What is wrong if the read-write set can be read; then no endorsement is verified. */
  readonly faultAfterSet: ValidationCode | undefined
  /** Which chaincode was invoked. */
  readonly chaincode: string
  /** A `TxReadWriteSet`'s bytes, not looked at. */
  readonly results: Uint8Array
  readonly endorsements: readonly CheckedEndorsement[]
}

/** What checks without state make of a transaction. Its bytes are views of those given. */
export type CheckedTransaction =
  | { readonly kind: 'refused'; readonly code: ValidationCode }
  /** `data`: a `ConfigEnvelope`'s bytes, not looked at. */
  | { readonly kind: 'config'; readonly data: Uint8Array }
  | EndorsedTransaction

/**
 * Checks of a block's transaction what takes no state: its form, its creator's signature, its id, what hangs together in it, and which
 * endorsements are signed. Pure; nearly all of a committer's work.
 * @param item - An `Envelope`'s bytes, as the block has it.
 * @see Fabric `core/common/validation/msgvalidation.go` ValidateTransaction, then `core/committer/txvalidator/v20/plugindispatcher/dispatcher.go`
 * Dispatch; research § 3.5.2
 */
export function checkTransaction(item: Uint8Array, rules: TransactionRules): CheckedTransaction {
  const envelope = readEnvelope(item)
  if (isFault(envelope)) return refused(ValidationCode.invalidOtherReason)
  const payload = readPayload(envelope.payload)
  if (isFault(payload)) return refused(ValidationCode.badPayload)
  const header = readTransactionHeader(payload)
  if (isFault(header)) return refused(ValidationCode.badCommonHeader)
  if (!isSignedByCreator(envelope, header, rules)) return refused(ValidationCode.badCreatorSignature)
  switch (header.channel.type) {
    case HeaderType.endorserTransaction:
      return checkEndorsed(payload, header, rules)
    case HeaderType.config:
      return payload.data.length === 0 ? refused(ValidationCode.invalidConfigTransaction) : { kind: 'config', data: payload.data }
    default:
      return refused(ValidationCode.unsupportedTxPayload)
  }
}

/** Of a header that names another channel, Fabric asks that channel's organisations, of which a peer may know none. */
function isSignedByCreator(
  { payload, signature }: Envelope,
  { channel, signature: header }: CommonHeader,
  rules: TransactionRules,
): boolean {
  if (channel.channelId !== rules.channelId) return false
  const creator = rules.msps.deserialize(header.creator)
  return !isFault(creator) && creator.validate() === undefined && creator.verify(payload, signature)
}

function checkEndorsed(payload: Payload, header: CommonHeader, rules: TransactionRules): CheckedTransaction {
  if (header.channel.txId !== transactionId(header.signature)) return refused(ValidationCode.badProposalTxid)
  const transaction = readEndorserTransaction(payload)
  if (isFault(transaction)) return refused(ValidationCode.invalidEndorserTransaction)
  return dispatch(transaction, header, rules)
}

const NOTHING = new Uint8Array()

function dispatch(transaction: EndorserTransaction, { channel }: CommonHeader, rules: TransactionRules): EndorsedTransaction {
  const { txId } = channel
  const failed = { kind: 'endorsed', txId, chaincode: '', results: NOTHING, endorsements: [], faultAfterSet: undefined } as const
  const extension = readHeaderExtension(channel)
  if (isFault(extension)) return { ...failed, faultBeforeSet: ValidationCode.badHeaderExtension }
  const { responsePayload } = transaction
  const action = responsePayload.extension.length === 0 ? undefined : readChaincodeAction(responsePayload)
  if (action === undefined || isFault(action)) return { ...failed, faultBeforeSet: ValidationCode.badResponsePayload }
  const chaincode = extension.chaincodeId?.name ?? ''
  const faultAfterSet = chaincodeFault(extension.chaincodeId, action.chaincodeId) ?? eventFault(action.events, chaincode)
  const endorsements = faultAfterSet === undefined ? checkEndorsements(transaction, rules) : []
  return { kind: 'endorsed', txId, faultBeforeSet: undefined, faultAfterSet, chaincode, results: action.results, endorsements }
}

interface NamedChaincode {
  readonly name: string
  readonly version: string
}

/** The version only has to be there: which one is defined, nobody asks. */
function chaincodeFault(invoked: NamedChaincode | undefined, acted: NamedChaincode | undefined): ValidationCode | undefined {
  if (invoked === undefined || acted === undefined) return ValidationCode.invalidOtherReason
  const isNamed = invoked.name !== '' && invoked.name === acted.name && acted.version !== ''
  return isNamed ? undefined : ValidationCode.invalidChaincode
}

function eventFault(bytes: Uint8Array, chaincode: string): ValidationCode | undefined {
  if (bytes.length === 0) return
  const event = ChaincodeEvent.decode(bytes)
  return isFault(event) || event.chaincodeId !== chaincode ? ValidationCode.invalidOtherReason : undefined
}

/** An identity that is kept already needs no second signature: policies count it once. @see Fabric `common/policies/policy.go` */
function checkEndorsements(transaction: EndorserTransaction, { msps }: TransactionRules): CheckedEndorsement[] {
  const kept = new Set<string>()
  return transaction.endorsements.map(({ endorser, signature }) => {
    const identity = msps.deserialize(endorser)
    if (isFault(identity)) return { endorser, isVerified: false }
    const id = identity.mspId + identity.id
    const isVerified = !kept.has(id) && identity.verify(signedBy(endorser, transaction), signature)
    if (isVerified) kept.add(id)
    return { endorser, isVerified }
  })
}

/** What is signed at once: as large as the largest so far, up to a bound. */
let message = new Uint8Array(4096)
const MESSAGE_KEPT_MAX = 1_048_576

/** `endorsementMessage` of fabric-protocol, in bytes that last until the next call: a buffer each would cost a tenth of the signature's check. */
function signedBy(endorser: Uint8Array, { responsePayloadBytes }: EndorserTransaction): Uint8Array {
  const size = responsePayloadBytes.length + endorser.length
  if (size > MESSAGE_KEPT_MAX) return endorsementMessage(responsePayloadBytes, endorser)
  if (size > message.length) message = new Uint8Array(size)
  message.set(responsePayloadBytes)
  message.set(endorser, responsePayloadBytes.length)
  return message.subarray(0, size)
}

function refused(code: ValidationCode): CheckedTransaction {
  return { kind: 'refused', code }
}
