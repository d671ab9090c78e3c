import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import {
  buildEnvelope,
  checkTransactionsForm,
  Envelope,
  envelopeSignedData,
  type Payload,
  readEnvelope,
  readHeader,
  readPayload,
  readTransactionHeader,
  signEnvelope,
} from './envelope.ts'
import { concatBytes, sha256 } from './hash.ts'
import { ChannelHeader, Header, HeaderType, SignatureHeader } from './header.ts'
import {
  buildProposal,
  ChaincodeProposalPayload,
  endorse,
  endorsementSignedData,
  ProposalResponsePayload,
  proposalHash,
  proposalSignedData,
  readProposal,
  SignedProposal,
  signProposal,
  withoutTransientMap,
} from './proposal.ts'
import type { SignedData, Signer } from './signed-data.ts'
import {
  assembleTransaction,
  ChaincodeAction,
  ChaincodeActionPayload,
  readChaincodeAction,
  readEndorserTransaction,
  Transaction,
} from './transaction.ts'
import { WireWriter } from './wire.ts'

const text = (value: string): Uint8Array => new TextEncoder().encode(value)
const EMPTY = new Uint8Array()
/** Signs by hashing: good enough to see what was signed, and by whom. */
const signerOf = (name: string): Signer => ({ creator: text(name), sign: (message) => sha256(text(name), message) })
const isSigned = ({ identity, message, signature }: SignedData): boolean => Buffer.compare(sha256(identity, message), signature) === 0
function good<T>(value: T): Exclude<T, { readonly fault: string }> {
  if (isFault(value)) throw new Error(`${value.fault}: ${value.detail}`)
  return value as Exclude<T, { readonly fault: string }>
}

const client = signerOf('client')
const request = {
  channelId: 'mychannel',
  chaincode: 'golden',
  args: [text('put'), text('k'), EMPTY],
  transientMap: new Map([['secret', text('s')]]),
  isInit: true,
  nonce: text('24 bytes of randomness..'),
  timestamp: { seconds: 1_795_229_822n, nanos: 5 },
}
const { proposal, txId } = buildProposal(request, client.creator)
const read = good(readProposal(good(SignedProposal.decode(signProposal(proposal, client))).proposalBytes))
const hash = proposalHash(read.header, good(withoutTransientMap(proposal.payload)))
const responsePayload = ProposalResponsePayload.encode({ proposalHash: hash, extension: ChaincodeAction.encode({ results: text('r') }) })
const endorsements = [signerOf('peer0'), signerOf('peer1')].map((signer) => endorse(responsePayload, signer))
const payloadBytes = good(assembleTransaction(proposal, responsePayload, endorsements))

describe('proposals', () => {
  it('are read as they were built and signed', () => {
    const signed = good(SignedProposal.decode(signProposal(proposal, client)))
    expect(isSigned(proposalSignedData(signed, read.signature))).toBe(true)
    expect(read.channel).toMatchObject({ type: HeaderType.endorserTransaction, channelId: 'mychannel', txId, epoch: 0n })
    expect(read.extension.chaincodeId?.name).toBe('golden')
    expect(read.payload.transientMap).toEqual(request.transientMap)
    expect(read.invocation.chaincodeSpec?.input).toEqual({ args: request.args, decorations: new Map(), isInit: true })
  })

  it('hash without their transient map', () => {
    const input = good(ChaincodeProposalPayload.decode(proposal.payload)).input
    const bare = ChaincodeProposalPayload.encode({ input })
    expect(withoutTransientMap(proposal.payload)).toEqual(bare)
    expect(hash).toEqual(sha256(read.header.channelHeader, read.header.signatureHeader, bare))
  })

  it('are at fault by one name at any level', () => {
    const bad = Uint8Array.of(0x0a, 9)
    const header = Header.encode({ channelHeader: bad })
    for (const broken of [
      bad,
      new WireWriter().bytes(1, bad).finish(),
      new WireWriter().bytes(1, header).finish(),
      new WireWriter().bytes(2, bad).finish(),
    ]) {
      expect(readProposal(broken)).toMatchObject({ fault: 'fabric-protocol/bad-proposal' })
    }
    expect(withoutTransientMap(bad)).toMatchObject({ fault: 'fabric-protocol/bad-proposal' })
    expect(assembleTransaction({ ...proposal, header: bad }, responsePayload, [])).toMatchObject({ fault: 'fabric-protocol/bad-proposal' })
  })
})

describe('transactions', () => {
  const envelope = good(readEnvelope(signEnvelope(payloadBytes, client)))
  const payload = good(readPayload(envelope.payload))
  const header = good(readTransactionHeader(payload))

  it('are read as they were assembled, endorsed and signed', () => {
    expect(isSigned(envelopeSignedData(envelope, header))).toBe(true)
    const transaction = good(readEndorserTransaction(payload))
    expect(transaction.responsePayloadBytes).toEqual(responsePayload)
    expect(endorsementSignedData(transaction.responsePayloadBytes, transaction.endorsements).map(isSigned)).toEqual([true, true])
    expect(good(readChaincodeAction(transaction.responsePayload)).results).toEqual(text('r'))
    expect(good(ChaincodeProposalPayload.decode(transaction.proposalPayload)).transientMap.size).toBe(0)
  })

  const nonce = text('nonce')
  const creator = text('creator')
  const withHeader = (channel: Partial<ChannelHeader>, signature: Partial<SignatureHeader>): Payload => ({
    header: { channelHeader: ChannelHeader.encode(channel), signatureHeader: SignatureHeader.encode(signature) },
    data: EMPTY,
  })
  it.each([
    ['there is none', { header: undefined, data: EMPTY }],
    ['common.ChannelHeader: cut short at byte 1', { header: { channelHeader: Uint8Array.of(8), signatureHeader: EMPTY }, data: EMPTY }],
    ['common.SignatureHeader: cut short at byte 1', { header: { channelHeader: EMPTY, signatureHeader: Uint8Array.of(8) }, data: EMPTY }],
    ['type 5 is not that of a transaction', withHeader({ type: 5 }, { nonce, creator })],
    ['type -1 is not that of a transaction', withHeader({ type: -1 }, { nonce, creator })],
    ['epoch is 18446744073709551615, not 0', withHeader({ type: 3, epoch: 2n ** 64n - 1n }, { nonce, creator })],
    ['the nonce is empty', withHeader({ type: 3 }, { creator })],
    ['the creator is empty', withHeader({ type: 1 }, { nonce })],
  ])('have a bad common header: %s', (detail, payload) => {
    expect(readTransactionHeader(payload)).toEqual({ fault: 'fabric-protocol/bad-common-header', detail: detail })
  })

  const action = { header: SignatureHeader.encode({ nonce, creator }), payload: ChaincodeActionPayload.encode({}) }
  const nothing = { action: { proposalResponsePayload: responsePayload, endorsements: [] } }
  const endorsed = ChaincodeActionPayload.encode({ ...nothing, chaincodeProposalPayload: Uint8Array.of(8) })
  it.each([
    ['protos.Transaction: cut short at byte 1', Uint8Array.of(8)],
    ['it has 0 actions, not 1', EMPTY],
    ['it has 2 actions, not 1', Transaction.encode({ actions: [action, action] })],
    ['the nonce is empty', Transaction.encode({ actions: [{ ...action, header: EMPTY }] })],
    ['common.SignatureHeader: cut short at byte 1', Transaction.encode({ actions: [{ ...action, header: Uint8Array.of(8) }] })],
    ['nothing is endorsed', Transaction.encode({ actions: [action] })],
    ['protos.ChaincodeActionPayload: cut short at byte 1', Transaction.encode({ actions: [{ ...action, payload: Uint8Array.of(8) }] })],
    ['it has no proposal', Transaction.encode({ actions: [{ ...action, payload: ChaincodeActionPayload.encode(nothing) }] })],
    ['the proposal hash does not match', Transaction.encode({ actions: [{ ...action, payload: endorsed }] })],
  ])('are bad: %s', (detail, data) => {
    expect(readEndorserTransaction({ header: payload.header, data })).toEqual({ fault: 'fabric-protocol/bad-transaction', detail })
  })

  it('have levels with faults of their own', () => {
    expect(readEnvelope(Uint8Array.of(8))).toMatchObject({ fault: 'fabric-protocol/bad-envelope' })
    expect(readPayload(Uint8Array.of(8))).toMatchObject({ fault: 'fabric-protocol/bad-payload' })
    expect(readChaincodeAction({ proposalHash: EMPTY, extension: Uint8Array.of(8) })).toMatchObject({ fault: 'fabric-protocol/bad-action' })
  })
})

describe('envelopes', () => {
  it('of any type are built and signed', () => {
    const bytes = buildEnvelope({ type: HeaderType.deliverSeekInfo, channelId: 'c' }, text('data'), text('nonce'), client)
    const envelope = good(readEnvelope(bytes))
    const payload = good(readPayload(envelope.payload))
    const header = good(readHeader(payload))
    expect([header.channel.type, payload.data, isSigned(envelopeSignedData(envelope, header))]).toEqual([5, text('data'), true])
  })

  const formOf = (bytes: Uint8Array): string | undefined => checkTransactionsForm([bytes])?.detail
  const canonical = Envelope.encode({ payload: text('p'), signature: text('s') })
  it('are well formed in one form only, but unknown fields may follow', () => {
    const unknown = new WireWriter().string(9, 'x').rawField(10, 0, Uint8Array.of(0x80, 0)).finish()
    expect(formOf(canonical)).toBeUndefined()
    expect(formOf(concatBytes([canonical, unknown]))).toBeUndefined()
    const other = 'transaction 0: its bytes are not those that it would be written as'
    expect(formOf(concatBytes([unknown, canonical]))).toBe(other)
    expect(formOf(concatBytes([canonical, canonical]))).toBe(other)
    expect(formOf(concatBytes([canonical.subarray(3), canonical.subarray(0, 3)]))).toBe(other)
    expect(formOf(Uint8Array.of(0x8a, 0, 1, 0x70, ...canonical.subarray(3)))).toBe(other)
    expect(formOf(concatBytes([canonical, Uint8Array.of(0xca, 0x80, 0, 0)]))).toBe(other)
  })

  it('need a payload and a signature; a block needs a transaction', () => {
    expect(formOf(Envelope.encode({ payload: text('p') }))).toBe('transaction 0: the signature is empty')
    expect(formOf(Envelope.encode({ signature: text('p') }))).toBe('transaction 0: the payload is empty')
    expect(formOf(Uint8Array.of(8))).toBe('transaction 0: common.Envelope: cut short at byte 1')
    expect(checkTransactionsForm([])).toMatchObject({ fault: 'fabric-protocol/empty-block' })
  })
})
