import type { LocalMsp } from '@kumiko/fabric-msp'
import { GOLDEN_HEIGHT } from '@kumiko/golden-channel'
import { beforeAll, describe, expect, it } from 'vitest'
import { blockVerifier } from '../src/block-verifier.ts'
import { deliverClient } from '../src/deliver-client.ts'
import { CHANNEL, goldenBlock, goldenBundle, goldenUser } from './golden.ts'
import { DeliverServer } from './server.ts'

let user: LocalMsp
beforeAll(async () => {
  user = await goldenUser()
})

describe('a client of orderers', () => {
  it('brings the recorded channel', async () => {
    await using server = await DeliverServer.start()
    const client = deliverClient({
      channelId: CHANNEL,
      endpoints: [{ address: server.address }],
      signer: user,
      verifier: () => blockVerifier(goldenBundle(), { tls: false, overrides: new Map([['127.0.0.1:7050', { address: server.address }]]) }),
    })
    let number = 1
    for await (const block of client.blocks(1n, { previous: goldenBlock(0).header, until: BigInt(GOLDEN_HEIGHT) - 1n })) {
      expect(block).toEqual(goldenBlock(number++))
    }
    expect(number).toBe(GOLDEN_HEIGHT)
    expect(server.starts).toEqual([1])
    expect(await client.fetch('config')).toEqual(goldenBlock(52))
    expect(await client.fetch('newest')).toEqual(goldenBlock(53))
    expect(await client.fetch('oldest')).toEqual(goldenBlock(0))
    expect(await client.fetch(7n)).toEqual(goldenBlock(7))
    expect(await client.fetch(54n)).toBeUndefined()
  })
})
