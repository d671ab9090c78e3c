import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blockVerifier, deliverClient } from '@kumiko/fabric-deliver'
import { type BoundMethod, GrpcClient, GrpcListener, serve } from '@kumiko/fabric-grpc'
import { type Block, type BroadcastResponse, Envelope } from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { broadcastClient } from '../src/broadcast-client.ts'
import { type Orderer, orderer } from '../src/orderer.ts'
import { BROADCAST, ordererServices } from '../src/services.ts'
import { BATCH, CHANNEL, configUpdate, genesis, type Identities, identities, transaction, withBatch } from './network.ts'

let who: Identities
let folder: string
let node: Orderer
const closing: (() => void | Promise<void>)[] = []

beforeAll(async () => {
  who = await identities()
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-orderer-'))
  node = orderer({ folder, signer: who.orderer })
  await node.start()
})

afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
  await node.stop()
  await rm(folder, { recursive: true })
})

async function listen(...methods: readonly BoundMethod[]): Promise<string> {
  const listener = new GrpcListener({ listen: '127.0.0.1:0' })
  listener.add(...methods)
  await listener.start()
  closing.push(() => listener.stop())
  return must(listener.address)
}

/** An orderer that answers all with this. */
const answering = (status: number, info: string): BoundMethod =>
  serve(BROADCAST, async (stream) => {
    for await (const _ of stream.messages) stream.send({ status, info })
  })

function clientOf(...addresses: readonly string[]) {
  // The last comes first.
  let place = 0
  const client = broadcastClient(
    addresses.map((address) => ({ address })),
    { random: () => place++ / 100, timeoutMs: 2000 },
  )
  closing.push(() => client.close())
  return client
}

describe('ordererServices', () => {
  it('takes envelopes, and delivers the blocks to who verifies them', async () => {
    const channel = await node.join(await genesis(undefined, '50ms'))
    const address = await listen(...ordererServices(node))
    const client = clientOf(address)
    const sent = Array.from({ length: 4 }, () => transaction(who.client))
    for (const envelope of sent) expect((await client.broadcast(envelope)).outcome).toBe('accepted')
    const update = configUpdate(channel.bundle.config, (config) => withBatch(config, { ...BATCH, maxMessageCount: 1 }), [who.ordererAdmin])
    expect((await client.broadcast(update)).outcome).toBe('accepted')
    const { bundle } = channel
    const deliver = deliverClient({
      channelId: CHANNEL,
      endpoints: [{ address }],
      signer: who.peer,
      verifier: () => blockVerifier(bundle),
    })
    const blocks: Block[] = []
    for await (const block of deliver.blocks(1n, { previous: must(await channel.block(0n)).header })) {
      blocks.push(block)
      if (block.metadata[1]?.length !== 0) break
    }
    expect(blocks.flatMap(({ data }) => data).slice(0, 4)).toEqual(sent.map((envelope) => Envelope.encode(envelope)))
    expect((await deliver.fetch('config'))?.header.number).toBe(blocks.at(-1)?.header.number)
  })

  it('answers one envelope after another, and ends the stream with the first that it refuses', async () => {
    await node.join(await genesis())
    const client = new GrpcClient({ address: await listen(...ordererServices(node)) })
    closing.push(() => client.close())
    const stream = client.duplex(BROADCAST)
    const answers: BroadcastResponse[] = []
    stream.send(transaction(who.client))
    for await (const answer of stream.messages) {
      answers.push(answer)
      stream.send(answers.length === 1 ? transaction(who.client) : transaction(who.peer))
    }
    expect(answers.map(({ status }) => status)).toEqual([200, 200, 403])
  })
})

describe('broadcastClient', () => {
  it('goes on to the next where one cannot be reached, or says 5xx', async () => {
    await node.join(await genesis())
    const address = await listen(...ordererServices(node))
    const busy = await listen(answering(503, 'no Raft leader'))
    const client = clientOf('127.0.0.1:1', busy, address)
    expect(await client.broadcast(transaction(who.client))).toEqual({ outcome: 'accepted', response: { status: 200, info: '' } })
    client.replace([{ address: '127.0.0.1:1' }, { address: busy }])
    const result = await client.broadcast(transaction(who.client))
    expect(result).toMatchObject({
      outcome: 'unavailable',
      failures: [
        { endpoint: { address: '127.0.0.1:1' }, status: undefined },
        { endpoint: { address: busy }, status: 503 },
      ],
    })
    expect(result.outcome === 'unavailable' && result.failures[1]?.message).toBe(
      'received unsuccessful response from orderer: status=SERVICE_UNAVAILABLE, info=no Raft leader',
    )
  })

  it('does not ask another where one refuses', async () => {
    await node.join(await genesis())
    const address = await listen(...ordererServices(node))
    const client = clientOf(await listen(answering(403, 'no: permission denied')), address)
    expect(await client.broadcast(transaction(who.client))).toMatchObject({
      outcome: 'rejected',
      response: { status: 403, info: 'no: permission denied' },
    })
  })

  it('asks all of a BFT channel, and is content with a quorum', async () => {
    const known = answering(503, 'failed to submit request: request already exists')
    const four = [
      await listen(answering(200, '')),
      await listen(answering(200, '')),
      await listen(known),
      await listen(answering(400, 'no')),
    ]
    expect((await clientOf(...four).broadcast(transaction(who.client), { bftClusterSize: 4 })).outcome).toBe('accepted')
    const client = clientOf(four[0] ?? '', '127.0.0.1:1', four[3] ?? '', four[1] ?? '')
    expect((await client.broadcast(transaction(who.client), { bftClusterSize: 4 })).outcome).toBe('unavailable')
  })

  it('ends when told to', async () => {
    const silent = await listen(
      serve(BROADCAST, async (_, call) => await new Promise((resolve) => call.signal.addEventListener('abort', () => resolve()))),
    )
    const stop = new AbortController()
    const sent = clientOf(silent).broadcast(transaction(who.client), { signal: stop.signal })
    setTimeout(() => stop.abort(new Error('enough')), 50)
    await expect(sent).rejects.toThrow('enough')
  })
})
