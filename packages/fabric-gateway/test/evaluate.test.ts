import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { SignedProposal } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { CHANNEL, endorsed, failed, failureOf, type HandMadePeer, handMade, OWN, PEERS, signedProposal } from './hand-made-network.ts'

const call = { signal: new AbortController().signal }
const names = { transactionId: 't', channelId: CHANNEL }

function request(targetOrganizations: readonly string[] = [], proposedTransaction: SignedProposal | undefined = signedProposal()) {
  return { ...names, proposedTransaction, targetOrganizations }
}

/** @param heights - By address: those left out are not there. */
function at(heights: Readonly<Record<string, number>>, answers: Readonly<Record<string, HandMadePeer['answer']>> = {}) {
  return PEERS.flatMap((peer) => {
    const height = heights[peer.address]
    const answer = answers[peer.address]
    return height === undefined ? [] : [{ ...peer, height, ...(answer && { answer }) }]
  })
}

const all = { [OWN]: 5, 'peer1:8051': 5, 'peer2:9051': 6, 'peer3:10051': 5, 'peer4:11051': 7 }

describe('whom an evaluation is asked of', () => {
  it.each([
    ['the only peer', { [OWN]: 5 }, [], OWN],
    ['the own organisation, the peer with most blocks', { ...all, 'peer1:8051': 6 }, [], 'peer1:8051'],
    ['of equals the gateway itself', all, [], OWN],
    ['the own organisation, if it is among those that may be asked', all, ['msp3', 'msp1'], OWN],
    ['of other organisations the peer with most blocks', all, ['msp2', 'msp3'], 'peer4:11051'],
  ])('%s', async (_, heights, targets, expected) => {
    const { gateway, asked } = handMade({ peers: at(heights) })
    const { result } = await gateway.evaluate(request(targets), call)
    expect(asked).toEqual([expected])
    expect(new TextDecoder().decode(result?.payload)).toBe('result')
  })

  it('the gateway itself, though it does not tell where it is', async () => {
    const peers = at(all).map((peer) => (peer.address === OWN ? { ...peer, address: '' } : peer))
    const { gateway, asked } = handMade({ peers: [...peers], channel: { height: 5n } })
    await gateway.evaluate(request(), call)
    expect(asked).toEqual([OWN])
  })

  it('the gateway itself by the blocks that it has now, whatever discovery heard', async () => {
    const { gateway, asked } = handMade({ peers: at({ ...all, 'peer1:8051': 6 }), channel: { height: 7n } })
    await gateway.evaluate(request(), call)
    expect(asked).toEqual([OWN])
  })

  it('who has the chaincode', async () => {
    const peers = at(all).map((peer) => (peer.mspId === 'msp1' ? { ...peer, chaincodes: [] } : peer))
    const { gateway, asked } = handMade({ peers })
    await gateway.evaluate(request(), call)
    expect(asked).toEqual(['peer4:11051'])
  })

  it('the gateway itself, where the chaincode was only started, without installation', async () => {
    const peers = [{ mspId: 'msp1', address: OWN, height: 1, chaincodes: [] }]
    const { gateway, asked } = handMade({
      peers,
      isRunning: (channelId, chaincode) => channelId === CHANNEL && chaincode === 'test-chaincode',
    })
    await gateway.evaluate(request(), call)
    expect(asked).toEqual([OWN])
  })

  it('anybody for a system chaincode', async () => {
    const { gateway, asked } = handMade({ peers: [{ mspId: 'msp1', address: OWN, height: 1, chaincodes: [] }] })
    await gateway.evaluate(request([], signedProposal({}, CHANNEL, 'qscc')), call)
    expect(asked).toEqual([OWN])
  })

  it.each([
    ['the own organisation alone with transient data', [], 'peer1:8051'],
    ['other organisations with transient data, if the client says so', ['msp2', 'msp3'], 'peer4:11051'],
  ])('%s', async (_, targets, expected) => {
    const { gateway, asked } = handMade({ peers: at({ ...all, 'peer1:8051': 6 }) })
    await gateway.evaluate(request(targets, signedProposal({ key: 'value' })), call)
    expect(asked).toEqual([expected])
  })
})

describe('an evaluation that fails', () => {
  const nobody = 'no peers available to evaluate chaincode test-chaincode in channel test-channel'

  it('because nobody has the chaincode', async () => {
    const { gateway } = handMade({ peers: [] })
    expect(await failureOf(gateway.evaluate(request(), call))).toEqual({
      status: RpcStatus.failedPrecondition,
      message: nobody,
      details: [],
    })
  })

  it('because the own organisation has no peer for transient data', async () => {
    const { gateway } = handMade({ peers: at({ 'peer2:9051': 6 }) })
    expect(await failureOf(gateway.evaluate(request([], signedProposal({ key: 'value' })), call))).toMatchObject({
      status: RpcStatus.failedPrecondition,
      message: `no endorsers found in the gateway's organization; retry specifying target organization(s) to protect transient data: ${nobody}`,
    })
  })

  it('because the peer is not on the channel', async () => {
    const { gateway } = handMade({})
    expect(await failureOf(gateway.evaluate(request([], signedProposal({}, 'other')), call))).toMatchObject({
      status: RpcStatus.unavailable,
      message: 'failed to get config for channel [other]: could not get last config for channel other',
    })
  })

  it.each<[string, SignedProposal | undefined, string]>([
    ['no proposal', SignedProposal.create(), 'a signed proposal is required'],
    ['no channel', signedProposal({}, ''), 'no channel id provided'],
    ['no chaincode', signedProposal({}, CHANNEL, ''), 'no chaincode name is provided, channel id [test-channel]'],
    ['bytes that are no proposal', SignedProposal.create({ proposalBytes: Uint8Array.of(0xff) }), 'error unmarshalling Proposal: '],
  ])('because there is %s', async (_, signed, message) => {
    const { gateway, asked } = handMade({})
    const failure = await failureOf(gateway.evaluate(request([], signed), call))
    expect(failure.status).toBe(RpcStatus.invalidArgument)
    expect(failure.message).toContain(`failed to unpack transaction proposal: ${message}`)
    expect(asked).toEqual([])
  })

  it('because the chaincode refused: nobody else is asked', async () => {
    const { gateway, asked } = handMade({ peers: at(all, { [OWN]: () => failed(400, 'Mock chaincode error') }) })
    expect(await failureOf(gateway.evaluate(request(), call))).toEqual({
      status: RpcStatus.unknown,
      message: 'evaluate call to endorser returned error: chaincode response 400, Mock chaincode error',
      details: [`${OWN} msp1: chaincode response 400, Mock chaincode error`],
    })
    expect(asked).toEqual([OWN])
  })

  it('because the proposal was refused: nobody else is asked', async () => {
    const refuse = async () => {
      throw new RpcError(RpcStatus.unknown, 'invalid signature')
    }
    const { gateway, asked } = handMade({ peers: at(all, { [OWN]: refuse }) })
    expect(await failureOf(gateway.evaluate(request(), call))).toEqual({
      status: RpcStatus.failedPrecondition,
      message: 'evaluate call to endorser returned error: invalid signature',
      details: [`${OWN} msp1: invalid signature`],
    })
    expect(asked).toEqual([OWN])
  })

  it('because all that may be asked fail', async () => {
    const { gateway } = handMade({
      peers: at(all, { [OWN]: () => failed(500, 'bad local endorser'), 'peer1:8051': () => failed(500, 'bad peer1 endorser') }),
    })
    expect(await failureOf(gateway.evaluate(request(['msp1']), call))).toEqual({
      status: RpcStatus.aborted,
      message: 'failed to evaluate transaction, see attached details for more info',
      details: [`${OWN} msp1: bad local endorser`, 'peer1:8051 msp1: bad peer1 endorser'],
    })
  })

  it('because the client has gone', async () => {
    const { gateway } = handMade({ peers: at({ [OWN]: 5 }, { [OWN]: () => new Promise(() => {}) }) })
    const gone = new AbortController()
    const failure = failureOf(gateway.evaluate(request(), { signal: gone.signal }))
    gone.abort()
    expect(await failure).toMatchObject({ status: RpcStatus.deadlineExceeded, message: 'evaluate timeout expired' })
  })
})

describe('an evaluation is tried again', () => {
  it('with the peers of other organisations, those with most blocks first', async () => {
    const { gateway, asked } = handMade({
      peers: at(all, { [OWN]: () => failed(500, 'bad'), 'peer1:8051': () => failed(500, 'bad') }),
    })
    await gateway.evaluate(request(), call)
    expect(asked).toEqual([OWN, 'peer1:8051', 'peer4:11051'])
  })

  it('with the next peer when one cannot be reached, which is connected to anew the next time', async () => {
    const answers = [() => Promise.reject(new RpcError(RpcStatus.unavailable, 'gone')), () => endorsed('peer1:8051')]
    const peers = at({ 'peer1:8051': 9, 'peer3:10051': 5 }, { 'peer1:8051': () => (answers.shift() ?? (() => endorsed('')))() })
    const { gateway, asked, closed } = handMade({ peers })
    await gateway.evaluate(request(), call)
    expect(asked).toEqual(['peer1:8051', 'peer3:10051'])
    expect(closed).toEqual(['peer1:8051'])
    await gateway.evaluate(request(), call)
    expect(asked).toEqual(['peer1:8051', 'peer3:10051', 'peer1:8051'])
  })

  it('with the next peer when one refuses, and with the same connection the next time', async () => {
    const refuses: HandMadePeer['answer'] = () => Promise.reject(new RpcError(RpcStatus.unknown, 'access denied'))
    const peers = at({ 'peer1:8051': 9, 'peer3:10051': 5 }, { 'peer1:8051': refuses })
    const { gateway, asked, closed } = handMade({ peers })
    await gateway.evaluate(request(), call)
    expect(asked).toEqual(['peer1:8051', 'peer3:10051'])
    expect(closed).toEqual([])
    gateway.close()
    expect(closed).toEqual(['peer1:8051', 'peer3:10051'])
  })

  it('with the next peer when one takes too long', async () => {
    const signals: AbortSignal[] = []
    const slow: HandMadePeer['answer'] = (_, signal) => {
      signals.push(signal)
      return new Promise(() => {})
    }
    const { gateway, asked, clock } = handMade({
      peers: at({ 'peer2:9051': 9, 'peer4:11051': 5 }, { 'peer2:9051': slow }),
      endorsementTimeoutMs: 100,
    })
    const evaluated = gateway.evaluate(request(), call)
    await clock.advance(99)
    expect(asked).toEqual(['peer2:9051'])
    await clock.advance(1)
    await evaluated
    expect(asked).toEqual(['peer2:9051', 'peer4:11051'])
    expect(signals[0]?.aborted).toBe(true)
    expect(clock.pending).toBe(0)
  })
})
