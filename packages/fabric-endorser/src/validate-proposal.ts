import type { FabricIdentity, MspManager } from '@kumiko/fabric-msp'
import { HeaderType, transactionId } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { Refused, UnpackedProposal } from './proposal.ts'

/** `common.HeaderType` by number, as Fabric prints them. */
const HEADER_TYPES = [
  'MESSAGE',
  'CONFIG',
  'CONFIG_UPDATE',
  'ENDORSER_TRANSACTION',
  'ORDERER_TRANSACTION',
  'DELIVER_SEEK_INFO',
  'CHAINCODE_PACKAGE',
]

/**
 * Is a proposal one, and is it its creator's? Whether the creator may propose is not asked here. As in Fabric, type CONFIG passes.
 * @param msps - The channel's, or the peer's own where the proposal is for no channel.
 * @returns The creator; or why not, in Fabric's order and words.
 * @see Fabric `core/endorser/msgvalidation.go` Validate
 */
export function validateProposal(unpacked: UnpackedProposal, msps: Pick<MspManager, 'deserialize'>): FabricIdentity | Refused {
  const { channel, signature } = unpacked.read
  const { type, epoch } = channel
  if (type !== HeaderType.endorserTransaction && type !== HeaderType.config)
    return { refused: `invalid header type ${HEADER_TYPES[type] ?? type}` }
  if (epoch !== 0n) return { refused: 'epoch is non-zero' }
  if (signature.nonce.length === 0) return { refused: 'nonce is empty' }
  if (signature.creator.length === 0) return { refused: 'creator is empty' }
  const txId = transactionId(signature)
  if (channel.txId !== txId) return { refused: `incorrectly computed txid '${channel.txId}' -- expected '${txId}'` }
  return creatorOf(unpacked, msps)
}

function creatorOf({ signed, read }: UnpackedProposal, msps: Pick<MspManager, 'deserialize'>): FabricIdentity | Refused {
  const { channelId } = read.channel
  if (signed.signature.length === 0) return { refused: 'empty signature bytes' }
  const creator = msps.deserialize(read.signature.creator)
  if (isFault(creator)) return { refused: `access denied: channel [${channelId}] creator org unknown, creator is malformed` }
  const isTheirs = creator.validate() === undefined && creator.verify(signed.proposalBytes, signed.signature)
  return isTheirs ? creator : { refused: `access denied: channel [${channelId}] creator org [${creator.mspId}]` }
}
