import { createPrivateKey } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Client, credentials } from '@grpc/grpc-js'
import { connect, type Gateway, hash, signers } from '@hyperledger/fabric-gateway'
import { Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { GrpcListener } from '@kumiko/fabric-grpc'
import { Ledger, type TransactionPrivateData } from '@kumiko/fabric-ledger'
import { accessControl, type ChannelBundle } from '@kumiko/fabric-msp'
import { readPrivateReadWriteSet } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks, goldenFile, peerBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import type { PeerDeliverChannel } from '../src/server/deliver-channel.ts'
import { deliverService } from '../src/server/deliver-service.ts'
import { CHANNEL, goldenBlock, goldenUser, peerTls } from './golden.ts'
import { ServedChannel } from './served-channel.ts'
import { PRIVATE } from './server.ts'

const USER = 'crypto/peerOrganizations/org1.example.com/users/User1@org1.example.com/msp'
const open: (() => unknown)[] = []

afterEach(async () => {
  for (const close of open.splice(0).reverse()) await close()
})

type WholeChannel = PeerDeliverChannel & { readonly bundle: ChannelBundle }

/** The unmodified client of Fabric's gateway, at our deliver service with the recorded channel. */
async function start(channel: WholeChannel): Promise<Gateway> {
  const user = await goldenUser()
  const find = (channelId: string): WholeChannel | undefined => (channelId === CHANNEL ? channel : undefined)
  const access = accessControl({ localMsp: user.msp, channel: (channelId) => find(channelId)?.bundle })
  const listener = new GrpcListener({ listen: '127.0.0.1:0', tls: peerTls }).add(...deliverService({ channel: find, access }))
  await listener.start()
  open.push(() => listener.stop(100))
  const client = new Client(listener.address, credentials.createSsl(Buffer.from(peerTls.root)), {
    'grpc.ssl_target_name_override': 'peer0.org1.example.com',
  })
  open.push(() => client.close())
  const gateway = connect({
    client,
    identity: { mspId: 'Org1MSP', credentials: goldenFile(`${USER}/signcerts/User1@org1.example.com-cert.pem`) },
    signer: signers.newPrivateKeySigner(createPrivateKey(Buffer.from(goldenFile(`${USER}/keystore/priv_sk`)))),
    hash: hash.sha256,
  })
  open.push(() => gateway.close())
  return gateway
}

async function take<T>(events: AsyncIterable<T> & { close(): void }, count: number): Promise<T[]> {
  const taken: T[] = []
  for await (const event of events) if (taken.push(event) === count) break
  events.close()
  return taken
}

function privateDataOf(number: number): readonly TransactionPrivateData[] {
  return Object.entries(PRIVATE[number] ?? {}).map(([index, set]) => ({
    transactionNumber: Number(index),
    set: must(readPrivateReadWriteSet(new Uint8Array(Buffer.from(set, 'base64')))),
  }))
}

describe("the gateway's client", () => {
  it('reads blocks', async () => {
    const network = (await start(new ServedChannel())).getNetwork(CHANNEL)
    const blocks = await take(await network.getBlockEvents({ startBlock: 0n }), GOLDEN_HEIGHT)
    for (const [number, block] of blocks.entries()) {
      expect(Buffer.from(block.serializeBinary()).equals(Buffer.from(peerBlock(number)))).toBe(true)
    }
  })

  it('reads filtered blocks', async () => {
    const network = (await start(new ServedChannel())).getNetwork(CHANNEL)
    const blocks = await take(await network.getFilteredBlockEvents({ startBlock: 10n }), 30)
    const told = blocks.map((block) =>
      block.getFilteredTransactionsList().map((each) => [each.getTxid(), each.getType(), each.getTxValidationCode()]),
    )
    const recorded = goldenBlocks().slice(10, 40)
    expect(told).toEqual(recorded.map(({ txs }) => txs.map(({ txId, type, validationCode }) => [txId, type, validationCode])))
    expect(blocks.every((block) => block.getChannelId() === CHANNEL)).toBe(true)
  })

  it('reads blocks with private data', async () => {
    const network = (await start(new ServedChannel())).getNetwork(CHANNEL)
    const blocks = await take(await network.getBlockAndPrivateDataEvents({ startBlock: 0n }), GOLDEN_HEIGHT)
    const told = blocks.flatMap((each) => {
      const sets = [...each.getPrivateDataMapMap().getEntryList()]
      return sets.map(([index]) => [each.getBlock()?.getHeader()?.getNumber(), index])
    })
    expect(told).toEqual(
      Object.entries(PRIVATE).flatMap(([number, sets]) => Object.keys(sets).map((index) => [Number(number), Number(index)])),
    )
  })

  it('hears of blocks as they come, from the next one on', async () => {
    const channel = new ServedChannel(20)
    const network = (await start(channel)).getNetwork(CHANNEL)
    const events = await network.getBlockEvents()
    const heard = take(events, 3)
    // It says nothing when it is listened to.
    const growing = setInterval(() => channel.height < 40n && channel.grow(), 50)
    open.push(() => clearInterval(growing))
    const numbers = (await heard).map((block) => block.getHeader()?.getNumber() ?? 0)
    expect(numbers).toEqual([0, 1, 2].map((at) => at + (numbers[0] ?? 0)))
    expect(numbers[0]).toBeGreaterThanOrEqual(20)
  })

  it('reads what a committer has stored, private data included', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'kumiko-deliver-'))
    open.push(() => rm(folder, { recursive: true }))
    const user = await goldenUser()
    const policies = collectionPolicies({ channelId: CHANNEL, self: user.creator })
    const ledger = await Ledger.create({ folder: join(folder, 'ledger'), channelId: CHANNEL, genesis: goldenBlock(0), policies })
    open.push(() => ledger.close())
    const committer = await Channel.open({ ledger })
    open.push(() => committer.close())
    for (let number = 1; number < GOLDEN_HEIGHT; number++)
      expect(await committer.store(goldenBlock(number), privateDataOf(number))).not.toHaveProperty('fault')
    const served: WholeChannel = {
      get bundle() {
        return committer.bundle
      },
      get height() {
        return committer.height
      },
      commits: (from, options) => committer.commits(from, options),
      ledger,
    }
    const network = (await start(served)).getNetwork(CHANNEL)
    const blocks = await take(await network.getBlockAndPrivateDataEvents({ startBlock: 0n }), GOLDEN_HEIGHT)
    for (const [number, both] of blocks.entries()) {
      expect(Buffer.from(both.getBlock()?.serializeBinary() ?? []).equals(Buffer.from(peerBlock(number)))).toBe(true)
    }
    // The organisation's own approval. What was written to a collection was purged before it was recorded.
    expect(blocks[1]?.getPrivateDataMapMap().getLength()).toBe(1)
  })

  it('is told why it gets none', async () => {
    const gateway = await start(new ServedChannel())
    const events = await gateway.getNetwork('other').getBlockEvents()
    await expect(take(events, 1)).rejects.toThrow(/404|NOT_FOUND/)
  })
})
