import 'reflect-metadata'
import { webcrypto, X509Certificate } from 'node:crypto'
import { createServer, type Server, type Socket } from 'node:net'
import type { Endpoint } from '@kumiko/fabric-grpc'
import { encodePem, type LocalMsp } from '@kumiko/fabric-msp'
import { type Block, type BlockHeader, concatBytes, readBlock, sha256, writeBlock } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, ordererBlock } from '@kumiko/golden-channel'
import { must, seeded, virtualClock } from '@kumiko/testkit'
import * as x509 from '@peculiar/x509'
import { beforeAll, describe, expect, it } from 'vitest'
import { type BlockVerifier, blockVerifier } from '../src/block-verifier.ts'
import { blockSource, deliverClient } from '../src/deliver-client.ts'
import type { StreamBreak } from '../src/delivery.ts'
import type { DeliverOptions } from '../src/options.ts'
import { DeliverResponse } from '../src/response.ts'
import { blockAfter, transaction } from './chain.ts'
import { CHANNEL, goldenBlock, goldenBundle, goldenOrderer, goldenUser, ordererTls, type ServerTls, userTls } from './golden.ts'
import { blockResponse, type DeliverCall, DeliverServer, range, type Serve, serveOrderer, statusResponse } from './server.ts'

const LAST = BigInt(GOLDEN_HEIGHT) - 1n
const genesis = goldenBlock(0).header
let user: LocalMsp
let orderer: LocalMsp

beforeAll(async () => {
  user = await goldenUser()
  orderer = await goldenOrderer()
})

/** The channel's verifier; the orderer that its configuration names stays where the test has it. */
function golden(endpoint: Endpoint): () => BlockVerifier {
  return () => blockVerifier(goldenBundle(), { tls: false, overrides: new Map([['127.0.0.1:7050', endpoint]]) })
}

function optionsFor(servers: readonly { readonly address: string }[], options: Partial<DeliverOptions> = {}): DeliverOptions {
  const endpoints = servers.map(({ address }) => ({ address }))
  const verifier = golden(must(endpoints.at(-1)))
  return { channelId: CHANNEL, endpoints, signer: user, verifier, retryInitialMs: 1, random: seeded().random, ...options }
}

async function numbersOf(blocks: AsyncIterable<Block>): Promise<bigint[]> {
  const numbers: bigint[] = []
  for await (const { header } of blocks) numbers.push(header.number)
  return numbers
}

function count(from: bigint, to: bigint): bigint[] {
  return Array.from({ length: Number(to - from) + 1 }, (_, at) => from + BigInt(at))
}

/** A server that takes connections and never says a word. */
async function mute(): Promise<{ address: string; readonly sockets: Set<Socket>; server: Server } & AsyncDisposable> {
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket
      .on('close', () => sockets.delete(socket))
      .on('error', () => {})
      .resume()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const bound = server.address()
  if (bound === null || typeof bound === 'string') throw new Error('no port')
  return {
    address: `127.0.0.1:${bound.port}`,
    sockets,
    server,
    [Symbol.asyncDispose]: async () => {
      for (const socket of sockets) socket.destroy()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

describe('a client of orderers', () => {
  it('brings the recorded channel', async () => {
    await using server = await DeliverServer.start()
    const client = deliverClient(optionsFor([server]))
    let number = 1
    for await (const block of client.blocks(1n, { previous: genesis, until: LAST })) expect(block).toEqual(goldenBlock(number++))
    expect(number).toBe(GOLDEN_HEIGHT)
    expect(server.starts).toEqual([1])
  })

  it('asks as Fabric reads it, signed by who asks', async () => {
    await using server = await DeliverServer.start()
    const clock = virtualClock(1_790_000_000_123)
    await numbersOf(deliverClient(optionsFor([server], { clock })).blocks(50n, { until: 51n }))
    const [seek] = server.seeks
    const { envelope, channelHeader, signatureHeader, info, method } = must(seek)
    expect(method).toBe('orderer')
    expect(user.identity.verify(envelope.getPayload_asU8(), envelope.getSignature_asU8())).toBe(true)
    expect(signatureHeader.getCreator_asU8()).toEqual(user.creator)
    expect(signatureHeader.getNonce_asU8()).toHaveLength(24)
    expect(channelHeader.toObject()).toMatchObject({ channelId: CHANNEL, type: 5, timestamp: { seconds: 1_790_000_000, nanos: 0 } })
    expect(channelHeader.getTlsCertHash_asU8()).toHaveLength(0)
    expect(info.toObject()).toMatchObject({ start: { specified: { number: 50 } }, stop: { specified: { number: 51 } }, behavior: 0 })
  })

  it('is a source of blocks for a committer', async () => {
    await using server = await DeliverServer.start()
    const blocks: Block[] = []
    const controller = new AbortController()
    for await (const { block } of blockSource(deliverClient(optionsFor([server]))).blocks(1n, { signal: controller.signal })) {
      blocks.push(block)
      if (block.header.number === LAST) break
    }
    expect(blocks.map(({ header }) => header.number)).toEqual(count(1n, LAST))
  })

  it('begins at the oldest, the newest or the next', async () => {
    await using server = await DeliverServer.start((call, seek) => {
      if (seek.info.getStart()?.hasNextCommit()) call.write(blockResponse(ordererBlock(53)))
      else serveOrderer()(call, seek)
    })
    const trusting: BlockVerifier = { verify: () => undefined }
    const client = deliverClient(optionsFor([server], { verifier: () => trusting }))
    expect(await numbersOf(client.blocks('oldest', { until: 3n }))).toEqual(count(0n, 3n))
    expect(await numbersOf(client.blocks('newest', { until: LAST }))).toEqual([LAST])
    expect(await numbersOf(client.blocks('nextCommit', { until: LAST }))).toEqual([LAST])
  })

  it('refuses to take blocks on trust, and options that make no sense', async () => {
    const options = { channelId: CHANNEL, endpoints: [{ address: '127.0.0.1:1' }], signer: user }
    await expect(deliverClient(options).blocks(1n).next()).rejects.toMatchObject({ code: 'fabric-deliver/no-verifier' })
    const bad = expect.objectContaining({ code: 'fabric-deliver/bad-options' })
    expect(() => deliverClient({ ...options, endpoints: [] })).toThrow(bad)
    expect(() => deliverClient({ ...options, readAheadBlocks: 0 })).toThrow(bad)
    expect(() => deliverClient({ ...options, reconnectTotalMs: Number.NaN })).toThrow(bad)
    expect(() => deliverClient({ ...options, clientTls: { certificate: new Uint8Array(), privateKey: new Uint8Array() } })).toThrow(bad)
    expect(() => deliverClient({ ...options, clientTls: { ...userTls, privateKey: ordererTls.privateKey } })).toThrow(bad)
  })
})

/** A server's certificate that vouches for itself. */
async function issueTls(ip: string, until: number): Promise<ServerTls> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
  const keys = await webcrypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: 'CN=server',
    keys,
    notBefore: new Date(until - 3_600_000),
    notAfter: new Date(until),
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(true, undefined, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: ip }]),
    ],
  })
  const root = new TextEncoder().encode(certificate.toString('pem'))
  const pkcs8 = new Uint8Array(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey))
  return { certificate: root, privateKey: new TextEncoder().encode(encodePem('PRIVATE KEY', pkcs8)), root }
}

describe('over TLS', () => {
  async function fetchOver(endpoint: Endpoint, options: Partial<DeliverOptions> = {}): Promise<bigint | undefined> {
    const client = deliverClient({ channelId: CHANNEL, endpoints: [endpoint], signer: user, ...options })
    return (await client.fetch(5n))?.header.number
  }

  it('takes a server whom the right CA vouches for, by its name', async () => {
    await using server = await DeliverServer.start(serveOrderer(), { tls: ordererTls })
    const { address, port } = server
    const tlsRoots = [ordererTls.root]
    expect(await fetchOver({ address, tlsRoots })).toBe(5n)
    expect(await fetchOver({ address: `localhost:${port}`, tlsRoots: [userTls.root, ordererTls.root] })).toBe(5n)
    expect(await fetchOver({ address, tlsRoots, serverNameOverride: 'orderer.example.com' })).toBe(5n)
    const failed = { code: 'fabric-deliver/fetch-failed' }
    await expect(fetchOver({ address, tlsRoots, serverNameOverride: 'peer0.org1.example.com' })).rejects.toMatchObject(failed)
    await expect(fetchOver({ address, tlsRoots: [userTls.root] })).rejects.toMatchObject(failed)
    await expect(fetchOver({ address, tlsRoots: [] })).rejects.toMatchObject(failed)
    await expect(fetchOver({ address, tlsRoots: [Uint8Array.of(1, 2)] })).rejects.toMatchObject(failed)
    await expect(fetchOver({ address })).rejects.toMatchObject(failed)
  })

  it('takes an address by IP where the certificate has it, as long as that is valid', async () => {
    const now = Date.now()
    const sound = { ip: '127.0.0.1', until: now + 60_000 }
    const cases = [
      [sound, true],
      [{ ...sound, ip: '127.0.0.2' }, false],
      [{ ...sound, until: now - 1000 }, false],
    ] as const
    for (const [{ ip, until }, isTaken] of cases) {
      const tls = await issueTls(ip, until)
      await using server = await DeliverServer.start(serveOrderer(), { tls })
      const fetched = await Promise.allSettled([fetchOver({ address: server.address, tlsRoots: [tls.root] })])
      expect(fetched.map(({ status }) => status)).toEqual([isTaken ? 'fulfilled' : 'rejected'])
    }
  })

  it('shows its own certificate, and binds what it asks to that', async () => {
    await using server = await DeliverServer.start(serveOrderer(), { tls: ordererTls, clientRoot: userTls.root })
    const endpoint = { address: server.address, tlsRoots: [ordererTls.root] }
    await expect(fetchOver(endpoint)).rejects.toMatchObject({ code: 'fabric-deliver/fetch-failed' })
    await expect(fetchOver(endpoint, { clientTls: ordererTls })).rejects.toMatchObject({ code: 'fabric-deliver/fetch-failed' })
    expect(server.seeks).toEqual([])
    expect(await fetchOver(endpoint, { clientTls: userTls })).toBe(5n)
    const der = new Uint8Array(new X509Certificate(userTls.certificate).raw)
    expect(server.seeks.map(({ channelHeader }) => channelHeader.getTlsCertHash_asU8())).toEqual([sha256(der)])
  })
})

describe('a stream that breaks', () => {
  const ways: readonly [string, (call: DeliverCall) => void][] = [
    ['ends', (call) => call.end()],
    ['fails', (call) => call.emit('error', { code: 14, details: 'gone' })],
    ['has success', (call) => call.write(statusResponse(200))],
    ['has no service', (call) => call.write(statusResponse(503))],
    ['says something that is no message', (call) => call.write(Uint8Array.of(0xff))],
    ['says nothing of use', (call) => call.write(new Uint8Array())],
  ]

  it.each(ways)('is resumed at the next block, at every point: it %s', async (_, leave) => {
    let given = 0
    await using server = await DeliverServer.start((call, seek) => {
      const { from } = range(seek, GOLDEN_HEIGHT)
      // One block more each time, from none on.
      for (let number = from; number < Math.min(from + given, GOLDEN_HEIGHT); number++) call.write(blockResponse(ordererBlock(number)))
      given++
      if (from + given <= GOLDEN_HEIGHT) leave(call)
    })
    const client = deliverClient(optionsFor([server]))
    expect(await numbersOf(client.blocks(1n, { previous: genesis, until: LAST }))).toEqual(count(1n, LAST))
    expect(server.starts).toEqual([1, 1, 2, 4, 7, 11, 16, 22, 29, 37, 46])
  })

  it('is resumed when the server comes back', async () => {
    const first = await DeliverServer.start(serveOrderer(10))
    const { address, port } = first
    const blocks = deliverClient(optionsFor([{ address }], { retryMaxMs: 20 })).blocks(1n, { until: 20n })
    for (let number = 1n; number < 10n; number++) expect((await blocks.next()).value?.header.number).toBe(number)
    first.stop()
    const tenth = blocks.next()
    await new Promise((resolve) => setTimeout(resolve, 50))
    await using second = await DeliverServer.start(serveOrderer(), { port })
    expect((await tenth).value?.header.number).toBe(10n)
    expect(await numbersOf(blocks)).toEqual(count(11n, 20n))
    expect(second.starts).toEqual([10])
  })

  it('is tried again later and later', async () => {
    await using server = await DeliverServer.start((call) => call.write(statusResponse(503)))
    const clock = virtualClock()
    const broken: StreamBreak[] = []
    const controller = new AbortController()
    const heard = (atLeast: number) => expect.poll(() => broken.length).toBe(atLeast)
    const options = optionsFor([server], { clock, onBreak: (entry) => broken.push(entry), retryInitialMs: 100 })
    const pending = deliverClient(options).blocks(1n, { signal: controller.signal }).next()
    await heard(1)
    await clock.advance(99)
    expect(server.starts).toHaveLength(1)
    await clock.advance(1)
    await heard(2)
    await clock.advance(120)
    await heard(3)
    expect(broken.map(({ retryMs }) => Math.round(retryMs))).toEqual([100, 120, 144])
    expect(broken[0]).toMatchObject({ address: server.address, gave: 0, fault: { fault: 'fabric-deliver/unavailable' } })
    controller.abort(new Error('enough'))
    await expect(pending).rejects.toThrow('enough')
    expect(clock.pending).toBe(0)
  })

  it('fails for good where nobody lets us in, or for too long', async () => {
    await using server = await DeliverServer.start((call) => call.write(statusResponse(403)))
    await using other = await DeliverServer.start((call) => call.write(statusResponse(403)))
    await expect(
      deliverClient(optionsFor([server, other]))
        .blocks(1n)
        .next(),
    ).rejects.toMatchObject({ code: 'fabric-deliver/forbidden' })
    expect([...server.starts, ...other.starts]).toEqual([1, 1])
    server.serve = (call) => call.end()
    const impatient = optionsFor([server], { reconnectTotalMs: 50 })
    await expect(deliverClient(impatient).blocks(1n).next()).rejects.toMatchObject({ code: 'fabric-deliver/given-up' })
  })
})

describe('beside an honest orderer', () => {
  function flipped(number: number, at: 'data' | 'metadata' | 'previousHash'): Block {
    const block = must(readBlock(ordererBlock(number).slice()))
    const target = at === 'previousHash' ? block.header.previousHash : must(at === 'data' ? block.data[0] : block.metadata[0])
    target[target.length >> 1] = (target[target.length >> 1] ?? 0) ^ 1
    return block
  }
  const say = (bytes: Uint8Array): Uint8Array => DeliverResponse.encode({ block: bytes })
  const header = (number: number): BlockHeader => goldenBlock(number).header

  const lies: readonly [string, string, (call: DeliverCall, from: number) => void][] = [
    ['gives another block', 'fabric-protocol/bad-block-number', (call, from) => call.write(say(ordererBlock((from + 1) % GOLDEN_HEIGHT)))],
    [
      'gives the same block twice',
      'fabric-protocol/bad-block-number',
      (call, from) => {
        call.write(say(ordererBlock(from)))
        call.write(say(ordererBlock(from)))
      },
    ],
    ['gives other data', 'fabric-protocol/bad-data-hash', (call, from) => call.write(say(writeBlock(flipped(from, 'data'))))],
    [
      'gives a broken link',
      'fabric-protocol/bad-previous-hash',
      (call, from) => call.write(say(writeBlock(flipped(from, 'previousHash')))),
    ],
    [
      'forges the signature',
      'fabric-msp/policy-not-satisfied',
      (call, from) => call.write(say(writeBlock(blockAfter(header(from - 1), goldenBlock(from).data, user)))),
    ],
    ['breaks the signature', '', (call, from) => call.write(say(writeBlock(flipped(from, 'metadata'))))],
    ['gives no block', 'fabric-protocol/bad-block', (call) => call.write(say(new Uint8Array()))],
    ['gives a filtered block', 'fabric-deliver/unexpected-message', (call) => call.write(Uint8Array.of(0x1a, 0))],
    ['gives noise', 'fabric-protocol/malformed', (call) => call.write(Uint8Array.of(0x12, 0x7f, 1))],
    ['gives too much', 'fabric-deliver/too-large', (call) => call.write(say(new Uint8Array(300_000)))],
    ['refuses', 'fabric-deliver/forbidden', (call) => call.write(statusResponse(403))],
    ['finds our request bad', 'fabric-deliver/bad-request', (call) => call.write(statusResponse(400))],
    ['knows nothing', 'fabric-deliver/not-found', (call) => call.write(statusResponse(404))],
    ['waits for ever', 'fabric-deliver/silent', () => {}],
  ]

  it.each(lies)('one that %s is passed over', async (_, fault, lie) => {
    const broken: StreamBreak[] = []
    await using liar = await DeliverServer.start((call, seek) => lie(call, range(seek, GOLDEN_HEIGHT).from))
    await using honest = await DeliverServer.start((call) => call.end())
    const options = optionsFor([liar, honest], {
      messageBytesMax: 200_000,
      silenceMaxMs: 300,
      onBreak: (entry) => {
        broken.push(entry)
        // Honest, and there, once the other has lied.
        if (entry.address === liar.address) honest.serve = serveOrderer()
      },
    })
    const blocks = deliverClient(options).blocks(7n, { previous: header(6), until: 20n })
    const got: Block[] = []
    for await (const block of blocks) got.push(block)
    expect(got).toEqual(count(7n, 20n).map((number) => goldenBlock(Number(number))))
    const ofLiar = broken.filter(({ address }) => address === liar.address).map((entry) => entry.fault.fault)
    expect(ofLiar[0]).toMatch(fault)
    expect(honest.starts.at(-1)).toBeLessThanOrEqual(8)
  })

  it('one that hangs before it speaks is timed out', async () => {
    await using hung = await mute()
    await using honest = await DeliverServer.start()
    for (let seed = 1; seed <= 4; seed++) {
      const options = optionsFor([hung, honest], { connectTimeoutMs: 100, random: seeded(seed).random })
      expect(await numbersOf(deliverClient(options).blocks(1n, { until: 5n }))).toEqual(count(1n, 5n))
    }
    await expect.poll(() => hung.sockets.size).toBe(0)
  })

  it('one that lies again and again is asked less and less', async () => {
    await using liar = await DeliverServer.start((call, seek) => {
      const { from } = range(seek, GOLDEN_HEIGHT)
      call.write(say(ordererBlock(from)))
      call.write(say(new Uint8Array()))
    })
    const waits: number[] = []
    const options = optionsFor([liar], { retryInitialMs: 2, onBreak: ({ retryMs }) => waits.push(retryMs) })
    expect(await numbersOf(deliverClient(options).blocks(1n, { until: 20n }))).toEqual(count(1n, 20n))
    expect(waits).toHaveLength(19)
    expect(must({ last: waits.at(-1) }).last).toBeGreaterThan(50)
  })
})

describe('a configuration block', () => {
  it('moves the stream to the orderers that it names', async () => {
    await using first = await DeliverServer.start()
    await using second = await DeliverServer.start()
    const options = optionsFor([first], { verifier: golden({ address: second.address }) })
    expect(await numbersOf(deliverClient(options).blocks(1n, { previous: genesis, until: LAST }))).toEqual(count(1n, LAST))
    expect(first.starts).toEqual([1])
    expect(second.starts).toEqual([53])
  })
})

describe('read-ahead', () => {
  it('is bounded by blocks and by bytes, whatever a server sends', async () => {
    const chain: Uint8Array[] = []
    let { header } = goldenBlock(53)
    const bulk = transaction(user, 100_000)
    for (let made = 0; made < 150; made++) {
      const block = blockAfter(header, [bulk], orderer)
      chain.push(DeliverResponse.encode({ block: writeBlock(block) }))
      header = block.header
    }
    let sent = 0
    const flood: Serve = (call, seek) => {
      let at = Number(seek.start) - 54
      const more = (): void => {
        while (at < chain.length) {
          sent = at + 1
          if (call.write(must(chain[at++]))) continue
          call.once('drain', more)
          return
        }
      }
      more()
    }
    await using server = await DeliverServer.start(flood)
    for (const bound of [{ readAheadBlocks: 3 }, { readAheadBytes: 300_000 }]) {
      sent = 0
      const options = optionsFor([server], { ...bound, verifier: () => blockVerifier(goldenBundle(52)) })
      const blocks = deliverClient(options).blocks(54n, { until: 203n })
      expect((await blocks.next()).value?.header.number).toBe(54n)
      await new Promise((resolve) => setTimeout(resolve, 400))
      // Three read ahead, one held back, and what the sockets hold.
      expect(sent).toBeLessThan(60)
      expect(await numbersOf(blocks)).toEqual(count(55n, 203n))
      expect(sent).toBe(150)
    }
    expect(server.starts).toEqual([54, 54])
  })
})

describe('abort', () => {
  const reason = new Error('enough')
  const phases: readonly [string, Serve | 'mute', (blocks: AsyncIterator<Block>) => Promise<unknown>][] = [
    ['while it connects', 'mute', async () => undefined],
    ['while it waits for the first block', () => {}, async () => undefined],
    ['while it waits for another', serveOrderer(3), async (blocks) => [await blocks.next(), await blocks.next()]],
    ['while blocks wait to be taken', serveOrderer(), async (blocks) => blocks.next()],
    ['between two attempts', (call) => call.end(), async () => undefined],
  ]

  it.each(phases)('%s frees all that it holds', async (_, serve, begin) => {
    await using silent = await mute()
    let open = 0
    await using server = await DeliverServer.start((call, seek) => {
      open++
      call.on('close', () => open--).on('cancelled', () => call.destroy())
      if (serve !== 'mute') serve(call, seek)
    })
    const clock = virtualClock()
    const controller = new AbortController()
    const options = optionsFor([serve === 'mute' ? silent : server], { clock, readAheadBlocks: 2 })
    const blocks = deliverClient(options).blocks(1n, { signal: controller.signal })
    const begun = begin(blocks)
    const pending = begun.then(() => blocks.next())
    await begun
    await new Promise((resolve) => setTimeout(resolve, 50))
    controller.abort(reason)
    // What was there already may be taken.
    const [last] = await Promise.allSettled([pending])
    if (last.status === 'rejected') expect(last.reason).toBe(reason)
    else await expect(blocks.next()).rejects.toBe(reason)
    expect(await blocks.next()).toEqual({ done: true, value: undefined })
    expect(clock.pending).toBe(0)
    await expect.poll(() => open).toBe(0)
    await expect.poll(() => silent.sockets.size).toBe(0)
  })

  it('frees a connection whose TLS is never done', async () => {
    await using silent = await mute()
    const controller = new AbortController()
    const endpoints = [{ address: silent.address, tlsRoots: [ordererTls.root] }]
    const pending = deliverClient({ ...optionsFor([silent]), endpoints })
      .blocks(1n, { signal: controller.signal })
      .next()
    await expect.poll(() => silent.sockets.size).toBe(1)
    controller.abort(reason)
    await expect(pending).rejects.toBe(reason)
    await expect.poll(() => silent.sockets.size).toBe(0)
  })

  it('frees a connection whose other side never ends it', async () => {
    const ends: string[] = []
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      // An empty SETTINGS frame of HTTP/2, and nothing more until our side is ended; then on and on.
      socket.write(Uint8Array.of(0, 0, 0, 4, 0, 0, 0, 0, 0))
      const goOn = (): void => {
        if (!socket.destroyed) socket.write(new Uint8Array(1), () => setTimeout(goOn, 20))
      }
      socket.resume().on('error', () => {})
      socket.on('end', () => ends.push('end')).on('end', goOn)
      socket.on('close', () => ends.push('close'))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const bound = server.address()
    if (bound === null || typeof bound === 'string') throw new Error('no port')
    const controller = new AbortController()
    const pending = deliverClient(optionsFor([{ address: `127.0.0.1:${bound.port}` }]))
      .blocks(1n, { signal: controller.signal })
      .next()
    await new Promise((resolve) => setTimeout(resolve, 100))
    controller.abort(reason)
    await expect(pending).rejects.toBe(reason)
    await expect.poll(() => ends).toEqual(['end', 'close'])
    server.close()
  })

  it('before the start starts nothing', async () => {
    await using server = await DeliverServer.start()
    const blocks = deliverClient(optionsFor([server])).blocks(1n, { signal: AbortSignal.abort(reason) })
    await expect(blocks.next()).rejects.toBe(reason)
    expect(server.starts).toEqual([])
  })

  it('is not needed: leaving the loop, also while a block is waited for, frees all', async () => {
    await using server = await DeliverServer.start(serveOrderer(3))
    const clock = virtualClock()
    const blocks = deliverClient(optionsFor([server], { clock })).blocks(1n)
    await blocks.next()
    await blocks.next()
    const third = blocks.next()
    await blocks.return?.()
    expect(await third).toEqual({ done: true, value: undefined })
    expect(clock.pending).toBe(0)
  })

  it('leaves no socket behind', async () => {
    const tcp = () => process.getActiveResourcesInfo().filter((name) => name.includes('TCP') || name.includes('TLS')).length
    const server = await DeliverServer.start(serveOrderer(3), { tls: ordererTls })
    const endpoints = [{ address: server.address, tlsRoots: [ordererTls.root] }]
    const controller = new AbortController()
    const runs = Array.from({ length: 5 }, async () => {
      const blocks = deliverClient({ ...optionsFor([server]), endpoints }).blocks(1n, { signal: controller.signal })
      await blocks.next()
      await blocks.next()
      await blocks.next()
    })
    await expect.poll(() => server.starts).toEqual([1, 1, 1, 1, 1])
    controller.abort(reason)
    expect((await Promise.allSettled(runs)).map(({ status }) => status)).toEqual(Array.from({ length: 5 }, () => 'rejected'))
    server.stop()
    await expect.poll(tcp).toBe(0)
  })
})

describe('what our caller gave', () => {
  it('fails the run where it throws', async () => {
    await using server = await DeliverServer.start()
    const failing = (message: string) => () => {
      throw new Error(message)
    }
    const start = (options: Partial<DeliverOptions>) =>
      deliverClient(optionsFor([server], options))
        .blocks(1n)
        .next()
    await expect(start({ verifier: () => ({ verify: failing('verifier') }) })).rejects.toThrow('verifier')
    await expect(start({ verifier: failing('making') })).rejects.toThrow('making')
    await expect(start({ signer: { creator: user.creator, sign: failing('signer') } })).rejects.toThrow('signer')
    server.serve = (call) => call.end()
    await expect(start({ onBreak: failing('callback') })).rejects.toThrow('callback')
  })
})

describe('fetch', () => {
  it('gives one block', async () => {
    await using server = await DeliverServer.start()
    const client = deliverClient(optionsFor([server]))
    expect(await client.fetch('oldest')).toEqual(goldenBlock(0))
    expect(await client.fetch('newest')).toEqual(goldenBlock(53))
    expect(await client.fetch('config')).toEqual(goldenBlock(52))
    expect(await client.fetch(7n)).toEqual(goldenBlock(7))
    expect(await client.fetch(54n)).toBeUndefined()
    expect(must(server.seeks.at(-1)).info.toObject()).toMatchObject({
      start: { specified: { number: 54 } },
      stop: { specified: { number: 54 } },
      behavior: 1,
    })
  })

  it('asks the next where one cannot, and takes nothing that is not the block', async () => {
    await using wrong = await DeliverServer.start((call) => call.write(blockResponse(ordererBlock(8))))
    await using honest = await DeliverServer.start()
    for (let seed = 1; seed <= 4; seed++) {
      const client = deliverClient(optionsFor([{ address: '127.0.0.1:1' }, wrong, honest], { random: seeded(seed).random }))
      expect(await client.fetch(7n)).toEqual(goldenBlock(7))
    }
    await expect(deliverClient(optionsFor([wrong])).fetch(7n)).rejects.toMatchObject({ code: 'fabric-deliver/fetch-failed' })
    wrong.serve = (call) =>
      call.write(DeliverResponse.encode({ block: concatBytes([ordererBlock(7), Uint8Array.of(0x12, 3, 0x0a, 1, 1)]) }))
    await expect(deliverClient(optionsFor([wrong])).fetch(7n)).rejects.toThrow('no endpoint gave block 7')
  })

  it('fails where it may not, where nobody answers, or when told to', async () => {
    await using server = await DeliverServer.start((call) => call.write(statusResponse(403)))
    await using silent = await mute()
    await expect(deliverClient(optionsFor([server])).fetch(1n)).rejects.toMatchObject({ code: 'fabric-deliver/forbidden' })
    const slow = deliverClient(optionsFor([silent], { fetchTimeoutMs: 50 }))
    await expect(slow.fetch(1n)).rejects.toMatchObject({ code: 'fabric-deliver/fetch-failed' })
    const controller = new AbortController()
    const clock = virtualClock()
    const pending = deliverClient(optionsFor([silent], { clock })).fetch(1n, { signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(pending).rejects.toThrow('enough')
    expect(clock.pending).toBe(0)
    await expect.poll(() => silent.sockets.size).toBe(0)
  })
})
