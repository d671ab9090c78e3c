import { GrpcClient, type GrpcClientOptions, GrpcListener, type ListenerTls, RpcError } from '@kumiko/fabric-grpc'
import { accessControl, type LocalMsp, rejectPolicy } from '@kumiko/fabric-msp'
import { Envelope, HeaderType, Payload, readBlock, sha256, toHex, writeBlock } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks, ordererBlock, peerBlock } from '@kumiko/golden-channel'
import { type Clock, systemClock } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { blockVerifier } from '../src/block-verifier.ts'
import { deliverClient, peerDeliverClient } from '../src/deliver-client.ts'
import type { DeliverOptions } from '../src/options.ts'
import type { DeliverResponse } from '../src/response.ts'
import { encodeSeek, type Seek, seekEnvelope } from '../src/seek.ts'
import { type DeliverMethod, deliverBlocks, deliverFiltered, deliverOrdered, deliverWithPrivateData } from '../src/server/deliver-method.ts'
import { type DeliverServiceOptions, deliverService, ordererDeliver } from '../src/server/deliver-service.ts'
import { readablePrivateData } from '../src/server/private-data.ts'
import { CHANNEL, goldenBundle, goldenOrderer, goldenUser, peerTls, userTls } from './golden.ts'
import { ServedChannel } from './served-channel.ts'
import { PRIVATE } from './server.ts'

let user: LocalMsp
let orderer: LocalMsp
beforeAll(async () => {
  user = await goldenUser()
  orderer = await goldenOrderer()
})

const open: (() => unknown)[] = []
afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

interface Served {
  readonly channel: ServedChannel
  readonly address: string
}

async function serveChannel(
  channel = new ServedChannel(),
  { tls, ...options }: Partial<DeliverServiceOptions> & { readonly tls?: ListenerTls } = {},
): Promise<Served> {
  const find = (channelId: string): ServedChannel | undefined => (channelId === CHANNEL ? channel : undefined)
  const access = accessControl({ localMsp: user.msp, channel: (channelId) => find(channelId)?.bundle })
  const listener = new GrpcListener({ listen: '127.0.0.1:0', ...(tls && { tls }) })
  listener.add(...deliverService({ channel: find, access, ...options }), ordererDeliver({ channel: find, ...options }))
  await listener.start()
  open.push(() => listener.stop(100))
  return { channel, address: listener.address }
}

function clientOptions({ address }: Served, options: Partial<DeliverOptions> = {}): DeliverOptions {
  return { channelId: CHANNEL, endpoints: [{ address }], signer: user, retryInitialMs: 1, ...options }
}

async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

const until = BigInt(GOLDEN_HEIGHT) - 1n
/** It has an endorser transaction that is none. */
const UNREADABLE = 47n

describe('our clients, of our services', () => {
  it("get a peer's blocks, byte for byte, over TLS", async () => {
    const served = await serveChannel(undefined, { tls: peerTls })
    const endpoints = [{ address: served.address, tlsRoots: [peerTls.root] }]
    const client = peerDeliverClient(clientOptions(served, { endpoints, verifier: () => blockVerifier(goldenBundle()) }))
    const blocks = await collect(client.blocks(1n, { until }))
    expect(blocks.map((block) => toHex(sha256(writeBlock(block))))).toEqual(
      blocks.map(({ header }) => toHex(sha256(peerBlock(Number(header.number))))),
    )
    expect(blocks).toHaveLength(GOLDEN_HEIGHT - 1)
    expect((await client.fetch('newest'))?.header.number).toBe(until)
    expect(await client.fetch(1000n)).toBeUndefined()
  })

  it('get filtered blocks, but of a block with a transaction that cannot be read', async () => {
    const served = await serveChannel()
    const client = peerDeliverClient(clientOptions(served))
    const blocks = [
      ...(await collect(client.filteredBlocks(0n, { until: UNREADABLE - 1n }))),
      ...(await collect(client.filteredBlocks(UNREADABLE + 1n, { until }))),
    ]
    const told = blocks.map(({ number, transactions }) => ({
      number,
      transactions: transactions.map(({ txId, type, validationCode }) => ({ txId, type, validationCode })),
    }))
    const recorded = goldenBlocks().map(({ number, txs }) => ({
      number: BigInt(number),
      transactions: txs.map(({ txId, type, validationCode }) => ({ txId, type, validationCode })),
    }))
    expect(told).toEqual(recorded.filter(({ number }) => number !== UNREADABLE))
    // As Fabric: a status in the block's place, and on.
    const odd = await new Asking(served, deliverFiltered).send(asked({ start: UNREADABLE - 1n, stop: UNREADABLE + 1n }))
    expect(odd).toEqual([UNREADABLE - 1n, 400, UNREADABLE + 1n, 200])
    const events = blocks.flatMap(({ transactions }) => transactions.flatMap((each) => each.transactionActions?.chaincodeActions ?? []))
    expect(events.length).toBeGreaterThan(0)
    expect(events.every(({ chaincodeEvent }) => chaincodeEvent?.chaincodeId === 'golden' && chaincodeEvent.payload.length === 0)).toBe(true)
  })

  it('get blocks with private data, as the recorded peer gave it', async () => {
    const client = peerDeliverClient(clientOptions(await serveChannel()))
    const blocks = await collect(client.blocksWithPrivateData(0n, { until }))
    const told = blocks.filter(({ privateData }) => privateData.length > 0).map(({ block }) => String(block.header.number))
    expect(told).toEqual(Object.keys(PRIVATE))
  })

  it("get an orderer's blocks", async () => {
    const served = await serveChannel(new ServedChannel(GOLDEN_HEIGHT, true))
    const overrides = new Map([['127.0.0.1:7050', { address: served.address }]])
    const client = deliverClient(clientOptions(served, { verifier: () => blockVerifier(goldenBundle(), { overrides }) }))
    const blocks = await collect(client.blocks(1n, { until }))
    expect(blocks).toEqual(blocks.map((_, at) => must(readBlock(ordererBlock(at + 1)))))
  })

  it('wait for blocks, and get each as it comes', async () => {
    const served = await serveChannel(new ServedChannel(5))
    const blocks = peerDeliverClient(clientOptions(served)).blocks('newest')
    expect((await blocks.next()).value?.header.number).toBe(4n)
    for (let number = 5n; number < 20n; number++) {
      const next = blocks.next()
      served.channel.grow()
      expect((await next).value?.header.number).toBe(number)
    }
    await blocks.return?.()
  })
})

/** Sends envelopes, and hears what comes until a status or the end. */
class Asking {
  readonly #client: GrpcClient
  readonly #method: DeliverMethod

  constructor(
    { address }: Served,
    method: DeliverMethod = deliverBlocks,
    { isSecure = false, ...options }: GrpcClientOptions & { isSecure?: boolean } = {},
  ) {
    this.#client = new GrpcClient(isSecure ? { address, tlsRoots: [peerTls.root] } : { address }, options)
    this.#method = method
    open.push(() => this.#client.close())
  }

  /** @returns The numbers of blocks, then the status. */
  async send(...envelopes: readonly Uint8Array[]): Promise<(bigint | number | undefined)[]> {
    return (await this.responses(...envelopes)).map(
      ({ status, block, filteredBlock }) => status ?? filteredBlock?.number ?? (block && must(readBlock(block)).header.number),
    )
  }

  async responses(...envelopes: readonly Uint8Array[]): Promise<DeliverResponse[]> {
    const stream = this.#client.duplex(this.#method)
    for (const envelope of envelopes) stream.send(must(Envelope.decode(envelope)))
    stream.end()
    return await collect(stream.messages)
  }
}

interface Origin {
  readonly signer?: LocalMsp
  readonly now?: number
  readonly channelId?: string
  readonly tlsCertHash?: Uint8Array
}

function asked(seek: Partial<Seek>, { signer = user, now = Date.now(), channelId = CHANNEL, ...rest }: Origin = {}): Uint8Array {
  return seekEnvelope({ start: 0n, stop: 0n, waits: true, ...seek }, { signer, now, channelId, nonce: new Uint8Array(24), ...rest })
}

describe('a seek', () => {
  it.each<[string, Partial<Seek>, (bigint | number)[]]>([
    ['of one block', { start: 3n, stop: 3n }, [3n, 200]],
    ['of several', { start: 3n, stop: 5n }, [3n, 4n, 5n, 200]],
    ['of the oldest', { start: 'oldest', stop: 'oldest' }, [0n, 200]],
    ['of the newest', { start: 'newest', stop: 'newest' }, [9n, 200]],
    ['to the newest', { start: 8n, stop: 'newest' }, [8n, 9n, 200]],
    ['that stops where it starts', { start: 4n, stop: 'oldest' }, [4n, 200]],
    ['backwards', { start: 4n, stop: 3n }, [400]],
    ['of what is not there, at once', { start: 9n, stop: 12n, waits: false }, [9n, 404]],
    ['of the next, at once', { start: 10n, stop: 12n, waits: false }, [404]],
    ['of what is far ahead', { start: 11n, stop: 12n }, [404]],
    ['of the next commit, at once', { start: 'nextCommit', stop: 20n, waits: false }, [404]],
  ])('%s', async (_, seek, expected) => {
    expect(await new Asking(await serveChannel(new ServedChannel(10))).send(asked(seek))).toEqual(expected)
  })

  it('may follow another on the same stream, until one fails', async () => {
    const asking = new Asking(await serveChannel())
    expect(await asking.send(asked({ start: 1n, stop: 1n }), asked({ start: 2n, stop: 2n }))).toEqual([1n, 200, 2n, 200])
    expect(await asking.send(asked({ start: 9n, stop: 1n }), asked({ start: 2n, stop: 2n }))).toEqual([400])
    expect(await asking.send()).toEqual([])
  })

  it('of blocks before a snapshot finds nothing', async () => {
    const channel = new ServedChannel(10)
    channel.firstBlock = 5n
    const asking = new Asking(await serveChannel(channel))
    expect(await asking.send(asked({ start: 'oldest', stop: 'newest' }))).toEqual([404])
    expect(await asking.send(asked({ start: 5n, stop: 5n }))).toEqual([5n, 200])
  })

  it('must be from now, of a channel that is here, signed by a reader', async () => {
    const asking = new Asking(await serveChannel())
    expect(await asking.send(asked({}, { now: Date.now() - 20 * 60_000 }))).toEqual([400])
    expect(await asking.send(asked({}, { now: Date.now() + 20 * 60_000 }))).toEqual([400])
    expect(await asking.send(asked({}, { now: Date.now() - 10 * 60_000 }))).toEqual([0n, 200])
    expect(await asking.send(asked({}, { channelId: 'other' }))).toEqual([404])
    expect(await asking.send(asked({}, { signer: orderer }))).toEqual([403])
    const { payload, signature } = must(Envelope.decode(asked({})))
    expect(await asking.send(Envelope.encode({ payload, signature: signature.subarray(1) }))).toEqual([403])
    const { header } = must(Payload.decode(payload))
    expect(await asking.send(Envelope.encode({ payload: Payload.encode({ header, data: Uint8Array.of(255) }) }))).toEqual([400])
    expect(await asking.send(Envelope.encode({ payload: Payload.encode({ data: encodeSeek({ start: 0n, waits: true }) }) }))).toEqual([400])
    expect(await asking.send(Envelope.encode({}), asked({}))).toEqual([400])
    // An orderer's readers are the channel's.
    expect(await new Asking(await serveChannel(), deliverOrdered).send(asked({}, { signer: orderer }))).toEqual([0n, 200])
    expect(HeaderType.deliverSeekInfo).toBe(5)
  })

  it('tells the TLS certificate where one is required', async () => {
    const tls = { ...peerTls, requiresClientCertificate: true, clientRootCas: [userTls.root] }
    const served = await serveChannel(undefined, { tls, isMutualTls: true })
    const asking = new Asking(served, deliverBlocks, { isSecure: true, clientTls: userTls })
    const body = Buffer.from(userTls.certificate).toString().split('-----')[2]
    const tlsCertHash = sha256(Buffer.from(body ?? '', 'base64'))
    expect(await asking.send(asked({}, { tlsCertHash }))).toEqual([0n, 200])
    expect(await asking.send(asked({}, { tlsCertHash: sha256(new Uint8Array()) }))).toEqual([400])
    expect(await asking.send(asked({}))).toEqual([400])
    const endpoints = [{ address: served.address, tlsRoots: [peerTls.root] }]
    const client = peerDeliverClient(clientOptions(served, { endpoints, clientTls: userTls }))
    expect((await client.fetch(3n))?.header.number).toBe(3n)
  })

  it('may be for headers and signatures alone, but of configurations', async () => {
    const seek = encodeSeek({ start: 0n, stop: 5n, waits: true })
    const { payload } = must(Envelope.decode(asked({})))
    const { header } = must(Payload.decode(payload))
    const content = Payload.encode({ header, data: Uint8Array.from([...seek, 5 << 3, 1]) })
    const envelope = Envelope.encode({ payload: content, signature: user.sign(content) })
    const served = await serveChannel()
    const cut = (block: Uint8Array | undefined): boolean | undefined => block && 'fault' in readBlock(block)
    const responses = await new Asking(served).responses(envelope)
    expect(responses.map(({ block }) => cut(block))).toEqual([false, true, true, true, true, true, undefined])
    const besides = await new Asking(served, deliverWithPrivateData).responses(envelope)
    expect(besides.map(({ blockAndPrivateData }) => cut(blockAndPrivateData?.block))).toEqual(responses.map(({ block }) => cut(block)))
    const filtered = await new Asking(served, deliverFiltered).responses(envelope)
    expect(filtered.map(({ filteredBlock }) => filteredBlock?.number)).toEqual([0n, 1n, 2n, 3n, 4n, 5n, undefined])
  })
})

describe('a session', () => {
  it('ends when the configuration no longer lets the client read', async () => {
    const served = await serveChannel(new ServedChannel(5))
    const stream = peerDeliverClient(clientOptions(served)).filteredBlocks(4n)
    await stream.next()
    const { bundle } = served.channel
    const next = stream.next()
    served.channel.bundle = { ...bundle, policies: { ...bundle.policies, policyOrReject: rejectPolicy } }
    served.channel.grow()
    // Nothing says that it has changed.
    expect((await next).value?.number).toBe(5n)
    served.channel.bundle = { ...served.channel.bundle, config: { ...bundle.config, sequence: bundle.config.sequence + 1n } }
    const refused = stream.next()
    served.channel.grow()
    await expect(refused).rejects.toMatchObject({ code: 'fabric-deliver/forbidden' })
  })

  it("ends when the client's certificate does", async () => {
    let now = Date.parse('2036-11-18T02:00Z')
    const clock: Clock = { now: () => now, at: systemClock.at }
    const served = await serveChannel(new ServedChannel(5), { clock })
    const client = new GrpcClient({ address: served.address })
    open.push(() => client.close())
    const stream = client.duplex(deliverBlocks)
    const messages = stream.messages[Symbol.asyncIterator]()
    stream.send(must(Envelope.decode(asked({ start: 4n, stop: 20n }, { now }))))
    await messages.next()
    now = Date.parse('2036-11-18T03:00Z')
    served.channel.grow()
    expect((await messages.next()).value).toMatchObject({ status: 403 })
  })

  it('of an orderer in trouble ends, but for who wants blocks all the same', async () => {
    const trouble = new AbortController()
    const channel = new ServedChannel(5)
    channel.errored = trouble.signal
    const asking = new Asking(await serveChannel(channel), deliverOrdered)
    const waiting = asking.send(asked({ start: 3n, stop: 9n }))
    while (channel.reads < 2) await new Promise((resolve) => setTimeout(resolve, 5))
    trouble.abort()
    expect(await waiting).toEqual([3n, 4n, 503])
    expect(await asking.send(asked({ start: 3n, stop: 4n }))).toEqual([503])
    expect(await asking.send(asked({ start: 3n, stop: 4n, bestEffort: true }))).toEqual([3n, 4n, 200])
  })

  it('ends with the listener', async () => {
    const channel = new ServedChannel(5)
    const asking = new Asking(await serveChannel(channel))
    const waiting = asking.send(asked({ start: 4n, stop: 9n })).catch((error: unknown) => error)
    while (channel.reads < 1) await new Promise((resolve) => setTimeout(resolve, 5))
    await open.shift()?.()
    expect(await waiting).toBeInstanceOf(RpcError)
  })
})

describe('private data', () => {
  it('of a collection for members only goes to members', async () => {
    const channel = new ServedChannel()
    const signedBy = (signer: LocalMsp) => ({
      identity: signer.creator,
      message: new Uint8Array(3),
      signature: signer.sign(new Uint8Array(3)),
    })
    expect(await readablePrivateData(channel, 27n, signedBy(user))).toEqual([
      { key: 0n, value: new Uint8Array(Buffer.from(PRIVATE[27]?.[0] ?? '', 'base64')) },
    ])
    expect(await readablePrivateData(channel, 27n, signedBy(orderer))).toEqual([])
    expect(await readablePrivateData(channel, 27n, { ...signedBy(user), message: new Uint8Array(4) })).toEqual([])
    // Implicit collections are not.
    expect(await readablePrivateData(channel, 1n, signedBy(orderer))).toHaveLength(1)
    const undefinedThen = {
      ...channel,
      bundle: channel.bundle,
      height: 0n,
      commits: channel.commits,
      ledger: { ...channel.ledger, collectionConfigs: { mostRecentBelow: async () => undefined } },
    }
    await expect(readablePrivateData(undefinedThen, 27n, signedBy(user))).rejects.toThrow(
      'no collection config was found for collection secret for chaincode golden',
    )
  })
})

describe('a thousand streams', () => {
  it('at once each get their blocks, and slow ones hold back none but themselves', async () => {
    const served = await serveChannel(new ServedChannel(1))
    const client = new GrpcClient({ address: served.address })
    open.push(() => client.close())
    const envelope = must(Envelope.decode(asked({ start: 0n, stop: until })))
    const streams = Array.from({ length: 1000 }, () => {
      const stream = client.duplex(deliverFiltered)
      stream.send(envelope)
      return stream.messages[Symbol.asyncIterator]()
    })
    const take = async (): Promise<(bigint | undefined)[]> =>
      (await Promise.all(streams.map((each) => each.next()))).map(({ value }) => value?.filteredBlock?.number)
    expect(new Set(await take())).toEqual(new Set([0n]))
    served.channel.grow()
    expect(new Set(await take())).toEqual(new Set([1n]))
    const before = served.channel.reads
    served.channel.grow(3)
    for (let number = 2n; number < 5n; number++) expect(new Set(await take())).toEqual(new Set([number]))
    expect(served.channel.reads - before).toBe(3000)
  })

  it('are read for only as fast as they take', async () => {
    const served = await serveChannel()
    const client = new GrpcClient({ address: served.address })
    open.push(() => client.close())
    const stream = client.duplex(deliverWithPrivateData)
    const large = must(Envelope.decode(asked({ start: 0n, stop: until })))
    for (let n = 0; n < 20; n++) stream.send(large)
    const messages = stream.messages[Symbol.asyncIterator]()
    await messages.next()
    let before: number
    do {
      before = served.channel.reads
      await new Promise((resolve) => setTimeout(resolve, 100))
    } while (before !== served.channel.reads)
    expect(before).toBeLessThan(GOLDEN_HEIGHT * 2)
    await messages.return?.()
  })
})
