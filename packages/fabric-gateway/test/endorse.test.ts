import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import {
  ChaincodeActionPayload,
  ChaincodeCall,
  type ChaincodeInterest,
  ChaincodeProposalPayload,
  type EndorseResponse,
  readPayload,
  SignedProposal,
  Transaction,
} from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { ComponentLogger } from '@libp2p/interface'
import { describe, expect, it } from 'vitest'
import {
  CHANNEL,
  endorsed,
  failed,
  failureOf,
  type HandMadePeer,
  handMade,
  OWN,
  PEERS,
  type PlanText,
  signedProposal,
} from './hand-made-network.ts'

const call = { signal: new AbortController().signal }

function request(endorsingOrganizations: readonly string[] = [], proposedTransaction: SignedProposal | undefined = signedProposal()) {
  return { transactionId: 't', channelId: CHANNEL, proposedTransaction, endorsingOrganizations }
}

/** Peers with answers by address; those of `undefined` are not there. */
function peers(answers: Readonly<Record<string, HandMadePeer['answer'] | undefined>>): readonly HandMadePeer[] {
  return PEERS.flatMap((peer) => {
    if (!(peer.address in answers)) return [peer]
    const answer = answers[peer.address]
    return answer === undefined ? [] : [{ ...peer, answer }]
  })
}

function refuse(message: string): HandMadePeer['answer'] {
  return () => Promise.reject(new RpcError(RpcStatus.aborted, message))
}

/** Who endorsed the transaction that was prepared, and what of the proposal is in it. */
function read({ preparedTransaction }: EndorseResponse) {
  const payload = readPayload(preparedTransaction?.payload ?? new Uint8Array())
  const transaction = isFault(payload) ? payload : Transaction.decode(payload.data)
  if (isFault(transaction)) throw new Error(transaction.fault)
  const action = ChaincodeActionPayload.decode(transaction.actions[0]?.payload ?? new Uint8Array())
  if (isFault(action)) throw new Error(action.fault)
  const proposal = ChaincodeProposalPayload.decode(action.chaincodeProposalPayload)
  if (isFault(proposal)) throw new Error(proposal.fault)
  const endorsers = action.action?.endorsements.map(({ endorser }) => new TextDecoder().decode(endorser)) ?? []
  return { endorsers: endorsers.toSorted(), transient: proposal.transientMap.size, signature: preparedTransaction?.signature.length }
}

const THREE: PlanText['groups'] = { g1: [OWN, 'peer1:8051'], g2: ['peer2:9051', 'peer3:10051'], g3: ['peer4:11051'] }
const PAIRS = [
  { g1: 1, g3: 1 },
  { g2: 1, g3: 1 },
  { g1: 1, g2: 1 },
]

describe('an endorsement', () => {
  it.each<[string, PlanText, readonly string[]]>([
    ['by one organisation', { groups: { g1: [OWN] } }, [OWN]],
    ['by two', { groups: { g1: [OWN], g2: ['peer2:9051'] } }, [OWN, 'peer2:9051']],
    [
      'by the peer of each group that has most blocks',
      { groups: { g1: ['peer1:8051', OWN], g2: ['peer3:10051', 'peer2:9051'] } },
      [OWN, 'peer2:9051'],
    ],
    ['by two of the own organisation', { groups: THREE, layouts: [{ g1: 2 }] }, [OWN, 'peer1:8051']],
    [
      'by others alone, where the own organisation is not asked for',
      { groups: { g2: ['peer2:9051'], g3: ['peer4:11051'] } },
      ['peer2:9051', 'peer4:11051'],
    ],
  ])('%s', async (_, plan, expected) => {
    const { gateway, asked } = handMade({ plan })
    expect(read(await gateway.endorse(request(), call))).toEqual({ endorsers: expected.toSorted(), transient: 0, signature: 0 })
    expect(asked.toSorted()).toEqual([...new Set([OWN, ...expected])].toSorted())
  })

  it('prefers layouts that the first endorser counts for', async () => {
    for (let seed = 0; seed < 20; seed++) {
      const { gateway, asked } = handMade({ plan: { groups: THREE, layouts: PAIRS }, random: () => seed / 20 })
      await gateway.endorse(request(), call)
      expect(asked).toHaveLength(2)
      expect(asked[0]).toBe(OWN)
    }
  })

  it('is planned by what the first endorser says that the transaction came to', async () => {
    const interest: ChaincodeInterest = {
      chaincodes: [ChaincodeCall.create({ name: 'test-chaincode', collectionNames: ['c'], noPrivateReads: true })],
    }
    const { gateway, interests } = handMade({
      peers: peers({ [OWN]: () => endorsed(OWN, 'result', interest) }),
      plan: { groups: { g1: [OWN], g2: ['peer2:9051'] } },
    })
    await gateway.endorse(request(), call)
    expect(interests).toEqual([interest])
  })

  it('is planned by the chaincode alone where the first endorser says nothing', async () => {
    const { gateway, interests } = handMade({ plan: { groups: { g1: [OWN] } } })
    await gateway.endorse(request(), call)
    expect(interests).toEqual([{ chaincodes: [ChaincodeCall.create({ name: 'test-chaincode' })] }])
  })

  it('begins with a peer of another organisation where the own has none', async () => {
    const plan = { groups: { g2: ['peer2:9051', 'peer3:10051'], g3: ['peer4:11051'] } }
    const { gateway, asked } = handMade({ peers: peers({ [OWN]: undefined, 'peer1:8051': undefined }), plan })
    expect(read(await gateway.endorse(request(), call)).endorsers).toEqual(['peer2:9051', 'peer4:11051'])
    expect(asked).toHaveLength(2)
  })

  it('keeps transient data out of the transaction', async () => {
    const { gateway } = handMade({ plan: { groups: { g1: [OWN], g3: ['peer4:11051'] } } })
    expect(read(await gateway.endorse(request([], signedProposal({ key: 'value' })), call)).transient).toBe(0)
  })

  it('has all endorsers be members of the collections where there are transient data', async () => {
    const call1 = ChaincodeCall.create({ name: 'test-chaincode', collectionNames: ['c'], noPrivateReads: true })
    const answer = () => endorsed(OWN, 'result', { chaincodes: [call1] })
    const { gateway, interests } = handMade({ peers: peers({ [OWN]: answer }), plan: { groups: { g1: [OWN] } } })
    await gateway.endorse(request([], signedProposal({ key: 'value' })), call)
    expect(interests).toEqual([{ chaincodes: [{ ...call1, noPrivateReads: false }] }])
  })
})

describe('an endorsement by organisations that the client chose', () => {
  it.each<[readonly string[], readonly string[], Readonly<Record<string, string>>]>([
    [['msp1', 'msp3'], [OWN, 'peer4:11051'], {}],
    [['msp2', 'msp3'], ['peer2:9051', 'peer4:11051'], {}],
    [['msp2', 'msp3'], ['peer2:9051', 'peer4:11051'], { key: 'value' }],
    [['msp1', 'msp1'], [OWN], {}],
  ])('asks one peer each of %j', async (mspIds, expected, transient) => {
    const { gateway, asked, interests } = handMade({})
    expect(read(await gateway.endorse(request(mspIds, signedProposal(transient)), call)).endorsers).toEqual(expected.toSorted())
    expect(asked.toSorted()).toEqual(expected.toSorted())
    expect(interests).toEqual([])
  })

  it.each([
    [['msp2', 'msp4'], 'msp4'],
    [['msp2', 'msp4', 'msp5'], 'msp4, msp5'],
  ])('fails where %j are not all there', async (mspIds, missing) => {
    const { gateway, asked } = handMade({})
    expect(await failureOf(gateway.endorse(request(mspIds), call))).toEqual({
      status: RpcStatus.unavailable,
      message: `failed to find any endorsing peers for org(s): ${missing}`,
      details: [],
    })
    expect(asked).toEqual([])
  })
})

describe('an endorsement is tried again', () => {
  it('with other peers of the groups', async () => {
    const { gateway } = handMade({
      peers: peers({ [OWN]: refuse('bad local endorser'), 'peer2:9051': refuse('bad peer2 endorser') }),
      plan: { groups: THREE, layouts: [{ g1: 1, g2: 1 }] },
    })
    expect(read(await gateway.endorse(request(), call)).endorsers).toEqual(['peer1:8051', 'peer3:10051'])
  })

  it('with layouts that do without a group that failed', async () => {
    const { gateway } = handMade({
      peers: peers({ 'peer2:9051': refuse('bad peer2 endorser'), 'peer4:11051': refuse('bad peer4 endorser') }),
      plan: { groups: THREE, layouts: PAIRS },
    })
    expect(read(await gateway.endorse(request(), call)).endorsers).toEqual([OWN, 'peer3:10051'])
  })

  it('with a layout that needs more of a group that answered', async () => {
    const layouts = [
      { g1: 1, g2: 1, g3: 1 },
      { g1: 1, g2: 2 },
      { g1: 2, g2: 1 },
    ]
    const { gateway } = handMade({
      peers: peers({ 'peer2:9051': refuse('bad peer2 endorser'), 'peer4:11051': refuse('bad peer4 endorser') }),
      plan: { groups: THREE, layouts },
    })
    expect(read(await gateway.endorse(request(), call)).endorsers).toEqual([OWN, 'peer1:8051', 'peer3:10051'])
  })

  it('with another peer of the group where an answer differs', async () => {
    const { gateway } = handMade({
      peers: peers({ 'peer2:9051': () => endorsed('peer2:9051', 'other') }),
      plan: { groups: THREE, layouts: [{ g1: 1, g2: 1 }] },
    })
    expect(read(await gateway.endorse(request(), call)).endorsers).toEqual([OWN, 'peer3:10051'])
  })

  it('with another first endorser when one takes too long', async () => {
    const { gateway, asked, clock } = handMade({
      peers: peers({ [OWN]: () => new Promise(() => {}) }),
      plan: { groups: { g1: [OWN, 'peer1:8051'] } },
      endorsementTimeoutMs: 50,
    })
    const endorsing = gateway.endorse(request(), call)
    await clock.advance(50)
    expect(read(await endorsing).endorsers).toEqual(['peer1:8051'])
    expect(asked).toEqual([OWN, 'peer1:8051'])
    expect(clock.pending).toBe(0)
  })
})

describe('an endorsement that fails', () => {
  const notEnough = 'failed to collect enough transaction endorsements, see attached details for more info'

  it('because no first endorser endorsed', async () => {
    const answer = () => failed(400, 'Mock chaincode error')
    const { gateway, interests } = handMade({ peers: peers({ [OWN]: answer, 'peer1:8051': answer }) })
    expect(await failureOf(gateway.endorse(request(), call))).toEqual({
      status: RpcStatus.aborted,
      message: 'failed to endorse transaction, see attached details for more info',
      details: [OWN, 'peer1:8051'].map((address) => `${address} msp1: chaincode response 400, Mock chaincode error`),
    })
    expect(interests).toEqual([])
  })

  it('because no layout is left', async () => {
    const down = Object.fromEntries(['peer2:9051', 'peer3:10051', 'peer4:11051'].map((address) => [address, refuse(`bad ${address}`)]))
    const { gateway } = handMade({ peers: peers(down), plan: { groups: THREE, layouts: PAIRS } })
    const { details, ...failure } = await failureOf(gateway.endorse(request(), call))
    expect(failure).toEqual({ status: RpcStatus.aborted, message: notEnough })
    expect(details.toSorted()).toEqual([
      'peer2:9051 msp2: rpc error: code = Aborted desc = bad peer2:9051',
      'peer3:10051 msp2: rpc error: code = Aborted desc = bad peer3:10051',
      'peer4:11051 msp3: rpc error: code = Aborted desc = bad peer4:11051',
    ])
  })

  it('because answers differ', async () => {
    const { gateway } = handMade({
      peers: peers({ 'peer2:9051': () => endorsed('peer2:9051', 'other') }),
      plan: { groups: { g1: [OWN], g2: ['peer2:9051'] } },
    })
    expect(await failureOf(gateway.endorse(request(), call))).toEqual({
      status: RpcStatus.aborted,
      message: notEnough,
      details: ['peer2:9051 msp2: ProposalResponsePayloads do not match'],
    })
  })

  it('because answers differ: the log tells in what', async () => {
    const lines: string[] = []
    const log = (format: string, ...args: unknown[]): void => void lines.push(format.replaceAll('%s', () => String(args.shift())))
    const logger = {
      forComponent: () => Object.assign(log, { enabled: true, error: log, trace: log, newScope: () => logger.forComponent() }),
    }
    const { gateway } = handMade({
      peers: peers({ 'peer2:9051': () => endorsed('peer2:9051', 'other') }),
      plan: { groups: { g1: [OWN], g2: ['peer2:9051'] } },
      logger: logger as unknown as ComponentLogger,
    })
    await failureOf(gateway.endorse(request(), call))
    expect(lines).toEqual([
      'peer2:9051 of msp2 answered a proposal differently from the first endorser',
      "response: status 200, message '', payload 'result' and status 200, message '', payload 'other'",
    ])
  })

  it('because nobody can endorse', async () => {
    const { gateway } = handMade({ plan: () => 'peach-melba' })
    expect(await failureOf(gateway.endorse(request(), call))).toMatchObject({
      status: RpcStatus.failedPrecondition,
      message: 'no combination of peers can be derived which satisfy the endorsement policy: peach-melba',
    })
  })

  it.each<[string, PlanText]>([
    ['peers that do not tell where they are', { groups: { g1: [OWN], g2: [''] } }],
    ['too few of a group', { groups: { g1: [OWN] }, layouts: [{ g1: 2 }] }],
    ['an empty layout', { groups: { g1: [OWN] }, layouts: [{}] }],
    ['no layout', { groups: { g1: [OWN] }, layouts: [] }],
  ])('because there are %s', async (_, plan) => {
    const { gateway } = handMade({ plan })
    const { status, message } = await failureOf(gateway.endorse(request(), call))
    expect(status).toBe(RpcStatus.failedPrecondition)
    expect(message).toContain('failed to select a set of endorsers that satisfy the endorsement policy due to unavailability of peers: [')
  })

  it('because no peer of the own organisation can take transient data', async () => {
    const { gateway, asked } = handMade({
      peers: peers({ [OWN]: undefined, 'peer1:8051': undefined }),
      plan: { groups: { g2: ['peer2:9051'] } },
    })
    expect(await failureOf(gateway.endorse(request([], signedProposal({ key: 'value' })), call))).toMatchObject({
      status: RpcStatus.failedPrecondition,
      message: "no endorsers found in the gateway's organization; retry specifying endorsing organization(s) to protect transient data",
    })
    expect(asked).toEqual([])
  })

  it('because transient data would go to who is no member of the collections', async () => {
    const call1 = ChaincodeCall.create({
      name: 'test-chaincode',
      collectionNames: ['mycollection1', 'mycollection2'],
      noPrivateReads: true,
    })
    const { gateway, asked } = handMade({
      peers: peers({ [OWN]: () => endorsed(OWN, 'result', { chaincodes: [call1] }) }),
      plan: ({ chaincodes }) => (chaincodes[0]?.noPrivateReads ? { groups: { g1: [OWN], g2: ['peer3:10051'] } } : 'protect-transient'),
    })
    expect(await failureOf(gateway.endorse(request([], signedProposal({ key: 'value' })), call))).toMatchObject({
      status: RpcStatus.failedPrecondition,
      message:
        'requires endorsement from organisation(s) that are not in the distribution policy of the private data collection(s): [mycollection1 mycollection2]; retry specifying trusted endorsing organizations to protect transient data',
    })
    expect(asked).toEqual([OWN])
  })

  it.each<[string, SignedProposal, string]>([
    ['no proposal', SignedProposal.create(), 'the proposed transaction must contain a signed proposal'],
    ['bytes that are none', SignedProposal.create({ proposalBytes: Uint8Array.of(0xff) }), 'error unmarshalling Proposal: '],
  ])('because there is %s', async (_, signed, message) => {
    const { status, message: told } = await failureOf(handMade({}).gateway.endorse(request([], signed), call))
    expect(status).toBe(RpcStatus.invalidArgument)
    expect(told).toContain(message)
  })

  it.each([
    ['first endorsement', OWN],
    ['endorsements', 'peer4:11051'],
  ])('because the client has gone while collecting the %s', async (what, slow) => {
    const { gateway, asked } = handMade({
      peers: peers({ [slow]: () => new Promise(() => {}) }),
      plan: { groups: { g1: [OWN], g3: ['peer4:11051'] } },
    })
    const gone = new AbortController()
    const failure = failureOf(gateway.endorse(request(), { signal: gone.signal }))
    await expect.poll(() => asked).toContain(slow)
    gone.abort()
    expect(await failure).toMatchObject({
      status: RpcStatus.deadlineExceeded,
      message: `endorsement timeout expired while collecting ${what}`,
    })
  })
})
