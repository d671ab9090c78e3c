import { memoryStateDatabase } from '@kumiko/fabric-ledger'
import { type IdentitySigner, serializeIdentity } from '@kumiko/fabric-msp'
import {
  ChaincodeAction,
  ChaincodeActionPayload,
  ChaincodeEvent,
  Envelope,
  endorse,
  type Header,
  Payload,
  ProposalResponsePayload,
  proposalHash,
  signEnvelope,
  Transaction,
  ValidationCode,
  validationCodeName,
} from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { readGenesis } from '../src/block-intake.ts'
import { Channel } from '../src/channel.ts'
import { checkTransaction } from '../src/check-transaction.ts'
import { goldenBlock, temporaryLedger } from './golden.ts'
import { CHAINCODE, collections, keyPolicyWrite, Network, text, writes } from './network.ts'

/** What is changed of a transaction; all that is around it is made to fit again: hashes, endorsements, the creator's signature. */
const LEVELS = [
  'envelope',
  'payload',
  'channel',
  'signature',
  'data',
  'action',
  'response',
  'done',
  'results',
  'events',
  'endorser',
] as const
type Level = (typeof LEVELS)[number]

interface Mistake {
  readonly level: Level
  /** Where, as a part of the length. */
  readonly at: number
  readonly kind: 'flip' | 'cut' | 'insert' | 'repeat' | 'remove' | 'empty'
  readonly bytes: Uint8Array
}

const mistake: fc.Arbitrary<Mistake> = fc.record({
  level: fc.constantFrom(...LEVELS),
  at: fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
  kind: fc.constantFrom('flip', 'flip', 'flip', 'cut', 'insert', 'repeat', 'remove', 'empty'),
  bytes: fc.uint8Array({ minLength: 1, maxLength: 12 }),
})

function mistaken(source: Uint8Array, { at, kind, bytes }: Mistake): Uint8Array {
  const place = Math.floor(at * source.length)
  const [before, after] = [source.subarray(0, place), source.subarray(place)]
  switch (kind) {
    case 'flip':
      return source.map((byte, index) => (index === place ? byte ^ (bytes[0] ?? 1) : byte))
    case 'cut':
      return before
    case 'insert':
      return Buffer.concat([before, bytes, after])
    case 'repeat':
      return Buffer.concat([source, after])
    case 'remove':
      return Buffer.concat([before, after.subarray(bytes.length)])
    case 'empty':
      return new Uint8Array()
  }
}

interface Signers {
  readonly client: IdentitySigner
  readonly endorsers: readonly IdentitySigner[]
}

/** The transaction with a mistake. */
function withMistake(item: Uint8Array, made: Mistake, { client, endorsers }: Signers): Uint8Array {
  const change = (level: Level, bytes: Uint8Array) => (made.level === level ? mistaken(bytes, made) : bytes)
  const payload = must(Payload.decode(must(Envelope.decode(item)).payload))
  const { channelHeader, signatureHeader } = must(payload.header)
  const header: Header = {
    channelHeader: change('channel', channelHeader),
    signatureHeader: change('signature', signatureHeader),
  }
  const action = must(must(Transaction.decode(payload.data)).actions[0])
  const asked = must(ChaincodeActionPayload.decode(action.payload))
  const answered = must(ProposalResponsePayload.decode(must(asked.action).proposalResponsePayload))
  const done = must(ChaincodeAction.decode(answered.extension))
  const extension = change(
    'done',
    ChaincodeAction.encode({ ...done, results: change('results', done.results), events: change('events', done.events) }),
  )
  const hashed = proposalHash({ channelHeader: header.channelHeader, signatureHeader: action.header }, asked.chaincodeProposalPayload)
  const proposalResponsePayload = change('response', ProposalResponsePayload.encode({ proposalHash: hashed, extension }))
  const endorsements = endorsers.map((endorser) => {
    const creator = change('endorser', endorser.creator)
    return endorse(proposalResponsePayload, { creator, sign: (message) => endorser.sign(message) })
  })
  const whole = change('action', ChaincodeActionPayload.encode({ ...asked, action: { proposalResponsePayload, endorsements } }))
  const data = change('data', Transaction.encode({ actions: [{ ...action, payload: whole }] }))
  const signed = signEnvelope(change('payload', Payload.encode({ header, data })), client)
  return change('envelope', signed)
}

const EVENT = ChaincodeEvent.encode({ chaincodeId: CHAINCODE, txId: 'any', eventName: 'made', payload: text('of it') })

function bases(network: Network): readonly Uint8Array[] {
  const range = { startKey: 'a', endKey: 'z', itrExhausted: false, rawReads: { kvReads: [] }, readsMerkleHashes: undefined }
  const reads = [{ key: 'k', version: { blockNumber: 1n, transactionNumber: 0n } }]
  const hidden = { collection: 'own', reads, writes: [{ key: 'k', value: text('secret') }], metadataWrites: [keyPolicyWrite('k', '')] }
  return [
    network.transaction({ action: { events: EVENT } }),
    network.transaction({ namespaces: [writes(CHAINCODE, { k: '1' }, { reads, rangeQueries: [range], collections: [hidden] })] }),
    network.transaction({ namespaces: [writes(CHAINCODE, { k: '1', l: '' }, { metadataWrites: [keyPolicyWrite('k', '')] })] }),
    network.definition('other'),
  ]
}

describe('a transaction with a mistake', () => {
  it('is judged, and so is what is beside it', async () => {
    const network = await Network.make(2)
    await using ledger = await temporaryLedger(memoryStateDatabase(), network.genesis, network.channelId)
    const channel = await Channel.open({ ledger })
    const codes = async (items: readonly Uint8Array[]) => [...must(await channel.store(network.block(...items))).codes]
    expect(await codes([network.definition(CHAINCODE, { collections: collections({ name: 'own' }) })])).toEqual([ValidationCode.valid])
    const signers = { client: network.client, endorsers: network.peers }
    const bundle = must(readGenesis(network.genesis, network.channelId))
    // Fabric stops at a configuration that is none, and orderers let none through: see `channel.test.ts`.
    const isJudged = (item: Uint8Array) => isFormed(item) && checkTransaction(item, bundle).kind !== 'config'
    const seen = new Set<string>()
    await fc.assert(
      fc.asyncProperty(fc.array(fc.tuple(fc.nat(3), mistake), { minLength: 4, maxLength: 12 }), async (mistakes) => {
        const plain = bases(network)
        const items = mistakes.map(([which, made]) => withMistake(must(plain[which]), made, signers)).filter(isJudged)
        const beside = network.transaction({ namespaces: [writes(CHAINCODE, { beside: '1' })] })
        const found = await codes([beside, ...items])
        for (const code of found) seen.add(must(validationCodeName(code)))
        expect(found[0]).toBe(ValidationCode.valid)
      }),
      { seed: 5, numRuns: 80, endOnFailure: true },
    )
    await channel.close()
    expect([...seen]).toEqual(
      expect.arrayContaining(['VALID', 'BAD_RWSET', 'BAD_RESPONSE_PAYLOAD', 'ENDORSEMENT_POLICY_FAILURE', 'BAD_PAYLOAD']),
    )
  })

  it('of a real channel is told what is wrong with it, and nothing is thrown', () => {
    const bundle = must(readGenesis(goldenBlock(0), 'mychannel'))
    const real = Array.from({ length: GOLDEN_HEIGHT - 1 }, (_, at) => goldenBlock(at + 1).data).flat()
    fc.assert(
      fc.property(fc.nat(real.length - 1), mistake, (which, made) => {
        const item = mistaken(must(real[which]), made)
        const checked = checkTransaction(item, bundle)
        expect(['refused', 'config', 'endorsed']).toContain(checked.kind)
      }),
      { numRuns: 2000 },
    )
  })

  it('may have any bytes for who made it', () => {
    const bundle = must(readGenesis(goldenBlock(0), 'mychannel'))
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => {
        expect(bundle.msps.deserialize(serializeIdentity('Org1MSP', bytes))).toHaveProperty('fault')
      }),
      { numRuns: 500 },
    )
  })
})

/** Others are refused with their block. */
function isFormed(item: Uint8Array): boolean {
  const envelope = Envelope.decode(item)
  if ('fault' in envelope || envelope.payload.length === 0 || envelope.signature.length === 0) return false
  return Buffer.from(Envelope.encode(envelope)).equals(item)
}
