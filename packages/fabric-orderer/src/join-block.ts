import { type Block, dataHash, equalBytes, isConfigBlock } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { bundleIn } from './chain-store.ts'

/**
 * Checks a block that a channel is joined with.
 * @returns The channel's name; or `fabric-orderer/bad-join-block`, in Fabric's words.
 * @see Fabric `orderer/common/channelparticipation/validator.go` ValidateJoinBlock
 */
export function joinBlockChannel(block: Block): { readonly channelId: string } | Fault {
  if (!isConfigBlock(block)) return bad('block is not a config block')
  if (block.metadata.length === 0) return bad('invalid block: does not have metadata')
  if (!equalBytes(dataHash(block.data), block.header.dataHash))
    return bad('invalid block: Header.DataHash is different from Hash(block.Data)')
  const bundle = bundleIn(block)
  if (isFault(bundle)) return bad(bundle.detail ?? bundle.fault)
  if (bundle.consortiums !== undefined) return bad('invalid config: contains consortiums: system channel not supported')
  if (bundle.application === undefined) return bad('invalid config: must contain application config')
  if (block.header.number !== 0n)
    return bad(`block ${block.header.number} is not the genesis block: joining with a later one is not supported`)
  return { channelId: bundle.channelId }
}

function bad(detail: string): Fault {
  return { fault: 'fabric-orderer/bad-join-block', detail }
}
