import {
  type ChannelBundle,
  channelBundle,
  channelMsp,
  readConfigTransaction,
  verifyBlockSignatures,
  type X509Msp,
} from '@kumiko/fabric-msp'
import { type Block, checkBlock, checkBlockAt, checkTransactionsForm, firstChannelHeader, isConfigBlock } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'

/** A channel as its configuration has it. */
export type CommitterBundle = ChannelBundle<X509Msp>

/** Where a chain ends. */
export interface ChainEnd {
  /** The number of its blocks: of the block that is next. */
  readonly height: bigint
  /** Of the last block's header. */
  readonly currentHash: Uint8Array
}

/**
 * May a block be taken as a channel's next? It must follow the one before, hold transactions of the channel in the one form that they have,
 * and be signed by those whom the channel's `BlockValidation` policy names. Its transactions may still all be invalid.
 * @param end - Of the chain so far, which has a block.
 * @param bundle - The channel as of the last block.
 * @returns `fabric-protocol/bad-block-number`, `…/bad-previous-hash`, `…/bad-data-hash`, `…/empty-block`, `…/bad-form`, `…/bad-envelope`,
 * `…/bad-payload`, `…/bad-common-header`, `…/bad-block-metadata`, `fabric-committer/other-channel`, or `fabric-msp/policy-not-satisfied`.
 * @see Fabric `internal/peer/gossip/mcs.go` VerifyBlock, `protoutil/blockutils.go` BlockDataHash; research § 3.5.1
 */
export function checkNextBlock(block: Block, end: ChainEnd, bundle: CommitterBundle): Fault | undefined {
  const chain = checkBlockAt(block, end.height, end.currentHash)
  if (chain !== undefined) return chain
  // Before anything is read of the transactions: nobody but the orderers has us do so.
  const unsigned = verifyBlockSignatures(block, bundle)
  if (unsigned !== undefined) return unsigned
  const header = firstChannelHeader(block)
  if (isFault(header)) return header
  const { channelId } = header
  if (channelId !== bundle.channelId)
    return { fault: 'fabric-committer/other-channel', detail: `the block is of '${channelId.slice(0, 80)}', not '${bundle.channelId}'` }
  return isConfigBlock(block) ? undefined : checkTransactionsForm(block.data)
}

/**
 * Reads the block that begins a channel. Nobody signs it: whoever gives it is trusted.
 * @returns The channel that it makes; a fault of {@link checkBlock}, `fabric-committer/other-channel`, or one of the configuration's.
 */
export function readGenesis(block: Block, channelId: string): CommitterBundle | Fault {
  const fault = checkBlock(block, undefined)
  if (fault !== undefined) return fault
  const [item, ...others] = block.data
  if (item === undefined || others.length > 0) return { fault: 'fabric-protocol/bad-form', detail: 'block 0 has not one transaction' }
  const transaction = readConfigTransaction(item)
  if (isFault(transaction)) return transaction
  if (transaction.channelId !== channelId)
    return { fault: 'fabric-committer/other-channel', detail: `block 0 is of '${transaction.channelId.slice(0, 80)}', not '${channelId}'` }
  const { config } = transaction.envelope
  if (config === undefined) return { fault: 'fabric-msp/bad-config', detail: 'block 0 has no configuration' }
  return channelBundle(channelId, config, channelMsp)
}
