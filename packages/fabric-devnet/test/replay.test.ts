import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Commit, Contract, Transaction } from '@hyperledger/fabric-gateway'
import { type BlockSource, Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { Ledger, levelStateDatabase, memoryStateDatabase, type OpenStateDatabase } from '@kumiko/fabric-ledger'
import { computeConfigUpdate } from '@kumiko/fabric-msp'
import { broadcastClient } from '@kumiko/fabric-orderer'
import {
  BatchSize,
  type Block,
  BlockMetadataIndex,
  buildEnvelope,
  Config,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  concatBytes,
  Envelope,
  HeaderType,
  isConfigBlock,
  readCommitHash,
  readTransactionsFilter,
  SignatureHeader,
  toHex,
  ValidationCode,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { type Context, Contract as FabricContract } from 'fabric-contract-api'
import { KeyEndorsementPolicy } from 'fabric-shim'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { localMspOf } from '../src/crypto/local-msp.ts'
import { type Devnet, devnet } from '../src/devnet.ts'

const { valid, mvccReadConflict, phantomReadConflict, endorsementPolicyFailure } = ValidationCode
const [ORG1, BOTH] = [['Org1MSP'], ['Org1MSP', 'Org2MSP']]

class MixedContract extends FabricContract {
  async write(ctx: Context, key: string, value: string): Promise<void> {
    await ctx.stub.putState(key, Buffer.from(value))
  }

  async append(ctx: Context, key: string, value: string): Promise<void> {
    await ctx.stub.putState(key, Buffer.concat([await ctx.stub.getState(key), Buffer.from(value)]))
  }

  async count(ctx: Context, from: string, to: string): Promise<void> {
    let found = 0
    for await (const _ of ctx.stub.getStateByRange(from, to)) found++
    await ctx.stub.putState('count', Buffer.from(String(found)))
  }

  async protect(ctx: Context, key: string, mspIds: string): Promise<void> {
    const policy = new KeyEndorsementPolicy()
    policy.addOrgs('PEER', ...mspIds.split(' '))
    await ctx.stub.putState(key, Buffer.from('protected'))
    await ctx.stub.setStateValidationParameter(key, policy.getPolicy())
  }

  async hide(ctx: Context, key: string, value: string): Promise<void> {
    await ctx.stub.putPrivateData('secrets', key, Buffer.from(value))
    await ctx.stub.putPrivateData('_implicit_org_Org1MSP', key, Buffer.from(value))
  }

  async forget(ctx: Context, key: string): Promise<void> {
    await ctx.stub.deletePrivateData('secrets', key)
    await ctx.stub.purgePrivateData('_implicit_org_Org1MSP', key)
  }
}

describe('the blocks of a network', () => {
  let net: Devnet
  let mixed: Contract

  beforeAll(async () => {
    net = await devnet({
      orgs: 2,
      contracts: {
        mixed: {
          contract: MixedContract,
          policy: "OR('Org1MSP.peer', 'Org2MSP.peer')",
          collections: [{ name: 'secrets', policy: "OR('Org1MSP.member')", blockToLive: 3 }],
        },
      },
    })
    mixed = await net.contract('mixed')
  })

  afterAll(() => net.stop())

  async function endorse(name: string, args: readonly string[], endorsingOrganizations: readonly string[] = ORG1): Promise<Transaction> {
    return await mixed.newProposal(name, { arguments: [...args], endorsingOrganizations: [...endorsingOrganizations] }).endorse()
  }

  /** Sends them together. @returns Their codes. */
  async function codesOf(...transactions: readonly Transaction[]): Promise<readonly number[]> {
    const commits: Commit[] = []
    for (const transaction of transactions) commits.push(await transaction.submit())
    return await Promise.all(commits.map(async (commit) => (await commit.getStatus()).code))
  }

  async function transactions(): Promise<void> {
    expect(await codesOf(await endorse('write', ['a1', 'one']), await endorse('hide', ['secret', 'here']))).toEqual([valid, valid])
    // Both read the same version, whether they come into one block or not.
    expect(await codesOf(await endorse('append', ['a1', 'x']), await endorse('append', ['a1', 'y']))).toEqual([valid, mvccReadConflict])
    net.faults.conflict({ count: 2 })
    for (const key of ['a1', 'none']) expect(await codesOf(await endorse('append', [key, 'z']))).toEqual([mvccReadConflict])
    expect(await codesOf(await endorse('count', ['a', 'b']))).toEqual([valid])
    const [writes, counts] = [await endorse('write', ['a2', 'two']), await endorse('count', ['a', 'b'])]
    expect(await codesOf(writes, counts)).toEqual([valid, phantomReadConflict])
  }

  async function keyPolicies(): Promise<void> {
    expect(await codesOf(await endorse('protect', ['mine', BOTH.join(' ')]))).toEqual([valid])
    expect(await codesOf(await endorse('write', ['mine', 'no']))).toEqual([endorsementPolicyFailure])
    expect(await codesOf(await endorse('write', ['mine', 'yes'], BOTH))).toEqual([valid])
    // A policy that is new counts for what comes after it in its block.
    const [changes, writes] = [await endorse('protect', ['other', 'Org2MSP']), await endorse('write', ['other', 'no'])]
    expect(await codesOf(changes, writes)).toEqual([valid, endorsementPolicyFailure])
  }

  async function configure(maxMessageCount: number): Promise<void> {
    const { ordererOrganization, orderers } = net.network
    const signer = localMspOf(ordererOrganization, ordererOrganization.admin)
    const current = must(Config.decode(await mixedConfig()))
    const updated = withBatch(current, maxMessageCount)
    const configUpdate = ConfigUpdate.encode(computeConfigUpdate(net.channelId, current, updated))
    const nonce = new Uint8Array(24).fill(maxMessageCount)
    const signatureHeader = SignatureHeader.encode({ creator: signer.creator, nonce })
    const signature = signer.sign(concatBytes([signatureHeader, configUpdate]))
    const signatures = [{ signatureHeader, signature, identifierHeader: new Uint8Array() }]
    const data = ConfigUpdateEnvelope.encode({ configUpdate, signatures })
    const envelope = buildEnvelope({ type: HeaderType.configUpdate, channelId: net.channelId }, data, nonce, signer)
    const tlsRoots = [new TextEncoder().encode(ordererOrganization.tlsCa.certificate)]
    const client = broadcastClient(orderers.map(({ address }) => ({ address, tlsRoots })))
    const { height } = net.blocks
    expect(await client.broadcast(must(Envelope.decode(envelope)))).toMatchObject({ outcome: 'accepted' })
    client.close()
    for await (const { number } of net.blocks.from(height)) if (number >= height) break
  }

  /** As the peer tells it. */
  async function mixedConfig(): Promise<Uint8Array> {
    const cscc = (await net.connect('Org1', 'Admin')).getNetwork(net.channelId).getContract('cscc')
    return await cscc.evaluate('GetChannelConfig', { arguments: [net.channelId], endorsingOrganizations: ORG1 })
  }

  async function committed(): Promise<readonly Block[]> {
    const blocks: Block[] = []
    for (let number = 0n; number < net.blocks.height; number++) blocks.push(must(await net.blocks.raw(number)))
    return blocks
  }

  it('give the same codes and hashes to whoever judges them anew', async () => {
    await transactions()
    await keyPolicies()
    await configure(7)
    expect(await codesOf(await endorse('write', ['a1', 'anew']), await endorse('forget', ['secret']))).toEqual([valid, valid])
    const blocks = await committed()
    const judged = blocks.map(judgement)
    expect(blocks.slice(1).filter(isConfigBlock)).toHaveLength(1)
    const codes = new Set(judged.flatMap((each) => each.codes))
    expect([...codes].toSorted((a, b) => a - b)).toEqual([valid, endorsementPolicyFailure, mvccReadConflict, phantomReadConflict])
    for (const openState of [memoryStateDatabase, levelStateDatabase]) expect(await replay(blocks, openState())).toEqual(judged)
  })

  /** Commits the blocks to a ledger of its own, as an orderer delivers them. */
  async function replay(blocks: readonly Block[], openState: OpenStateDatabase) {
    const folder = await mkdtemp(join(tmpdir(), 'kumiko-replay-'))
    const { channelId } = net
    const [genesis] = blocks.map(ordered)
    const policies = collectionPolicies({ channelId })
    const ledger = await Ledger.create({ folder: join(folder, 'ledger'), channelId, openState, genesis: must(genesis), policies })
    try {
      const channel = await Channel.open({ ledger })
      expect(await channel.run(sourceOf(blocks))).toBeUndefined()
      expect(channel.bundle.orderer?.batchSize.maxMessageCount).toBe(7)
      await channel.close()
      const found = []
      for await (const block of ledger.blocks.blocks()) found.push(judgement(block))
      return found
    } finally {
      await ledger.close()
      await rm(folder, { recursive: true })
    }
  }
})

function sourceOf(blocks: readonly Block[]): BlockSource {
  return {
    blocks: async function* (from) {
      for (const block of blocks.slice(Number(from))) yield { block: ordered(block) }
    },
  }
}

/** Without what a peer adds. */
function ordered(block: Block): Block {
  const { transactionsFilter, commitHash } = BlockMetadataIndex
  const metadata = block.metadata.slice(0, commitHash).map((each, index) => (index === transactionsFilter ? new Uint8Array() : each))
  return { ...block, metadata }
}

function judgement(block: Block) {
  const commitHash = readCommitHash(block)
  return {
    number: block.header.number,
    codes: [...must(readTransactionsFilter(block))],
    commitHash: commitHash === undefined ? undefined : toHex(must(commitHash)),
  }
}

function withBatch(config: Config, maxMessageCount: number): Config {
  const root = must(config.channelGroup)
  const orderer = must(root.groups.get('Orderer'))
  const held = must(orderer.values.get('BatchSize'))
  const value = BatchSize.encode({ ...must(BatchSize.decode(held.value)), maxMessageCount })
  const changed = { ...orderer, values: new Map([...orderer.values, ['BatchSize', { ...held, value }]]) }
  return { ...config, channelGroup: { ...root, groups: new Map([...root.groups, ['Orderer', changed]]) } }
}
