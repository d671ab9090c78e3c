import type { Network, NetworkOrganization, NodeAddress } from './network.ts'

/** A common connection profile: JSON that older SDKs and tools read. */
export type ConnectionProfile = Readonly<Record<string, unknown>>

/**
 * How an organisation's clients find a network, in the shape of fabric-samples' `connection-org1.json`, and with the channel, all its peers and the orderers.
 * @param organization - One of the network's.
 */
export function connectionProfile(network: Network, { organization }: NetworkOrganization): ConnectionProfile {
  const name = organizationName(organization.mspId)
  const everyPeer = network.organizations.flatMap((each) =>
    each.peers.map((peer) => ({ peer, tlsCa: each.organization.tlsCa.certificate })),
  )
  return {
    name: `${network.channelId}-${name.toLowerCase()}`,
    version: '1.0.0',
    client: { organization: name, connection: { timeout: { peer: { endorser: '300' }, orderer: '300' } } },
    channels: {
      [network.channelId]: {
        orderers: network.orderers.map((each) => each.name),
        peers: Object.fromEntries(everyPeer.map(({ peer }) => [peer.name, { endorsingPeer: true }])),
      },
    },
    organizations: Object.fromEntries(network.organizations.map(organizationOf)),
    peers: Object.fromEntries(everyPeer.map(({ peer, tlsCa }) => [peer.name, nodeOf(peer, tlsCa)])),
    orderers: Object.fromEntries(network.orderers.map((each) => [each.name, nodeOf(each, network.ordererOrganization.tlsCa.certificate)])),
  }
}

/** `Org1` of `Org1MSP`. */
export function organizationName(mspId: string): string {
  return mspId.endsWith('MSP') && mspId.length > 3 ? mspId.slice(0, -3) : mspId
}

function organizationOf({ organization: { mspId }, peers }: NetworkOrganization): readonly [string, object] {
  return [organizationName(mspId), { mspid: mspId, peers: peers.map((each) => each.name) }]
}

function nodeOf({ name, address }: NodeAddress, tlsCa: string): object {
  return {
    url: `grpcs://${address}`,
    tlsCACerts: { pem: tlsCa },
    grpcOptions: { 'ssl-target-name-override': name, hostnameOverride: name },
  }
}
