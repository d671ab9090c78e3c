import {
  type Block,
  BlockMetadataIndex,
  blockHash,
  blockHeaderBytes,
  concatBytes,
  dataHash,
  LastConfig,
  Metadata,
  OrdererBlockMetadata,
  SignatureHeader,
  type Signer,
} from '@kumiko/fabric-protocol'
import type { RandomBytes } from '@kumiko/interface'

/** What a block follows. */
export interface ChainTip {
  /** Of the last block. */
  readonly number: bigint
  /** Of its header. */
  readonly hash: Uint8Array
  /** The number of the last block that configures the channel. */
  readonly lastConfig: bigint
}

/** Who signs a block. */
export interface BlockSigner {
  readonly signer: Signer
  readonly randomBytes: RandomBytes
}

/** A block to be. */
export interface BlockContent {
  /** `Envelope`s' bytes. */
  readonly data: readonly Uint8Array[]
  /** Does it configure the channel? Then its one envelope is a CONFIG transaction. */
  readonly isConfig: boolean
  /** What the consenter must find again: it is signed. */
  readonly consenterMetadata: Uint8Array
}

const NONCE_SIZE = 24
const EMPTY = new Uint8Array()

/**
 * Makes the next block and signs it. The header is the same whoever makes it; the signature is the maker's.
 * @see Fabric `orderer/common/multichannel/blockwriter.go` CreateNextBlock, addLastConfig, addBlockSignature
 */
export function nextBlock(tip: ChainTip, content: BlockContent, by: BlockSigner): Block {
  const { data, isConfig, consenterMetadata } = content
  const header = { number: tip.number + 1n, previousHash: tip.hash, dataHash: dataHash(data) }
  const lastConfig: LastConfig = { index: isConfig ? header.number : tip.lastConfig }
  const value = OrdererBlockMetadata.encode({ lastConfig, consenterMetadata: Metadata.encode({ value: consenterMetadata }) })
  const signatureHeader = SignatureHeader.encode({ creator: by.signer.creator, nonce: by.randomBytes(NONCE_SIZE) })
  const signature = by.signer.sign(concatBytes([value, signatureHeader, blockHeaderBytes(header)]))
  const metadata: Uint8Array[] = [EMPTY, EMPTY, EMPTY, EMPTY, EMPTY]
  metadata[BlockMetadataIndex.signatures] = Metadata.encode({
    value,
    signatures: [{ signatureHeader, signature, identifierHeader: EMPTY }],
  })
  metadata[BlockMetadataIndex.lastConfig] = Metadata.encode({ value: LastConfig.encode(lastConfig) })
  return { header, data, metadata }
}

/** What follows a block. */
export function tipAfter({ header }: Block, lastConfig: bigint): ChainTip {
  return { number: header.number, hash: blockHash(header), lastConfig }
}
