import {
  type Block,
  BlockMetadataIndex,
  type BlockSigner,
  decodeRequest,
  Metadata,
  readBlockSignatures,
  SerializedIdentity,
  type SignedData,
} from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

import { evaluateSignedData } from '../policy/policy.ts'
import type { ChannelBundle } from './channel-bundle.ts'

/** Who must have signed a block. */
export const BLOCK_VALIDATION_POLICY = '/Channel/Orderer/BlockValidation'

/**
 * Signatures times bytes of their metadata, at most: each signature is over a copy of the value that all share, so a block of a hostile orderer
 * would else cost the square of its size. Room for 120 orderers that send their certificates, and for 300 that send their numbers.
 */
export const BLOCK_SIGNATURES_COST_MAX = 16_777_216

/** What of a channel's configuration says who may sign its blocks. */
export type BlockSigners = Pick<ChannelBundle, 'capabilities' | 'msps' | 'orderer' | 'policies'>

/**
 * Have those signed a block whom the channel's configuration asks for? Takes signatures as orderers of raft write them, with the signer's
 * identity, and where the channel's capability is V3_0 as those of BFT do: with a consenter's number.
 * @param bundle - As of the block before: a configuration block is signed by those of the configuration that it replaces.
 * @returns `fabric-msp/policy-not-satisfied`; `fabric-protocol/bad-block-metadata` where the signatures cannot be read, or are too many.
 * @see Fabric `protoutil/blockutils.go` BlockSignatureVerifier, research § 3.1
 */
export function verifyBlockSignatures(block: Block, bundle: BlockSigners): Fault | undefined {
  const signatures = decodeRequest(
    () => excessOf(block.metadata[BlockMetadataIndex.signatures]) ?? readBlockSignatures(block, bundle.capabilities.has('V3_0')),
  )
  if (isFault(signatures)) return signatures
  const set: SignedData[] = []
  for (const { signer, message, signature } of signatures) {
    const identity = identityOf(signer, bundle)
    if (identity !== undefined) set.push({ identity, message, signature })
  }
  return evaluateSignedData(bundle.policies.policyOrReject(BLOCK_VALIDATION_POLICY), set, bundle.msps)
}

function excessOf(bytes: Uint8Array | undefined): Fault | undefined {
  const metadata = Metadata.decode(bytes ?? new Uint8Array())
  if (isFault(metadata) || bytes === undefined) return
  const { length } = metadata.signatures
  if (length * bytes.length <= BLOCK_SIGNATURES_COST_MAX) return
  return { fault: 'fabric-protocol/bad-block-metadata', detail: `${length} signatures in ${bytes.length} bytes are too many` }
}

/** A number that no consenter has signs for nobody. */
function identityOf(signer: BlockSigner, { orderer }: BlockSigners): Uint8Array | undefined {
  if (signer.by === 'identity') return signer.identity
  const consenter = orderer?.consenters.find(({ id }) => id === signer.identifier)
  return consenter && SerializedIdentity.encode({ mspId: consenter.mspId, idBytes: consenter.identity })
}
