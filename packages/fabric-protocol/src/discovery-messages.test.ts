import { discovery, gossip, msp } from '@hyperledger/fabric-protos'
import { isFault } from '@kumiko/interface'
import { describe, expect, it } from 'vitest'
import { ChaincodeCall } from './chaincode-interest.ts'
import { DiscoveryQuery, DiscoveryRequest, DiscoveryResponse, DiscoveryResult, SignedDiscoveryRequest } from './discovery-messages.ts'
import { GossipEnvelope, GossipMessage, GossipTag } from './gossip-messages.ts'
import type { Message } from './message.ts'
import { FabricMspConfig } from './msp-config.ts'

const bytes = (...values: readonly number[]) => Uint8Array.from(values)

/** What they wrote is read here, and what is written here is what they wrote. */
function same<T extends object>(type: Message<T>, theirs: { serializeBinary(): Uint8Array }, ours: Partial<T>): void {
  const written = type.encode(ours)
  expect(written).toEqual(theirs.serializeBinary())
  const read = type.decode(written)
  expect(isFault(read)).toBe(false)
  expect(type.encode(isFault(read) ? {} : read)).toEqual(written)
}

describe('discovery’s messages', () => {
  it('are those that Fabric’s clients send', () => {
    const request = new discovery.Request()
    const authentication = new discovery.AuthInfo()
    authentication.setClientIdentity(bytes(1, 2))
    authentication.setClientTlsCertHash(bytes(3))
    request.setAuthentication(authentication)
    for (const set of [
      (query: discovery.Query) => query.setConfigQuery(new discovery.ConfigQuery()),
      (query: discovery.Query) => query.setPeerQuery(new discovery.PeerMembershipQuery()),
      (query: discovery.Query) => query.setCcQuery(new discovery.ChaincodeQuery()),
      (query: discovery.Query) => query.setLocalPeers(new discovery.LocalPeerQuery()),
    ]) {
      const query = new discovery.Query()
      query.setChannel('mychannel')
      set(query)
      request.addQueries(query)
    }
    const queries = [{ configQuery: {} }, { peerQuery: { filter: undefined } }, { ccQuery: { interests: [] } }, { localPeers: {} }]
    same(DiscoveryRequest, request, {
      authentication: { clientIdentity: bytes(1, 2), clientTlsCertHash: bytes(3) },
      queries: queries.map((query) => DiscoveryQuery.create({ channel: 'mychannel', ...query })),
    })
    const signed = new discovery.SignedRequest()
    signed.setPayload(bytes(1))
    signed.setSignature(bytes(2))
    same(SignedDiscoveryRequest, signed, { payload: bytes(1), signature: bytes(2) })
  })

  it('are those that Fabric’s clients read', () => {
    const response = DiscoveryResponse.decode(
      DiscoveryResponse.encode({
        results: [
          DiscoveryResult.create({ error: { content: 'access denied' } }),
          DiscoveryResult.create({
            configResult: {
              msps: new Map([['Org1MSP', FabricMspConfig.create({ name: 'Org1MSP' })]]),
              orderers: new Map([['OrdererMSP', { endpoint: [{ host: 'orderer', port: 7050 }] }]]),
            },
          }),
          DiscoveryResult.create({
            ccQueryRes: {
              content: [
                {
                  chaincode: 'cc',
                  endorsersByGroups: new Map([
                    ['G0', { peers: [{ identity: bytes(1), stateInfo: undefined, membershipInfo: undefined }] }],
                  ]),
                  layouts: [{ quantitiesByGroup: new Map([['G0', 1]]) }],
                },
              ],
            },
          }),
          DiscoveryResult.create({ members: { peersByOrg: new Map([['Org1MSP', { peers: [] }]]) } }),
        ],
      }),
    )
    if (isFault(response)) throw new Error(response.detail)
    const [error, config, chaincode, members] = discovery.Response.deserializeBinary(DiscoveryResponse.encode(response)).getResultsList()
    expect(error?.getError()?.getContent()).toBe('access denied')
    expect(config?.getConfigResult()?.getMspsMap().get('Org1MSP')).toBeInstanceOf(msp.FabricMSPConfig)
    const endpoint = config?.getConfigResult()?.getOrderersMap().get('OrdererMSP')?.getEndpointList()[0]
    expect(endpoint?.toObject()).toEqual({ host: 'orderer', port: 7050 })
    const descriptor = chaincode?.getCcQueryRes()?.getContentList()[0]
    expect([descriptor?.getChaincode(), descriptor?.getLayoutsList()[0]?.getQuantitiesByGroupMap().get('G0')]).toEqual(['cc', 1])
    expect(descriptor?.getEndorsersByGroupsMap().get('G0')?.getPeersList()[0]?.getIdentity_asU8()).toEqual(bytes(1))
    expect(members?.getMembers()?.getPeersByOrgMap().has('Org1MSP')).toBe(true)
  })

  it('name a call as endorsers do', () => {
    const call = ChaincodeCall.create({ name: 'cc', collectionNames: ['a', 'b'], noPrivateReads: true, disregardNamespacePolicy: true })
    expect(ChaincodeCall.decode(ChaincodeCall.encode(call))).toEqual(call)
  })
})

describe('gossip’s messages', () => {
  it('are those that Fabric’s peers send', () => {
    const time = new gossip.PeerTime()
    time.setIncNum(5)
    time.setSeqNum(7)
    const member = new gossip.Member()
    member.setEndpoint('peer:7051')
    member.setPkiId(bytes(9))
    const alive = new gossip.AliveMessage()
    alive.setMembership(member)
    alive.setTimestamp(time)
    alive.setIdentity(bytes(8))
    const message = new gossip.GossipMessage()
    message.setTag(gossip.GossipMessage.Tag.EMPTY)
    message.setAliveMsg(alive)
    const timestamp = { incNum: 5n, seqNum: 7n }
    const membership = { endpoint: 'peer:7051', metadata: bytes(), pkiId: bytes(9) }
    same(GossipMessage, message, { tag: GossipTag.empty, aliveMsg: { membership, timestamp, identity: bytes(8) } })
  })

  it('tell of a channel', () => {
    const chaincode = new gossip.Chaincode()
    chaincode.setName('cc')
    chaincode.setVersion('3')
    const properties = new gossip.Properties()
    properties.setLedgerHeight(12)
    properties.addChaincodes(chaincode)
    const state = new gossip.StateInfo()
    state.setPkiId(bytes(1))
    state.setChannelMac(bytes(2))
    state.setProperties(properties)
    const message = new gossip.GossipMessage()
    message.setNonce(3)
    message.setTag(gossip.GossipMessage.Tag.CHAN_OR_ORG)
    message.setStateInfo(state)
    const chaincodes = [{ name: 'cc', version: '3', metadata: bytes() }]
    same(GossipMessage, message, {
      nonce: 3n,
      tag: GossipTag.channelOrOrg,
      stateInfo: {
        timestamp: undefined,
        pkiId: bytes(1),
        channelMac: bytes(2),
        properties: { ledgerHeight: 12n, leftChannel: false, chaincodes },
      },
    })
    const envelope = new gossip.Envelope()
    envelope.setPayload(message.serializeBinary())
    const secret = new gossip.SecretEnvelope()
    secret.setPayload(bytes(4))
    secret.setSignature(bytes(5))
    envelope.setSecretEnvelope(secret)
    same(GossipEnvelope, envelope, { payload: message.serializeBinary(), secretEnvelope: { payload: bytes(4), signature: bytes(5) } })
  })
})
