import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { Ledger, memoryStateDatabase } from '@kumiko/fabric-ledger'
import { type Block, readCommitHash, readTransactionsFilter, toHex } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import { expect, it } from 'vitest'
import { type Devnet, devnet } from '../src/devnet.ts'
import { AssetContract } from './asset-contract.ts'

async function blocksOf(net: Devnet): Promise<Block[]> {
  const blocks: Block[] = []
  for (let number = 0n; number < net.blocks.height; number++) {
    const block = await net.blocks.raw(number)
    if (block !== undefined) blocks.push(block)
  }
  return blocks
}

const verdictOf = (block: Block | undefined) => {
  const hash = block && readCommitHash(block)
  return [block && readTransactionsFilter(block), hash === undefined || isFault(hash) ? hash : toHex(hash)]
}

it('makes blocks that a fresh ledger judges alike, valid and invalid ones, to the same commit hashes', async () => {
  await using net = await devnet({ orgs: 2, contracts: { assets: AssetContract } })
  const assets = await net.contract('assets')
  await assets.submitTransaction('create', 'car', 'alice')
  net.faults.conflict({ count: 2 })
  await expect(assets.submitTransaction('transfer', 'car', 'bob')).rejects.toThrow()
  await expect(assets.submitTransaction('create', 'plane', 'bob')).rejects.toThrow()
  await Promise.all(Array.from({ length: 20 }, (_, at) => assets.submitTransaction('write', `key${at}`, String(at))))
  const [genesis, ...blocks] = await blocksOf(net)
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-replay-'))
  const policies = collectionPolicies({ channelId: net.channelId })
  const openState = async () => await memoryStateDatabase()('')
  const ledger = await Ledger.create({ folder: join(folder, 'ledger'), channelId: net.channelId, genesis: genesis!, policies, openState })
  const channel = await Channel.open({ ledger })
  try {
    for (const block of blocks) expect(isFault(await channel.store(block))).toBe(false)
    for (const block of blocks) expect(verdictOf(await ledger.blocks.block(block.header.number))).toEqual(verdictOf(block))
    expect(blocks.flatMap((block) => [...(readTransactionsFilter(block) ?? [])]).filter((code) => code === 11)).toHaveLength(2)
  } finally {
    await channel.close()
    await ledger.close()
    await rm(folder, { recursive: true, force: true })
  }
})
