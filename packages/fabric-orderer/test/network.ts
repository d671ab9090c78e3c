import { join } from 'node:path'
import { computeConfigUpdate, type LocalMsp, loadLocalMsp, readMspFolder } from '@kumiko/fabric-msp'
import {
  BatchSize,
  BatchTimeout,
  type Block,
  buildEnvelope,
  type Config,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  ConsensusType,
  concatBytes,
  Envelope,
  HeaderType,
  type MetadataSignature,
  SignatureHeader,
  type Signer,
  transactionId,
} from '@kumiko/fabric-protocol'
import { GOLDEN } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { channelProfile, genesisOf, organizationProfile } from '@kumiko/testkit/fabric'

export const CHANNEL = 'mychannel'

/** A batch that is easy to count. */
export const BATCH: BatchSize = { maxMessageCount: 3, absoluteMaxBytes: 100_000, preferredMaxBytes: 20_000 }

const ORDERER = join(GOLDEN, 'crypto/ordererOrganizations/example.com')
const PEER = join(GOLDEN, 'crypto/peerOrganizations/org1.example.com')

/** Those of a network of one organisation of peers and one of orderers, with keys of the golden channel. */
export interface Identities {
  readonly orderer: LocalMsp
  readonly ordererAdmin: LocalMsp
  readonly client: LocalMsp
  readonly admin: LocalMsp
  /** May read, not write. */
  readonly peer: LocalMsp
}

export async function identities(): Promise<Identities> {
  const load = (folder: string, mspId: string) => loadLocalMsp(join(folder, 'msp'), { mspId })
  return {
    orderer: await load(join(ORDERER, 'orderers/orderer.example.com'), 'OrdererMSP'),
    ordererAdmin: await load(join(ORDERER, 'users/Admin@example.com'), 'OrdererMSP'),
    client: await load(join(PEER, 'users/User1@org1.example.com'), 'Org1MSP'),
    admin: await load(join(PEER, 'users/Admin@org1.example.com'), 'Org1MSP'),
    peer: await load(join(PEER, 'peers/peer0.org1.example.com'), 'Org1MSP'),
  }
}

/** A channel's genesis block. */
export async function genesis(batchSize: BatchSize = BATCH, batchTimeout = '2s', channelId = CHANNEL): Promise<Block> {
  const ordering = organizationProfile('OrdererMSP', await readMspFolder(join(ORDERER, 'msp'), 'OrdererMSP'))
  const peers = organizationProfile('Org1MSP', await readMspFolder(join(PEER, 'msp'), 'Org1MSP'))
  const profile = channelProfile(ordering, [peers])
  return genesisOf(channelId, { ...profile, orderer: { ...profile.orderer, batchSize, batchTimeout } })
}

let count = 0

/** A signed envelope of some size; of a channel's transactions each one is another. */
export function transaction(signer: Signer, sizeBytes = 100, channelId = CHANNEL): Envelope {
  const nonce = nonceOf(count++)
  const txId = transactionId({ creator: signer.creator, nonce })
  const header = { type: HeaderType.endorserTransaction, channelId, txId }
  return must(Envelope.decode(buildEnvelope(header, new Uint8Array(sizeBytes).fill(1), nonce, signer)))
}

/** A CONFIG_UPDATE of a channel. @param signers - Of the update; the first sends it. */
export function configUpdate(config: Config, change: (config: Config) => Config, signers: readonly [Signer, ...Signer[]]): Envelope {
  const update = ConfigUpdate.encode(computeConfigUpdate(CHANNEL, config, change(config)))
  const signatures = signers.map((signer): MetadataSignature => {
    const signatureHeader = SignatureHeader.encode({ creator: signer.creator, nonce: nonceOf(count++) })
    return { signatureHeader, signature: signer.sign(concatBytes([signatureHeader, update])), identifierHeader: new Uint8Array() }
  })
  const data = ConfigUpdateEnvelope.encode({ configUpdate: update, signatures })
  const header = { type: HeaderType.configUpdate, channelId: CHANNEL }
  return must(Envelope.decode(buildEnvelope(header, data, nonceOf(count++), signers[0])))
}

/** The configuration with other batches. */
export function withBatch(config: Config, batchSize: BatchSize): Config {
  return withOrdererValue(config, 'BatchSize', BatchSize.encode(batchSize))
}

/** The configuration with another batch timeout: an update that goes together with one of the batch size. */
export function withTimeout(config: Config, timeout: string): Config {
  return withOrdererValue(config, 'BatchTimeout', BatchTimeout.encode({ timeout }))
}

/** The configuration with another consensus, or state of it. */
export function withConsensus(config: Config, consensus: ConsensusType): Config {
  return withOrdererValue(config, 'ConsensusType', ConsensusType.encode(consensus))
}

function withOrdererValue(config: Config, key: string, bytes: Uint8Array): Config {
  const root = must(config.channelGroup)
  const orderer = must(root.groups.get('Orderer'))
  const value = { ...must(orderer.values.get(key)), value: bytes }
  const changed = { ...orderer, values: new Map([...orderer.values, [key, value]]) }
  return { ...config, channelGroup: { ...root, groups: new Map([...root.groups, ['Orderer', changed]]) } }
}

function nonceOf(number: number): Uint8Array {
  const nonce = new Uint8Array(24)
  new DataView(nonce.buffer).setUint32(0, number)
  return nonce
}
