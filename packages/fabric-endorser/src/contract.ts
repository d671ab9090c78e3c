import type { ChaincodeRuntime } from '@kumiko/fabric-chaincode'
import type { Ledger, TransientPrivateData, TransientStore } from '@kumiko/fabric-ledger'
import type { AccessControl, ChannelBundle, IdentityAccessControl, Msp } from '@kumiko/fabric-msp'
import type { ChaincodeInput, Proposal, Signer } from '@kumiko/fabric-protocol'
import type { Clock } from '@kumiko/interface'
import type { ComponentLogger, Metrics } from '@libp2p/interface'
import type { AuthFilter, ProcessProposal } from './auth-filter.ts'
import type { EndorsementPlugin } from './endorsement-plugin.ts'

/** A channel, as far as an endorser looks at it. */
export interface EndorserChannel {
  readonly channelId: string
  /** As it is configured now. */
  readonly bundle: ChannelBundle
  readonly ledger: Pick<Ledger, 'simulate' | 'blocks'>
  /** How many blocks it has. */
  readonly height: bigint
  /** Where private data waits for its block. */
  readonly transient: Pick<TransientStore, 'persist'>
}

/** Changes what a chaincode is given: adds decorations, that chaincode may trust. @see Fabric `core/handlers/decoration/decoration.go` */
export type Decorator = (proposal: Proposal, input: ChaincodeInput) => ChaincodeInput

/** Private data of a transaction that is about to be endorsed. */
export interface PrivateDataToDistribute extends TransientPrivateData {
  readonly channelId: string
  readonly txId: string
}

/** What an endorser is made of. */
export interface EndorserOptions {
  /** The peer's own identity, which endorses. */
  readonly signer: Signer
  /** The peer's own organisation: proposals for no channel are of its members. */
  readonly localMsp: Msp
  /** Undefined where the peer is not on the channel. */
  readonly channel: (channelId: string) => EndorserChannel | undefined
  readonly runtime: ChaincodeRuntime
  /** Asked for `peer/Propose`; by the identity alone where it can be, for the signature was checked then. */
  readonly access: AccessControl & Partial<IdentityAccessControl>
  readonly clock: Pick<Clock, 'now'>
  readonly limits?: {
    /** Proposals worked on at once by {@link endorserService}; more are refused. Default 2500, as Fabric's `peer.limits.concurrency.endorserService`. */
    readonly proposalsMax?: number
    /** Entries that one query of a chaincode gives at most. Default: the ledger's, 100,000. */
    readonly queryEntriesMax?: number
  }
  /** Before all other checks, the first first. Default: `[expirationCheck(clock)]`. */
  readonly authFilters?: readonly AuthFilter[]
  /** The first first. Default: none. */
  readonly decorators?: readonly Decorator[]
  /** By the name that definitions have. Default: `escc` alone, which may be replaced. */
  readonly endorsementPlugins?: ReadonlyMap<string, EndorsementPlugin>
  /**
   * Sends private data to other peers before it is kept and endorsed; what it throws fails the proposal. Default: nobody.
   * @see Fabric `gossip/privdata/distributor.go`
   */
  readonly distributePrivateData?: (data: PrivateDataToDistribute) => Promise<void>
  readonly metrics?: Metrics
  readonly logger?: ComponentLogger
}

/** Endorses proposals. Holds nothing between them. */
export interface Endorser {
  /**
   * Simulates what a proposal asks for, and endorses what came of it.
   * @param options.signal - Aborted when nobody waits for the answer: the simulation ends then, and nothing is endorsed.
   * @returns With status 500 where the peer failed, and with the chaincode's where that refused (from 400 on): not endorsed then.
   * @throws RpcError UNKNOWN where it is no proper proposal, or its creator may not propose; CANCELLED where the signal was aborted.
   */
  readonly processProposal: ProcessProposal
}
