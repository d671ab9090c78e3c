import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyBlockSignatures } from '@kumiko/fabric-msp'
import { type Block, Envelope, toHex } from '@kumiko/fabric-protocol'
import { must, seeded, type VirtualClock, virtualClock } from '@kumiko/testkit'
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { inMemory, MemoryLog } from '../src/memory-log.ts'
import type { Consenter, OrderedLog } from '../src/ordered-log.ts'
import { type Orderer, orderer } from '../src/orderer.ts'
import { BATCH, CHANNEL, configUpdate, genesis, type Identities, identities, transaction, withBatch, withTimeout } from './network.ts'

let who: Identities
let folder: string
let clock: VirtualClock

beforeAll(async () => {
  who = await identities()
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kumiko-orderers-'))
  clock = virtualClock()
})

afterEach(async () => {
  await rm(folder, { recursive: true })
})

/** A log that orderers share, whose appends fail now and then: before, or after the entry is in it. */
function faulty(shared: MemoryLog, random: () => number): Consenter {
  const log: OrderedLog = {
    append: async (bytes) => {
      const lot = random()
      if (lot < 0.1) throw new Error('lost on the way there')
      const sequence = await shared.append(bytes)
      if (lot < 0.2) throw new Error('lost on the way back')
      return sequence
    },
    read: (from, options) => shared.read(from, options),
    bounds: () => shared.bounds(),
    release: () => {},
    close: async () => {},
  }
  return { name: 'faulty', open: async () => log }
}

/** Time passes until all have as many blocks as the first, and nothing waits. */
async function settle(nodes: readonly Orderer[]): Promise<void> {
  for (let quiet = 0, last = ''; quiet < 8; ) {
    await clock.advance(1000)
    await new Promise((resolve) => setTimeout(resolve, 5))
    const heights = nodes.map((node) => String(node.channel(CHANNEL)?.height)).join()
    quiet = heights === last && new Set(heights.split(',')).size === 1 ? quiet + 1 : 0
    last = heights
  }
}

async function chainOf(node: Orderer): Promise<Block[]> {
  const channel = must(node.channel(CHANNEL))
  return await Promise.all(Array.from({ length: Number(channel.height) }, async (_, at) => must(await channel.block(BigInt(at)))))
}

describe('orderers of one log', () => {
  it.each([1, 2, 3])('make the same blocks, whoever stops and starts, and lose and double nothing (seed %i)', async (seed) => {
    const { random } = seeded(seed)
    const shared = new MemoryLog()
    const nodes = [0, 1, 2].map((at) =>
      orderer({ folder: join(folder, String(at)), signer: who.orderer, clock, consenter: faulty(shared, random) }),
    )
    const block = await genesis()
    for (const node of nodes) {
      await node.start()
      await node.join(block)
    }
    const acknowledged: string[] = []
    let updates = 0
    for (let step = 0; step < 60; step++) {
      const node = must(nodes[Math.floor(random() * 3)])
      const lot = random()
      if (lot < 0.1) {
        await node.stop()
        await node.start()
      } else if (lot < 0.2) {
        await clock.advance(Math.floor(random() * 3000))
      } else if (lot < 0.3) {
        const { config } = must(node.channel(CHANNEL)).bundle
        const change = ++updates % 2 === 0 ? '3s' : '4s'
        const size = { ...BATCH, maxMessageCount: 2 + (updates % 3), preferredMaxBytes: 20_000 + updates }
        // Both were made of the same configuration: the second is stale.
        const [one, two] = [
          configUpdate(config, (before) => withBatch(before, size), [who.ordererAdmin]),
          configUpdate(config, (before) => withTimeout(before, `${change.slice(0, 1)}00${updates}ms`), [who.ordererAdmin]),
        ]
        await Promise.all([node.broadcast(one), must(nodes[0]).broadcast(two), node.broadcast(two)])
      } else {
        const envelope = transaction(who.client, lot > 0.9 ? 21_000 : 100)
        // A client that goes on to another orderer until one has taken it; and at times to one more.
        let tries = 0
        while ((await must(nodes[Math.floor(random() * 3)]).broadcast(envelope)).status !== 200)
          if (++tries > 50) throw new Error('nobody takes it')
        if (lot > 0.8) await node.broadcast(envelope)
        acknowledged.push(toHex(Envelope.encode(envelope)))
      }
    }
    await settle(nodes)
    const chains = await Promise.all(nodes.map(chainOf))
    const [first] = chains
    for (const chain of chains) expect(chain.map(({ header }) => header)).toEqual(first?.map(({ header }) => header))
    for (const chain of chains) expect(chain.map(({ data }) => data)).toEqual(first?.map(({ data }) => data))
    const ordered = must(first).flatMap(({ data }) => data.map(toHex))
    expect(new Set(ordered).size).toBe(ordered.length)
    expect(acknowledged.filter((each) => !ordered.includes(each))).toEqual([])
    const { bundle } = must(nodes[0]?.channel(CHANNEL))
    expect(bundle.config.sequence).toBeGreaterThan(1n)
    expect(verifyBlockSignatures(must(first?.at(-1)), bundle)).toBeUndefined()
    await Promise.all(nodes.map((node) => node.stop()))
  })

  it('keep in memory what one of them does not have in blocks, and no more', async () => {
    const consenter = inMemory()
    const context = { channelId: 'c', genesisHash: new Uint8Array(32), lastSequence: 0n, entryBytesMax: 100 }
    const [one, two] = [await consenter.open({ ...context, folder: '/1' }), await consenter.open({ ...context, folder: '/2' })]
    for (let at = 0; at < 5; at++) await one.append(Uint8Array.of(at))
    one.release(4n)
    expect(await two.bounds()).toEqual({ first: 1n, last: 5n })
    two.release(3n)
    expect(await one.bounds()).toEqual({ first: 4n, last: 5n })
    const late = await consenter.open({ ...context, folder: '/3' })
    const read = late.read(1n, { signal: AbortSignal.timeout(60_000) })[Symbol.asyncIterator]()
    await expect(read.next()).rejects.toMatchObject({ code: 'fabric-orderer/log-trimmed' })
  })

  it('is not in a channel whose log it cannot open, and may join it later, by another genesis block', async () => {
    let isUp = false
    const open: Consenter['open'] = async () => {
      if (!isUp) throw new Error('nobody is there')
      return new MemoryLog()
    }
    const node = orderer({ folder, signer: who.orderer, clock, consenter: { name: 'down', open } })
    await node.start()
    await expect(node.join(await genesis())).rejects.toThrow('nobody is there')
    expect([node.channels(), await readdir(folder)]).toEqual([[], []])
    isUp = true
    const other = await genesis({ ...BATCH, maxMessageCount: 77 })
    expect((await node.join(other)).bundle.orderer.batchSize.maxMessageCount).toBe(77)
    await node.stop()
  })

  it('stops where its log is gone, and says so', async () => {
    const gone: Consenter = {
      name: 'gone',
      open: async () => ({
        append: async () => 1n,
        // biome-ignore lint/correctness/useYield: it throws.
        read: async function* () {
          throw new Error('the log is gone')
        },
        bounds: async () => ({ first: 1n, last: 0n }),
        release: () => {},
        close: async () => {},
      }),
    }
    const node = orderer({ folder, signer: who.orderer, clock, consenter: gone })
    await node.start()
    const channel = await node.join(await genesis())
    await expect(
      (async () => {
        for await (const _ of channel.blocks(1n)) break
      })(),
    ).rejects.toMatchObject({ code: 'fabric-orderer/halted' })
    expect(channel.errored.aborted).toBe(true)
    expect(await node.broadcast(transaction(who.client))).toEqual({ status: 503, info: 'channel mychannel is not serviced' })
    await node.stop()
  })
})
