import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { blockVerifier, peerDeliverClient } from '@kumiko/fabric-deliver'
import { PROCESS_PROPOSAL } from '@kumiko/fabric-endorser'
import { GrpcClient } from '@kumiko/fabric-grpc'
import type { LocalMsp } from '@kumiko/fabric-msp'
import {
  BlockchainInfo,
  buildProposal,
  ChannelQueryResponse,
  encodeUtf8,
  type Response,
  readCommitHash,
  SignedProposal,
  signProposal,
  toHex,
  writeBlock,
} from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { afterEach, describe, expect, it } from 'vitest'
import { FabricPeer } from '../src/fabric-peer.ts'
import type { FabricPeerOptions } from '../src/options.ts'
import { goldenBlock, goldenCommitHash, goldenMsp, goldenSource } from './golden.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function temporary(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-peer-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  return folder
}

async function goldenPeer(options: Partial<FabricPeerOptions> = {}): Promise<FabricPeer> {
  const peer = new FabricPeer({ msp: await goldenMsp('peers/peer0.org1.example.com'), source: () => goldenSource(), ...options })
  cleanups.push(() => peer.stop())
  return peer
}

/** Asks a peer over gRPC. */
async function ask(
  address: string,
  signer: LocalMsp,
  channelId: string,
  chaincode: string,
  args: readonly (string | Uint8Array)[],
): Promise<Response> {
  const { proposal } = buildProposal(
    {
      channelId,
      chaincode,
      args: args.map((each) => (typeof each === 'string' ? encodeUtf8(each) : each)),
      nonce: new Uint8Array(randomBytes(24)),
      timestamp: { seconds: BigInt(Math.floor(Date.now() / 1000)), nanos: 0 },
    },
    signer.creator,
  )
  const signed = must(SignedProposal.decode(signProposal(proposal, signer)))
  const client = new GrpcClient({ address })
  try {
    return must((await client.call(PROCESS_PROPOSAL, signed, { timeoutMs: 10_000 })).response)
  } finally {
    client.close()
  }
}

async function caughtUp(peer: FabricPeer, height = GOLDEN_HEIGHT): Promise<void> {
  await expect.poll(() => peer.channel('mychannel')?.height).toBe(BigInt(height))
}

describe('a Fabric peer', () => {
  it('joins a channel as its admin asks it to, commits its blocks, and answers for it', async () => {
    const peer = await goldenPeer()
    await peer.start()
    const admin = await goldenMsp('users/Admin@org1.example.com')
    const user = await goldenMsp('users/User1@org1.example.com')
    expect(await ask(peer.address, user, '', 'cscc', ['JoinChain', writeBlock(goldenBlock(0))])).toMatchObject({ status: 500 })
    expect(await ask(peer.address, admin, '', 'cscc', ['JoinChain', writeBlock(goldenBlock(0))])).toMatchObject({ status: 200 })
    const channels = await ask(peer.address, user, '', 'cscc', ['GetChannels'])
    expect(must(ChannelQueryResponse.decode(channels.payload)).channels).toEqual([{ channelId: 'mychannel' }])
    await caughtUp(peer)
    const info = await ask(peer.address, user, 'mychannel', 'qscc', ['GetChainInfo', 'mychannel'])
    expect(must(BlockchainInfo.decode(info.payload)).height).toBe(BigInt(GOLDEN_HEIGHT))
    const last = must(await peer.channel('mychannel')?.ledger.blocks.block(BigInt(GOLDEN_HEIGHT - 1)))
    expect(toHex(must(readCommitHash(last)))).toBe(goldenCommitHash())
    expect(await ask(peer.address, admin, '', 'cscc', ['JoinChain', writeBlock(goldenBlock(0))])).toMatchObject({
      status: 500,
      message: 'cannot create ledger from genesis block: ledger [mychannel] already exists with state [ACTIVE]',
    })
    peer.checkHealth()
  })

  it('delivers its blocks to another peer, which then has the same', async () => {
    const peer = await goldenPeer()
    await peer.start()
    await peer.join(goldenBlock(0))
    const { address } = peer
    const reader = await goldenMsp('users/User1@org1.example.com')
    const other = await goldenPeer({
      source: ({ channelId, bundle }) => ({
        async *blocks(from, options) {
          const client = peerDeliverClient({ channelId, endpoints: [{ address }], signer: reader, verifier: () => blockVerifier(bundle) })
          for await (const block of client.blocks(from, options)) yield { block }
        },
      }),
    })
    await other.start()
    await other.join(goldenBlock(0))
    await caughtUp(other)
    const [mine, theirs] = [peer, other].map((each) => each.channel('mychannel')?.ledger.info.commitHash)
    expect(must(theirs)).toEqual(must(mine))
  })

  it('has its channels again after it was stopped, and can be started again', async () => {
    const folder = await temporary()
    const peer = await goldenPeer({ folder })
    await peer.start()
    await peer.start()
    await peer.join(goldenBlock(0))
    await caughtUp(peer, GOLDEN_HEIGHT)
    await Promise.all([peer.stop(), peer.stop()])
    expect(peer.isRunning).toBe(false)
    expect(() => peer.address).toThrow('start it first')
    await peer.start()
    expect(peer.channels()).toEqual(['mychannel'])
    expect(peer.channel('mychannel')?.height).toBe(BigInt(GOLDEN_HEIGHT))
    expect(await peer.self('mychannel')).toMatchObject({ mspId: 'Org1MSP', endpoint: peer.address, ledgerHeight: BigInt(GOLDEN_HEIGHT) })
  })

  it('leaves nothing open of a start that fails', async () => {
    const folder = await temporary()
    const taken = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    cleanups.push(() => taken.close())
    const address = taken.address()
    const port = typeof address === 'object' ? address?.port : 0
    const peer = await goldenPeer({ folder, listener: { listen: `127.0.0.1:${port}` }, chaincode: { listener: { listen: '127.0.0.1:0' } } })
    await expect(peer.start()).rejects.toMatchObject({ code: 'fabric-grpc/listen-failed' })
    expect(peer.isRunning).toBe(false)
    const second = await goldenPeer({ folder })
    await second.start()
    expect(second.channels()).toEqual([])
  })

  it('endorses nothing while a ledger has not the blocks again that it had', async () => {
    const folder = await temporary()
    const peer = await goldenPeer({ folder })
    await peer.start()
    await peer.join(goldenBlock(0))
    await caughtUp(peer)
    await peer.stop()
    const { rollback } = await import('@kumiko/fabric-ledger')
    await rollback({ folder: join(folder, 'ledgers', 'mychannel') }, 10n)
    const user = await goldenMsp('users/User1@org1.example.com')
    const behind = await goldenPeer({ folder, source: null })
    await behind.start()
    await expect(ask(behind.address, user, 'mychannel', 'qscc', ['GetChainInfo', 'mychannel'])).rejects.toThrow(
      'endorse requests are blocked while ledgers are being rebuilt',
    )
    await behind.stop()
    const again = await goldenPeer({ folder })
    await again.start()
    await caughtUp(again)
    expect(await ask(again.address, user, 'mychannel', 'qscc', ['GetChainInfo', 'mychannel'])).toMatchObject({ status: 200 })
  })
})
