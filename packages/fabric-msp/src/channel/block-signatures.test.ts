import { join } from 'node:path'
import {
  type Block,
  BlockMetadataIndex,
  blockHeaderBytes,
  concatBytes,
  IdentifierHeader,
  Metadata,
  MetadataSignature,
  readBlock,
  SignatureHeader,
  withMetadata,
} from '@kumiko/fabric-protocol'
import { GOLDEN, GOLDEN_HEIGHT, goldenFile, ordererBlock, peerBlock } from '@kumiko/golden-channel'
import { must } from '@kumiko/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import type { X509Msp } from '../msp.ts'
import { type LocalMsp, loadLocalMsp } from '../msp-folder.ts'
import { BLOCK_SIGNATURES_COST_MAX, verifyBlockSignatures } from './block-signatures.ts'
import { type ChannelBundle, channelBundle, readConfigTransaction } from './channel-bundle.ts'
import { channelMsp } from './channel-msp.ts'

const ORDERER_MSP = 'ordererOrganizations/example.com/orderers/orderer.example.com/msp'
const NOT_SATISFIED = 'fabric-msp/policy-not-satisfied'

function bundleOf(bytes: Uint8Array): ChannelBundle<X509Msp> {
  const { channelId, envelope } = must(readConfigTransaction(must(must(readBlock(bytes)).data[0])))
  return must(channelBundle(channelId, must(envelope.config), channelMsp))
}

const genesis = bundleOf(ordererBlock(0))
const block = must(readBlock(ordererBlock(8)))
const signed = must(Metadata.decode(must(block.metadata[BlockMetadataIndex.signatures])))

function withSignatures(signatures: readonly Partial<MetadataSignature>[], value: Uint8Array = signed.value): Block {
  const entries = signatures.map((entry) => MetadataSignature.create(entry))
  return withMetadata(block, BlockMetadataIndex.signatures, Metadata.encode({ value, signatures: entries }))
}

describe('the signatures of blocks', () => {
  let orderer: LocalMsp
  let client: LocalMsp

  beforeAll(async () => {
    const crypto = join(GOLDEN, 'crypto')
    orderer = await loadLocalMsp(join(crypto, ORDERER_MSP), { mspId: 'OrdererMSP' })
    client = await loadLocalMsp(join(crypto, 'peerOrganizations/org1.example.com/users/User1@org1.example.com/msp'), { mspId: 'Org1MSP' })
  })

  /** A signature with the identity in it. */
  function signature(by: LocalMsp, header = block.header): Partial<MetadataSignature> {
    const signatureHeader = SignatureHeader.encode({ creator: by.creator, nonce: Uint8Array.of(1, 2, 3) })
    return { signatureHeader, signature: by.sign(concatBytes([signed.value, signatureHeader, blockHeaderBytes(header)])) }
  }

  it('satisfy the recorded channel, as orderers and as peers deliver them, but for the genesis block, which nobody signs', () => {
    for (let number = 1; number < GOLDEN_HEIGHT; number++) {
      for (const bytes of [ordererBlock(number), peerBlock(number)]) {
        expect([number, verifyBlockSignatures(must(readBlock(bytes)), genesis)]).toEqual([number, undefined])
      }
    }
    expect(verifyBlockSignatures(must(readBlock(ordererBlock(0))), genesis)?.fault).toBe(NOT_SATISFIED)
  })

  it('are over header and metadata', () => {
    const { header } = block
    expect(verifyBlockSignatures({ ...block, header: { ...header, number: 9n } }, genesis)?.fault).toBe(NOT_SATISFIED)
    expect(verifyBlockSignatures({ ...block, header: { ...header, dataHash: new Uint8Array(32) } }, genesis)?.fault).toBe(NOT_SATISFIED)
    expect(verifyBlockSignatures(withSignatures(signed.signatures, Uint8Array.of(10, 0)), genesis)?.fault).toBe(NOT_SATISFIED)
    // The data is for its hash.
    expect(verifyBlockSignatures({ ...block, data: [] }, genesis)).toBeUndefined()
  })

  it('count by who made them: an orderer, among others that do not count', () => {
    expect(verifyBlockSignatures(withSignatures([signature(orderer)]), genesis)).toBeUndefined()
    expect(verifyBlockSignatures(withSignatures([signature(client)]), genesis)?.fault).toBe(NOT_SATISFIED)
    expect(verifyBlockSignatures(withSignatures([]), genesis)?.fault).toBe(NOT_SATISFIED)
    const odd = [{}, { signatureHeader: SignatureHeader.encode({ creator: Uint8Array.of(9) }) }, signature(client)]
    expect(verifyBlockSignatures(withSignatures(odd), genesis)?.fault).toBe(NOT_SATISFIED)
    expect(verifyBlockSignatures(withSignatures([...odd, signature(orderer)]), genesis)).toBeUndefined()
  })

  it('that cannot be read refuse the block', () => {
    const bad = withMetadata(block, BlockMetadataIndex.signatures, Uint8Array.of(0xff))
    expect(verifyBlockSignatures(bad, genesis)?.fault).toBe('fabric-protocol/bad-block-metadata')
    expect(verifyBlockSignatures({ ...block, metadata: [] }, genesis)?.fault).toBe('fabric-protocol/bad-block-metadata')
    const badHeader = withSignatures([{ signatureHeader: Uint8Array.of(0xff) }, signature(orderer)])
    expect(verifyBlockSignatures(badHeader, genesis)?.fault).toBe('fabric-protocol/bad-block-metadata')
  })

  it('are bounded in what they cost', () => {
    const many = withSignatures(Array.from({ length: 5000 }, () => ({})))
    const size = must(many.metadata[BlockMetadataIndex.signatures]).length
    expect(size * 5000).toBeGreaterThan(BLOCK_SIGNATURES_COST_MAX)
    expect(verifyBlockSignatures(many, genesis)?.detail).toMatch('too many')
    expect(verifyBlockSignatures(withSignatures(Array.from({ length: 100 }, () => signature(orderer))), genesis)).toBeUndefined()
  })

  describe('of BFT', () => {
    const consenter = {
      id: 7,
      host: 'orderer',
      port: 7050,
      mspId: 'OrdererMSP',
      clientTlsCert: new Uint8Array(),
      serverTlsCert: new Uint8Array(),
    }

    function numbered(identifier: number): Partial<MetadataSignature> {
      const identifierHeader = IdentifierHeader.encode({ identifier, nonce: Uint8Array.of(4) })
      return { identifierHeader, signature: orderer.sign(concatBytes([signed.value, identifierHeader, blockHeaderBytes(block.header)])) }
    }

    function bft(capability = 'V3_0'): ChannelBundle<X509Msp> {
      const consenters = [{ ...consenter, identity: goldenFile(`crypto/${ORDERER_MSP}/signcerts/orderer.example.com-cert.pem`) }]
      return { ...genesis, capabilities: new Set([capability]), orderer: { ...must(genesis.orderer), consenters } }
    }

    it('count for the consenter of that number', () => {
      expect(verifyBlockSignatures(withSignatures([numbered(7)]), bft())).toBeUndefined()
      expect(verifyBlockSignatures(withSignatures([signature(orderer)]), bft())).toBeUndefined()
      expect(verifyBlockSignatures(withSignatures([numbered(8), numbered(7)]), bft())).toBeUndefined()
    })

    it('count for nobody under another number, without the capability, or changed', () => {
      expect(verifyBlockSignatures(withSignatures([numbered(8)]), bft())?.fault).toBe(NOT_SATISFIED)
      expect(verifyBlockSignatures(withSignatures([numbered(7)]), bft('V2_0'))?.fault).toBe(NOT_SATISFIED)
      const forged = { ...numbered(7), identifierHeader: IdentifierHeader.encode({ identifier: 7 }) }
      expect(verifyBlockSignatures(withSignatures([forged]), bft())?.fault).toBe(NOT_SATISFIED)
      expect(verifyBlockSignatures(withSignatures([{ identifierHeader: Uint8Array.of(0xff) }]), bft())?.fault).toBe(
        'fabric-protocol/bad-block-metadata',
      )
    })
  })
})
