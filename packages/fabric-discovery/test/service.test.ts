import { DISCOVER, type DiscoveryServiceOptions, discoveryService } from '@kumiko/fabric-discovery'
import { GrpcClient, GrpcListener } from '@kumiko/fabric-grpc'
import type { IdentitySigner } from '@kumiko/fabric-msp'
import {
  ChaincodeCall,
  DiscoveryQuery,
  DiscoveryRequest,
  type DiscoveryResult,
  GossipMessage,
  PeerMembershipQuery,
  type SignedDiscoveryRequest,
  sha256,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { AuthCache } from '../src/auth-cache.ts'
import { CHANNEL_ID, Network } from './network.ts'

/** Serves a network's discovery to a client of its own. */
async function served(network: Network, options: DiscoveryServiceOptions = {}) {
  const listener = new GrpcListener({ listen: '127.0.0.1:0' })
  listener.add(...discoveryService(network.discovery, options))
  await listener.start()
  const client = new GrpcClient({ address: listener.address })
  const send = async (signed: SignedDiscoveryRequest): Promise<readonly DiscoveryResult[]> => (await client.call(DISCOVER, signed)).results
  const ask = async (signer: IdentitySigner, ...queries: readonly Partial<DiscoveryQuery>[]) => {
    const authentication = { clientIdentity: signer.creator, clientTlsCertHash: new Uint8Array() }
    const payload = DiscoveryRequest.encode({ authentication, queries: queries.map((query) => DiscoveryQuery.create(query)) })
    return await send({ payload, signature: signer.sign(payload) })
  }
  const close = async () => {
    client.close()
    await listener.stop()
  }
  return { send, ask, [Symbol.asyncDispose]: close }
}

const channel = CHANNEL_ID
const interest = (...names: readonly string[]) => ({ chaincodes: names.map((name) => ChaincodeCall.create({ name })) })

describe('the discovery service', () => {
  it('tells writers of the channel what it is made of', async () => {
    const network = await Network.make(2)
    network.define('cc', "AND('Org1MSP.peer', 'Org2MSP.peer')")
    network.change(
      ({ endpoint }) => endpoint === 'org2-2:7051',
      (peer) => ({ ...peer, chaincodes: [] }),
    )
    await using service = await served(network)
    const client = await must(network.authorities[1]).member('client')
    const [config, peers, filtered, plan] = await service.ask(
      client,
      { channel, configQuery: {} },
      { channel, peerQuery: PeerMembershipQuery.create() },
      { channel, peerQuery: { filter: interest('cc') } },
      { channel, ccQuery: { interests: [interest('cc')] } },
    )
    expect([...must(config?.configResult).msps.keys()]).toEqual(['OrdererMSP', 'Org1MSP', 'Org2MSP'])
    const endpoint = [
      { host: 'orderer1', port: 7050 },
      { host: '::1', port: 7051 },
    ]
    expect(must(config?.configResult).orderers).toEqual(new Map([['OrdererMSP', { endpoint }]]))
    const counts = (result: DiscoveryResult | undefined) =>
      [...must(result?.members).peersByOrg].map(([mspId, each]) => [mspId, each.peers.length])
    expect(counts(peers)).toEqual([
      ['Org1MSP', 2],
      ['Org2MSP', 2],
    ])
    expect(counts(filtered)).toEqual([
      ['Org1MSP', 2],
      ['Org2MSP', 1],
    ])
    const [descriptor] = must(plan?.ccQueryRes).content
    expect([...must(descriptor).endorsersByGroups.values()].map((each) => each.peers.length)).toEqual([2, 1])
    expect(must(descriptor).layouts).toEqual([
      {
        quantitiesByGroup: new Map([
          ['G0', 1],
          ['G1', 1],
        ]),
      },
    ])
    const peer = must(must(must(descriptor).endorsersByGroups.get('G0')).peers[0])
    expect(peer.identity).toEqual(network.peers[0]?.identity)
    const alive = must(must(GossipMessage.decode(must(peer.membershipInfo).payload)).aliveMsg)
    expect([alive.membership?.endpoint, alive.timestamp]).toEqual(['org1-1:7051', { incNum: 0n, seqNum: 0n }])
    const state = must(must(GossipMessage.decode(must(peer.stateInfo).payload)).stateInfo)
    expect(state.properties).toMatchObject({ ledgerHeight: 7n, chaincodes: [{ name: 'cc', version: '3' }] })
  })

  it('tells what a peer said and signed, without its organisation’s secrets', async () => {
    const network = await Network.make(1)
    const envelope = {
      payload: Uint8Array.of(1),
      signature: Uint8Array.of(2),
      secretEnvelope: { payload: Uint8Array.of(3), signature: Uint8Array.of(4) },
    }
    network.change(
      () => true,
      (peer) => ({ ...peer, membershipInfo: envelope, stateInfo: { ...envelope, secretEnvelope: undefined } }),
    )
    await using service = await served(network)
    const [result] = await service.ask(await must(network.authorities[0]).member('client'), {
      channel,
      peerQuery: PeerMembershipQuery.create(),
    })
    const peer = must(must(must(result?.members).peersByOrg.get('Org1MSP')).peers[0])
    expect(peer.membershipInfo).toEqual({ ...envelope, secretEnvelope: undefined })
    expect(peer.stateInfo).toEqual({ ...envelope, secretEnvelope: undefined })
  })

  it('tells its admins, or its members, of the peers it knows', async () => {
    const network = await Network.make(2)
    const open = await Network.make(1, { areMembersAllowed: true })
    const [own, other] = [must(network.authorities[0]), must(network.authorities[1])]
    await using service = await served(network)
    const local = { localPeers: {} }
    const [told] = await service.ask(await own.member('admin'), local)
    expect([...must(told?.members).peersByOrg.keys()]).toEqual(['Org1MSP', 'Org2MSP'])
    expect(must(must(told?.members).peersByOrg.get('Org1MSP')).peers[0]?.stateInfo).toBeUndefined()
    expect((await service.ask(await own.member('client'), local))[0]?.error?.content).toBe('access denied')
    expect((await service.ask(await other.member('admin'), local))[0]?.error?.content).toBe('access denied')
    const admin = await own.member('admin')
    const forged = { ...admin, sign: (message: Uint8Array) => must(network.signers[0]).sign(message) }
    expect((await service.ask(forged, local))[0]?.error?.content).toBe('access denied')
    await using opened = await served(open)
    expect((await opened.ask(await must(open.authorities[0]).member('client'), local))[0]?.members).toBeDefined()
  })

  it('answers what it cannot answer in Fabric’s words', async () => {
    const network = await Network.make(2)
    await using service = await served(network)
    const client = await must(network.authorities[0]).member('client')
    const errors = async (...queries: readonly Partial<DiscoveryQuery>[]) =>
      (await service.ask(client, ...queries)).map(({ error }) => error?.content)
    const cc = (...interests: readonly ReturnType<typeof interest>[]) => ({ channel, ccQuery: { interests } })
    expect(await errors({ channel }, { channel, localPeers: {} }, { channel: 'nowhere', configQuery: {} })).toEqual([
      'unknown or missing request type',
      'unknown or missing request type',
      'access denied',
    ])
    expect(await errors(cc(), cc(interest()), cc(interest('')), cc(interest('cc')))).toEqual([
      'chaincode query must have at least one chaincode interest',
      'chaincode interest must contain at least one chaincode',
      'chaincode name in interest cannot be empty',
      'failed constructing descriptor for chaincodes:{name:"cc"}',
    ])
    expect(await errors({ channel, peerQuery: { filter: interest('cc') } })).toEqual([
      `No metadata was found for chaincode cc in channel ${CHANNEL_ID}`,
    ])
    const peer = must(network.signers[0])
    expect((await service.ask(peer, { channel, configQuery: {} }))[0]?.error?.content).toBe('access denied')
    const forged = { ...client, sign: (message: Uint8Array) => peer.sign(message) }
    expect((await service.ask(forged, { channel, configQuery: {} }))[0]?.error?.content).toBe('access denied')
    await expect(service.ask(client, ...Array.from({ length: 101 }, () => ({ channel, configQuery: {} })))).rejects.toThrow(
      'a request may have 100 queries, not 101',
    )
  })

  it('refuses requests that are none', async () => {
    const network = await Network.make(1)
    await using service = await served(network)
    await using strict = await served(network, { requiresClientCertificate: true })
    const refused = async (payload: Uint8Array) =>
      await service.send({ payload, signature: new Uint8Array() }).then(
        () => 'answered',
        (error: Error) => error.message,
      )
    expect(await refused(Uint8Array.of(1))).toMatch(/^failed parsing request: /)
    expect(await refused(new Uint8Array())).toBe('access denied, no authentication info in request')
    expect(
      await refused(DiscoveryRequest.encode({ authentication: { clientIdentity: new Uint8Array(), clientTlsCertHash: new Uint8Array() } })),
    ).toBe("access denied, client identity wasn't supplied")
    await expect(strict.ask(must(network.signers[0]), {})).rejects.toThrow("client didn't send a TLS certificate")
  })

  it('wants the TLS certificate that the request names', async () => {
    const network = await Network.make(1)
    const [bound] = discoveryService(network.discovery, { requiresClientCertificate: true })
    // As `serve` bound it.
    const discover = must(bound).handler as (request: SignedDiscoveryRequest, call: object) => Promise<unknown>
    const request = (clientTlsCertHash: Uint8Array) => ({
      payload: DiscoveryRequest.encode({ authentication: { clientIdentity: Uint8Array.of(1), clientTlsCertHash } }),
      signature: new Uint8Array(),
    })
    const call = { signal: new AbortController().signal, clientCertificateHash: sha256(Uint8Array.of(1)) }
    await expect(discover(request(sha256(Uint8Array.of(2))), call)).rejects.toThrow(
      "client claimed TLS hash doesn't match computed TLS hash from gRPC stream",
    )
    expect(await discover(request(sha256(Uint8Array.of(1))), call)).toEqual({ results: [] })
  })

  it('answers any bytes', async () => {
    const network = await Network.make(1)
    network.define('cc', "OR('Org1MSP.peer')")
    const client = await must(network.authorities[0]).member('client')
    const authentication = { clientIdentity: client.creator, clientTlsCertHash: new Uint8Array() }
    const call = { signal: new AbortController().signal, clientCertificateHash: undefined }
    const discover = must(discoveryService(network.discovery)[0]).handler as (
      request: SignedDiscoveryRequest,
      call: object,
    ) => Promise<{ readonly results: readonly unknown[] }>
    await fc.assert(
      fc.asyncProperty(fc.uint8Array({ maxLength: 60 }), fc.constantFrom(3, 4), async (junk, field) => {
        const query = Uint8Array.from([0x0a, channel.length, ...new TextEncoder().encode(channel), field * 8 + 2, junk.length, ...junk])
        const payload = Uint8Array.from([...DiscoveryRequest.encode({ authentication }), 0x12, query.length, ...query])
        const answer = await discover({ payload, signature: client.sign(payload) }, call).catch((error: unknown) => error)
        const isAnswer = typeof answer === 'object' && answer !== null && 'results' in answer
        expect(isAnswer || (answer instanceof Error && /^failed parsing request/.test(answer.message))).toBe(true)
      }),
      { numRuns: 300 },
    )
  })
})

describe('what is kept of who may ask', () => {
  it('is asked for once, until the channel is configured anew, and bounded', () => {
    const cache = new AuthCache({ entriesMax: 4, retentionRatio: 0.5 })
    let asked = 0
    const ask = (name: number, configuration: unknown = 'first', channelId = 'a') => {
      const signed = { identity: Uint8Array.of(name), message: new Uint8Array(), signature: new Uint8Array() }
      return cache.isEligible(channelId, configuration, signed, () => {
        asked++
        return name > 0
      })
    }
    const askedFor = (run: () => unknown) => {
      asked = 0
      run()
      return asked
    }
    expect([ask(1), ask(1), ask(0), ask(0), asked]).toEqual([true, true, false, false, 2])
    expect(askedFor(() => ask(1, 'first', 'b'))).toBe(1)
    expect(askedFor(() => ask(1, 'second'))).toBe(1)
    expect(askedFor(() => [2, 3, 4, 5].map((name) => ask(name, 'second')))).toBe(4)
    expect(askedFor(() => ask(5, 'second'))).toBe(0)
    expect(askedFor(() => ask(1, 'second'))).toBe(1)
  })
})
