import { randomBytes } from 'node:crypto'
import type { Signer } from '@kumiko/fabric-protocol'
import {
  BlockchainInfo,
  buildEnvelope,
  ChannelQueryResponse,
  ConfigUpdateEnvelope,
  concatBytes,
  encodeUtf8,
  HeaderType,
  JoinBySnapshotStatus,
  type Message,
  openEnvelope,
  readChannelHeader,
  readEnvelope,
  SignatureHeader,
} from '@kumiko/fabric-protocol'
import { isFault, KumikoError } from '@kumiko/interface'
import { readBinary, writeBinary } from '../fabric/binary-file.ts'
import { readBlockFile } from '../fabric/block-folder.ts'
import type { FabricNetwork } from './network.ts'

/** What a peer does about channels for its administrator. @throws All methods: KumikoError `node/refused` with its words, and as `FabricNetwork.ask`. */
export class ChannelClient {
  readonly #network: FabricNetwork

  constructor(network: FabricNetwork) {
    this.#network = network
  }

  /** Has the peer join a channel. @param path - Block 0. @throws Of the file, as `readBlockFile`. */
  async join(path: string): Promise<void> {
    await readBlockFile(path, 0n)
    await askPeer(this.#network, 'cscc', ['JoinChain', await readBinary(path)])
  }

  /** Has the peer join a channel by a snapshot in a folder of its own machine. */
  async joinBySnapshot(folder: string): Promise<void> {
    await askPeer(this.#network, 'cscc', ['JoinChainBySnapshot', folder])
  }

  /** Whether the peer is joining by a snapshot. */
  async joinStatus(): Promise<JoinBySnapshotStatus> {
    return decoded(JoinBySnapshotStatus, await askPeer(this.#network, 'cscc', ['JoinBySnapshotStatus']))
  }

  /** The channels that the peer is on. */
  async list(): Promise<readonly string[]> {
    const { channels } = decoded(ChannelQueryResponse, await askPeer(this.#network, 'cscc', ['GetChannels']))
    return channels.map(({ channelId }) => channelId)
  }

  /** How far the peer is on a channel. */
  async info(channelId: string): Promise<BlockchainInfo> {
    return decoded(BlockchainInfo, await askPeer(this.#network, 'qscc', ['GetChainInfo', channelId], channelId))
  }

  /**
   * Sends a configuration update, with our signature, to an orderer.
   * @param channelId - That it must be for.
   * @throws KumikoError `node/bad-config-tx`, and as `FabricNetwork.broadcast`.
   * @see Fabric `internal/peer/channel/update.go`
   */
  async update(channelId: string, path: string): Promise<void> {
    const { envelope, channelId: found } = signed(this.#network.signer, path, await readBinary(path))
    if (found !== channelId) throw badConfigTransaction(path, `it is for channel '${found}', not '${channelId}'`)
    const read = readEnvelope(envelope)
    if (isFault(read)) throw new Error(read.fault)
    await this.#network.broadcast(read, channelId)
  }
}

/**
 * Adds our signature to a configuration update, in its file.
 * @throws KumikoError `node/bad-config-tx`; of the file, as `readBinary`, `writeBinary`.
 * @see Fabric `internal/peer/channel/signconfigtx.go`
 */
export async function signConfigTransaction(signer: Signer, path: string): Promise<void> {
  await writeBinary(path, signed(signer, path, await readBinary(path)).envelope)
}

function signed(signer: Signer, path: string, source: Uint8Array): { readonly envelope: Uint8Array; readonly channelId: string } {
  const payload = openEnvelope(source)
  const header = isFault(payload) ? payload : readChannelHeader(payload)
  if (isFault(payload) || isFault(header)) throw badConfigTransaction(path, 'it is no envelope')
  if (header.type !== HeaderType.configUpdate) throw badConfigTransaction(path, `it is of type ${header.type}, not CONFIG_UPDATE`)
  const update = ConfigUpdateEnvelope.decode(payload.data)
  if (isFault(update)) throw badConfigTransaction(path, update.detail ?? update.fault)
  const signatureHeader = SignatureHeader.encode({ creator: signer.creator, nonce: nonce() })
  const signature = signer.sign(concatBytes([signatureHeader, update.configUpdate]))
  const data = ConfigUpdateEnvelope.encode({ ...update, signatures: [...update.signatures, { signatureHeader, signature }] })
  const { channelId } = header
  return { envelope: buildEnvelope({ type: HeaderType.configUpdate, channelId }, data, nonce(), signer), channelId }
}

async function askPeer(
  network: FabricNetwork,
  chaincode: string,
  args: readonly (string | Uint8Array)[],
  channelId = '',
): Promise<Uint8Array> {
  const question = { channelId, chaincode, args: args.map((each) => (typeof each === 'string' ? encodeUtf8(each) : each)) }
  return (await network.query(question, 'query')).payload
}

function decoded<T extends object>(type: Message<T>, bytes: Uint8Array): T {
  const value = type.decode(bytes)
  if (isFault(value)) throw new KumikoError('node/refused', `the peer's answer cannot be read: ${value.detail ?? value.fault}`)
  return value
}

function nonce(): Uint8Array {
  return new Uint8Array(randomBytes(24))
}

function badConfigTransaction(path: string, why: string): KumikoError {
  return new KumikoError('node/bad-config-tx', `${path} is no configuration update: ${why}`, { context: { path } })
}
