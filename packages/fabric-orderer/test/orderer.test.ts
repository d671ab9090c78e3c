import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyBlockSignatures } from '@kumiko/fabric-msp'
import {
  type Block,
  blockHash,
  type ConsensusType,
  checkBlock,
  Envelope,
  equalBytes,
  isConfigBlock,
  readLastConfigIndex,
} from '@kumiko/fabric-protocol'
import { must, type VirtualClock, virtualClock } from '@kumiko/testkit'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import type { OrdererChannel } from '../src/channel.ts'
import { type Orderer, orderer } from '../src/orderer.ts'
import { BATCH, CHANNEL, configUpdate, genesis, type Identities, identities, transaction, withBatch, withConsensus } from './network.ts'

let who: Identities
let folder: string
let clock: VirtualClock
let node: Orderer

beforeAll(async () => {
  who = await identities()
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-orderer-'))
  clock = virtualClock()
  node = orderer({ folder, signer: who.orderer, clock })
  await node.start()
})

afterEach(async () => {
  await node.stop()
  await rm(folder, { recursive: true })
})

/** The next blocks that there are, at once or soon. */
async function blocksOf(channel: OrdererChannel, from: bigint, count: number): Promise<Block[]> {
  const blocks: Block[] = []
  for await (const block of channel.blocks(from)) if (blocks.push(block) === count) break
  return blocks
}

/** Time passes until there are so many blocks. */
async function pass(channel: OrdererChannel, height: bigint): Promise<void> {
  while (channel.height < height) {
    await clock.advance(100)
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}

describe('orderer', () => {
  it('cuts by number, and what is left when its time has come', async () => {
    const channel = await node.join(await genesis())
    const sent = Array.from({ length: 4 }, () => transaction(who.client))
    for (const envelope of sent) expect(await node.broadcast(envelope)).toEqual({ status: 200, info: '' })
    const [first] = await blocksOf(channel, 1n, 1)
    expect(must(first).data).toEqual(sent.slice(0, 3).map((envelope) => Envelope.encode(envelope)))
    await pass(channel, 3n)
    const [, second] = await blocksOf(channel, 1n, 2)
    expect(must(second).data).toEqual([Envelope.encode(must(sent[3]))])
  })

  it('links and signs its blocks, as those ask who take them', async () => {
    const channel = await node.join(await genesis())
    for (let sent = 0; sent < 6; sent++) await node.broadcast(transaction(who.client))
    const blocks = await blocksOf(channel, 0n, 3)
    for (const [at, block] of blocks.entries()) {
      expect(checkBlock(block, blocks[at - 1]?.header)).toBeUndefined()
      if (at > 0) expect(verifyBlockSignatures(block, channel.bundle)).toBeUndefined()
      expect(block.metadata[2]).toEqual(new Uint8Array())
    }
  })

  it('puts a configuration alone in a block, after what waited, and follows it', async () => {
    const channel = await node.join(await genesis())
    await node.broadcast(transaction(who.client))
    const update = configUpdate(channel.bundle.config, (config) => withBatch(config, { ...BATCH, maxMessageCount: 1 }), [who.ordererAdmin])
    expect(await node.broadcast(update)).toEqual({ status: 200, info: '' })
    const [before, config] = await blocksOf(channel, 1n, 2)
    expect([must(before).data.length, isConfigBlock(must(config)), readLastConfigIndex(must(config))]).toEqual([1, true, 2n])
    expect(channel.bundle.orderer.batchSize.maxMessageCount).toBe(1)
    await node.broadcast(transaction(who.client))
    const [after] = await blocksOf(channel, 3n, 1)
    expect([must(after).data.length, readLastConfigIndex(must(after))]).toEqual([1, 2n])
    expect(verifyBlockSignatures(must(after), channel.bundle)).toBeUndefined()
  })

  it('refuses, with Fabric’s statuses and words', async () => {
    const channel = await node.join(await genesis())
    const changed = transaction(who.client)
    const unsigned = { ...changed, signature: changed.signature.toReversed() }
    expect(await node.broadcast({ payload: new Uint8Array(), signature: new Uint8Array() })).toEqual({
      status: 400,
      info: 'could not determine channel ID: header not set',
    })
    expect(await node.broadcast(transaction(who.client, 10, 'other'))).toEqual({ status: 400, info: 'channel does not exist' })
    expect(await node.broadcast(transaction(who.client, 100_000))).toMatchObject({
      status: 400,
      info: expect.stringMatching(/^message payload is \d+ bytes and exceeds maximum allowed 100000 bytes$/),
    })
    for (const envelope of [unsigned, transaction(who.peer)]) {
      expect(await node.broadcast(envelope)).toEqual({
        status: 403,
        info: "implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Writers' sub-policies to be satisfied: permission denied",
      })
    }
    const { config } = channel.bundle
    const update = configUpdate(config, (before) => withBatch(before, { ...BATCH, maxMessageCount: 1 }), [who.admin])
    expect(await node.broadcast(update)).toMatchObject({
      status: 400,
      info: "error applying config update to existing channel 'mychannel': error authorizing update: error validating DeltaSet: policy for [Value]  /Channel/Orderer/BatchSize not satisfied: implicit policy evaluation failed - 0 sub-policies were satisfied, but this policy requires 1 of the 'Admins' sub-policies to be satisfied",
    })
    expect(channel.height).toBe(1n)
  })

  it('takes nothing but configurations in maintenance, and no other type of consensus', async () => {
    const channel = await node.join(await genesis())
    const change = async (consensus: Partial<ConsensusType>) => {
      const { config, orderer: section } = channel.bundle
      return await node.broadcast(
        configUpdate(config, (before) => withConsensus(before, { ...section.consensus, ...consensus }), [who.ordererAdmin]),
      )
    }
    const why = 'config update for existing channel did not pass maintenance checks: config transaction inspection failed: '
    expect(await change({ type: 'etcdraft' })).toEqual({
      status: 400,
      info: `${why}attempted to change consensus type from solo to etcdraft, but current config ConsensusType.State is not in maintenance mode`,
    })
    expect(await change({ state: 1 })).toEqual({ status: 200, info: '' })
    await blocksOf(channel, 1n, 1)
    expect(await node.broadcast(transaction(who.client))).toEqual({
      status: 503,
      info: 'normal transactions are rejected: maintenance mode',
    })
    expect(await change({ type: 'BFT' })).toEqual({
      status: 400,
      info: `${why}attempted to change consensus type from solo to BFT, transition not supported`,
    })
    expect(await change({ state: 0 })).toEqual({ status: 200, info: '' })
    await blocksOf(channel, 2n, 1)
    expect(await node.broadcast(transaction(who.client))).toEqual({ status: 200, info: '' })
  })

  it('refuses who has expired', async () => {
    await node.join(await genesis())
    await clock.advance(Date.UTC(2050, 0, 1))
    expect(await node.broadcast(transaction(who.client))).toEqual({ status: 400, info: 'broadcast client identity expired' })
  })

  it('goes on where it was, with all that it had acknowledged', async () => {
    const channel = await node.join(await genesis())
    const sent = Array.from({ length: 5 }, () => transaction(who.client))
    for (const envelope of sent) await node.broadcast(envelope)
    const [before] = await blocksOf(channel, 1n, 1)
    await node.stop()
    expect(node.channels()).toEqual([])
    await node.start()
    const again = must(node.channel(CHANNEL))
    await pass(again, 3n)
    const blocks = await blocksOf(again, 0n, 3)
    expect(blockHash(must(blocks[1]).header)).toEqual(blockHash(must(before).header))
    expect(blocks.slice(1).flatMap(({ data }) => data)).toEqual(sent.map((envelope) => Envelope.encode(envelope)))
  })

  it('orders the same envelope once', async () => {
    const channel = await node.join(await genesis())
    const [one, two, three, four] = Array.from({ length: 4 }, () => transaction(who.client))
    for (const envelope of [one, one, two, three, two, four, one]) await node.broadcast(must(envelope))
    await pass(channel, 3n)
    const data = (await blocksOf(channel, 1n, 2)).flatMap((block) => block.data)
    expect(data).toEqual([one, two, three, four].map((envelope) => Envelope.encode(must(envelope))))
    expect(data.filter((bytes, at) => data.findIndex((other) => equalBytes(bytes, other)) !== at)).toEqual([])
  })

  it('joins a channel once, and removes it', async () => {
    const block = await genesis()
    await node.join(block)
    await expect(node.join(block)).rejects.toMatchObject({ code: 'fabric-orderer/channel-exists' })
    await expect(node.join({ ...block, data: [] })).rejects.toMatchObject({ code: 'fabric-orderer/bad-join-block' })
    await node.remove(CHANNEL)
    await expect(node.remove(CHANNEL)).rejects.toMatchObject({ code: 'fabric-orderer/no-channel' })
    expect(node.channels()).toEqual([])
    expect((await node.join(block)).height).toBe(1n)
  })

  it('ends a loop over blocks when told to, and when it stops', async () => {
    const channel = await node.join(await genesis())
    const stop = new AbortController()
    const all = async (signal?: AbortSignal) => {
      let blocks = 0
      for await (const _ of channel.blocks(0n, signal === undefined ? {} : { signal })) blocks++
      return blocks
    }
    const [stopped, closed] = [all(stop.signal), all()]
    stop.abort()
    expect(await stopped).toBeLessThanOrEqual(1)
    await node.stop()
    expect(await closed).toBeLessThanOrEqual(1)
  })
})
