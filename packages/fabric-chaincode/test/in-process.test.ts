import { setImmediate as turn } from 'node:timers/promises'
import { type KVRWSet, readReadWriteSet } from '@kumiko/fabric-protocol'
import { must, virtualClock } from '@kumiko/testkit'
import { Contract } from 'fabric-contract-api'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ChaincodeCode, inProcessChaincode } from '../src/connectors/in-process.ts'
import type { TransactionObserver } from '../src/connectors/transaction-observer.ts'
import type { ChaincodeRuntimeOptions } from '../src/runtime/chaincode-runtime.ts'
import { goldenAccess, goldenUser } from './golden-ledger.ts'
import { contracts, PACKAGE_IDS, testChannel, testRuntime } from './peer.ts'
import { PROPOSALS } from './proposals.ts'
import { endorse, type TestChannel, type TestResult } from './transactions.ts'

let channel: TestChannel & AsyncDisposable

beforeAll(async () => {
  channel = await testChannel()
})
afterAll(() => channel[Symbol.asyncDispose]())

async function peerWith(
  code: ChaincodeCode & { readonly observer?: TransactionObserver } = { contracts },
  options: Partial<ChaincodeRuntimeOptions> = {},
) {
  const chaincodes = Object.values(PACKAGE_IDS).map((packageId) => inProcessChaincode({ ...code, packageId, mspId: 'Org1MSP' }))
  const runtime = await testRuntime(channel, { connectors: chaincodes, ...options })
  return { runtime, chaincodes, run: (...args: string[]) => endorse(runtime, channel, { args }) }
}

/** What a proposal read and wrote in the chaincode's namespace. */
function setOf({ results }: TestResult): KVRWSet {
  return must(must(readReadWriteSet(Buffer.from(results, 'hex'))).namespaces.find(({ namespace }) => namespace === 'golden')).keyValue
}

async function proposed(name: keyof typeof PROPOSALS): Promise<TestResult> {
  const { runtime } = await peerWith()
  const result = await endorse(runtime, channel, must(PROPOSALS[name]))
  return { ...result, message: result.message.replaceAll(/[0-9a-f]{64}/g, 'T') }
}

describe('what a contract is told', () => {
  it.each([
    ['a read', '3'],
    ['a read of nothing', 'the asset none does not exist'],
    ['a range that is left', '[["a","3"],["b","95"]]'],
    ['an empty range', '[]'],
    ['the first page', '{"keys":["a","b"],"bookmark":"c","fetchedRecordsCount":2}'],
    ['the next page', '{"keys":["c","ca"],"bookmark":"cc","fetchedRecordsCount":2}'],
    ['a page that is not full', '{"keys":["a","b"],"bookmark":"","fetchedRecordsCount":2}'],
    [
      'a page, then a write',
      'PUT_STATE failed: transaction ID: T: txid [T]: unsuppored transaction. Transaction has already performed a paginated query. Writes are not allowed',
    ],
    [
      'a write, then a page',
      'GET_STATE_BY_RANGE failed: transaction ID: T: txid [T]: unsuppored transaction. Paginated queries are supported only in a read-only transaction',
    ],
    [
      'a private range, then a write',
      'PUT_STATE failed: transaction ID: T: txid [T]: unsuppored transaction. Transaction has already performed queries on pvt data. Writes are not allowed',
    ],
    ['a rich query', 'GET_QUERY_RESULT failed: transaction ID: T: ExecuteQuery not supported for leveldb'],
    ['a page of a rich query', 'GET_QUERY_RESULT failed: transaction ID: T: ExecuteQueryWithMetadata not supported for leveldb'],
    [
      'a private read of a collection that is not',
      'GET_STATE failed: transaction ID: T: collection mychannel/golden/nope could not be found',
    ],
    [
      'a private hash of a collection that is not',
      'GET_PRIVATE_DATA_HASH failed: transaction ID: T: collection [nope] not defined in the collection config for chaincode [golden]',
    ],
    ['a call of itself', 'INVOKE_CHAINCODE failed: transaction ID: T: execute failed: error sending: txid: T(mychannel) exists'],
    [
      'a call of a chaincode that is not',
      'INVOKE_CHAINCODE failed: transaction ID: T: execute failed: invalid invocation: [channel mychannel] failed to get chaincode container info for third: chaincode third not found',
    ],
    ['a call of a system chaincode', '{"status":200,"message":"","payload":"mychannel: GetChainInfo mychannel"}'],
    ['a call that is refused', '{"status":500,"message":"the asset none does not exist","payload":""}'],
    ['a call of another chaincode', '{"status":200,"message":"","payload":"2"}'],
    ['a contract that is not', 'Contract name is not known: nope'],
    ['a function that is not', 'no such function'],
  ])('%s', async (name, words) => {
    const { status, message, payload } = await proposed(name)
    expect(status < 400 ? payload : message).toBe(words)
  })
})

describe('what is recorded', () => {
  it('of a range that was not read to its end: the batch that the peer read', async () => {
    const [range] = setOf(await proposed('a range that is left')).rangeQueriesInfo
    // All eight keys fit in the first batch, so the peer has come to the end, whatever the contract looked at.
    expect(range).toMatchObject({ startKey: 'a', endKey: 'zz', itrExhausted: true })
    expect(range?.rawReads?.kvReads).toHaveLength(8)
  })

  it('of a page: up to its last key', async () => {
    const [range] = setOf(await proposed('the first page')).rangeQueriesInfo
    expect(range).toMatchObject({ startKey: '\u0001', endKey: 'b', itrExhausted: false })
    const [next] = setOf(await proposed('the next page')).rangeQueriesInfo
    expect(next).toMatchObject({ startKey: 'c', endKey: 'ca', itrExhausted: false })
  })

  it('of a call to another channel: nothing', async () => {
    const called = must(readReadWriteSet(Buffer.from((await proposed('a call to another channel')).results, 'hex')))
    expect(called.namespaces.map(({ namespace }) => namespace)).toEqual(['_lifecycle'])
    const here = must(readReadWriteSet(Buffer.from((await proposed('a call of another chaincode')).results, 'hex')))
    expect(here.namespaces.map(({ namespace }) => namespace)).toEqual(['_lifecycle', 'second'])
  })
})

describe('private data', () => {
  it('of a collection that only its members write to, is told to others', async () => {
    const { runtime } = await peerWith({
      chaincode: {
        Init: () => Promise.reject(new Error('no')),
        Invoke: async (stub) => {
          const { putPrivateData, getPrivateData } = stub as Record<
            'putPrivateData' | 'getPrivateData',
            (...args: unknown[]) => Promise<unknown>
          >
          const failed = async (work: Promise<unknown>): Promise<string> =>
            await work.then(
              () => '',
              (error: Error) => error.message,
            )
          const message = [
            await failed(putPrivateData.call(stub, 'secret', 'k', Buffer.from('v'))),
            await failed(getPrivateData.call(stub, 'secret', 'k')),
            await failed(getPrivateData.call(stub, 'short', 'k')),
            await failed(putPrivateData.call(stub, 'short', 'k', Buffer.from('v'))),
          ]
          return { status: 200, message: message.join('\n') }
        },
      },
    })
    const other = await goldenUser('User2')
    const forged = { ...channel, client: { ...channel.client, creator: other.creator } }
    const { message } = await endorse(runtime, forged, { args: ['f'] })
    const refused = (what: string, collection: string): string =>
      `tx creator does not have ${what} access permission on privatedata in chaincodeName:golden collectionName: ${collection}`
    expect(message.replaceAll(/[A-Z_]+ failed: transaction ID: [0-9a-f]{64}: /g, '').split('\n')).toEqual([
      refused('write', 'secret'),
      refused('read', 'secret'),
      refused('read', 'short'),
      '',
    ])
    expect((await endorse(runtime, channel, { args: ['f'] })).message).toBe('\n\n\n')
  })
})

describe('a contract that does wrong', () => {
  it('is timed out when it does not return', async () => {
    const clock = virtualClock()
    let isCalled = false
    const Never = class extends Contract {
      async f(): Promise<void> {
        isCalled = true
        await new Promise(() => {})
      }
    }
    const { run } = await peerWith({ contracts: [Never] }, { clock })
    const failed = expect(run('f')).rejects.toMatchObject({ code: 'fabric-chaincode/timeout' })
    await expect.poll(() => isCalled).toBe(true)
    await clock.advance(30_000)
    await failed
  })

  it.each([
    ['throws', () => Promise.reject(new Error('out of order')), 'out of order'],
    ['throws at once', () => fail('at once'), 'at once'],
    ['throws what is no error', () => Promise.reject('a text'), 'a text'],
    ['answers nothing', async () => undefined, '] Calling chaincode Invoke() has not called success or error.'],
    ['answers nonsense', async () => ({ status: 'fine' }), '] Calling chaincode Invoke() has not called success or error.'],
    ['answers nothing more', async () => ({ status: 404 }), ''],
  ])('that is a chaincode, and %s, is answered for', async (_, invoke, words) => {
    const Invoke = invoke as () => Promise<never>
    const { run } = await peerWith({ chaincode: { Init: Invoke, Invoke } })
    const { status, message } = await run('f')
    expect(status).toBeGreaterThanOrEqual(400)
    expect(message.endsWith(words)).toBe(true)
  })

  it('leaves no failure to the process, and takes none from it', async () => {
    const unhandled = vi.fn()
    process.on('unhandledRejection', unhandled)
    try {
      const { run } = await peerWith()
      await run('leave')
      await run('range', '', '', '1')
      await turn()
      await turn()
      expect(unhandled).not.toHaveBeenCalled()
      expect(process.env.GRPC_SSL_CIPHER_SUITES).toBeUndefined()
      for (const event of ['unhandledRejection', 'uncaughtException'] as const) {
        for (const listener of process.listeners(event)) expect(listener.name).not.toBe('loggerUnhandledRejectionFn')
      }
    } finally {
      process.off('unhandledRejection', unhandled)
    }
  })

  it('is told of before it runs where it is none', async () => {
    const { run, chaincodes } = await peerWith({ contracts: [class {}] })
    await expect(run('f')).rejects.toMatchObject({
      code: 'fabric-chaincode/not-launched',
      message: expect.stringContaining('the contracts of golden:1.0 cannot be run: invalid contract instance'),
    })
    const bad = expect.objectContaining({ code: 'fabric-chaincode/bad-contract' })
    expect(() => chaincodes[0]?.replace({ contracts: [class {}] })).toThrow(bad)
  })
})

it('tells of its transactions: when they begin, and what they failed of', async () => {
  const error = new Error('out of order')
  class Failing extends Contract {
    async done(): Promise<void> {}
    async throws(): Promise<void> {
      throw error
    }
  }
  const told: unknown[] = []
  const observer: TransactionObserver = {
    begun: (transaction) => told.push(transaction.function),
    ended: (transaction, failure) => told.push([transaction, failure]),
  }
  const { run } = await peerWith({ contracts: [Failing], observer })
  for (const name of ['done', 'throws', 'nothing']) await run(name)
  const transaction = { channelId: 'mychannel', txId: expect.stringMatching(/^[0-9a-f]{64}$/) }
  expect(told).toEqual([
    'done',
    [{ ...transaction, function: 'done' }, undefined],
    'throws',
    [
      { ...transaction, function: 'throws' },
      { status: 500, message: 'out of order', error },
    ],
    'nothing',
    [
      { ...transaction, function: 'nothing' },
      { status: 500, message: expect.stringContaining('nothing'), error: expect.any(Error) },
    ],
  ])
})

it('is replaced without its stream being lost: transactions that run go on with the old', async () => {
  const started = Promise.withResolvers<void>()
  const go = Promise.withResolvers<void>()
  const answering = (text: string) =>
    class Answering extends Contract {
      async f(): Promise<string> {
        started.resolve()
        await go.promise
        return text
      }
    }
  const { run, chaincodes } = await peerWith({ contracts: [answering('old')] })
  const old = run('f')
  await started.promise
  chaincodes[0]?.replace({ contracts: [answering('new')] })
  go.resolve()
  expect((await old).payload).toBe('old')
  expect((await run('f')).payload).toBe('new')
  expect(() => chaincodes[0]?.replace({ contracts: [class {}] })).toThrow('cannot be run')
  expect((await run('f')).payload).toBe('new')
})

it('has the default contract of its own, whatever another chaincode of the process says', async () => {
  const named = (name: string) =>
    class extends Contract {
      constructor() {
        super(name)
      }
      async f(): Promise<string> {
        return name
      }
    }
  Reflect.defineMetadata('fabric:default', 'elsewhere', globalThis)
  try {
    const { run } = await peerWith({ contracts: [named('first'), named('second')] })
    expect((await run('f')).payload).toBe('first')
    expect((await run('second:f')).payload).toBe('second')
  } finally {
    Reflect.deleteMetadata('fabric:default', globalThis)
  }
})

it('is refused to a caller whom the channel does not let in', async () => {
  const access = await goldenAccess(channel.bundle)
  const denied = { fault: 'fabric-msp/access-denied', detail: 'not you' }
  const { runtime } = await peerWith(undefined, {
    accessControl: { check: (...asked) => (asked[0] === 'peer/ChaincodeToChaincode' ? denied : access.check(...asked)) },
  })
  const call = (chaincode: string) => endorse(runtime, channel, { args: ['call', chaincode, '["read","a"]', ''] })
  expect((await call('second')).message).toMatch(/^INVOKE_CHAINCODE failed: transaction ID: [0-9a-f]{64}: not you$/)
  expect((await call('qscc')).status).toBe(200)
})

function fail(words: string): never {
  throw new Error(words)
}
