import { RpcError, RpcStatus } from '@kumiko/fabric-grpc'
import { describe, expect, it } from 'vitest'
import { bftQuorum } from '../src/submit.ts'
import { CHANNEL, failureOf, type HandMadeOrderer, handMade } from './hand-made-network.ts'

const call = { signal: new AbortController().signal }
const preparedTransaction = { payload: Uint8Array.of(1), signature: Uint8Array.of(2) }

function request(change: Partial<{ channelId: string; preparedTransaction: typeof preparedTransaction | undefined }> = {}) {
  return { transactionId: 't', channelId: CHANNEL, preparedTransaction, ...change }
}

const takes: HandMadeOrderer = async () => ({ status: 200, info: '' })
const down: HandMadeOrderer = () => Promise.reject(new RpcError(RpcStatus.unavailable, 'Orderer not listening!'))
const answers =
  (status: number, info: string): HandMadeOrderer =>
  async () => ({ status, info })
const hangs: HandMadeOrderer = () => new Promise(() => {})

describe('a transaction is given', () => {
  it('to one orderer', async () => {
    const { gateway, broadcasts } = handMade({ orderers: [takes, takes, takes] })
    expect(await gateway.submit(request(), call)).toEqual({})
    expect(broadcasts).toHaveLength(1)
  })

  it('to one at random', async () => {
    const first = new Set<number | undefined>()
    for (let at = 0; at < 3; at++) {
      const { gateway, broadcasts } = handMade({ orderers: [takes, takes, takes], random: () => at / 3 })
      await gateway.submit(request(), call)
      first.add(broadcasts[0])
    }
    expect(first).toEqual(new Set([1, 2, 3]))
  })

  it.each([
    ['cannot be reached', down],
    ['has failed', answers(500, 'internal error')],
    ['cannot serve now', answers(503, 'busy')],
  ])('to the next orderer where one %s', async (_, first) => {
    const { gateway, broadcasts } = handMade({ orderers: [first, takes], random: () => 0 })
    await gateway.submit(request(), call)
    expect(broadcasts).toEqual([1, 2])
  })

  it('to the next orderer where one takes too long', async () => {
    const { gateway, broadcasts, clock } = handMade({ orderers: [hangs, takes], random: () => 0, broadcastTimeoutMs: 70 })
    const submitted = gateway.submit(request(), call)
    await clock.advance(70)
    await submitted
    expect(broadcasts).toEqual([1, 2])
    expect(clock.pending).toBe(0)
  })

  it('to all orderers of a BFT channel, until enough took it', async () => {
    const there = answers(503, 'failed to submit request: request already exists')
    const { gateway, broadcasts, clock } = handMade({ orderers: [takes, there, takes, hangs], consensus: 'BFT' })
    await gateway.submit(request(), call)
    expect(broadcasts).toEqual([1, 2, 3, 4])
    // The last one goes on, as long as the gateway does.
    await clock.advance(0)
    expect(clock.pending).toBe(1)
    gateway.close()
    await clock.advance(0)
    expect(clock.pending).toBe(0)
  })
})

describe('a transaction is not taken', () => {
  it('which an orderer refuses: no other is asked', async () => {
    const { gateway, broadcasts } = handMade({ orderers: [answers(400, 'err-info'), takes], random: () => 0 })
    expect(await failureOf(gateway.submit(request(), call))).toEqual({
      status: RpcStatus.aborted,
      message: 'received unsuccessful response from orderer: status=BAD_REQUEST, info=err-info',
      details: [],
    })
    expect(broadcasts).toEqual([1])
  })

  it('where no orderer can', async () => {
    const { gateway } = handMade({ orderers: [down, answers(503, 'busy')], random: () => 0 })
    expect(await failureOf(gateway.submit(request(), call))).toEqual({
      status: RpcStatus.unavailable,
      message: 'no orderers could successfully process transaction',
      details: [
        'orderer1:7050 msp1: rpc error: code = Unavailable desc = Orderer not listening!',
        'orderer2:7050 msp1: received unsuccessful response from orderer: status=SERVICE_UNAVAILABLE, info=busy',
      ],
    })
  })

  it('where too few of a BFT channel can', async () => {
    const { gateway } = handMade({ orderers: [takes, down, hangs, answers(500, 'broken')], consensus: 'BFT' })
    expect(await failureOf(gateway.submit(request(), call))).toEqual({
      status: RpcStatus.unavailable,
      message: 'insufficient number of orderers could successfully process transaction to satisfy quorum requirement',
      details: [
        'orderer2:7050 msp1: rpc error: code = Unavailable desc = Orderer not listening!',
        'orderer4:7050 msp1: received unsuccessful response from orderer: status=INTERNAL_SERVER_ERROR, info=broken',
      ],
    })
  })

  it('where the channel has no orderers', async () => {
    expect(await failureOf(handMade({}).gateway.submit(request(), call))).toMatchObject({
      status: RpcStatus.unavailable,
      message: 'no orderer nodes available',
    })
  })

  it('of a channel that the peer is not on', async () => {
    const { gateway } = handMade({ orderers: [takes] })
    expect(await failureOf(gateway.submit(request({ channelId: 'other' }), call))).toMatchObject({
      status: RpcStatus.failedPrecondition,
      message: 'failed to get config for channel [other]: could not get last config for channel other',
    })
  })

  it('of a channel without a configuration of its orderers', async () => {
    const bundle = { orderer: undefined, application: undefined, msps: { msp: () => undefined } }
    const { gateway } = handMade({ orderers: [takes], channel: { bundle } })
    expect(await failureOf(gateway.submit(request(), call))).toMatchObject({
      status: RpcStatus.notFound,
      message: 'failed to create block deliverer for channel `test-channel`, missing OrdererConfig',
    })
  })

  it.each([
    ['none', undefined, 'a prepared transaction is required'],
    ['one that is not signed', { ...preparedTransaction, signature: new Uint8Array() }, 'prepared transaction must be signed'],
  ])('which is %s', async (_, transaction, message) => {
    const { gateway, broadcasts } = handMade({ orderers: [takes] })
    expect(await failureOf(gateway.submit(request({ preparedTransaction: transaction }), call))).toMatchObject({
      status: RpcStatus.invalidArgument,
      message,
    })
    expect(broadcasts).toEqual([])
  })

  it.each(['etcdraft', 'BFT'])('when the client has gone (%s)', async (consensus) => {
    const gone = new AbortController()
    const failure = failureOf(handMade({ orderers: [hangs], consensus }).gateway.submit(request(), { signal: gone.signal }))
    gone.abort()
    expect(await failure).toMatchObject({
      status: RpcStatus.deadlineExceeded,
      message: 'submit timeout expired while broadcasting to ordering service',
    })
  })
})

it.each([
  [1, 1],
  [2, 2],
  [3, 2],
  [4, 3],
  [5, 4],
  [6, 4],
  [7, 5],
  [10, 7],
])('of %i BFT orderers %i must have it', (count, quorum) => {
  expect(bftQuorum(count)).toBe(quorum)
})
