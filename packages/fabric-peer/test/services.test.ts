import { generateSnapshot, queryPendingSnapshots, SnapshotQuery, SnapshotRequest } from '@kumiko/fabric-deliver'
import { type Endpoint, GrpcClient, GrpcListener, healthCheck } from '@kumiko/fabric-grpc'
import { afterEach, expect, it } from 'vitest'
import { FabricPeer } from '../src/fabric-peer.ts'
import { goldenBlock, goldenMsp, goldenSource } from './golden.ts'

const cleanups: (() => Promise<unknown> | unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function client(endpoint: Endpoint): Promise<GrpcClient> {
  const made = new GrpcClient(endpoint)
  cleanups.push(() => made.close())
  return made
}

it('an admin asks a peer for a snapshot, which it takes when it has the block', async () => {
  const { promise: may, resolve: allow } = Promise.withResolvers<void>()
  const source = goldenSource(8)
  const peer = new FabricPeer({
    msp: await goldenMsp('peers/peer0.org1.example.com'),
    source: () => ({
      async *blocks(from, options) {
        await may
        yield* source.blocks(from, options)
      },
    }),
  })
  cleanups.push(
    () => peer.stop(),
    () => allow(),
  )
  await peer.start()
  const channel = await peer.join(goldenBlock(0))
  const asked = await client({ address: peer.address })
  const admin = await goldenMsp('users/Admin@org1.example.com')
  const user = await goldenMsp('users/User1@org1.example.com')
  const signed = (signer: typeof admin, bytes: Uint8Array) => ({ request: bytes, signature: signer.sign(bytes) })
  const header = (signer: typeof admin) => ({ creator: signer.creator, nonce: new Uint8Array(24) })
  const requestBy = (signer: typeof admin) =>
    signed(signer, SnapshotRequest.encode({ signatureHeader: header(signer), channelId: 'mychannel', blockNumber: 5n }))
  await expect(asked.call(generateSnapshot, requestBy(user))).rejects.toMatchObject({ status: 2 })
  await asked.call(generateSnapshot, requestBy(admin))
  const query = signed(admin, SnapshotQuery.encode({ signatureHeader: header(admin), channelId: 'mychannel' }))
  expect(await asked.call(queryPendingSnapshots, query)).toEqual({ blockNumbers: [5n] })
  allow()
  await expect.poll(() => channel.height).toBe(8n)
  await channel.snapshots.settled()
  expect(await asked.call(queryPendingSnapshots, query)).toEqual({ blockNumbers: [] })
  expect(await asked.call(healthCheck, { service: '' })).toEqual({ status: 1 })
})

it('chaincode comes to a listener with TLS of its own', async () => {
  const peer = new FabricPeer({
    msp: await goldenMsp('peers/peer0.org1.example.com'),
    chaincode: { listener: { listen: '127.0.0.1:0' }, hasTls: true },
  })
  cleanups.push(() => peer.stop())
  await peer.start()
  const plain = await client({ address: peer.chaincodeAddress ?? '' })
  await expect(plain.call(healthCheck, { service: '' }, { timeoutMs: 2_000 })).rejects.toThrow()
  expect(peer.chaincodeAddress).not.toBe(peer.address)
  await peer.stop()
  // Its port is free again.
  const [, port = ''] = /:(\d+)$/.exec(plain.endpoint.address) ?? []
  const listener = new GrpcListener({ listen: `127.0.0.1:${port}` })
  await listener.start()
  await listener.stop()
})
