import type { Endpoint } from '@kumiko/fabric-grpc'
import {
  type ChannelBundle,
  channelMsp,
  nextChannelBundle,
  readConfigTransaction,
  verifyBlockSignatures,
  type X509Msp,
} from '@kumiko/fabric-msp'
import { type Block, checkTransactionsForm, firstChannelHeader, isConfigBlock } from '@kumiko/fabric-protocol'
import { type Fault, isFault } from '@kumiko/interface'
import { type OrdererEndpointOptions, ordererEndpoints } from './endpoint.ts'

/** Judges a chain's blocks one after another. Number and hashes were checked before. */
export interface BlockVerifier {
  /** @returns Why the block is not to be taken; undefined where it is: the blocks that follow are then judged as those after it. */
  verify(block: Block): Fault | undefined
  /** Where the configuration, as of the last block, says that blocks are to be had; undefined or empty: where the client was told. */
  readonly endpoints?: readonly Endpoint[] | undefined
}

/**
 * Takes the blocks that are of the channel, hold transactions in the one form that they have, and are signed by the channel's orderers, as the channel's configuration asks for
 * (`/Channel/Orderer/BlockValidation`), and follows that configuration: a configuration block holds for those after it.
 *
 * A configuration block whose update is not valid changes nothing here; a peer stops at it, so whoever takes the blocks says so.
 * @param bundle - As of the block before the first that is to be judged.
 * @param options - How orderers are reached that a configuration block names.
 * @see Fabric `common/deliverclient/block_verification.go`, `internal/peer/gossip/mcs.go` VerifyBlock
 */
export function blockVerifier(bundle: ChannelBundle<X509Msp>, options: OrdererEndpointOptions = {}): BlockVerifier {
  let current = bundle
  let endpoints: readonly Endpoint[] | undefined
  return {
    verify: (block) => {
      // First, so that nobody but the orderers has us read transactions.
      const unsigned = verifyBlockSignatures(block, current)
      if (unsigned !== undefined) return unsigned
      const header = firstChannelHeader(block)
      if (isFault(header)) return header
      const { channelId } = header
      if (channelId !== current.channelId) return otherChannel(block, channelId)
      const isConfig = isConfigBlock(block)
      const fault = isConfig ? undefined : checkTransactionsForm(block.data)
      if (fault !== undefined || !isConfig) return fault
      const next = configuredBy(block, current)
      if (next === undefined) return
      current = next
      endpoints = ordererEndpoints(next, options)
      return
    },
    get endpoints() {
      return endpoints
    },
  }
}

/** The channel from this block on; undefined where its configuration is no valid one. */
function configuredBy({ data: [first] }: Block, current: ChannelBundle<X509Msp>): ChannelBundle<X509Msp> | undefined {
  const transaction = first && readConfigTransaction(first)
  if (transaction === undefined || isFault(transaction)) return
  const next = nextChannelBundle(current, transaction.envelope, channelMsp)
  return isFault(next) ? undefined : next
}

function otherChannel({ header: { number } }: Block, channelId: string): Fault {
  return { fault: 'fabric-deliver/other-channel', detail: `block ${number} is of '${channelId.slice(0, 100)}'` }
}
