import { describe, expect, it } from 'vitest'
import { type Block, BlockMetadataIndex, withMetadata } from './block.ts'
import { blockHeaderBytes } from './block-header.ts'
import {
  IdentifierHeader,
  LastConfig,
  Metadata,
  MetadataSignature,
  OrdererBlockMetadata,
  readBlockSignatures,
  readCommitHash,
  readLastConfigIndex,
  readTransactionsFilter,
} from './block-metadata.ts'
import { concatBytes } from './hash.ts'
import { SignatureHeader } from './header.ts'

const bare: Block = {
  header: { number: 1n, previousHash: new Uint8Array(32), dataHash: new Uint8Array(32) },
  data: [Uint8Array.of(1)],
  metadata: [],
}
const value = OrdererBlockMetadata.encode({ lastConfig: { index: 7n } })
const signatureHeader = SignatureHeader.encode({ creator: Uint8Array.of(1), nonce: Uint8Array.of(2) })
const identifierHeader = IdentifierHeader.encode({ identifier: 3 })
const signed = (...signatures: Partial<MetadataSignature>[]): Block =>
  withMetadata(bare, BlockMetadataIndex.signatures, Metadata.encode({ value, signatures: signatures.map(MetadataSignature.create) }))

describe('block metadata', () => {
  it('holds signatures by identities, and by consenters where the channel is BFT', () => {
    const block = signed({ signatureHeader, signature: Uint8Array.of(9) }, { identifierHeader, signature: Uint8Array.of(8) })
    const header = blockHeaderBytes(block.header)
    expect(readBlockSignatures(block, true)).toEqual([
      {
        signer: { by: 'identity', identity: Uint8Array.of(1) },
        message: concatBytes([value, signatureHeader, header]),
        signature: Uint8Array.of(9),
      },
      { signer: { by: 'consenter', identifier: 3 }, message: concatBytes([value, identifierHeader, header]), signature: Uint8Array.of(8) },
    ])
    expect(readBlockSignatures(block)).toMatchObject([{}, { signer: { by: 'identity', identity: new Uint8Array() } }])
  })

  it('names the last configuration where orderers sign it, and where they did before 1.4.1', () => {
    expect(readLastConfigIndex(signed())).toBe(7n)
    const old = withMetadata(bare, BlockMetadataIndex.lastConfig, Metadata.encode({ value: LastConfig.encode({ index: 5n }) }))
    expect(readLastConfigIndex(old)).toBe(5n)
    const none = withMetadata(
      bare,
      BlockMetadataIndex.signatures,
      Metadata.encode({ value: OrdererBlockMetadata.encode({ consenterMetadata: value }) }),
    )
    expect(readLastConfigIndex(none)).toMatchObject({ fault: 'fabric-protocol/bad-block-metadata' })
  })

  it('is at fault where it is not there or malformed', () => {
    const broken = withMetadata(
      withMetadata(bare, BlockMetadataIndex.signatures, Uint8Array.of(1)),
      BlockMetadataIndex.commitHash,
      Uint8Array.of(1),
    )
    for (const block of [bare, broken]) {
      expect(readBlockSignatures(block)).toMatchObject({ fault: 'fabric-protocol/bad-block-metadata' })
      expect(readLastConfigIndex(block)).toMatchObject({ fault: 'fabric-protocol/bad-block-metadata' })
    }
    expect(readCommitHash(bare)).toBeUndefined()
    expect(readCommitHash(broken)).toMatchObject({ fault: 'fabric-protocol/bad-block-metadata' })
    expect(readBlockSignatures(signed({ signatureHeader: Uint8Array.of(1) }))).toMatchObject({
      fault: 'fabric-protocol/bad-block-metadata',
    })
  })

  it('has a filter only where there is a code for each transaction', () => {
    expect(readTransactionsFilter(bare)).toBeUndefined()
    expect(readTransactionsFilter(withMetadata(bare, BlockMetadataIndex.transactionsFilter, Uint8Array.of(11)))).toEqual(Uint8Array.of(11))
    expect(readTransactionsFilter(withMetadata(bare, BlockMetadataIndex.transactionsFilter, Uint8Array.of(0, 0)))).toBeUndefined()
  })
})
