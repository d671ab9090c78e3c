import { type BoundMethod, limited, type ServerStreamMethod, serve, serverStream, type UnaryMethod, unary } from '@kumiko/fabric-grpc'
import {
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
import type { Gateway } from './gateway.ts'

/** The methods of `gateway.Gateway`. @see fabric-protos `gateway/gateway.proto` */
export const GatewayMethods: {
  readonly evaluate: UnaryMethod<EvaluateRequest, EvaluateResponse>
  readonly endorse: UnaryMethod<EndorseRequest, EndorseResponse>
  readonly submit: UnaryMethod<SubmitRequest, SubmitResponse>
  readonly commitStatus: UnaryMethod<SignedCommitStatusRequest, CommitStatusResponse>
  readonly chaincodeEvents: ServerStreamMethod<SignedChaincodeEventsRequest, ChaincodeEventsResponse>
} = {
  evaluate: unary('/gateway.Gateway/Evaluate', EvaluateRequest, EvaluateResponse),
  endorse: unary('/gateway.Gateway/Endorse', EndorseRequest, EndorseResponse),
  submit: unary('/gateway.Gateway/Submit', SubmitRequest, SubmitResponse),
  commitStatus: unary('/gateway.Gateway/CommitStatus', SignedCommitStatusRequest, CommitStatusResponse),
  chaincodeEvents: serverStream('/gateway.Gateway/ChaincodeEvents', SignedChaincodeEventsRequest, ChaincodeEventsResponse),
}

/** How a gateway is served. */
export interface GatewayServiceOptions {
  /** Calls at a time, streams of events among them; 0 is no limit. Default 500 (`peer.limits.concurrency.gatewayService`). */
  readonly concurrencyMax?: number
}

/** What serves `gateway.Gateway`, for a `GrpcListener`. */
export function gatewayService(gateway: Gateway, { concurrencyMax = 500 }: GatewayServiceOptions = {}): readonly BoundMethod[] {
  const bound = [
    serve(GatewayMethods.evaluate, (request, call) => gateway.evaluate(request, call)),
    serve(GatewayMethods.endorse, (request, call) => gateway.endorse(request, call)),
    serve(GatewayMethods.submit, (request, call) => gateway.submit(request, call)),
    serve(GatewayMethods.commitStatus, (request, call) => gateway.commitStatus(request, call)),
    serve(GatewayMethods.chaincodeEvents, (request, call) => gateway.chaincodeEvents(request, call)),
  ]
  return concurrencyMax === 0 ? bound : limited(bound, concurrencyMax)
}
