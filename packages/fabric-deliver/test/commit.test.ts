import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type BlockSource, Channel, collectionPolicies } from '@kumiko/fabric-committer'
import { Ledger, memoryStateDatabase } from '@kumiko/fabric-ledger'
import { toHex } from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, goldenBlocks } from '@kumiko/golden-channel'
import { describe, expect, it } from 'vitest'
import { blockVerifier } from '../src/block-verifier.ts'
import { type BlocksOptions, blockSource, deliverClient, peerDeliverClient } from '../src/deliver-client.ts'
import type { DeliverOptions } from '../src/options.ts'
import { CHANNEL, goldenBlock, goldenBundle, goldenUser, ordererTls, peerTls, type ServerTls } from './golden.ts'
import { DeliverServer, privateResponse, range, type Serve, serveOrderer } from './server.ts'

const until = BigInt(GOLDEN_HEIGHT) - 1n

/** Commits what a source brings, and tells the last commit hash. */
async function commit(source: { blocks(from: bigint, options: BlocksOptions): ReturnType<BlockSource['blocks']> }): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-deliver-'))
  const ledger = await Ledger.create({
    folder: join(folder, 'ledger'),
    channelId: CHANNEL,
    genesis: goldenBlock(0),
    openState: memoryStateDatabase(),
    policies: collectionPolicies({ channelId: CHANNEL }),
  })
  const channel = await Channel.open({ ledger, workers: 0 })
  try {
    expect(await channel.run({ blocks: (from, options) => source.blocks(from, { ...options, until }) })).toBeUndefined()
    return toHex(ledger.info.commitHash ?? new Uint8Array())
  } finally {
    await channel.close()
    await ledger.close()
    await rm(folder, { recursive: true })
  }
}

async function optionsFor(server: DeliverServer, tls: ServerTls): Promise<DeliverOptions> {
  const endpoint = { address: server.address, tlsRoots: [tls.root] }
  const overrides = new Map([['127.0.0.1:7050', endpoint]])
  const verifier = () => blockVerifier(goldenBundle(), { overrides })
  return { channelId: CHANNEL, endpoints: [endpoint], signer: await goldenUser(), verifier, retryInitialMs: 1 }
}

/** Breaks after each seven blocks. */
const servePrivate: Serve = (call, seek) => {
  const { from, to } = range(seek, GOLDEN_HEIGHT)
  for (let number = from; number <= Math.min(to, GOLDEN_HEIGHT - 1, from + 6); number++) call.write(privateResponse(number))
  call.end()
}

describe("a committer's source", () => {
  const expected = goldenBlocks().at(-1)?.commitHash

  it('is a client of orderers', async () => {
    await using server = await DeliverServer.start(serveOrderer(), { tls: ordererTls })
    expect(await commit(blockSource(deliverClient(await optionsFor(server, ordererTls))))).toBe(expected)
  })

  it('is a client of peers, with private data', async () => {
    await using server = await DeliverServer.start(servePrivate, { tls: peerTls })
    const client = peerDeliverClient(await optionsFor(server, peerTls))
    expect(await commit({ blocks: client.blocksWithPrivateData })).toBe(expected)
    expect(server.starts).toEqual([1, 8, 15, 22, 29, 36, 43, 50])
  })
})
