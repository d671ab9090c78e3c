import {
  type Block,
  BlockMetadataIndex,
  blockHash,
  isConfigBlock,
  Metadata,
  OrdererBlockMetadata,
  readBlock,
  readLastConfigIndex,
} from '@kumiko/fabric-protocol'
import { GOLDEN_HEIGHT, ordererBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { describe, expect, it } from 'vitest'
import { type BlockSigner, type ChainTip, nextBlock, tipAfter } from './block-writer.ts'

/** The metadata that a consenter had signed with a block. */
function consenterMetadataOf(block: Block): Uint8Array {
  const signed = must(Metadata.decode(must(block.metadata[BlockMetadataIndex.signatures])))
  return must(Metadata.decode(must(OrdererBlockMetadata.decode(signed.value)).consenterMetadata)).value
}

/** Without the signature, which is another each time. */
function unsigned({ header, data, metadata }: Block) {
  const signed = must(Metadata.decode(must(metadata[BlockMetadataIndex.signatures])))
  return { header, data, metadata: metadata.slice(1), value: signed.value, signatures: signed.signatures.length }
}

const signer: BlockSigner = {
  signer: { creator: Uint8Array.of(1), sign: () => Uint8Array.of(2) },
  randomBytes: (length) => new Uint8Array(length),
}

describe('nextBlock', () => {
  it('makes the blocks that a real orderer made of the same envelopes', () => {
    const genesis = must(readBlock(ordererBlock(0)))
    let tip: ChainTip = { number: 0n, hash: blockHash(genesis.header), lastConfig: 0n }
    for (let number = 1; number < GOLDEN_HEIGHT; number++) {
      const theirs = must(readBlock(ordererBlock(number)))
      const content = { data: theirs.data, isConfig: isConfigBlock(theirs), consenterMetadata: consenterMetadataOf(theirs) }
      const ours = nextBlock(tip, content, signer)
      expect(unsigned(ours)).toEqual(unsigned(theirs))
      tip = tipAfter(ours, must(readLastConfigIndex(ours)))
    }
    expect(tip.lastConfig).toBe(52n)
  })
})
