import { CollectionConfigPackage, definedCollection, type StaticCollection } from '@kumiko/fabric-lifecycle'
import type { LocalMsp } from '@kumiko/fabric-msp'
import { compileSignaturePolicy, decodeSignaturePolicy } from '@kumiko/fabric-msp'
import type { FabricPeerOptions } from '@kumiko/fabric-peer'
import { isFault } from '@kumiko/interface'
import type { DevPeer } from './dev-peer.ts'

type PrivateData = Parameters<NonNullable<FabricPeerOptions['distributePrivateData']>>[0]

/**
 * Gives private data to other peers, all at once: each keeps of it what it may have, when it is committed. There is no gossip by which peers would
 * ask for it later, so `maxPeerCount` is not looked at.
 * @param peers - Those that run, but the one that endorses.
 * @throws Error with Fabric's words, where fewer peers may have it than a collection requires.
 * @see Fabric `gossip/privdata/distributor.go` disseminationPlanForMsg
 */
export async function sendPrivateData(peers: readonly DevPeer[], { txId, channelId: _, ...data }: PrivateData): Promise<void> {
  for (const { namespace, collections } of data.set.namespaces) {
    const configured = CollectionConfigPackage.decode(data.collectionConfigs.get(namespace) ?? new Uint8Array())
    for (const { collection } of collections) {
      const config = isFault(configured) ? undefined : definedCollection(configured, collection)
      if (config !== undefined) assertEnough(namespace, config, peers)
    }
  }
  await Promise.all(peers.map(({ channel }) => channel.transient.persist(txId, channel.height, data)))
}

function assertEnough(namespace: string, config: StaticCollection, peers: readonly DevPeer[]): void {
  const { name, requiredPeerCount } = config
  if (requiredPeerCount <= 0) return
  const eligible = peers.filter(({ msp }) => isMember(config, msp)).length
  if (eligible >= requiredPeerCount) return
  const plan = `could not build private data dissemination plan for chaincode ${namespace} and collection ${name}`
  throw new Error(`${plan}: required to disseminate to at least ${requiredPeerCount} peers, but know of only ${eligible} eligible peers`)
}

function isMember({ memberOrgsPolicy }: StaticCollection, { identity }: LocalMsp): boolean {
  const envelope = decodeSignaturePolicy(memberOrgsPolicy?.signaturePolicy ?? new Uint8Array())
  const policy = isFault(envelope) ? envelope : compileSignaturePolicy(envelope)
  return !isFault(policy) && policy.evaluate([identity]) === undefined
}
