import { type Fault, isFault } from '@kumiko/interface'
import { type Block, BlockMetadataIndex } from './block.ts'
import { blockHeaderBytes } from './block-header.ts'
import { concatBytes } from './hash.ts'
import { SignatureHeader } from './header.ts'
import { bytes, type Message, message, nested, repeatedNested, uint32, uint64 } from './message.ts'

/** One orderer's signature. `common.MetadataSignature`. */
export interface MetadataSignature {
  /** A {@link SignatureHeader}'s bytes. */
  readonly signatureHeader: Uint8Array
  readonly signature: Uint8Array
  /** BFT orderers send this instead: an {@link IdentifierHeader}'s bytes. */
  readonly identifierHeader: Uint8Array
}

/** `common.MetadataSignature`. */
export const MetadataSignature: Message<MetadataSignature> = message<MetadataSignature>('common.MetadataSignature', {
  signatureHeader: bytes(1),
  signature: bytes(2),
  identifierHeader: bytes(3),
})

/** A value with signatures over it. `common.Metadata`. */
export interface Metadata {
  readonly value: Uint8Array
  readonly signatures: readonly MetadataSignature[]
}

/** `common.Metadata`. */
export const Metadata: Message<Metadata> = message<Metadata>('common.Metadata', {
  value: bytes(1),
  signatures: repeatedNested(2, () => MetadataSignature),
})

/** Names a BFT consenter by its number in the channel's configuration. `common.IdentifierHeader`. */
export interface IdentifierHeader {
  readonly identifier: number
  readonly nonce: Uint8Array
}

/** `common.IdentifierHeader`. */
export const IdentifierHeader: Message<IdentifierHeader> = message<IdentifierHeader>('common.IdentifierHeader', {
  identifier: uint32(1),
  nonce: bytes(2),
})

/** `common.LastConfig`. */
export interface LastConfig {
  readonly index: bigint
}

/** `common.LastConfig`. */
export const LastConfig: Message<LastConfig> = message<LastConfig>('common.LastConfig', { index: uint64(1) })

/** What orderers sign besides the header. `common.OrdererBlockMetadata`. */
export interface OrdererBlockMetadata {
  readonly lastConfig: LastConfig | undefined
  readonly consenterMetadata: Uint8Array
}

/** `common.OrdererBlockMetadata`. */
export const OrdererBlockMetadata: Message<OrdererBlockMetadata> = message<OrdererBlockMetadata>('common.OrdererBlockMetadata', {
  lastConfig: nested(1, () => LastConfig),
  consenterMetadata: bytes(2),
})

/** Who signed a block: an identity, or a BFT consenter whose identity the channel's configuration holds. */
export type BlockSigner =
  | { readonly by: 'identity'; readonly identity: Uint8Array }
  | { readonly by: 'consenter'; readonly identifier: number }

/** A block's signature, with what it is over. */
export interface BlockSignature {
  readonly signer: BlockSigner
  readonly message: Uint8Array
  readonly signature: Uint8Array
}

/**
 * The orderers' signatures, for the policy `/Channel/Orderer/BlockValidation`.
 * @param isBft - Does the channel's configuration name BFT consenters? Else identifier headers count for nothing, as in Fabric.
 * @returns An empty list where none signed, or `fabric-protocol/bad-block-metadata`.
 * @see Fabric `protoutil/blockutils.go` BlockSignatureVerifier
 */
export function readBlockSignatures(block: Block, isBft = false): readonly BlockSignature[] | Fault {
  const metadata = readMetadata(block, BlockMetadataIndex.signatures)
  if (isFault(metadata)) return metadata
  const header = blockHeaderBytes(block.header)
  const signatures: BlockSignature[] = []
  for (const entry of metadata.signatures) {
    const signer = readSigner(entry, isBft)
    if (isFault(signer)) return signer
    const signed = signer.by === 'identity' ? entry.signatureHeader : entry.identifierHeader
    signatures.push({ signer, message: concatBytes([metadata.value, signed, header]), signature: entry.signature })
  }
  return signatures
}

/**
 * The number of the configuration block that holds for this block.
 * @returns `fabric-protocol/bad-block-metadata` where the block does not say.
 * @see Fabric `protoutil/blockutils.go` GetLastConfigIndexFromBlock
 */
export function readLastConfigIndex(block: Block): bigint | Fault {
  const signed = readMetadata(block, BlockMetadataIndex.signatures)
  if (isFault(signed)) return signed
  if (signed.value.length === 0) return readUnsignedLastConfigIndex(block)
  const orderer = OrdererBlockMetadata.decode(signed.value)
  if (isFault(orderer)) return badMetadata(orderer.detail)
  return orderer.lastConfig?.index ?? badMetadata('orderers name no last configuration')
}

/** The validation codes, a byte a transaction; undefined where the block does not have one for each: an orderer's block has none. */
export function readTransactionsFilter(block: Block): Uint8Array | undefined {
  const filter = block.metadata[BlockMetadataIndex.transactionsFilter]
  return filter?.length === block.data.length ? filter : undefined
}

/** The commit hash that a peer wrote; undefined where none did. @returns `fabric-protocol/bad-block-metadata` where it is malformed. */
export function readCommitHash(block: Block): Uint8Array | Fault | undefined {
  if (block.metadata[BlockMetadataIndex.commitHash] === undefined) return
  const metadata = readMetadata(block, BlockMetadataIndex.commitHash)
  if (isFault(metadata)) return metadata
  return metadata.value.length === 0 ? undefined : metadata.value
}

/** What stands at {@link BlockMetadataIndex}.commitHash. */
export function writeCommitHash(hash: Uint8Array): Uint8Array {
  return Metadata.encode({ value: hash })
}

function readMetadata(block: Block, index: BlockMetadataIndex): Metadata | Fault {
  const bytes = block.metadata[index]
  if (bytes === undefined) return badMetadata(`there is none at ${index}`)
  const metadata = Metadata.decode(bytes)
  return isFault(metadata) ? badMetadata(metadata.detail) : metadata
}

function readSigner(entry: MetadataSignature, isBft: boolean): BlockSigner | Fault {
  if (isBft && entry.signatureHeader.length === 0 && entry.identifierHeader.length > 0) {
    const header = IdentifierHeader.decode(entry.identifierHeader)
    return isFault(header) ? badMetadata(header.detail) : { by: 'consenter', identifier: header.identifier }
  }
  const header = SignatureHeader.decode(entry.signatureHeader)
  return isFault(header) ? badMetadata(header.detail) : { by: 'identity', identity: header.creator }
}

/** As orderers before 1.4.1 wrote it. */
function readUnsignedLastConfigIndex(block: Block): bigint | Fault {
  const metadata = readMetadata(block, BlockMetadataIndex.lastConfig)
  if (isFault(metadata)) return metadata
  const lastConfig = LastConfig.decode(metadata.value)
  return isFault(lastConfig) ? badMetadata(lastConfig.detail) : lastConfig.index
}

function badMetadata(detail: string | undefined): Fault {
  return { fault: 'fabric-protocol/bad-block-metadata', detail: detail ?? 'malformed' }
}
