import { randomBytes } from 'node:crypto'
import {
  assembleTransaction,
  buildProposal,
  buildReadWriteSets,
  ChaincodeAction,
  Envelope,
  endorse,
  Header,
  HeaderType,
  openEnvelope,
  ProposalResponsePayload,
  proposalHash,
  readChaincodeAction,
  readEndorserTransaction,
  readHeader,
  readReadWriteSet,
  type Signer,
  withoutTransientMap,
  writeReadWriteSet,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault, type Millis } from '@kumiko/interface'

/** Who makes a transaction that conflicts. */
export interface ConflictOptions {
  /** Who signs it. */
  readonly signer: Signer
  /** Who endorses it: a peer of each organisation satisfies any policy that can be satisfied. */
  readonly endorsers: readonly Signer[]
  /** Unix milliseconds. */
  readonly now: Millis
  /** Only transactions of this chaincode. Default: of any but `_lifecycle`. */
  readonly chaincode?: string
  /** The value that a key has now; undefined where it has none. */
  readonly valueOf: (namespace: string, key: string) => Promise<Uint8Array | undefined>
}

/** Transactions that make another one invalid, and leave the state as it was. */
export interface Conflict {
  /** `Envelope`s' bytes, to be ordered before the other. */
  readonly before: readonly Uint8Array[]
  /** To be ordered after it. */
  readonly after: readonly Uint8Array[]
}

/**
 * Makes transactions because of which another one is no longer valid (`MVCC_READ_CONFLICT`): a key that it read is written anew, with the value
 * that it has; or, where it has none, written before and deleted after.
 * @param envelope - The other transaction's `Envelope`.
 * @returns Undefined where nothing can conflict with it: it read no key, or is none that chaincode made.
 */
export async function conflictWith(envelope: Uint8Array, options: ConflictOptions): Promise<Conflict | undefined> {
  const target = firstRead(envelope)
  if (target === undefined || isFault(target)) return
  const { channelId, chaincode, version, namespace, key } = target
  if (options.chaincode === undefined ? chaincode === '_lifecycle' : chaincode !== options.chaincode) return
  const value = await options.valueOf(namespace, key)
  const write = (written: Uint8Array | undefined): Uint8Array =>
    writing({ channelId, chaincode, version, namespace, key, value: written }, options)
  if (value !== undefined) return { before: [write(value)], after: [] }
  return { before: [write(new TextEncoder().encode('conflict'))], after: [write(undefined)] }
}

interface ReadKey {
  readonly channelId: string
  readonly chaincode: string
  readonly version: string
  readonly namespace: string
  readonly key: string
}

/** The first key that a transaction read publicly, in its own chaincode. */
function firstRead(envelope: Uint8Array): ReadKey | Fault | undefined {
  const payload = openEnvelope(envelope)
  if (isFault(payload)) return payload
  const header = readHeader(payload)
  if (isFault(header) || header.channel.type !== HeaderType.endorserTransaction) return
  const transaction = readEndorserTransaction(payload)
  if (isFault(transaction)) return transaction
  const action = readChaincodeAction(transaction.responsePayload)
  if (isFault(action)) return action
  const set = readReadWriteSet(action.results)
  if (isFault(set)) return set
  const { name = '', version = '' } = action.chaincodeId ?? {}
  const own = set.namespaces.find(({ namespace }) => namespace === name)
  const key = own?.keyValue.reads[0]?.key
  return key === undefined ? undefined : { channelId: header.channel.channelId, chaincode: name, version, namespace: name, key }
}

interface KeyToWrite extends ReadKey {
  readonly value: Uint8Array | undefined
}

/** A transaction that writes a key, endorsed as if its chaincode had done so. */
function writing({ channelId, chaincode, version, namespace, key, value }: KeyToWrite, options: ConflictOptions): Uint8Array {
  const { signer, endorsers, now } = options
  const timestamp = { seconds: BigInt(Math.floor(now / 1000)), nanos: 0 }
  const request = { channelId, chaincode, args: [new TextEncoder().encode('conflict')], nonce: new Uint8Array(randomBytes(24)), timestamp }
  const { proposal } = buildProposal(request, signer.creator)
  const header = must(Header.decode(proposal.header))
  const sets = buildReadWriteSets([
    { namespace, reads: [], rangeQueries: [], writes: [{ key, value }], metadataWrites: [], collections: [] },
  ])
  const extension = ChaincodeAction.encode({
    results: writeReadWriteSet(sets.public),
    response: { status: 200, message: '', payload: new Uint8Array() },
    chaincodeId: { path: '', name: chaincode, version },
  })
  const hash = proposalHash(header, must(withoutTransientMap(proposal.payload)))
  const response = ProposalResponsePayload.encode({ proposalHash: hash, extension })
  const payload = must(
    assembleTransaction(
      proposal,
      response,
      endorsers.map((endorser) => endorse(response, endorser)),
    ),
  )
  return Envelope.encode({ payload, signature: signer.sign(payload) })
}

/** What we wrote ourselves reads. */
function must<T>(value: T | Fault): T {
  if (isFault(value)) throw new Error(value.fault)
  return value
}
