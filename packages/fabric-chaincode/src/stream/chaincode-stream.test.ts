import { ChaincodeAdditionalParams, ChaincodeId, ChaincodeMessage, ChaincodeMessageType } from '@kumiko/fabric-protocol'
import { expect, it } from 'vitest'
import { ChaincodeStream, type StreamEffect } from './chaincode-stream.ts'

const LIMITS = { registerTimeoutMs: 500, executeTimeoutMs: 30_000, keepaliveMs: 0, executionsMax: 3 }
const text = (bytes: Uint8Array): string => new TextDecoder().decode(bytes)
const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)

function message(type: number, fields: Partial<ChaincodeMessage> = {}): ChaincodeMessage {
  return ChaincodeMessage.create({ type, channelId: 'ch', txid: 't', ...fields })
}

const register = (name: string): ChaincodeMessage =>
  ChaincodeMessage.create({ type: ChaincodeMessageType.register, payload: ChaincodeId.encode({ name }) })

function readyStream(limits: Partial<typeof LIMITS> = {}): ChaincodeStream<string> {
  const stream = new ChaincodeStream<string>({ ...LIMITS, ...limits }, 0)
  stream.receive(register('cc:1'))
  stream.accept()
  return stream
}

const transaction = (txid: string) => ({ execution: `execution of ${txid}`, message: message(ChaincodeMessageType.transaction, { txid }) })

/** What is sent, readably. */
function sent(effects: readonly StreamEffect<string>[] | string): unknown {
  if (typeof effects === 'string') return effects
  return effects.map((effect) => (effect.do === 'send' ? [effect.message.type, effect.message.txid, text(effect.message.payload)] : effect))
}

it('registers a chaincode, then tells it that it is ready, and what the peer can do', () => {
  const stream = new ChaincodeStream<string>(LIMITS, 0)
  expect(stream.receive(register('cc:1'))).toEqual([{ do: 'register', name: 'cc:1' }])
  expect(stream.isReady).toBe(false)
  const payload = ChaincodeAdditionalParams.encode({
    useWriteBatch: true,
    maxSizeWriteBatch: 1000,
    useGetMultipleKeys: true,
    maxSizeGetMultipleKeys: 1000,
  })
  expect(stream.accept()).toEqual([
    { do: 'send', message: ChaincodeMessage.create({ type: ChaincodeMessageType.registered }) },
    { do: 'send', message: ChaincodeMessage.create({ type: ChaincodeMessageType.ready, payload }) },
  ])
  expect(stream.isReady).toBe(true)
  expect(stream.accept()).toEqual([])
})

it.each([
  [
    'what is no registration',
    message(ChaincodeMessageType.getState),
    '[t] Fabric side handler cannot handle message (GET_STATE) while in created state',
  ],
  ['a registration without a name', register(''), 'error in handling register chaincode, chaincodeID name is empty'],
  [
    'a registration that is malformed',
    message(ChaincodeMessageType.register, { payload: bytes('\u0007') }),
    'could not unmarshal registration info',
  ],
])('ends at %s', (_, first, reason) => {
  const stream = new ChaincodeStream<string>(LIMITS, 0)
  expect(stream.receive(first)).toEqual([{ do: 'end', reason: expect.stringContaining(reason) }])
  expect(stream.receive(register('cc:1'))).toEqual([])
})

it('ends where nobody says who it is', () => {
  const stream = new ChaincodeStream<string>(LIMITS, 0)
  expect(stream.deadline).toBe(500)
  expect(stream.expire(499)).toEqual([])
  expect(stream.expire(500)).toEqual([{ do: 'end', reason: 'the chaincode has not registered in time' }])
  expect(stream.deadline).toBe(Number.POSITIVE_INFINITY)
})

it('executes a transaction: what it asks for, answers, and its end', () => {
  const stream = readyStream()
  expect(stream.execute(transaction('t'), 5)).toEqual([{ do: 'send', message: transaction('t').message }])
  expect(stream.deadline).toBe(30_005)
  const request = message(ChaincodeMessageType.getState, { payload: bytes('k') })
  expect(stream.receive(request)).toEqual([{ do: 'handle', request, execution: 'execution of t' }])
  expect(sent(stream.answer(request, bytes('v')))).toEqual([[ChaincodeMessageType.response, 't', 'v']])
  expect(stream.receive(request)).toEqual([{ do: 'handle', request, execution: 'execution of t' }])
  expect(sent(stream.answer(request, 'GET_STATE failed'))).toEqual([[ChaincodeMessageType.error, 't', 'GET_STATE failed']])
  const end = message(ChaincodeMessageType.completed)
  expect(stream.receive(end)).toEqual([{ do: 'settle', execution: 'execution of t', outcome: end }])
  expect(stream.receive(end)).toEqual([])
  expect(stream.deadline).toBe(Number.POSITIVE_INFINITY)
})

it('drops a second request of a transaction, and lets other transactions make theirs', () => {
  const stream = readyStream()
  stream.execute(transaction('t'), 0)
  stream.execute(transaction('u'), 0)
  const request = message(ChaincodeMessageType.putState)
  expect(stream.receive(request)).toHaveLength(1)
  expect(stream.receive(message(ChaincodeMessageType.getState))).toEqual([])
  expect(stream.receive(message(ChaincodeMessageType.getState, { txid: 'u' }))).toHaveLength(1)
})

it('ends a transaction after the request that it left', () => {
  const stream = readyStream()
  stream.execute(transaction('t'), 0)
  const request = message(ChaincodeMessageType.putState)
  stream.receive(request)
  const end = message(ChaincodeMessageType.completed)
  expect(stream.receive(end)).toEqual([])
  expect(stream.receive(message(ChaincodeMessageType.error))).toEqual([])
  expect(stream.answer(request, new Uint8Array())).toEqual([
    { do: 'send', message: message(ChaincodeMessageType.response) },
    { do: 'settle', execution: 'execution of t', outcome: end },
  ])
})

it.each([
  [ChaincodeMessageType.getState, 'GET_STATE failed: transaction ID: x: no ledger context'],
  [ChaincodeMessageType.invokeChaincode, 'INVOKE_CHAINCODE failed: transaction ID: x: could not get valid transaction'],
  [ChaincodeMessageType.writeBatchState, 'WRITE_BATCH_STATE failed: transaction ID: x: no ledger context'],
])('refuses request %s of a transaction that is not', (type, words) => {
  expect(sent(readyStream().receive(message(type, { txid: 'x' })))).toEqual([[ChaincodeMessageType.error, 'x', words]])
})

it('executes a transaction of a channel once at a time, and no more than it may', () => {
  const stream = readyStream()
  stream.execute(transaction('t'), 0)
  expect(stream.execute(transaction('t'), 0)).toBe('txid: t(ch) exists')
  expect(
    stream.execute({ execution: 'elsewhere', message: message(ChaincodeMessageType.transaction, { channelId: 'other' }) }, 0),
  ).toHaveLength(1)
  stream.execute(transaction('u'), 0)
  expect(stream.execute(transaction('v'), 0)).toMatch(/3 transactions/)
})

it('times a transaction out; its requests come too late then', () => {
  const stream = readyStream()
  stream.execute(transaction('t'), 0)
  stream.execute(transaction('u'), 10)
  expect(stream.expire(29_999)).toEqual([])
  expect(stream.expire(30_000)).toEqual([
    { do: 'settle', execution: 'execution of t', outcome: { failure: 'timeout', message: 'timeout expired while executing transaction' } },
  ])
  expect(stream.deadline).toBe(30_010)
  expect(sent(stream.receive(message(ChaincodeMessageType.getState)))).toEqual([
    [ChaincodeMessageType.error, 't', 'GET_STATE failed: transaction ID: t: no ledger context'],
  ])
  expect(stream.receive(message(ChaincodeMessageType.completed))).toEqual([])
})

it('ends all transactions with the stream', () => {
  const stream = readyStream()
  stream.execute(transaction('t'), 0)
  const request = message(ChaincodeMessageType.getState)
  stream.receive(request)
  expect(stream.end('gone')).toEqual([
    { do: 'settle', execution: 'execution of t', outcome: { failure: 'stream-terminated', message: 'chaincode stream terminated' } },
    { do: 'end', reason: 'gone' },
  ])
  expect(stream.end('again')).toEqual([])
  expect(stream.answer(request, new Uint8Array())).toEqual([])
  expect(stream.execute(transaction('u'), 0)).toBe('chaincode stream terminated')
  expect(stream.isReady).toBe(false)
})

it('gives up a transaction that nobody waits for', () => {
  const stream = readyStream()
  stream.execute(transaction('t'), 0)
  expect(stream.abort(transaction('t'))).toEqual([
    { do: 'settle', execution: 'execution of t', outcome: { failure: 'aborted', message: 'context canceled' } },
  ])
  expect(stream.abort(transaction('t'))).toEqual([])
})

it.each([0, 1, 2, 3, 5, 13, 12, 26, -1, 2 ** 31 - 1])('ends at message %d, which a chaincode does not send', (type) => {
  expect(readyStream().receive(message(type))).toEqual([{ do: 'end', reason: expect.stringContaining('cannot handle message') }])
})

it('sends signs of life, and takes them', () => {
  const stream = readyStream({ keepaliveMs: 1000 })
  expect(stream.deadline).toBe(1000)
  expect(stream.expire(1000)).toEqual([{ do: 'send', message: ChaincodeMessage.create({ type: ChaincodeMessageType.keepalive }) }])
  expect(stream.deadline).toBe(2000)
  expect(stream.receive(message(ChaincodeMessageType.keepalive))).toEqual([])
  stream.end('over')
  expect(stream.deadline).toBe(Number.POSITIVE_INFINITY)
})
