import type { CallInfo } from '@kumiko/fabric-grpc'
import type {
  ChaincodeEventsResponse,
  CommitStatusResponse,
  EndorseRequest,
  EndorseResponse,
  EvaluateRequest,
  EvaluateResponse,
  SignedChaincodeEventsRequest,
  SignedCommitStatusRequest,
  SubmitRequest,
  SubmitResponse,
} from '@kumiko/fabric-protocol'
import { BlockFeeds } from './block-feeds.ts'
import { chaincodeEvents } from './chaincode-events.ts'
import { commitStatus } from './commit-status.ts'
import type { GatewayOptions } from './contract.ts'
import { endorse } from './endorse.ts'
import { Endorsers } from './endorsers.ts'
import { evaluate } from './evaluate.ts'
import { submit } from './submit.ts'

/** What a gateway looks at of a call. */
export type GatewayCall = Pick<CallInfo, 'signal'>

/**
 * Does for clients what else they would have to know the network for. All methods throw RpcError, with Fabric's codes, words and details.
 * @see Fabric `internal/pkg/gateway`
 */
export interface Gateway {
  /** Runs a transaction on one peer, for its result alone. */
  evaluate(request: EvaluateRequest, call: GatewayCall): Promise<EvaluateResponse>
  /** Has a transaction endorsed by as many peers as the policies of all that it touches ask for. */
  endorse(request: EndorseRequest, call: GatewayCall): Promise<EndorseResponse>
  /** Has an orderer take a transaction. */
  submit(request: SubmitRequest, call: GatewayCall): Promise<SubmitResponse>
  /** Tells what became of a transaction, waiting for it if need be. */
  commitStatus(request: SignedCommitStatusRequest, call: GatewayCall): Promise<CommitStatusResponse>
  /** Tells a chaincode's events, block by block. */
  chaincodeEvents(request: SignedChaincodeEventsRequest, call: GatewayCall): AsyncIterable<ChaincodeEventsResponse>
  /** Ends the connections to other peers, and transactions that go on to BFT orderers. Calls end with their signals. */
  close(): void
}

/** A peer's gateway. Does nothing before it is asked. */
export function gateway(options: GatewayOptions): Gateway {
  const endorsers = new Endorsers(options)
  const feeds = new BlockFeeds(options.channel)
  const closing = new AbortController()
  return {
    evaluate: (request, call) => evaluate(options, endorsers, request, call),
    endorse: (request, call) => endorse(options, endorsers, request, call),
    submit: (request, call) => submit(options, request, call, closing.signal),
    commitStatus: (request, call) => commitStatus(options, feeds, request, call),
    chaincodeEvents: (request, call) => chaincodeEvents(options, feeds, request, call),
    close: () => {
      closing.abort()
      endorsers.close()
    },
  }
}
