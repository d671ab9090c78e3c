import { RpcStatus } from '@kumiko/fabric-grpc'
import { CommitStatusRequest, type SignedData, ValidationCode } from '@kumiko/fabric-protocol'
import { describe, expect, it } from 'vitest'
import { HandMadeChain } from './hand-made-chain.ts'
import { CHANNEL, failureOf, handMade } from './hand-made-network.ts'

const call = { signal: new AbortController().signal }
const identity = Uint8Array.of(1)
const signature = Uint8Array.of(2)

function signed(change: Partial<CommitStatusRequest> = {}) {
  return { request: CommitStatusRequest.encode({ transactionId: 'wanted', channelId: CHANNEL, identity, ...change }), signature }
}

const turns = async (): Promise<void> => {
  for (let i = 0; i < 20; i++) await Promise.resolve()
}

describe('the status of a transaction', () => {
  it.each([ValidationCode.valid, ValidationCode.mvccReadConflict])('that is committed (code %i) is told at once', async (code) => {
    const chain = new HandMadeChain()
    chain.commit([{ txId: 'other' }])
    chain.commit([{ txId: 'x' }, { txId: 'wanted', code }])
    const { gateway } = handMade({ chain })
    expect(await gateway.commitStatus(signed(), call)).toEqual({ result: code, blockNumber: 1n })
    await turns()
    expect(chain.followers).toBe(0)
  })

  it('that is not committed yet is told when it is, to all who ask, with one look at each block', async () => {
    const chain = new HandMadeChain()
    chain.commit([{ txId: 'other' }])
    const { gateway } = handMade({ chain })
    const asked = Promise.all([1, 2, 3].map(() => gateway.commitStatus(signed(), call)))
    await turns()
    expect(chain.followers).toBe(1)
    chain.commit([{ txId: 'another' }])
    chain.commit([
      { txId: 'wanted', code: ValidationCode.phantomReadConflict },
      { txId: 'wanted', code: ValidationCode.duplicateTxid },
    ])
    const status = { result: ValidationCode.phantomReadConflict, blockNumber: 2n }
    expect(await asked).toEqual([status, status, status])
    await turns()
    expect(chain.followers).toBe(0)
    expect(chain.follows).toBe(1)
    expect(chain.reads).toBe(0)
  })

  it('is told only when the state has what it wrote', async () => {
    const chain = new HandMadeChain()
    chain.commit([{ txId: 'other' }])
    const { gateway, clock } = handMade({ chain })
    chain.commit([{ txId: 'wanted' }], { lags: true })
    const told: unknown[] = []
    const asked = gateway.commitStatus(signed(), call).then((status) => told.push(status))
    await clock.advance(10)
    expect(told).toEqual([])
    chain.catchUp()
    await clock.advance(1)
    await asked
    expect(told).toEqual([{ result: 0, blockNumber: 1n }])
  })

  it('is asked of the policy with what was signed', async () => {
    const asked: [string, string, SignedData][] = []
    const chain = new HandMadeChain()
    chain.commit([{ txId: 'wanted' }])
    const check = (resource: string, channelId: string, data: SignedData) => {
      asked.push([resource, channelId, data])
      return undefined
    }
    const { gateway } = handMade({ chain, access: { check } })
    const { request } = signed()
    await gateway.commitStatus({ request, signature }, call)
    expect(asked).toEqual([['gateway/CommitStatus', CHANNEL, { identity, message: request, signature }]])
  })
})

describe('the status of a transaction is not told', () => {
  it.each([
    ['nothing was asked', { request: new Uint8Array(), signature }, 'a commit status request is required'],
    ['the request cannot be read', { request: Uint8Array.of(0xff), signature }, 'invalid status request: '],
    ['nobody asks', signed({ identity: new Uint8Array() }), 'no identity provided'],
    ['no channel is named', signed({ channelId: '' }), 'no channel ID provided'],
    ['no transaction is named', signed({ transactionId: '' }), 'transaction ID should not be empty'],
  ])('where %s', async (_, request, message) => {
    const failure = await failureOf(handMade({}).gateway.commitStatus(request, call))
    expect(failure.status).toBe(RpcStatus.invalidArgument)
    expect(failure.message).toContain(message)
  })

  it('to who may not read the channel', async () => {
    const access = { check: () => ({ fault: 'fabric-msp/access-denied', detail: 'why' }) }
    expect(await failureOf(handMade({ access }).gateway.commitStatus(signed(), call))).toMatchObject({
      status: RpcStatus.permissionDenied,
      message: 'why',
    })
  })

  it('of a channel that the peer is not on', async () => {
    expect(await failureOf(handMade({}).gateway.commitStatus(signed({ channelId: 'other' }), call))).toMatchObject({
      status: RpcStatus.aborted,
      message: 'channel does not exist: other',
    })
  })

  it.each<[string, Error | 'closed', string]>([
    ['closed', 'closed', 'unexpected close of commit notification channel'],
    ['halted', new Error('channel halted at block 7'), 'channel halted at block 7'],
  ])('where the channel is %s meanwhile', async (_, end, message) => {
    const chain = new HandMadeChain()
    const { gateway } = handMade({ chain })
    const failure = failureOf(gateway.commitStatus(signed(), call))
    await turns()
    chain.end(end)
    expect(await failure).toMatchObject({ status: RpcStatus.aborted, message })
    expect(chain.followers).toBe(0)
  })

  it('to who has gone', async () => {
    const chain = new HandMadeChain()
    const { gateway } = handMade({ chain })
    const gone = new AbortController()
    const failure = failureOf(gateway.commitStatus(signed(), { signal: gone.signal }))
    await turns()
    expect(chain.followers).toBe(1)
    gone.abort()
    expect(await failure).toMatchObject({ status: RpcStatus.deadlineExceeded })
    await turns()
    expect(chain.followers).toBe(0)
  })
})
