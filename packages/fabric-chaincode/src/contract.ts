import type { Simulator } from '@kumiko/fabric-ledger'
import type { ChaincodeEvent, ChaincodeInput, ReadProposal, Response, SignedProposal } from '@kumiko/fabric-protocol'

/** A transaction that is simulated: one proposal, whatever chaincodes it comes to. */
export interface TransactionContext {
  /** Empty for a proposal that is for the peer itself. */
  readonly channelId: string
  readonly txId: string
  readonly signedProposal: SignedProposal
  readonly proposal: ReadProposal
  /** Undefined where there is no channel. The caller's to close. */
  readonly simulator: Simulator | undefined
  /** Ends the execution: the client went away, or time is up. */
  readonly signal?: AbortSignal
}

/** What an execution gave. */
export interface ChaincodeResult {
  /** The chaincode's answer: a status from 400 on is its refusal, which is no failure of ours. */
  readonly response: Response
  /** With `chaincodeId` and `txId` as Fabric fills them in. */
  readonly event: ChaincodeEvent | undefined
}

/** What an endorser must know of a chaincode on a channel before it runs it. @see Fabric `core/chaincode/lifecycle` ChaincodeEndorsementInfo */
export interface ChaincodeEndorsementInfo {
  /** The version that the channel agreed on: told in the endorsed action. */
  readonly version: string
  /** Whether it must be initialised by a transaction of its own, before any other. */
  readonly enforceInit: boolean
  /** What runs it registers under this name: a package id (`label:hash`), or in dev mode `name:version`. */
  readonly packageId: string
  /** The endorsement plugin: `escc`. */
  readonly endorsementPlugin: string
}

/** Which chaincode a name stands for on a channel. */
export interface ChaincodeDefinitions {
  /**
   * @param simulator - Reads what is defined; what it reads is recorded as Fabric records it.
   * @throws KumikoError `fabric-chaincode/not-defined`, with Fabric's words, where the channel has no such chaincode, or this peer no package for it.
   */
  endorsementInfo(channelId: string, chaincode: string, simulator: Pick<Simulator, 'getState'>): Promise<ChaincodeEndorsementInfo>
}

/** A chaincode that the peer brings along. */
export interface SystemChaincode {
  /** `qscc`. */
  readonly name: string
  /** Answers with a status from 400 on where it refuses; it throws only where the peer has failed. */
  invoke(context: TransactionContext, input: ChaincodeInput): Promise<Response>
}

/** Runs chaincode. */
export interface ChaincodeRuntime {
  /** Whether it is one that the peer brings along. */
  isSystem(chaincode: string): boolean
  /** What the endorser must know of a chaincode; for a system chaincode too. @throws As {@link ChaincodeDefinitions.endorsementInfo}. */
  endorsementInfo(context: TransactionContext, chaincode: string): Promise<ChaincodeEndorsementInfo>
  /**
   * Runs a transaction to its end; iterators that it left open are closed then.
   * @throws KumikoError `fabric-chaincode/…` where it could not be run: not running, timed out, stream lost. Fabric's words in the message.
   */
  execute(context: TransactionContext, chaincode: string, input: ChaincodeInput): Promise<ChaincodeResult>
}
