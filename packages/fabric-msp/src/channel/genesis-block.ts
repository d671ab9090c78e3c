import {
  ChannelHeader,
  ConfigEnvelope,
  dataHash,
  Envelope,
  HeaderType,
  Payload,
  SignatureHeader,
  transactionId,
  writeBlock,
} from '@kumiko/fabric-protocol'
import { KumikoError } from '@kumiko/interface'
import { channelIdProblem } from './config-id.ts'
import { type ChannelProfile, channelGroupOf } from './profile.ts'

/** What a genesis block needs from outside. */
export interface GenesisOptions {
  /** Random; Fabric takes 24 bytes. */
  readonly nonce: Uint8Array
  /** Unix seconds. */
  readonly seconds: bigint
}

/** `OrdererBlockMetadata` that says: the last configuration is block 0. As `Metadata.value`, unsigned. */
const LAST_CONFIG_ZERO = Uint8Array.of(0x0a, 0x02, 0x0a, 0x00)

/**
 * Makes a channel's genesis block, as `configtxgen -outputBlock` does (`common/genesis/genesis.go`).
 * @returns `common.Block`.
 * @throws KumikoError `fabric-msp/bad-profile`, `fabric-msp/bad-policy-text`.
 */
export function genesisBlock(channelId: string, profile: ChannelProfile, { nonce, seconds }: GenesisOptions): Uint8Array {
  const problem = channelIdProblem(channelId)
  if (problem !== undefined) throw new KumikoError('fabric-msp/bad-profile', `genesis block: ${problem}`)
  const signature = { creator: new Uint8Array(), nonce }
  const header = {
    channelHeader: ChannelHeader.encode({
      type: HeaderType.config,
      version: 1,
      timestamp: { seconds, nanos: 0 },
      channelId,
      txId: transactionId(signature),
      epoch: 0n,
      extension: new Uint8Array(),
      tlsCertHash: new Uint8Array(),
    }),
    signatureHeader: SignatureHeader.encode(signature),
  }
  const config = ConfigEnvelope.encode({ config: { sequence: 0n, channelGroup: channelGroupOf(profile) }, lastUpdate: undefined })
  const transaction = Envelope.encode({
    payload: Payload.encode({ header, data: config }),
    signature: new Uint8Array(),
  })
  const none = new Uint8Array()
  return writeBlock({
    header: { number: 0n, previousHash: none, dataHash: dataHash([transaction]) },
    data: [transaction],
    metadata: [LAST_CONFIG_ZERO, none, none, none, none],
  })
}
