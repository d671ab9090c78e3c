import { setImmediate as turn } from 'node:timers/promises'
import {
  ChaincodeAdditionalParams,
  ChaincodeMessageType,
  GetState,
  GetStateByRange,
  GetStateMultiple,
  GetStateMultipleResult,
  QueryMetadata,
  QueryResponse,
  QueryResponseMetadata,
  QueryStateId,
  readReadWriteSet,
  StateMetadata,
  WriteBatchState,
} from '@kumiko/fabric-protocol'
import { must, virtualClock } from '@kumiko/testkit'
import type { Metrics } from '@libp2p/interface'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { ChaincodeRuntimeOptions } from '../src/runtime/chaincode-runtime.ts'
import { contextOf, goldenUser } from './golden-ledger.ts'
import { testChannel, testRuntime } from './peer.ts'
import { type Script, ScriptedChaincode } from './scripted-chaincode.ts'
import { definitionsOf, endorse, type TestChannel } from './transactions.ts'

const PACKAGE_ID = 'golden:1.0'
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)
const never = new Promise<never>(() => {})

let channel: TestChannel & AsyncDisposable

beforeAll(async () => {
  channel = await testChannel()
})
afterAll(() => channel[Symbol.asyncDispose]())

async function peerWith(script: Script, options: Partial<ChaincodeRuntimeOptions> = {}) {
  const clock = virtualClock()
  const chaincode = new ScriptedChaincode(PACKAGE_ID, script)
  const runtime = await testRuntime(channel, { connectors: [chaincode], clock, ...options })
  return {
    clock,
    chaincode,
    runtime,
    run: (nonce = 7, signal?: AbortSignal) => endorse(runtime, channel, { args: ['f'], nonce, ...(signal && { signal }) }),
  }
}

describe('what Fabric 3.1 asks for at once', () => {
  it('writes a batch, up to the first record that fails', async () => {
    const record = { key: 'k', value: new Uint8Array(), collection: '', metadata: undefined }
    const rec = [
      { ...record, type: ChaincodeMessageType.putState, value: bytes('v') },
      { ...record, type: ChaincodeMessageType.putStateMetadata, metadata: StateMetadata.create({ metakey: 'm', value: bytes('p') }) },
      { ...record, type: ChaincodeMessageType.delState, key: 'a' },
      { ...record, type: ChaincodeMessageType.putState, collection: 'secret', value: bytes('private') },
      { ...record, type: ChaincodeMessageType.purgePrivateData, collection: 'secret', key: 's1' },
    ]
    const { run } = await peerWith(async (ask, { txid }) => {
      const answer = await ask(ChaincodeMessageType.writeBatchState, WriteBatchState.encode({ rec }))
      const bad = await ask(ChaincodeMessageType.writeBatchState, WriteBatchState.encode({ rec: [{ ...record, type: 8 }] }))
      return { message: text(bad.payload).replace(txid, 'T'), payload: answer.payload }
    })
    const { message, payload, results, privateResults } = await run()
    expect(message).toBe('WRITE_BATCH_STATE failed: transaction ID: T: unknown operation type')
    expect(payload).toBe('')
    for (const part of ['k', 'v', 'm', 'p']) expect(results).toContain(Buffer.from(part).toString('hex'))
    expect(privateResults).toContain(Buffer.from('private').toString('hex'))
    expect(results).not.toContain(Buffer.from('private').toString('hex'))
  })

  it('reads several keys', async () => {
    const { run, chaincode } = await peerWith(async (ask) => {
      const { payload } = await ask(ChaincodeMessageType.getStateMultiple, GetStateMultiple.encode({ keys: ['a', 'none', 'b'] }))
      const hidden = await ask(ChaincodeMessageType.getStateMultiple, GetStateMultiple.encode({ keys: ['s1'], collection: 'secret' }))
      const { values } = must(GetStateMultipleResult.decode(hidden.payload))
      return { payload, message: JSON.stringify(values.map(text)) }
    })
    const { payload, message } = await run()
    expect(must(GetStateMultipleResult.decode(bytes(payload))).values.map(text)).toEqual(['3', '', '95'])
    expect(message).toBe('[""]')
    const ready = chaincode.received.find(({ type }) => type === ChaincodeMessageType.ready)
    expect(must(ChaincodeAdditionalParams.decode(must(ready).payload)).maxSizeWriteBatch).toBe(1000)
  })
})

describe('a chaincode that does wrong', () => {
  it('is timed out', async () => {
    const { chaincode, clock, run } = await peerWith(() => never)
    const failed = expect(run()).rejects.toMatchObject({
      code: 'fabric-chaincode/timeout',
      message: expect.stringMatching(
        /^failed to execute transaction [0-9a-f]{64}: error sending: timeout expired while executing transaction$/,
      ),
    })
    await expect.poll(() => chaincode.received.at(-1)?.type).toBe(ChaincodeMessageType.transaction)
    await clock.advance(30_000)
    await failed
  })

  it('is launched again after it was lost', async () => {
    let isLost = false
    const { chaincode, run, runtime } = await peerWith(async (_ask, _transaction, link) => {
      if (isLost) return { message: 'back' }
      isLost = true
      link.lose()
      return await never
    })
    await expect(run()).rejects.toMatchObject({
      code: 'fabric-chaincode/stream-terminated',
      message: expect.stringContaining('error sending: chaincode stream terminated'),
    })
    await turn()
    expect(runtime.connected()).toEqual([])
    expect(await run()).toMatchObject({ message: 'back' })
    expect(chaincode.launches).toBe(2)
    expect(runtime.connected()).toEqual([PACKAGE_ID])
    runtime.stop()
    await turn()
    expect(runtime.connected()).toEqual([])
  })

  it('loses its stream with a message that no chaincode sends, and all its transactions', async () => {
    const { run } = await peerWith(async (_ask, _transaction, link) => {
      link.send({ type: 99 })
      return await never
    })
    const results = await Promise.allSettled([run(1), run(2)])
    for (const result of results)
      expect(result).toMatchObject({ status: 'rejected', reason: { code: 'fabric-chaincode/stream-terminated' } })
  })

  it.each([
    ChaincodeMessageType.getState,
    ChaincodeMessageType.putState,
    ChaincodeMessageType.invokeChaincode,
    ChaincodeMessageType.getStateByRange,
    ChaincodeMessageType.getQueryResult,
    ChaincodeMessageType.queryStateNext,
    ChaincodeMessageType.getHistoryForKey,
    ChaincodeMessageType.putStateMetadata,
    ChaincodeMessageType.purgePrivateData,
    ChaincodeMessageType.writeBatchState,
    ChaincodeMessageType.getStateMultiple,
  ])('is told of a malformed request %d', async (type) => {
    const { run } = await peerWith(async (ask) => ({ message: text((await ask(type, Uint8Array.of(7))).payload) }))
    expect((await run()).message).toMatch(/^[A-Z_]+ failed: transaction ID: [0-9a-f]{64}: (unmarshal failed: |purge)/)
  })

  it('cannot read on in a query that is not, and may close it', async () => {
    const { run } = await peerWith(async (ask) => {
      const next = await ask(ChaincodeMessageType.queryStateNext, QueryStateId.encode({ id: 'x' }))
      const close = await ask(ChaincodeMessageType.queryStateClose, QueryStateId.encode({ id: 'x' }))
      return { message: text(next.payload), status: 200 + close.type }
    })
    expect(await run()).toMatchObject({ status: 213, message: expect.stringMatching(/query iterator not found$/) })
  })

  it('has no state of a transaction that is over', async () => {
    let late: Promise<{ readonly payload: Uint8Array }> | undefined
    const { run } = await peerWith(async (ask) => {
      late ??= turn()
        .then(() => turn())
        .then(() => ask(ChaincodeMessageType.getState, GetState.encode({ key: 'a' })))
      return {}
    })
    await run()
    expect(text((await must(late)).payload)).toMatch(/^GET_STATE failed: transaction ID: [0-9a-f]{64}: no ledger context$/)
  })

  it('answers with what is no response, and with an error of its own', async () => {
    const bad = await peerWith(async (_ask, { txid, channelId }, link) => {
      link.send({ type: ChaincodeMessageType.completed, payload: Uint8Array.of(7), txid, channelId })
      return await never
    })
    await expect(bad.run()).rejects.toMatchObject({ code: 'fabric-chaincode/bad-response' })
    const failing = await peerWith(async (_ask, { txid, channelId }, link) => {
      link.send({ type: ChaincodeMessageType.error, payload: bytes('broken'), txid, channelId })
      return await never
    })
    await expect(failing.run()).rejects.toMatchObject({
      code: 'fabric-chaincode/returned-error',
      message: 'transaction returned with failure: broken',
    })
  })

  it('does not register in time', async () => {
    const silent = { runs: () => true, launch: () => never }
    const { clock, run } = await peerWith(async () => ({}), { connectors: [silent], startTimeoutMs: 100 })
    const failed = expect(run()).rejects.toMatchObject({
      code: 'fabric-chaincode/not-launched',
      message: expect.stringContaining(
        'could not launch chaincode golden:1.0: timeout expired while starting chaincode golden:1.0 for transaction',
      ),
    })
    await expect.poll(() => clock.pending).toBe(1)
    await clock.advance(100)
    await failed
  })

  it('cannot be launched, or ends before it registers', async () => {
    const broken = { runs: () => true, launch: async () => Promise.reject(new Error('no such file')) }
    await expect((await peerWith(async () => ({}), { connectors: [broken] })).run()).rejects.toThrow('chaincode golden:1.0: no such file')
    const over = { runs: () => true, launch: async () => {} }
    await expect((await peerWith(async () => ({}), { connectors: [over] })).run()).rejects.toThrow(
      'chaincode registration failed: connection to golden:1.0 terminated',
    )
    await expect((await peerWith(async () => ({}), { connectors: [] })).run()).rejects.toThrow('no way to start it')
  })
})

it('launches a chaincode once for transactions that come at once', async () => {
  const { chaincode, run } = await peerWith(async () => ({ message: 'ok' }))
  const results = await Promise.all(Array.from({ length: 20 }, (_, nonce) => run(nonce)))
  expect(results.map(({ message }) => message)).toEqual(Array(20).fill('ok'))
  expect(chaincode.launches).toBe(1)
})

it('gives up a transaction whose client has gone', async () => {
  const { run } = await peerWith(() => never)
  const controller = new AbortController()
  const failed = expect(run(7, controller.signal)).rejects.toMatchObject({ code: 'fabric-chaincode/aborted' })
  await turn()
  controller.abort()
  await failed
  await expect(run(7, controller.signal)).rejects.toMatchObject({ code: 'fabric-chaincode/aborted' })
})

describe('who may register', () => {
  it('is not a chaincode that nobody launched, but in development', async () => {
    const { chaincode, runtime } = await peerWith(async () => ({}))
    await expect(runtime.attach(chaincode.dial(PACKAGE_ID).peer)).rejects.toThrow(
      'peer will not accept external chaincode connection golden:1.0 (except in dev mode)',
    )
    const dev = await peerWith(async () => ({ message: 'mine' }), { acceptsUnlaunched: true, connectors: [] })
    const { peer, link } = dev.chaincode.dial(PACKAGE_ID)
    const served = dev.runtime.attach(peer)
    expect(await dev.run()).toMatchObject({ message: 'mine' })
    await expect(dev.runtime.attach(dev.chaincode.dial(PACKAGE_ID).peer)).rejects.toThrow('duplicate chaincodeID: golden:1.0')
    expect(await dev.run()).toMatchObject({ message: 'mine' })
    link.lose()
    await served
    expect(dev.runtime.connected()).toEqual([])
  })

  it('is a chaincode whose stream was ended, even before it heard of that', async () => {
    const { chaincode, runtime, run } = await peerWith(async () => ({ message: 'second' }), { acceptsUnlaunched: true, connectors: [] })
    const first = chaincode.dial(PACKAGE_ID)
    const room = Promise.withResolvers<void>()
    const stuck = expect(runtime.attach({ ...first.peer, send: () => false, drained: () => room.promise })).rejects.toThrow(
      'the peer is stopping',
    )
    await turn()
    expect(runtime.connected()).toEqual([PACKAGE_ID])
    runtime.stop()
    expect(runtime.connected()).toEqual([])
    const second = runtime.attach(chaincode.dial(PACKAGE_ID).peer)
    expect(await run()).toMatchObject({ message: 'second' })
    room.resolve()
    await stuck
    expect(await run()).toMatchObject({ message: 'second' })
    runtime.stop()
    await expect(second).rejects.toThrow('the peer is stopping')
  })

  it('is not a chaincode that its listener refuses', async () => {
    const { chaincode, runtime } = await peerWith(async () => ({}), { acceptsUnlaunched: true })
    await expect(runtime.attach(chaincode.dial(PACKAGE_ID).peer, (name) => `not ${name}`)).rejects.toThrow('not golden:1.0')
    expect(runtime.connected()).toEqual([])
  })
})

describe('a chaincode that must be initialised', () => {
  const options = { definitions: definitionsOf({ golden: PACKAGE_ID }, true) }

  it('is, once, by a transaction of its own', async () => {
    const { runtime, chaincode } = await peerWith(async (ask) => {
      const { payload } = await ask(ChaincodeMessageType.getState, GetState.encode({ key: 's1', collection: 'secret' }))
      return { message: text(payload) }
    }, options)
    await expect(endorse(runtime, channel, { args: ['f'] })).rejects.toMatchObject({
      code: 'fabric-chaincode/bad-invocation',
      message: expect.stringMatching(
        /invalid invocation: chaincode 'golden' has not been initialized for this version, must call as init first$/,
      ),
    })
    const { message, results } = await endorse(runtime, channel, { args: ['f'], isInit: true })
    expect(message).toMatch(/private data APIs are not allowed in chaincode Init\(\)$/)
    expect(results).toContain(Buffer.from('\0\u{10ffff}initialized').toString('hex'))
    expect(results).toContain(Buffer.from('1.0').toString('hex'))
    expect(chaincode.received.some(({ type }) => type === ChaincodeMessageType.init)).toBe(true)
  })

  it('is not otherwise', async () => {
    const { runtime } = await peerWith(async () => ({}))
    await expect(endorse(runtime, channel, { args: ['f'], isInit: true })).rejects.toThrow(
      "invalid invocation: chaincode 'golden' does not require initialization but called as init",
    )
    await expect(endorse(runtime, channel, { args: ['f'], isInit: true, chaincode: 'qscc' })).rejects.toThrow(
      "invalid invocation: chaincode 'qscc' does not require initialization but called as init",
    )
  })
})

it('tells what an endorser must know, of system chaincodes too', async () => {
  const { runtime } = await peerWith(async () => ({}))
  expect(runtime.isSystem('qscc')).toBe(true)
  expect(runtime.isSystem('golden')).toBe(false)
  expect(await endorse(runtime, channel, { args: ['GetChainInfo'], chaincode: 'qscc' })).toMatchObject({
    payload: 'mychannel: GetChainInfo',
  })
  await expect(endorse(runtime, channel, { args: ['f'], chaincode: 'none' })).rejects.toThrow(
    /^failed to execute transaction [0-9a-f]{64}: invalid invocation: \[channel mychannel\] failed to get chaincode container info for none: chaincode none not found$/,
  )
  const context = contextOf(await goldenUser('User1'), { chaincode: 'golden', args: [] })
  await expect(runtime.endorsementInfo(context, 'golden')).rejects.toThrow("could not get channel config for channel ''")
})

it('gives no more results of a query than it may, and records that it did not come to the end', async () => {
  const { run } = await peerWith(
    async (ask) => {
      const all = await ask(ChaincodeMessageType.getStateByRange, GetStateByRange.encode({ startKey: 'a', endKey: 'z' }))
      const metadata = QueryMetadata.encode({ pageSize: 100, bookmark: 'b' })
      const page = await ask(ChaincodeMessageType.getStateByRange, GetStateByRange.encode({ startKey: 'a', endKey: 'z', metadata }))
      const { fetchedRecordsCount, bookmark } = must(QueryResponseMetadata.decode(must(QueryResponse.decode(page.payload)).metadata))
      const { results, hasMore } = must(QueryResponse.decode(all.payload))
      return { message: JSON.stringify([results.length, hasMore, fetchedRecordsCount, bookmark]) }
    },
    { queryResultsMax: 3 },
  )
  const { message, results } = await run()
  expect(JSON.parse(message)).toEqual([3, false, 3, 'cc'])
  const [, golden] = must(readReadWriteSet(new Uint8Array(Buffer.from(results, 'hex')))).namespaces
  expect(golden?.keyValue.rangeQueriesInfo).toMatchObject([
    { startKey: 'a', endKey: 'c', itrExhausted: false },
    { startKey: 'b', endKey: 'ca', itrExhausted: false },
  ])
})

it("measures by Fabric's names", async () => {
  const measured = new Map<string, number>()
  const group = (name: string) => ({
    increment: (values: Record<string, unknown>) => void Object.keys(values).map((label) => count(`${name} ${label}`)),
    observe: (values: Record<string, unknown>) => void Object.keys(values).map((label) => count(`${name} ${label}`)),
  })
  const count = (name: string): unknown => measured.set(name, (measured.get(name) ?? 0) + 1)
  // Of all that libp2p's metrics can register, only these kinds are.
  const metrics = { registerCounterGroup: group, registerHistogramGroup: group } as unknown as Metrics
  const { run } = await peerWith(
    async (ask) => {
      await ask(ChaincodeMessageType.getState, GetState.encode({ key: 'a' }))
      return {}
    },
    { metrics },
  )
  await run()
  await expect.poll(() => measured.size).toBe(4)
  expect(Object.fromEntries(measured)).toEqual({
    'chaincode_launch_duration golden:1.0': 1,
    'chaincode_shim_requests_received GET_STATE': 1,
    'chaincode_shim_requests_completed GET_STATE': 1,
    'chaincode_shim_request_duration GET_STATE': 1,
  })
})
