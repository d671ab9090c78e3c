import { createHash, X509Certificate } from 'node:crypto'
import { connect as connectHttp2 } from 'node:http2'
import { connect as connectTcp } from 'node:net'
import type { Metrics } from '@libp2p/interface'
import { afterEach, describe, expect, it } from 'vitest'
import type { BoundMethod, CallInfo } from '../src/contract.ts'
import { GrpcClient, type GrpcClientOptions } from '../src/grpc-client.ts'
import { limited } from '../src/limited.ts'
import { GrpcListener, type GrpcListenerOptions } from '../src/listener.ts'
import { RpcError, RpcStatus } from '../src/rpc-error.ts'
import { serve } from '../src/serve.ts'
import { chat, Echo, endpointOf, repeat, root, say, serverTls, strangerTls, until, userTls } from './echo.ts'

const open: { close?(): void; stop?(): Promise<void> }[] = []

afterEach(async () => {
  for (const each of open.splice(0).reverse()) {
    each.close?.()
    await each.stop?.()
  }
})

async function listen(bound: readonly BoundMethod[], options: Partial<GrpcListenerOptions> = {}): Promise<GrpcListener> {
  const listener = new GrpcListener({ listen: '127.0.0.1:0', ...options }).add(...bound)
  await listener.start()
  open.push({ stop: () => listener.stop(50) })
  return listener
}

function clientOf({ address }: GrpcListener, options: GrpcClientOptions = {}, isSecure = false): GrpcClient {
  const client = new GrpcClient(endpointOf(address, isSecure), options)
  open.push(client)
  return client
}

async function failure(promise: Promise<unknown>): Promise<RpcError> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  )
  if (error instanceof RpcError) return error
  throw new Error(`not an RpcError: ${error}`)
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const echo = serve(say, async (request) => request)
const counting = serve(repeat, async function* (request) {
  for (let count = 0; count < request.count; count++) yield { ...request, count }
})
const chatting = serve(chat, async (stream) => {
  for await (const message of stream.messages) if (!stream.send(message)) await stream.drained()
})

describe.each([
  ['plain', false],
  ['TLS', true],
])('over %s', (_, isSecure) => {
  const tls = isSecure ? { tls: serverTls } : {}

  it('each kind of method brings messages there and back', async () => {
    const client = clientOf(await listen([echo, counting, chatting], tls), {}, isSecure)
    const payload = new Uint8Array(300_000).fill(7)
    expect(await client.call(say, { text: 'ä', payload })).toEqual({ text: 'ä', payload, count: 0 })
    expect(await client.call(say, {})).toEqual(Echo.create())
    expect((await collect(client.stream(repeat, { count: 1000 }))).map(({ count }) => count)).toEqual([...Array(1000).keys()])
    expect(await collect(client.stream(repeat, {}))).toEqual([])
    const stream = client.duplex(chat)
    for (let count = 1; count <= 500; count++)
      if (!stream.send({ ...Echo.create(), count, payload: payload.subarray(0, 2000) })) await stream.drained()
    stream.end()
    expect((await collect(stream.messages)).map(({ count }) => count)).toEqual([...Array(500).keys()].map((n) => n + 1))
  })
})

describe('a failure', () => {
  const details = [{ typeUrl: 'type.googleapis.com/test.Echo', value: Echo.encode({ text: 'why' }) }]

  it('is told with its status, message and details, and what is none as UNKNOWN', async () => {
    const failing = serve(say, async ({ text }) => {
      if (text === 'plain') throw new Error('100 % über')
      throw new RpcError(RpcStatus.aborted, 'no\nluck', details)
    })
    const client = clientOf(await listen([failing]))
    expect(await failure(client.call(say, {}))).toMatchObject({ status: RpcStatus.aborted, message: 'no\nluck', details })
    expect(await failure(client.call(say, { text: 'plain' }))).toMatchObject({
      status: RpcStatus.unknown,
      message: '100 % über',
      details: [],
    })
  })

  it('is cut where it would not fit into headers', async () => {
    const failing = serve(say, async ({ count }) => {
      throw new RpcError(RpcStatus.aborted, '☹'.repeat(100_000), [{ typeUrl: 'a', value: new Uint8Array(count) }])
    })
    const client = clientOf(await listen([failing]))
    expect(await failure(client.call(say, { count: 5000 }))).toMatchObject({ message: '☹'.repeat(3000), details: [{ typeUrl: 'a' }] })
    expect(await failure(client.call(say, { count: 50_000 }))).toMatchObject({ status: RpcStatus.aborted, details: [] })
  })

  it('comes after what a stream gave before', async () => {
    const failing = serve(repeat, async function* (request) {
      yield request
      throw new RpcError(RpcStatus.dataLoss, 'lost', details)
    })
    const failingChat = serve(chat, async (stream) => {
      stream.send({ ...Echo.create(), count: 1 })
      stream.fail(new RpcError(RpcStatus.notFound, 'gone'))
    })
    const client = clientOf(await listen([failing, failingChat]))
    const stream = client.stream(repeat, { count: 5 })
    expect((await stream.next()).value).toMatchObject({ count: 5 })
    expect(await failure(stream.next())).toMatchObject({ status: RpcStatus.dataLoss, details })
    const { messages } = client.duplex(chat)
    const iterator = messages[Symbol.asyncIterator]()
    expect((await iterator.next()).value).toMatchObject({ count: 1 })
    expect(await failure(iterator.next())).toMatchObject({ status: RpcStatus.notFound, message: 'gone' })
  })

  it('of a method that is not served is UNIMPLEMENTED, in the words of Go', async () => {
    const client = clientOf(await listen([echo]))
    expect(await failure(client.call({ ...say, path: '/test.Echo/Sing' }, {}))).toMatchObject({
      status: RpcStatus.unimplemented,
      message: 'unknown method Sing for service test.Echo',
    })
    expect(await failure(client.call({ ...say, path: '/no.Such/Say' }, {}))).toMatchObject({ message: 'unknown service no.Such' })
  })

  it('of a message that is too large is RESOURCE_EXHAUSTED, on both sides and both ways', async () => {
    const giving = serve(say, async ({ count }) => ({ ...Echo.create(), payload: new Uint8Array(count) }))
    const listener = await listen([giving, chatting], { messageBytesMax: 1000 })
    const client = clientOf(listener)
    const tooLarge = { status: RpcStatus.resourceExhausted }
    expect(await failure(client.call(say, { payload: new Uint8Array(5_000_000) }))).toMatchObject(tooLarge)
    expect(await failure(client.call(say, { count: 2000 }))).toMatchObject(tooLarge)
    const small = clientOf(listener, { messageBytesMax: 100 })
    expect(await failure(small.call(say, { payload: new Uint8Array(500) }))).toMatchObject(tooLarge)
    expect(await failure(small.call(say, { count: 500 }))).toMatchObject(tooLarge)
    expect(await client.call(say, { count: 900 })).toMatchObject({ payload: new Uint8Array(900) })
  })

  it('of a message that is none is INTERNAL, as in Go', async () => {
    const client = clientOf(await listen([echo, chatting]))
    const broken = { ...Echo, encode: () => Uint8Array.of(10, 5, 1) }
    expect(await failure(client.call({ ...say, request: broken }, {}))).toMatchObject({
      status: RpcStatus.internal,
      message: expect.stringMatching(/^grpc: error unmarshalling request: /),
    })
    const stream = client.duplex({ ...chat, request: broken })
    stream.send(Echo.create())
    expect(await failure(collect(stream.messages))).toMatchObject({
      status: RpcStatus.internal,
      message: expect.stringMatching(/^grpc: failed to unmarshal the received message: /),
    })
    expect(await client.call(say, { text: 'still there' })).toMatchObject({ text: 'still there' })
  })

  it('of a server that is not there is UNAVAILABLE', async () => {
    const client = new GrpcClient({ address: '127.0.0.1:1' })
    open.push(client)
    expect(await failure(client.call(say, {}))).toMatchObject({ status: RpcStatus.unavailable })
    expect(await failure(client.connect(50))).toMatchObject({ status: RpcStatus.unavailable })
    client.close()
    expect(await failure(client.call(say, {}))).toBeInstanceOf(RpcError)
  })
})

describe('who serves', () => {
  it('hears that the client has gone, and that its time is over', async () => {
    const calls: CallInfo[] = []
    const waiting = serve(say, async (_, call) => {
      calls.push(call)
      const { promise, reject } = Promise.withResolvers<Echo>()
      call.signal.addEventListener('abort', () => reject(call.signal.reason))
      return await promise
    })
    const client = clientOf(await listen([waiting]))
    const abort = new AbortController()
    const cancelled = failure(client.call(say, {}, { signal: abort.signal }))
    await until(() => calls.length === 1)
    abort.abort(new Error('enough'))
    expect(await cancelled).toMatchObject({ status: RpcStatus.cancelled, cause: new Error('enough') })
    await until(() => calls[0]?.signal.aborted === true)
    expect(await failure(client.call(say, {}, { timeoutMs: 60 }))).toMatchObject({ status: RpcStatus.deadlineExceeded })
    await until(() => calls[1]?.signal.aborted === true)
    expect(await failure(client.call(say, {}, { signal: AbortSignal.abort() }))).toMatchObject({ status: RpcStatus.cancelled })
  })

  it('of a stream is asked for no more than the client takes, and is told when it goes', async () => {
    let given = 0
    let isOver = false
    const endless = serve(repeat, async function* (request) {
      try {
        while (true) {
          given++
          yield { ...request, payload: new Uint8Array(10_000) }
        }
      } finally {
        isOver = true
      }
    })
    const client = clientOf(await listen([endless]))
    const stream = client.stream(repeat, {})
    await stream.next()
    let before: number
    do {
      before = given
      await new Promise((resolve) => setTimeout(resolve, 100))
    } while (before !== given)
    // A window of HTTP/2, and what both sides have in hand.
    expect(given).toBeLessThan(60)
    for (let n = 0; n < 200; n++) await stream.next()
    expect(given).toBeGreaterThan(200)
    await stream.return()
    await until(() => isOver)
  })

  it('holds a client back that sends faster than it is read', async () => {
    const release = Promise.withResolvers<void>()
    let taken = 0
    const slow = serve(chat, async ({ messages }) => {
      await release.promise
      for await (const _ of messages) taken++
    })
    const client = clientOf(await listen([slow]))
    const stream = client.duplex(chat)
    const message = { ...Echo.create(), payload: new Uint8Array(10_000) }
    let sent = 1
    while (stream.send(message) && sent < 1000) sent++
    expect(sent).toBeLessThan(30)
    const drained = stream.drained().then(() => true)
    release.resolve()
    expect(await drained).toBe(true)
    stream.end()
    expect(await collect(stream.messages)).toEqual([])
    expect(taken).toBe(sent)
  })

  it('may end before the client does', async () => {
    const brief = serve(chat, async ({ messages }) => {
      for await (const _ of messages) throw new RpcError(RpcStatus.permissionDenied, 'no')
    })
    const client = clientOf(await listen([brief, echo]))
    for (let round = 0; round < 20; round++) {
      const stream = client.duplex(chat)
      stream.send({ ...Echo.create(), payload: new Uint8Array(100_000) })
      stream.send({ ...Echo.create(), payload: new Uint8Array(100_000) })
      expect(await failure(collect(stream.messages))).toMatchObject({ status: RpcStatus.permissionDenied, message: 'no' })
    }
    expect(await client.call(say, { text: 'x' })).toMatchObject({ text: 'x' })
  })

  it('serves no more calls at once than it is limited to', async () => {
    const release = Promise.withResolvers<void>()
    const [slow, other] = limited(
      [
        serve(say, async (request) => {
          await release.promise
          return request
        }),
        counting,
      ],
      2,
    )
    if (slow === undefined || other === undefined) throw new Error('none')
    const client = clientOf(await listen([slow, other]))
    const served = [client.call(say, {}), client.call(say, {})]
    const refused = { status: RpcStatus.unknown, message: 'too many requests for /test.Echo, exceeding concurrency limit (2)' }
    await client.connect(1000)
    await until(() => true)
    expect(await failure(collect(client.stream(repeat, { count: 1 })))).toMatchObject(refused)
    expect(await failure(client.call(say, {}))).toMatchObject(refused)
    release.resolve()
    await Promise.all(served)
    expect(await collect(client.stream(repeat, { count: 1 }))).toHaveLength(1)
  })
})

describe("a client's certificate", () => {
  const hashing = serve(say, async (_, call) => ({
    ...Echo.create(),
    text: call.remote,
    payload: call.clientCertificateHash ?? new Uint8Array(),
  }))
  const hashOf = (pem: Uint8Array): Uint8Array => new Uint8Array(createHash('sha256').update(new X509Certificate(pem).raw).digest())

  it('need not be there, and may be of any CA, where none is required', async () => {
    const listener = await listen([hashing], { tls: serverTls })
    expect(await clientOf(listener, {}, true).call(say, {})).toMatchObject({
      payload: new Uint8Array(),
      text: expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    })
    for (const clientTls of [userTls, strangerTls]) {
      expect(await clientOf(listener, { clientTls }, true).call(say, {})).toMatchObject({ payload: hashOf(clientTls.certificate) })
    }
  })

  it('must be of a trusted CA where one is required', async () => {
    const listener = await listen([hashing], { tls: { ...serverTls, requiresClientCertificate: true, clientRootCas: [root] } })
    expect(await clientOf(listener, { clientTls: userTls }, true).call(say, {})).toMatchObject({ payload: hashOf(userTls.certificate) })
    expect(await failure(clientOf(listener, { clientTls: strangerTls }, true).call(say, {}))).toMatchObject({
      status: RpcStatus.unavailable,
    })
    expect(await failure(clientOf(listener, {}, true).call(say, {}))).toMatchObject({ status: RpcStatus.unavailable })
    expect(() => new GrpcListener({ listen: ':0', tls: { ...serverTls, requiresClientCertificate: true } })).toThrow(/clientRootCas/)
  })
})

describe('hostile bytes', () => {
  it('end the connection that they came on, and nothing else', async () => {
    const listener = await listen([echo, chatting], { connectTimeoutMs: 100 })
    const port = Number(listener.address.split(':')[1])
    const sockets = [connectTcp(port, '127.0.0.1'), connectTcp(port, '127.0.0.1')]
    for (const socket of sockets) socket.on('error', () => {}).resume()
    sockets[0]?.write(Buffer.alloc(100_000, 0xff))
    await until(() => sockets.every(({ closed }) => closed))
    expect(await clientOf(listener).call(say, { text: 'x' })).toMatchObject({ text: 'x' })
  })

  it('in a frame get a status', async () => {
    const listener = await listen([echo])
    const session = connectHttp2(`http://${listener.address}`)
    open.push({ close: () => session.destroy() })
    const ask = (body: Buffer, headers: Record<string, string> = {}): Promise<Record<string, unknown>> => {
      const stream = session.request({
        ':method': 'POST',
        ':path': say.path,
        'content-type': 'application/grpc',
        te: 'trailers',
        ...headers,
      })
      const { promise, resolve } = Promise.withResolvers<Record<string, unknown>>()
      const told: Record<string, unknown> = {}
      stream.on('error', () => {})
      stream.on('response', (headers) => Object.assign(told, headers))
      stream.on('trailers', (headers) => Object.assign(told, headers))
      stream.on('close', () => resolve(told))
      stream.resume()
      stream.end(body)
      return promise
    }
    expect(await ask(Buffer.alloc(0))).toMatchObject({ 'grpc-status': '13' })
    expect(await ask(Buffer.from([0, 0, 0]))).toMatchObject({ 'grpc-status': '13', 'grpc-message': 'unexpected EOF' })
    expect(await ask(Buffer.from([0, 0, 0, 0, 9, 1]))).toMatchObject({ 'grpc-status': '13' })
    expect(await ask(Buffer.from([1, 0, 0, 0, 0]))).toMatchObject({
      'grpc-status': '13',
      'grpc-message': 'grpc: compressed flag set with identity or empty encoding',
    })
    expect(await ask(Buffer.from([7, 0, 0, 0, 0]))).toMatchObject({ 'grpc-message': 'grpc: received unexpected payload format 7' })
    expect(await ask(Buffer.from([0, 0, 0, 0, 0]), { 'grpc-encoding': 'gzip' })).toMatchObject({
      'grpc-status': '12',
      'grpc-message': 'grpc: Decompressor is not installed for grpc-encoding "gzip"',
    })
    expect(await ask(Buffer.from([0, 0, 0, 0, 0]), { 'grpc-encoding': 'identity' })).toMatchObject({ 'grpc-status': '0' })
    expect(await ask(Buffer.from([0, 255, 255, 255, 255]))).toMatchObject({ 'grpc-status': '8' })
    expect(await ask(Buffer.from([0, 0, 0, 0, 0]), { 'grpc-timeout': 'never' })).toMatchObject({ 'grpc-status': '13' })
    expect(await ask(Buffer.from([0, 0, 0, 0, 0]), { 'content-type': 'text/plain' })).toMatchObject({ ':status': 415 })
    expect(await ask(Buffer.from([0, 0, 0, 0, 0]))).toMatchObject({ 'grpc-status': '0' })
  })

  it('take little room for what was announced, and did not come', async () => {
    const listener = await listen([echo])
    const session = connectHttp2(`http://${listener.address}`)
    open.push({ close: () => session.destroy() })
    const headers = { ':method': 'POST', ':path': say.path, 'content-type': 'application/grpc', te: 'trailers' }
    const before = process.memoryUsage().arrayBuffers
    for (let n = 0; n < 1000; n++) {
      const stream = session.request(headers)
      stream.on('error', () => {})
      stream.write(Buffer.from([0, 6, 0, 0, 0, 1]))
    }
    const last = session.request(headers).resume()
    last.end(Buffer.alloc(5))
    await new Promise((resolve) => last.once('close', resolve))
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(16e6)
  })

  it('that never take an answer, and go, keep nobody who serves them', async () => {
    const served = new Set<string>()
    const bound = serve(chat, async (stream, { remote }) => {
      served.add(remote)
      for await (const message of stream.messages) {
        stream.send(message)
        stream.end()
      }
      served.delete(remote)
    })
    const listener = await listen([bound])
    const sockets = Array.from({ length: 10 }, () => connectTcp(Number(listener.address.split(':')[1]), '127.0.0.1'))
    for (const socket of sockets) {
      const session = connectHttp2('http://x', { createConnection: () => socket, settings: { initialWindowSize: 0 } })
      session.on('error', () => {})
      const stream = session.request({ ':method': 'POST', ':path': chat.path, 'content-type': 'application/grpc', te: 'trailers' })
      stream.on('error', () => {}).write(Buffer.from([0, 0, 0, 0, 0]))
    }
    await until(() => served.size === sockets.length)
    for (const socket of sockets) socket.resetAndDestroy()
    await until(() => served.size === 0)
  })

  it('that ping too often are cut off', async () => {
    const listener = await listen([echo])
    const session = connectHttp2(`http://${listener.address}`)
    open.push({ close: () => session.destroy() })
    session.on('error', () => {})
    const goaway = new Promise<number>((resolve) => session.once('goaway', resolve))
    await new Promise((resolve) => session.once('connect', resolve))
    for (let n = 0; n < 3; n++) await new Promise((resolve) => session.ping(resolve))
    session.ping(() => {})
    expect(await goaway).toBe(11)
    await until(() => session.destroyed)
  })
})

describe('a client that is gone without a word', () => {
  it('is noticed by pings', async () => {
    const calls: CallInfo[] = []
    const waiting = serve(chat, async ({ messages }, call) => {
      calls.push(call)
      for await (const _ of messages) throw new Error('said something')
    })
    const listener = await listen([waiting], { keepaliveIntervalMs: 50, keepaliveTimeoutMs: 2000 })
    const client = clientOf(listener)
    client.duplex(chat)
    await until(() => calls.length === 1)
    // Has said hello, and answers nothing.
    const silent = connectTcp(Number(listener.address.split(':')[1]), '127.0.0.1')
    silent.on('error', () => {}).resume()
    silent.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), Buffer.from([0, 0, 0, 4, 0, 0, 0, 0, 0])]))
    await until(() => silent.closed)
    await new Promise((resolve) => setTimeout(resolve, 200))
    expect(calls[0]?.signal.aborted).toBe(false)
  })
})

describe('metrics', () => {
  it("count connections and calls, by Fabric's names", async () => {
    const counts = new Map<string, number>()
    const add = (name: string): void => void counts.set(name, (counts.get(name) ?? 0) + 1)
    const registerCounter = (name: string) => ({ increment: () => add(name), reset: () => {} })
    const registerCounterGroup = (name: string) => ({
      increment: (values: object) => Object.keys(values).map((key) => add(`${name} ${key}`)),
      reset: () => {},
    })
    // All that a listener asks of them.
    const metrics = { registerCounter, registerCounterGroup } as unknown as Metrics
    const client = clientOf(await listen([echo, counting], { metrics }))
    await client.call(say, {})
    await client.call(say, {})
    await collect(client.stream(repeat, { count: 1 }))
    client.close()
    await until(() => counts.has('grpc_comm_conn_closed'))
    expect([...counts].sort()).toEqual([
      ['grpc_comm_conn_closed', 1],
      ['grpc_comm_conn_opened', 1],
      ['grpc_server_stream_requests_completed test.Echo/Repeat', 1],
      ['grpc_server_stream_requests_received test.Echo/Repeat', 1],
      ['grpc_server_unary_requests_completed test.Echo/Say', 2],
      ['grpc_server_unary_requests_received test.Echo/Say', 2],
    ])
  })
})

describe('stopping', () => {
  it('lets calls end, tells streams to, cuts off what does not, and frees the port', async () => {
    const started: string[] = []
    const hanging = serve(say, async ({ text }) => {
      started.push(text)
      if (text === 'brief') await new Promise((resolve) => setTimeout(resolve, 50))
      else await new Promise(() => {})
      return Echo.create()
    })
    const streaming = serve(repeat, async function* (request, { signal }) {
      yield request
      await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
    })
    const listener = await listen([hanging, streaming])
    const { address } = listener
    const client = clientOf(listener)
    const [brief, endless] = [client.call(say, { text: 'brief' }), failure(client.call(say, { text: 'endless' }))]
    const stream = client.stream(repeat, {})
    await stream.next()
    await until(() => started.length === 2)
    const began = performance.now()
    const stopped = listener.stop(300)
    expect(await failure(stream.next())).toMatchObject({ status: RpcStatus.unavailable, message: 'the server is shutting down' })
    await brief
    await stopped
    expect(performance.now() - began).toBeGreaterThan(250)
    expect((await endless).status).toBe(RpcStatus.unavailable)
    const again = new GrpcListener({ listen: address }).add(echo)
    await again.start()
    open.push(again)
    expect(
      await client
        .call(say, { text: 'again' }, { timeoutMs: 5000 })
        .catch(() => client.connect(5000).then(() => client.call(say, { text: 'again' }))),
    ).toMatchObject({ text: 'again' })
    await expect(new GrpcListener({ listen: address }).start()).rejects.toMatchObject({
      code: 'fabric-grpc/listen-failed',
      message: `cannot listen at ${address}: the port is taken: choose another, or 0 for any`,
    })
  })
})
