import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inProcessChaincode } from '@kumiko/fabric-chaincode'
import { GatewayMethods } from '@kumiko/fabric-gateway'
import { GrpcClient } from '@kumiko/fabric-grpc'
import { ApproveChaincodeDefinitionForMyOrgArgs, DefinitionArgs, encodeUtf8 } from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { afterEach, expect, it } from 'vitest'
import { FabricPeer } from '../src/fabric-peer.ts'
import type { FabricPeerOptions } from '../src/options.ts'
import { goldenBlock, goldenMsp } from './golden.ts'
import { CHANNEL, Client, ORGANIZATION, overridesTo, pem, SoloOrderer } from './network.ts'

const PACKAGE = 'counter:1'

const cleanups: (() => Promise<unknown> | unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** Counts, by no contract's rules: what `fabric-shim` runs. */
const counter = {
  Init: async () => ({ status: 200 }),
  Invoke: async (stub: unknown) => {
    // What fabric-shim gives.
    const { getState, putState } = stub as {
      getState(key: string): Promise<Uint8Array>
      putState(key: string, value: Uint8Array): Promise<void>
    }
    const count = Number(Buffer.from(await getState.call(stub, 'count')).toString() || '0') + 1
    await putState.call(stub, 'count', Buffer.from(String(count)))
    return { status: 200, payload: Buffer.from(String(count)) }
  },
}

async function setUp(): Promise<{ readonly peer: FabricPeer; readonly solo: SoloOrderer; readonly options: FabricPeerOptions }> {
  const folder = await mkdtemp(join(tmpdir(), 'kumiko-peer-'))
  cleanups.push(() => rm(folder, { recursive: true, force: true, maxRetries: 3 }))
  const ordering = new SoloOrderer(join(folder, 'orderer'))
  cleanups.push(() => ordering.stop())
  const address = await ordering.start()
  const options: FabricPeerOptions = {
    msp: await goldenMsp('peers/peer0.org1.example.com'),
    folder: join(folder, 'peer'),
    ordererConnections: { overrides: await overridesTo(address) },
    chaincode: {
      connectors: [inProcessChaincode({ packageId: PACKAGE, chaincode: counter })],
      ownPackageId: (_, name) => (name === 'counter' ? PACKAGE : undefined),
    },
  }
  const peer = new FabricPeer(options)
  cleanups.push(() => peer.stop())
  await peer.start()
  await peer.join(goldenBlock(0))
  return { peer, solo: ordering, options }
}

async function deploy(peer: FabricPeer): Promise<void> {
  using admin = new Client(peer.address, await goldenMsp('users/Admin@org1.example.com'))
  const definition = DefinitionArgs.create({ name: 'counter', version: '1.0', sequence: 1n })
  const source = { unavailable: undefined, localPackage: { packageId: PACKAGE } }
  const approval = ApproveChaincodeDefinitionForMyOrgArgs.encode({ ...definition, source })
  expect(await admin.submit('_lifecycle', ['ApproveChaincodeDefinitionForMyOrg', approval])).toMatchObject({ code: 0 })
  expect(await admin.submit('_lifecycle', ['CommitChaincodeDefinition', DefinitionArgs.encode(definition)])).toMatchObject({ code: 0 })
}

it('a peer endorses, has a solo orderer order, and commits, over gRPC with TLS; and again after either was started anew', async () => {
  const { peer, solo: ordering } = await setUp()
  await deploy(peer)
  const user = await goldenMsp('users/User1@org1.example.com')
  {
    using client = new Client(peer.address, user)
    expect(await client.submit('counter', ['add'])).toEqual({ code: 0, block: 3n })
    await ordering.stop()
    await expect(client.submit('counter', ['add'])).rejects.toThrow()
    await ordering.start()
    await expect.poll(() => client.submit('counter', ['add']).catch(() => undefined), { interval: 200 }).toMatchObject({ code: 0 })
  }
  const { height } = must(peer.channel(CHANNEL))
  await peer.stop()
  await peer.start()
  using client = new Client(peer.address, user)
  expect(await client.submit('counter', ['add'])).toEqual({ code: 0, block: height })
  const query = await must(peer.channel(CHANNEL)).ledger.query()
  expect(Buffer.from(must(await query.getState('counter', 'count'))).toString()).toBe('3')
  await query.close()
  const own = peer.clientOf(user)
  await own.invoke(CHANNEL, 'counter', [encodeUtf8('add')])
  await expect.poll(() => peer.channel(CHANNEL)?.height).toBe(height + 2n)
  expect(Buffer.from(await own.query(CHANNEL, 'counter', [encodeUtf8('add')])).toString()).toBe('5')
})

it('clients with certificates of the channels’ organisations are let in, others are not', async () => {
  const tls = {
    certificate: await pem(join(ORGANIZATION, 'peers/peer0.org1.example.com/tls/server.crt')),
    privateKey: await pem(join(ORGANIZATION, 'peers/peer0.org1.example.com/tls/server.key')),
  }
  const tlsRoots = [await pem(join(ORGANIZATION, 'tlsca/tlsca.org1.example.com-cert.pem'))]
  const stranger = await pem(join(ORGANIZATION, 'ca/ca.org1.example.com-cert.pem'))
  const peer = new FabricPeer({
    msp: await goldenMsp('peers/peer0.org1.example.com'),
    source: null,
    listener: { listen: '127.0.0.1:0', tls: { ...tls, clientRootCas: [stranger], requiresClientCertificate: true } },
  })
  cleanups.push(() => peer.stop())
  await peer.start()
  const home = join(ORGANIZATION, 'users/User1@org1.example.com/tls')
  const clientTls = { certificate: await pem(join(home, 'client.crt')), privateKey: await pem(join(home, 'client.key')) }
  const connect = async (): Promise<void> => {
    using client = new GrpcClient({ address: peer.address, tlsRoots }, { clientTls })
    const request = new Uint8Array()
    await client.call(GatewayMethods.commitStatus, { request, signature: request }, { timeoutMs: 3_000 })
  }
  await expect(connect()).rejects.toMatchObject({ status: 14 })
  await peer.join(goldenBlock(0))
  // Let in, and told what is wrong with the request.
  await expect(connect()).rejects.not.toMatchObject({ status: 14 })
})
