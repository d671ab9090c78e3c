import { ChaincodeAction, ChaincodeEvent, ProposalResponsePayload, type Response } from '@kumiko/fabric-protocol'

/** As of HTTP: from here on a chaincode refused, and nothing is endorsed. */
export const REFUSED = 400

/** What a simulation came to. */
export interface SimulatedAction {
  readonly proposalHash: Uint8Array
  /** A `TxReadWriteSet`'s bytes. */
  readonly results: Uint8Array
  /** Told of a transaction that was not refused. */
  readonly event: ChaincodeEvent | undefined
  readonly response: Response
  /** The chaincode's. */
  readonly name: string
  /** As the channel defines it. */
  readonly version: string
}

/**
 * What is endorsed: byte by byte what Fabric's peers make of the same simulation.
 * @returns A `ProposalResponsePayload`'s bytes.
 * @see Fabric `protoutil/proputils.go` GetBytesProposalResponsePayload
 */
export function responsePayload({ proposalHash, results, event, response, name, version }: SimulatedAction): Uint8Array {
  const events = event === undefined || response.status >= REFUSED ? new Uint8Array() : ChaincodeEvent.encode(event)
  const chaincodeId = { path: '', name, version }
  return ProposalResponsePayload.encode({ proposalHash, extension: ChaincodeAction.encode({ results, events, response, chaincodeId }) })
}
