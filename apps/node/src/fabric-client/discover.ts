import { DISCOVER } from '@kumiko/fabric-discovery'
import { GrpcClient } from '@kumiko/fabric-grpc'
import { decodePem } from '@kumiko/fabric-msp'
import {
  ChaincodeCall,
  type DiscoveredPeer,
  type DiscoveredPeers,
  DiscoveryQuery,
  DiscoveryRequest,
  type DiscoveryResult,
  FabricMspConfig,
  GossipMessage,
  messageToJson,
  SerializedIdentity,
  sha256,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { UsageError } from '../failure.ts'
import type { FabricNetwork } from './network.ts'

/**
 * Asks a peer's discovery one thing.
 * @returns What it answered, other than an error. @throws KumikoError `node/refused` with its words, `node/usage`.
 */
export async function discover(network: FabricNetwork, query: Partial<DiscoveryQuery>): Promise<DiscoveryResult> {
  const { signer, clientTls, signal } = network
  const [endpoint] = network.peers
  if (endpoint === undefined) throw new UsageError('no peer to ask: name it with --server, or CORE_PEER_ADDRESS')
  const certificate = clientTls && decodePem(clientTls.certificate)
  const payload = DiscoveryRequest.encode({
    authentication: {
      clientIdentity: signer.creator,
      clientTlsCertHash: certificate === undefined ? new Uint8Array() : sha256(certificate.bytes),
    },
    queries: [DiscoveryQuery.create(query)],
  })
  const client = new GrpcClient(endpoint, clientTls && endpoint.tlsRoots ? { clientTls } : {})
  try {
    const { results } = await client.call(DISCOVER, { payload, signature: signer.sign(payload) }, { signal, timeoutMs: 30_000 })
    const [result] = results
    if (result === undefined) throw refused('it gave no answer')
    if (result.error !== undefined) throw refused(result.error.content)
    return result
  } catch (error) {
    if (error instanceof KumikoError) throw error
    throw refused(error instanceof Error ? error.message : String(error))
  } finally {
    client.close()
  }

  function refused(why: string): KumikoError {
    return new KumikoError('node/refused', `${endpoint?.address ?? ''}: ${why}`)
  }
}

/** The peers of an answer, as Fabric's `discover peers` shows them. */
export function shownPeers({ members }: DiscoveryResult): unknown {
  return [...(members?.peersByOrg.values() ?? [])].flatMap(({ peers }) => peers.map(shownPeer))
}

/** MSPs and orderers of an answer, as Fabric's `discover config` shows them. */
export function shownConfig({ configResult }: DiscoveryResult): unknown {
  const msps = [...(configResult?.msps ?? [])].map(([mspId, msp]) => [mspId, messageToJson(FabricMspConfig, msp)])
  const orderers = [...(configResult?.orderers ?? [])].map(([mspId, { endpoint }]) => [mspId, { endpoint }])
  return { msps: Object.fromEntries(msps), orderers: Object.fromEntries(orderers) }
}

/** Who must endorse, by an answer, as Fabric's `discover endorsers` shows it. */
export function shownEndorsers({ ccQueryRes }: DiscoveryResult): unknown {
  return (ccQueryRes?.content ?? []).map(({ chaincode, endorsersByGroups, layouts }) => ({
    Chaincode: chaincode,
    EndorsersByGroups: Object.fromEntries(
      [...endorsersByGroups].map(([group, { peers }]: [string, DiscoveredPeers]) => [group, peers.map(shownEndorser)]),
    ),
    Layouts: layouts.map(({ quantitiesByGroup }) => ({ quantities_by_group: Object.fromEntries(quantitiesByGroup) })),
  }))
}

/**
 * Calls of chaincodes, as flags name them.
 * @param collections - `basic:secrets,others`. @param noPrivateReads - Chaincodes whose collections are only written.
 * @throws UsageError.
 */
export function chaincodeCalls(
  chaincodes: readonly string[],
  collections: readonly string[],
  noPrivateReads: readonly string[],
): readonly ChaincodeCall[] {
  const named = new Map(
    collections.map((text): [string, readonly string[]] => {
      const [chaincode = '', names = ''] = text.split(':')
      if (!chaincodes.includes(chaincode) || names === '')
        throw new UsageError(`bad --collection "${text}": want chaincode:collection,collection of a --chaincode`)
      return [chaincode, names.split(',')]
    }),
  )
  return chaincodes.map((name) =>
    ChaincodeCall.create({
      name,
      collectionNames: named.get(name) ?? [],
      noPrivateReads: noPrivateReads.includes(name),
    }),
  )
}

function shownPeer(peer: DiscoveredPeer): Readonly<Record<string, unknown>> {
  const { chaincodes, ...shown } = readPeer(peer)
  return chaincodes === undefined ? shown : { ...shown, Chaincodes: chaincodes }
}

function shownEndorser(peer: DiscoveredPeer): Readonly<Record<string, unknown>> {
  const { chaincodes: _, ...shown } = readPeer(peer)
  return shown
}

function readPeer({ identity, membershipInfo, stateInfo }: DiscoveredPeer) {
  const who = SerializedIdentity.decode(identity)
  const member = membershipInfo && GossipMessage.decode(membershipInfo.payload)
  const state = stateInfo && GossipMessage.decode(stateInfo.payload)
  const properties = state === undefined || isFault(state) ? undefined : state.stateInfo?.properties
  return {
    MSPID: isFault(who) ? '' : who.mspId,
    ...(properties && { LedgerHeight: Number(properties.ledgerHeight) }),
    Endpoint: member === undefined || isFault(member) ? '' : (member.aliveMsg?.membership?.endpoint ?? ''),
    Identity: isFault(who) ? '' : new TextDecoder().decode(who.idBytes),
    chaincodes: properties?.chaincodes.map(({ name }) => name),
  }
}
