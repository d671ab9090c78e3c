import type { ChannelBundle } from '@kumiko/fabric-msp'
import type { Block, PrivateReadWriteSet } from '@kumiko/fabric-protocol'

/** What a deliver service reads of a channel. All getters are asked anew each time. */
export interface DeliverChannel {
  readonly bundle: Pick<ChannelBundle, 'config' | 'msps' | 'policies' | 'orderer'>
  /** The number of blocks. */
  readonly height: bigint
  /**
   * Blocks from a number on, those that are there and then each as it comes; none is held for who does not ask.
   * @param options.signal - Ends the loop.
   */
  commits(from: bigint, options: { readonly signal: AbortSignal }): AsyncIterable<{ readonly block: Block }>
  /** Of a ledger that began with a snapshot: the first block that is there. Default 0. */
  readonly firstBlock?: bigint
  /** Of an orderer: aborted when it can order no more. Clients are told so, unless they want blocks all the same. */
  readonly errored?: AbortSignal
}

/** What a peer's channel has besides, for `DeliverWithPrivateData`. A `Ledger` of `@kumiko/fabric-ledger` is such a ledger. */
export interface PeerDeliverChannel extends DeliverChannel {
  readonly ledger: {
    readonly privateData: {
      read(blockNumber: bigint): Promise<readonly { readonly transactionNumber: number; readonly set: PrivateReadWriteSet }[] | undefined>
    }
    readonly collectionConfigs: {
      /** A `CollectionConfigPackage`'s bytes, as an earlier block left it. */
      mostRecentBelow(chaincode: string, blockNumber: bigint): Promise<{ readonly config: Uint8Array } | undefined>
    }
  }
}
