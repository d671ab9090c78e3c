import { certificateOf } from '@kumiko/fabric-msp'
import {
  type Block,
  blockHash,
  ChaincodeEvent,
  ChaincodeInvocationSpec,
  ChaincodeProposalPayload,
  type CommonHeader,
  HeaderType,
  openEnvelope,
  type Payload,
  readChaincodeAction,
  readEndorserTransaction,
  readHeader,
  readReadWriteSet,
  readTransactionsFilter,
  SerializedIdentity,
  toHex,
  validationCodeName,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'

/** A block in words. */
export interface BlockSummary {
  readonly number: bigint
  /** Hex. */
  readonly hash: string
  readonly transactions: readonly TransactionSummary[]
}

/** A transaction in words. Texts are cut off at 200 characters. */
export interface TransactionSummary {
  /** Empty for a configuration. */
  readonly txId: string
  readonly kind: 'transaction' | 'configuration' | 'other'
  /** `VALID`, `MVCC_READ_CONFLICT`; undefined where the block was not validated. */
  readonly validation: string | undefined
  /** Who sent it: `Org1MSP`. */
  readonly mspId: string
  /** `User1@org1.example.com`. */
  readonly sender: string
  /** What chaincode did; undefined where it did nothing. */
  readonly call: CallSummary | undefined
}

/** What chaincode was asked, and what it did. */
export interface CallSummary {
  readonly chaincode: string
  readonly function: string
  /** What follows the function; bytes that are no text are told by their length. */
  readonly args: readonly string[]
  /** How many keys it wrote or deleted, in public and in collections. */
  readonly writes: number
  /** The name of its event. */
  readonly event: string | undefined
  /** The organisations that endorsed it. */
  readonly endorsers: readonly string[]
}

const TEXT_MAX = 200

/** What a block is about. Parts that cannot be read are left empty. */
export function summarizeBlock(block: Block): BlockSummary {
  const codes = readTransactionsFilter(block)
  return {
    number: block.header.number,
    hash: toHex(blockHash(block.header)),
    transactions: block.data.map((item, at) => summarize(item, codes?.[at])),
  }
}

function summarize(item: Uint8Array, code: number | undefined): TransactionSummary {
  const validation = code === undefined || code === 254 ? undefined : (validationCodeName(code) ?? String(code))
  const payload = openEnvelope(item)
  const header = isFault(payload) ? payload : readHeader(payload)
  if (isFault(payload) || isFault(header)) return { txId: '', kind: 'other', validation, mspId: '', sender: '', call: undefined }
  const { type, txId } = header.channel
  const kind = KINDS.get(type) ?? 'other'
  return { txId: cut(txId), kind, validation, ...senderOf(header), call: kind === 'transaction' ? callOf(payload) : undefined }
}

const KINDS: ReadonlyMap<number, TransactionSummary['kind']> = new Map([
  [HeaderType.endorserTransaction, 'transaction'],
  [HeaderType.config, 'configuration'],
])

function senderOf({ signature }: CommonHeader): Pick<TransactionSummary, 'mspId' | 'sender'> {
  const certificate = certificateOf(signature.creator)
  const commonName = isFault(certificate) ? undefined : certificate.subject.attributes.find(({ type }) => type === COMMON_NAME)
  return { mspId: mspIdOf(signature.creator), sender: cut(commonName?.value ?? '') }
}

/** The attribute `commonName`. @see RFC 5280 § A.1 */
const COMMON_NAME = '2.5.4.3'

function callOf(payload: Payload): CallSummary | undefined {
  const transaction = readEndorserTransaction(payload)
  if (isFault(transaction)) return
  const action = readChaincodeAction(transaction.responsePayload)
  const proposal = ChaincodeProposalPayload.decode(transaction.proposalPayload)
  const invocation = isFault(proposal) ? proposal : ChaincodeInvocationSpec.decode(proposal.input)
  if (isFault(action) || isFault(invocation)) return
  const [name, ...args] = (invocation.chaincodeSpec?.input?.args ?? []).map(textOf)
  const event = action.events.length === 0 ? undefined : ChaincodeEvent.decode(action.events)
  return {
    chaincode: cut(invocation.chaincodeSpec?.chaincodeId?.name ?? ''),
    function: name ?? '',
    args,
    writes: writesOf(action.results),
    event: event === undefined || isFault(event) ? undefined : cut(event.eventName),
    endorsers: [...new Set(transaction.endorsements.map(({ endorser }) => mspIdOf(endorser)))],
  }
}

function writesOf(results: Uint8Array): number {
  const set = readReadWriteSet(results)
  if (isFault(set)) return 0
  const counts = set.namespaces.map(({ keyValue, collections }) =>
    collections.reduce((sum, { hashed }) => sum + hashed.hashedWrites.length, keyValue.writes.length),
  )
  return counts.reduce((sum, count) => sum + count, 0)
}

function mspIdOf(serialized: Uint8Array): string {
  const identity = SerializedIdentity.decode(serialized)
  return isFault(identity) ? '' : cut(identity.mspId)
}

function textOf(bytes: Uint8Array): string {
  try {
    const text = new TextDecoder('utf-8', { fatal: true }).decode(bytes.subarray(0, TEXT_MAX * 4))
    return /\p{Cc}/u.test(text) ? `(${bytes.length} bytes)` : cut(text)
  } catch {
    return `(${bytes.length} bytes)`
  }
}

function cut(text: string): string {
  return text.length > TEXT_MAX ? `${text.slice(0, TEXT_MAX)}…` : text
}
