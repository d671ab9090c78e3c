import { RpcStatus } from '@kumiko/fabric-grpc'
import { ChaincodeEventsRequest, type ChaincodeEventsResponse, SeekPosition, ValidationCode } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { HandMadeChain } from './hand-made-chain.ts'
import { CHANNEL, failureOf, handMade } from './hand-made-network.ts'

const call = { signal: new AbortController().signal }
const signature = Uint8Array.of(2)

function signed(change: Partial<ChaincodeEventsRequest> = {}) {
  const request = { channelId: CHANNEL, chaincodeId: 'cc', identity: Uint8Array.of(1), ...change }
  return { request: ChaincodeEventsRequest.encode(request), signature }
}

function at(number: bigint): Pick<ChaincodeEventsRequest, 'startPosition'> {
  return { startPosition: SeekPosition.create({ specified: { number } }) }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 30; i++) await Promise.resolve()
}

/** A chain of 3 blocks; block 1 has three transactions. */
function threeBlocks(): HandMadeChain {
  const chain = new HandMadeChain()
  chain.commit([{ txId: 'a0' }])
  chain.commit([{ txId: 'b0' }, { txId: 'b1', chaincode: 'other' }, { txId: 'b2' }])
  chain.commit([
    { txId: 'c0', code: ValidationCode.mvccReadConflict },
    { txId: 'c1', chaincode: 'other' },
  ])
  return chain
}

/** The first responses of a stream, each `number: ids`; asked for one by one, then ended. */
async function take(stream: AsyncIterable<ChaincodeEventsResponse>, count: number): Promise<string[]> {
  const texts: string[] = []
  for await (const { blockNumber, events } of stream) {
    texts.push(`${blockNumber}: ${events.map(({ txId }) => txId).join(' ')}`)
    if (texts.length === count) break
  }
  return texts
}

describe('events of a chaincode', () => {
  it('are told block by block from a block on, and then as they are committed', async () => {
    const chain = threeBlocks()
    const { gateway } = handMade({ chain })
    const taken = take(gateway.chaincodeEvents(signed(at(0n)), call), 4)
    await turns()
    chain.commit([{ txId: 'd0' }, { txId: 'd1' }])
    chain.commit([])
    chain.commit([{ txId: 'f0' }])
    expect(await taken).toEqual(['0: a0', '1: b0 b2', '3: d0 d1', '5: f0'])
    await turns()
    expect(chain.followers).toBe(0)
  })

  it.each([
    ['no start', {}],
    ['the next commit', { startPosition: SeekPosition.create({ nextCommit: {} }) }],
    ['an empty start', { startPosition: SeekPosition.create() }],
  ])('are told from the next block on, with %s', async (_, start) => {
    const chain = threeBlocks()
    const { gateway } = handMade({ chain })
    const taken = take(gateway.chaincodeEvents(signed(start), call), 1)
    await turns()
    chain.commit([{ txId: 'd0' }])
    expect(await taken).toEqual(['3: d0'])
  })

  it('are waited for from a block on that is not there yet', async () => {
    const chain = threeBlocks()
    const { gateway } = handMade({ chain })
    const taken = take(gateway.chaincodeEvents(signed(at(4n)), call), 1)
    await turns()
    chain.commit([{ txId: 'd0' }])
    chain.commit([{ txId: 'e0' }])
    expect(await taken).toEqual(['4: e0'])
  })

  it.each([
    ['of the same block', 'b0', '1: b2'],
    ['of another chaincode', 'b1', '1: b2'],
    ['that was the last of its block', 'b2', '3: d0'],
    ['that was not valid', 'c0', '3: d0'],
  ])('are told from after a transaction on, one %s', async (_, afterTransactionId, expected) => {
    const chain = threeBlocks()
    const { gateway } = handMade({ chain })
    const taken = take(gateway.chaincodeEvents(signed({ ...at(0n), afterTransactionId }), call), 1)
    await turns()
    chain.commit([{ txId: 'd0' }])
    expect(await taken).toEqual([expected])
  })

  it('are told from after a transaction on that is not there yet', async () => {
    const chain = threeBlocks()
    const { gateway } = handMade({ chain })
    const taken = take(gateway.chaincodeEvents(signed({ ...at(0n), afterTransactionId: 'd1' }), call), 2)
    await turns()
    chain.commit([{ txId: 'd0' }, { txId: 'd1' }, { txId: 'd2' }])
    chain.commit([{ txId: 'e0' }])
    expect(await taken).toEqual(['3: d2', '4: e0'])
  })

  it('are told when the state has what was written', async () => {
    const chain = threeBlocks()
    const { gateway, clock } = handMade({ chain })
    const told: unknown[] = []
    const taken = take(gateway.chaincodeEvents(signed(), call), 1).then((texts) => told.push(...texts))
    await turns()
    chain.commit([{ txId: 'd0' }], { lags: true })
    await clock.advance(10)
    expect(told).toEqual([])
    chain.catchUp()
    await clock.advance(1)
    await taken
    expect(told).toEqual(['3: d0'])
  })

  it('cost no more for a thousand streams than for one', async () => {
    const chain = threeBlocks()
    const { gateway } = handMade({ chain })
    const gone = new AbortController()
    const streams = Array.from({ length: 1000 }, () => take(gateway.chaincodeEvents(signed(at(0n)), { signal: gone.signal }), 4))
    await expect.poll(() => chain.followers).toBe(1)
    await turns()
    chain.commit([{ txId: 'd0' }])
    await turns()
    chain.commit([{ txId: 'e0' }])
    for (const texts of await Promise.all(streams)) expect(texts).toEqual(['0: a0', '1: b0 b2', '3: d0', '4: e0'])
    expect(chain.follows).toBe(1)
    // The blocks that were there before, once each for all.
    expect(chain.reads).toBe(3)
    await turns()
    expect(chain.followers).toBe(0)
  })

  it('are told to streams that are far behind, which read the ledger', async () => {
    const chain = new HandMadeChain()
    const { gateway } = handMade({ chain })
    const stream = gateway.chaincodeEvents(signed(at(0n)), call)[Symbol.asyncIterator]()
    const first = stream.next()
    for (let number = 0; number < 200; number++) {
      chain.commit([{ txId: `t${number}` }])
      await turns()
    }
    expect((await first).value?.blockNumber).toBe(0n)
    for (let number = 1n; number < 200n; number++) expect((await stream.next()).value?.blockNumber).toBe(number)
    // The last 64 are kept.
    expect(chain.reads).toBeGreaterThan(100)
    await stream.return?.()
    await turns()
    expect(chain.followers).toBe(0)
  })
})

describe('events of a chaincode are not told', () => {
  const first = (stream: AsyncIterable<unknown>) => stream[Symbol.asyncIterator]().next()

  it.each([
    ['nothing was asked', { request: new Uint8Array(), signature }, 'a chaincode events request is required'],
    ['the request cannot be read', { request: Uint8Array.of(0xff), signature }, 'invalid chaincode events request: '],
    [
      'they are asked for from the oldest block on',
      signed({ startPosition: SeekPosition.create({ oldest: {} }) }),
      'invalid start position type: *orderer.SeekPosition_Oldest',
    ],
    [
      'they are asked for from the newest block on',
      signed({ startPosition: SeekPosition.create({ newest: {} }) }),
      'invalid start position type: *orderer.SeekPosition_Newest',
    ],
  ])('where %s', async (_, request, message) => {
    const failure = await failureOf(first(handMade({ chain: threeBlocks() }).gateway.chaincodeEvents(request, call)))
    expect(failure.status).toBe(RpcStatus.invalidArgument)
    expect(failure.message).toContain(message)
  })

  it('to who may not read the channel', async () => {
    const access = { check: () => ({ fault: 'fabric-msp/access-denied', detail: 'why' }) }
    expect(await failureOf(first(handMade({ access }).gateway.chaincodeEvents(signed(), call)))).toMatchObject({
      status: RpcStatus.permissionDenied,
      message: 'why',
    })
  })

  it('of a channel that the peer is not on', async () => {
    expect(await failureOf(first(handMade({}).gateway.chaincodeEvents(signed({ channelId: 'other' }), call)))).toMatchObject({
      status: RpcStatus.notFound,
      message: 'channel does not exist: other',
    })
  })

  it('once the channel has halted; what was there before is', async () => {
    const chain = threeBlocks()
    const { gateway } = handMade({ chain })
    const stream = gateway.chaincodeEvents(signed(at(0n)), call)[Symbol.asyncIterator]()
    expect((await stream.next()).value?.blockNumber).toBe(0n)
    chain.end(new Error('halted'))
    await turns()
    expect((await stream.next()).value?.blockNumber).toBe(1n)
    expect(await failureOf(stream.next())).toMatchObject({ status: RpcStatus.aborted, message: 'halted' })
    expect(chain.followers).toBe(0)
  })

  it('to who has gone', async () => {
    const chain = threeBlocks()
    const gone = new AbortController()
    const failure = failureOf(first(handMade({ chain }).gateway.chaincodeEvents(signed(), { signal: gone.signal })))
    await turns()
    expect(chain.followers).toBe(1)
    gone.abort()
    expect(await failure).toMatchObject({ status: RpcStatus.cancelled })
    await turns()
    expect(chain.followers).toBe(0)
  })
})
