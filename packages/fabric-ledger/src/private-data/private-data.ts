import type { PrivateReadWriteSet } from '@kumiko/fabric-protocol'

/** What a transaction wrote privately, as far as it is known here. */
export interface TransactionPrivateData {
  /** Its place in the block, from 0. */
  readonly transactionNumber: number
  readonly set: PrivateReadWriteSet
}

/** A collection's write set that is not here. */
export interface MissingPrivateData {
  /** The transaction's place in the block, from 0. */
  readonly transactionNumber: number
  readonly namespace: string
  readonly collection: string
  /** Whether the collection's policy lets this peer have it: only then it is asked for later. */
  readonly isEligible: boolean
}

/** A block's private data: what came with it, and what did not. */
export interface BlockPrivateData {
  readonly data: readonly TransactionPrivateData[]
  readonly missing: readonly MissingPrivateData[]
}

/** What the ledger asks about collections, whose definitions chaincodes bring. Answered from the state as the blocks before left it. */
export interface CollectionPolicies {
  /** How many blocks after its own a private write lives; 0 for ever; undefined where the collection is unknown: for ever too. */
  blockToLive(namespace: string, collection: string): Promise<bigint | undefined>
  /** Whether this peer may have the collection's private data. */
  isEligible(namespace: string, collection: string): Promise<boolean>
  /**
   * The same as a block before defined a chaincode's collections, for private data that a snapshot has hashes of. Default: as the state defines them.
   * @param config - A `protos.CollectionConfigPackage`'s bytes.
   * @returns Undefined where it has no such collection.
   */
  wasEligible?(config: Uint8Array, collection: string): Promise<boolean | undefined>
}
