import { serializeIdentity } from '@kumiko/fabric-msp'
import {
  ChaincodeActionPayload,
  ChaincodeEvent,
  ChaincodeHeaderExtension,
  ChannelHeader,
  Envelope,
  HeaderType,
  Payload,
  ProposalResponsePayload,
  proposalHash,
  SignatureHeader,
  Transaction,
  transactionId,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { Authority } from '@kumiko/testkit/fabric'
import { beforeAll, describe, expect, it } from 'vitest'
import { CHAINCODE, Network, type TransactionProfile, text } from '../test/network.ts'
import { type CommitterBundle, readGenesis } from './block-intake.ts'
import { type CheckedTransaction, checkTransaction } from './check-transaction.ts'

let network: Network
let bundle: CommitterBundle

beforeAll(async () => {
  network = await Network.make(2)
  bundle = must(readGenesis(network.genesis, network.channelId))
})

function check(item: Uint8Array): CheckedTransaction {
  return checkTransaction(item, bundle)
}

function refused(code: ValidationCode): CheckedTransaction {
  return { kind: 'refused', code }
}

/** Changes a payload, and signs it again. */
function changed(item: Uint8Array, change: (payload: Payload) => Partial<Payload>): Uint8Array {
  const payload = must(Payload.decode(must(Envelope.decode(item)).payload))
  const bytes = Payload.encode({ ...payload, ...change(payload) })
  return Envelope.encode({ payload: bytes, signature: network.client.sign(bytes) })
}

function withChannelHeader(change: Partial<ChannelHeader>): (payload: Payload) => Partial<Payload> {
  return ({ header }) => {
    const { channelHeader, signatureHeader } = must(header)
    return { header: { channelHeader: ChannelHeader.encode({ ...must(ChannelHeader.decode(channelHeader)), ...change }), signatureHeader } }
  }
}

function withSignatureHeader(change: Partial<SignatureHeader>): (payload: Payload) => Partial<Payload> {
  return ({ header }) => {
    const { channelHeader, signatureHeader } = must(header)
    return {
      header: { channelHeader, signatureHeader: SignatureHeader.encode({ ...must(SignatureHeader.decode(signatureHeader)), ...change }) },
    }
  }
}

/** A transaction whose header's extension is other, and whose proposal hash follows. */
function endorsedAs(profile: TransactionProfile): CheckedTransaction {
  return check(network.transaction(profile))
}

describe('checkTransaction', () => {
  it('takes a transaction as it should be', () => {
    const item = network.transaction()
    const transaction = check(item)
    const [first, second] = network.peers
    expect(transaction).toMatchObject({ kind: 'endorsed', chaincode: CHAINCODE, faultBeforeSet: undefined, faultAfterSet: undefined })
    expect(transaction.kind === 'endorsed' && transaction.endorsements).toEqual([
      { endorser: first?.creator, isVerified: true },
      { endorser: second?.creator, isVerified: true },
    ])
  })

  it('255: is no envelope', () => {
    expect(check(Uint8Array.of(0xff))).toEqual(refused(ValidationCode.invalidOtherReason))
  })

  it('2: has no payload to read', () => {
    expect(check(Envelope.encode({ payload: Uint8Array.of(0xff), signature: text('s') }))).toEqual(refused(ValidationCode.badPayload))
  })

  it.each<[string, (payload: Payload) => Partial<Payload>]>([
    ['no header', () => ({ header: undefined })],
    ['headers that do not read', () => ({ header: { channelHeader: Uint8Array.of(0xff), signatureHeader: new Uint8Array() } })],
    ['an unknown type', withChannelHeader({ type: 99 })],
    ['another epoch', withChannelHeader({ epoch: 1n })],
    ['no nonce', withSignatureHeader({ nonce: new Uint8Array() })],
    ['no creator', withSignatureHeader({ creator: new Uint8Array() })],
  ])('3: has %s', (_, change) => {
    expect(check(changed(network.transaction(), change))).toEqual(refused(ValidationCode.badCommonHeader))
  })

  it('3: has no payload at all', () => {
    expect(check(new Uint8Array())).toEqual(refused(ValidationCode.badCommonHeader))
  })

  it('4: is not signed, or by another', () => {
    const { payload } = must(Envelope.decode(network.transaction()))
    for (const signature of [new Uint8Array(), text('signature'), must(network.peers[0]).sign(payload)]) {
      expect(check(Envelope.encode({ payload, signature }))).toEqual(refused(ValidationCode.badCreatorSignature))
    }
  })

  it('4: names another channel, or none', () => {
    for (const channelId of ['other', '']) expect(endorsedAs({ channelId })).toEqual(refused(ValidationCode.badCreatorSignature))
  })

  it('4: is of a creator that is no member', async () => {
    const [one, two] = network.authorities
    const stranger = await (await Authority.found('OtherMSP')).member('client')
    const pretender = await must(two).member('client', { mspId: 'Org1MSP' })
    const revoked: { client?: Awaited<ReturnType<Authority['member']>> } = {}
    const other = await Network.make(
      1,
      (profile) => profile,
      async ([authority]) => {
        revoked.client = await must(authority).member('client', { isRevoked: true })
      },
    )
    const rules = must(readGenesis(other.genesis, other.channelId))
    expect(checkTransaction(other.transaction({ client: must(revoked.client) }), rules)).toEqual(
      refused(ValidationCode.badCreatorSignature),
    )
    for (const client of [stranger, pretender]) expect(endorsedAs({ client })).toEqual(refused(ValidationCode.badCreatorSignature))
    const garbage = { ...network.client, creator: serializeIdentity(must(one).mspId, text('no certificate')) }
    expect(endorsedAs({ client: garbage })).toEqual(refused(ValidationCode.badCreatorSignature))
  })

  it('takes a creator whose certificate has ended: time is not for validation', async () => {
    const client = await must(network.authorities[0]).member('client', { to: '2021-01-01T00:00:00Z' })
    expect(endorsedAs({ client })).toMatchObject({ kind: 'endorsed', faultAfterSet: undefined })
  })

  it('5: is no transaction of one action that answers its proposal', () => {
    const item = network.transaction()
    const { actions } = must(Transaction.decode(must(Payload.decode(must(Envelope.decode(item)).payload)).data))
    const action = must(actions[0])
    const endorsed = must(ChaincodeActionPayload.decode(action.payload))
    const cases = [
      text('garbage'),
      new Uint8Array(),
      Transaction.encode({ actions: [action, action] }),
      Transaction.encode({ actions: [{ ...action, header: new Uint8Array() }] }),
      Transaction.encode({ actions: [{ ...action, payload: ChaincodeActionPayload.encode({ ...endorsed, action: undefined }) }] }),
      Transaction.encode({
        actions: [{ ...action, payload: ChaincodeActionPayload.encode({ ...endorsed, chaincodeProposalPayload: text('x') }) }],
      }),
    ]
    for (const data of cases) expect(check(changed(item, () => ({ data })))).toEqual(refused(ValidationCode.invalidEndorserTransaction))
  })

  it('6: is an empty configuration', () => {
    const item = changed(network.transaction(), (payload) => ({
      ...withChannelHeader({ type: HeaderType.config })(payload),
      data: new Uint8Array(),
    }))
    expect(check(item)).toEqual(refused(ValidationCode.invalidConfigTransaction))
  })

  it('leaves a configuration to the channel', () => {
    const item = changed(network.transaction(), (payload) => ({
      ...withChannelHeader({ type: HeaderType.config })(payload),
      data: text('x'),
    }))
    expect(check(item)).toEqual({ kind: 'config', data: text('x') })
  })

  it('7: is an update of the configuration', () => {
    expect(check(changed(network.transaction(), withChannelHeader({ type: HeaderType.configUpdate })))).toEqual(
      refused(ValidationCode.unsupportedTxPayload),
    )
  })

  it('8: has another id than nonce and creator make', () => {
    const other = transactionId({ nonce: text('other'), creator: network.client.creator })
    for (const txId of [other, '', other.toUpperCase()])
      expect(check(changed(network.transaction(), withChannelHeader({ txId })))).toEqual(refused(ValidationCode.badProposalTxid))
  })

  it('19: has a header extension that does not read', () => {
    expect(check(reendorsed({ extension: Uint8Array.of(0xff) }))).toMatchObject({ faultBeforeSet: ValidationCode.badHeaderExtension })
  })

  it('21: has no chaincode’s answer to read', () => {
    for (const extension of [new Uint8Array(), Uint8Array.of(0xff)])
      expect(check(reendorsed({}, extension))).toMatchObject({ faultBeforeSet: ValidationCode.badResponsePayload })
  })

  it('255: names no chaincode, or speaks of an event of another', () => {
    const event = (chaincodeId: string) => ChaincodeEvent.encode({ chaincodeId, txId: '', eventName: 'e', payload: new Uint8Array() })
    const other = { faultAfterSet: ValidationCode.invalidOtherReason, endorsements: [] }
    expect(check(reendorsed({ extension: ChaincodeHeaderExtension.encode({}) }))).toMatchObject(other)
    expect(endorsedAs({ action: { chaincodeId: undefined } })).toMatchObject(other)
    expect(endorsedAs({ action: { events: event('other') } })).toMatchObject(other)
    expect(endorsedAs({ action: { events: Uint8Array.of(0xff) } })).toMatchObject(other)
    expect(endorsedAs({ action: { events: event(CHAINCODE) } })).toMatchObject({ faultAfterSet: undefined })
  })

  it('25: names a chaincode badly', () => {
    const invalid = { faultAfterSet: ValidationCode.invalidChaincode, endorsements: [] }
    expect(endorsedAs({ chaincode: '' })).toMatchObject(invalid)
    expect(endorsedAs({ version: '' })).toMatchObject(invalid)
    expect(endorsedAs({ action: { chaincodeId: { path: '', name: 'other', version: '1.0' } } })).toMatchObject(invalid)
  })

  it('tells which endorsements are signed, and does not count an endorser twice', async () => {
    const stranger = await (await Authority.found('OtherMSP')).member('peer')
    const transaction = endorsedAs({
      endorsements: ([first, second]) => [
        { ...must(first), signature: text('bad') },
        must(first),
        must(first),
        { endorser: stranger.creator, signature: must(first).signature },
        { ...must(second), signature: must(first).signature },
      ],
    })
    expect(transaction.kind === 'endorsed' && transaction.endorsements.map(({ isVerified }) => isVerified)).toEqual([
      false,
      true,
      false,
      false,
      false,
    ])
  })
})

/** A transaction with another channel header, and a proposal hash to match; with another extension of its response. */
function reendorsed(change: Partial<ChannelHeader>, extension?: Uint8Array): Uint8Array {
  const payload = must(Payload.decode(must(Envelope.decode(network.transaction())).payload))
  const { header } = { ...payload, ...withChannelHeader(change)(payload) }
  const [action] = must(Transaction.decode(payload.data)).actions
  const endorsed = must(ChaincodeActionPayload.decode(must(action).payload))
  const response = must(ProposalResponsePayload.decode(must(endorsed.action).proposalResponsePayload))
  const hash = proposalHash(
    { channelHeader: must(header).channelHeader, signatureHeader: must(action).header },
    endorsed.chaincodeProposalPayload,
  )
  const proposalResponsePayload = ProposalResponsePayload.encode({ proposalHash: hash, extension: extension ?? response.extension })
  const bytes = Payload.encode({
    header,
    data: Transaction.encode({
      actions: [
        { ...must(action), payload: ChaincodeActionPayload.encode({ ...endorsed, action: { proposalResponsePayload, endorsements: [] } }) },
      ],
    }),
  })
  return Envelope.encode({ payload: bytes, signature: network.client.sign(bytes) })
}
