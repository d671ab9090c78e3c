import { type ChannelBundle, computeConfigUpdate, proposeConfigUpdate, type X509Msp } from '@kumiko/fabric-msp'
import {
  type Block,
  type BlockHeader,
  BlockMetadataIndex,
  blockHash,
  blockHeaderBytes,
  buildEnvelope,
  type Config,
  ConfigEnvelope,
  type ConfigGroup,
  ConfigUpdate,
  ConfigUpdateEnvelope,
  concatBytes,
  dataHash,
  Envelope,
  HeaderType,
  Metadata,
  MetadataSignature,
  OrdererBlockMetadata,
  SignatureHeader,
  type Signer,
} from '@kumiko/fabric-protocol'
import { must } from '@kumiko/testkit'
import { CHANNEL } from './golden.ts'

const NONCE = new Uint8Array(24).fill(7)
const NONE = new Uint8Array()

/** The next block, signed. */
export function blockAfter(previous: BlockHeader, data: readonly Uint8Array[], signer: Signer): Block {
  const header = { number: previous.number + 1n, previousHash: blockHash(previous), dataHash: dataHash(data) }
  const value = OrdererBlockMetadata.encode({ lastConfig: { index: 0n } })
  const signatureHeader = SignatureHeader.encode({ creator: signer.creator, nonce: NONCE })
  const signature = signer.sign(concatBytes([value, signatureHeader, blockHeaderBytes(header)]))
  const signatures = Metadata.encode({ value, signatures: [MetadataSignature.create({ signatureHeader, signature })] })
  const metadata: Uint8Array[] = [NONE, NONE, NONE, NONE, NONE]
  metadata[BlockMetadataIndex.signatures] = signatures
  return { header, data, metadata }
}

/** Something that is a transaction by its form. */
export function transaction(signer: Signer, sizeBytes = 10, channelId: string = CHANNEL): Uint8Array {
  return buildEnvelope({ type: HeaderType.endorserTransaction, channelId }, new Uint8Array(sizeBytes).fill(1), NONCE, signer)
}

/** A CONFIG transaction that changes the channel, with the signatures of these. */
export function configTransaction(
  bundle: ChannelBundle<X509Msp>,
  change: (group: ConfigGroup) => ConfigGroup,
  signers: readonly Signer[],
  orderer: Signer,
): Uint8Array {
  const next: Config = { sequence: 0n, channelGroup: change(must(bundle.config.channelGroup)) }
  const configUpdate = ConfigUpdate.encode(computeConfigUpdate(CHANNEL, bundle.config, next))
  const signatures = signers.map((signer) => {
    const signatureHeader = SignatureHeader.encode({ creator: signer.creator, nonce: NONCE })
    return { signatureHeader, signature: signer.sign(concatBytes([signatureHeader, configUpdate])) }
  })
  const data = ConfigUpdateEnvelope.encode({ configUpdate, signatures })
  const update = must(Envelope.decode(buildEnvelope({ type: HeaderType.configUpdate, channelId: CHANNEL }, data, NONCE, must(signers[0]))))
  const proposed = must(proposeConfigUpdate(bundle, update))
  return buildEnvelope({ type: HeaderType.config, channelId: CHANNEL }, ConfigEnvelope.encode(proposed), NONCE, orderer)
}

/** The group with a group below it changed. */
export function within(group: ConfigGroup, [name, ...rest]: readonly string[], change: (group: ConfigGroup) => ConfigGroup): ConfigGroup {
  if (name === undefined) return change(group)
  return { ...group, groups: new Map(group.groups).set(name, within(must(group.groups.get(name)), rest, change)) }
}
