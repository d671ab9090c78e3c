import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStateDatabase } from '@kumiko/fabric-ledger'
import { buildEnvelope, HeaderType, readTransactionsFilter, ValidationCode } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT } from '@kumiko/golden-channel'
import { isFault } from '@kumiko/interface'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { type BlockSource, blockFolder } from '../src/block-source.ts'
import { Channel, type CommitterLedger } from '../src/channel.ts'
import { WorkerPool } from '../src/worker-pool.ts'
import { goldenBlock, goldenPrivateData, goldenSource, temporaryLedger } from './golden.ts'
import { Network, text, withOrg2 } from './network.ts'

const open = memoryStateDatabase()

/** Counts up as blocks are asked for. */
function counted(source: BlockSource, count: { asked: number }): BlockSource {
  return {
    blocks: async function* (from, options) {
      for await (const block of source.blocks(from, options)) {
        count.asked++
        yield block
      }
    },
  }
}

describe('Channel', () => {
  it('refuses what is not the next block, and is as it was', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    expect(await channel.store(goldenBlock(2))).toMatchObject({ fault: 'fabric-protocol/bad-block-number' })
    const { data, ...rest } = goldenBlock(1)
    expect(await channel.store({ ...rest, data: [...data, ...data] })).toMatchObject({ fault: 'fabric-protocol/bad-data-hash' })
    expect(channel.height).toBe(1n)
    expect(must(await channel.store(goldenBlock(1))).number).toBe(1n)
    await channel.close()
  })

  it('stops a run at a block that is not the next, with what was before it committed', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const source: BlockSource = {
      blocks: async function* () {
        for (const number of [1, 2, 3, 5, 4]) yield { block: goldenBlock(number) }
      },
    }
    expect(await channel.run(source)).toMatchObject({ fault: 'fabric-protocol/bad-block-number' })
    expect(channel.height).toBe(4n)
    expect(await channel.run(goldenSource(8))).toBeUndefined()
    expect(channel.height).toBe(8n)
    await channel.close()
  })

  it('stops a run at a block whose transactions are others, though the next would follow its header', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const { data, ...rest } = goldenBlock(2)
    const source: BlockSource = {
      blocks: async function* () {
        for (const block of [goldenBlock(1), { ...rest, data: [...data, ...data] }, goldenBlock(3), goldenBlock(4)]) yield { block }
      },
    }
    expect(await channel.run(source)).toMatchObject({ fault: 'fabric-protocol/bad-data-hash' })
    expect([channel.height, channel.failure]).toEqual([2n, undefined])
    await channel.close()
  })

  it('tells of a refused block at once, though the source waits for its next', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const source: BlockSource = {
      blocks: async function* (_, { signal } = {}) {
        for (const number of [1, 3]) yield { block: goldenBlock(number) }
        await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason)))
      },
    }
    expect(await channel.run(source)).toMatchObject({ fault: 'fabric-protocol/bad-block-number' })
    expect(channel.height).toBe(2n)
    await channel.close()
  })

  it('reads one block ahead, and passes on what the source throws', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const count = { asked: 0 }
    const failing: BlockSource = {
      blocks: async function* (from) {
        for await (const block of counted(goldenSource(6), count).blocks(from)) yield block
        throw new Error('the source broke')
      },
    }
    await expect(channel.run(failing)).rejects.toThrow('the source broke')
    expect([channel.height, count.asked, channel.failure]).toEqual([6n, 5, undefined])
    expect(await channel.run(goldenSource(9))).toBeUndefined()
    await channel.close()
  })

  it('ends a run by its signal, with a whole block', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const stop = new AbortController()
    const source: BlockSource = {
      blocks: async function* (from) {
        for await (const each of goldenSource().blocks(from)) {
          if (each.block.header.number === 6n) stop.abort(new Error('enough'))
          yield each
        }
      },
    }
    await expect(channel.run(source, { signal: stop.signal })).rejects.toThrow('enough')
    expect(channel.height).toBe(6n)
    expect(await channel.run(goldenSource(7))).toBeUndefined()
    await channel.close()
  })

  it('takes one block at a time', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const first = channel.store(goldenBlock(1))
    await expect(channel.store(goldenBlock(2))).rejects.toMatchObject({ code: 'fabric-committer/store-overlap' })
    expect(isFault(await first)).toBe(false)
    await channel.close()
    await expect(channel.store(goldenBlock(2))).rejects.toMatchObject({ code: 'fabric-committer/closed' })
  })

  it('tells of commits from any block on, to however slow a listener', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const heard = async (from: bigint, to: bigint) => {
      const numbers: bigint[] = []
      for await (const { number, block } of channel.commits(from)) {
        expect(block.header.number).toBe(number)
        numbers.push(number)
        if (number === to) break
      }
      return numbers
    }
    const listeners = [heard(0n, 8n), heard(5n, 9n)]
    const slow = channel.commits(0n)[Symbol.asyncIterator]()
    expect((await slow.next()).value).toMatchObject({ number: 0n })
    await channel.run(goldenSource(10))
    expect(await Promise.all(listeners)).toEqual([
      [0n, 1n, 2n, 3n, 4n, 5n, 6n, 7n, 8n],
      [5n, 6n, 7n, 8n, 9n],
    ])
    expect((await slow.next()).value).toMatchObject({ number: 1n })
    const waiting = heard(50n, 50n)
    const stop = new AbortController()
    const stopped = channel.commits(50n, { signal: stop.signal }).next()
    stop.abort()
    expect(await stopped).toMatchObject({ done: true })
    await channel.close()
    expect(await waiting).toEqual([])
  })

  it('tells of a block when the state has it', async () => {
    await using ledger = await temporaryLedger(open)
    const gate = Promise.withResolvers<void>()
    const isStored = Promise.withResolvers<void>()
    const slow: CommitterLedger = {
      ...{ channelId: ledger.channelId, blocks: ledger.blocks, state: ledger.state },
      get info() {
        return ledger.info
      },
      commit: async (toCommit) => {
        const committed = await ledger.commit(toCommit)
        isStored.resolve()
        await gate.promise
        return committed
      },
    }
    const channel = await Channel.open({ ledger: slow })
    const heard: bigint[] = []
    const listener = (async () => {
      for await (const { number } of channel.commits(0n)) heard.push(number)
    })()
    const storing = channel.store(goldenBlock(1))
    await isStored.promise
    // All that waits to be told would be told now.
    await new Promise((resolve) => setImmediate(resolve))
    expect({ heard, height: channel.height, stored: ledger.info.height }).toEqual({ heard: [0n], height: 1n, stored: 2n })
    gate.resolve()
    await storing
    expect(channel.height).toBe(2n)
    await channel.close()
    await listener
    expect(heard).toEqual([0n])
  })

  it('goes on from a folder of blocks', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const folder = new URL('../../../tools/golden-channel/fixtures/orderer-blocks', import.meta.url).pathname
    expect(await channel.run(blockFolder(folder, { privateData: goldenPrivateData }))).toBeUndefined()
    expect(channel.height).toBe(BigInt(GOLDEN_HEIGHT))
    await channel.close()
  })

  it('says which file is no block', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kumiko-blocks-'))
    await writeFile(join(folder, 'block_3.block'), text('odd'))
    await expect(blockFolder(folder).blocks(3n)[Symbol.asyncIterator]().next()).rejects.toMatchObject({
      code: 'fabric-committer/unreadable-block',
      context: { path: join(folder, 'block_3.block') },
    })
    expect((await blockFolder(folder).blocks(0n)[Symbol.asyncIterator]().next()).done).toBe(true)
    await rm(folder, { recursive: true })
  })
})

describe('a configuration block', () => {
  it.each([0, 2])('holds for the block after it, however soon that comes, with %s workers', async (workers) => {
    const [network, larger] = [await Network.make(1), await Network.make(2)]
    const client = await must(larger.authorities[1]).member('client')
    await using ledger = await temporaryLedger(open, network.genesis, network.channelId)
    const channel = await Channel.open({ ledger, workers })
    const definition = network.block(network.definition())
    const before = network.block(network.transaction({ client }))
    const configuration = network.block(await network.configuration(channel.bundle, withOrg2(channel.bundle, larger)))
    const after = network.block(network.transaction({ client }), network.definition('other', {}, network.peers), network.transaction())
    const source: BlockSource = {
      blocks: async function* () {
        for (const block of [definition, before, configuration, after]) yield { block }
      },
    }
    expect(await channel.run(source)).toBeUndefined()
    const codes: number[][] = []
    for await (const block of ledger.blocks.blocks(1n)) codes.push([...must(readTransactionsFilter(block))])
    // A majority of two organisations is both.
    expect(codes).toEqual([[0], [ValidationCode.badCreatorSignature], [0], [0, ValidationCode.endorsementPolicyFailure, 0]])
    expect([...must(channel.bundle.application).organizations.keys()]).toEqual(['Org1', 'Org2'])
    await channel.close()
  })
})

describe('a failure that says nothing of a block', () => {
  /** A ledger whose state fails when told to. */
  function failing(ledger: CommitterLedger, isBroken: () => boolean): CommitterLedger {
    const state = new Proxy(ledger.state, {
      get: (target, name) => {
        const value: unknown = Reflect.get(target, name)
        if (typeof value !== 'function') return value
        return async (...given: unknown[]) => {
          if (name === 'getMany' && isBroken()) throw new Error('the disk is gone')
          return await Reflect.apply(value, target, given)
        }
      },
    })
    return {
      channelId: ledger.channelId,
      state,
      blocks: ledger.blocks,
      commit: (block) => ledger.commit(block),
      get info() {
        return ledger.info
      },
    }
  }

  it('of the state halts the channel, and those who listen hear of it', async () => {
    await using ledger = await temporaryLedger(open)
    let isBroken = false
    const channel = await Channel.open({ ledger: failing(ledger, () => isBroken) })
    await channel.run(goldenSource(5))
    isBroken = true
    const listener = channel.commits(5n).next()
    await expect(channel.run(goldenSource())).rejects.toMatchObject({
      code: 'fabric-committer/halted',
      cause: { message: 'the disk is gone' },
    })
    await expect(listener).rejects.toMatchObject({ code: 'fabric-committer/halted' })
    isBroken = false
    await expect(channel.store(goldenBlock(5))).rejects.toMatchObject({ code: 'fabric-committer/halted' })
    expect(ledger.info.height).toBe(5n)
    await channel.close()
    const again = await Channel.open({ ledger })
    expect(await again.run(goldenSource())).toBeUndefined()
    await again.close()
  })

  it('of a worker is told, and no transaction is judged', async () => {
    await using ledger = await temporaryLedger(open)
    const channel = await Channel.open({ ledger })
    const pool = new WorkerPool(2)
    pool.configure(channel.bundle)
    expect(await pool.check(goldenBlock(4).data)).toHaveLength(3)
    pool.configure({ ...channel.bundle, channelId: 'No Name' })
    await expect(pool.check(goldenBlock(4).data)).rejects.toMatchObject({ code: 'fabric-committer/worker-failed' })
    await expect(pool.check(goldenBlock(4).data)).rejects.toMatchObject({ code: 'fabric-committer/worker-failed' })
    await pool.close()
    await channel.close()
    expect(() => new WorkerPool(1.5)).toThrow('1.5 workers')
  })

  it('of a configuration that orderers should not have let through halts the channel', async () => {
    const network = await Network.make(1)
    await using ledger = await temporaryLedger(open, network.genesis, network.channelId)
    const channel = await Channel.open({ ledger })
    const header = { type: HeaderType.config, channelId: network.channelId }
    const config = buildEnvelope(header, text('no configuration'), text('nonce'), network.client)
    await expect(channel.store(network.block(config))).rejects.toMatchObject({
      code: 'fabric-committer/halted',
      cause: { code: 'fabric-committer/cannot-validate' },
    })
    expect(channel.height).toBe(1n)
    await channel.close()
  })

  it('is not that a configuration’s sender is unknown: that is a code', async () => {
    const [network, other] = [await Network.make(1), await Network.make(1)]
    await using ledger = await temporaryLedger(open, network.genesis, network.channelId)
    const channel = await Channel.open({ ledger })
    const header = { type: HeaderType.config, channelId: network.channelId }
    const config = buildEnvelope(header, text('no configuration'), text('nonce'), other.client)
    expect([...must(await channel.store(network.block(config))).codes]).toEqual([ValidationCode.badCreatorSignature])
    await channel.close()
  })
})
