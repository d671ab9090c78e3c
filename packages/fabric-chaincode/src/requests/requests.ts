import { ChaincodeMessageType, ChaincodeSpec } from '@kumiko/fabric-protocol'
import type { Execution } from './execution.ts'
import { closeQuery, getHistoryForKey, getQueryResult, getStateByRange, nextOfQuery } from './query-requests.ts'
import { readRequest } from './read-request.ts'
import {
  deleteState,
  getPrivateDataHash,
  getState,
  getStateMetadata,
  getStateMultiple,
  purgePrivateData,
  putState,
  putStateMetadata,
  writeBatch,
} from './state-requests.ts'

/** Answers a request. @param payload - As the chaincode sent it. @returns The response's payload. @throws What {@link wordsOf} tells. */
export type RequestHandler = (execution: Execution, payload: Uint8Array) => Promise<Uint8Array>

/** What chaincodes may ask for, by the message's type. @see Fabric `core/chaincode/handler.go` */
export const REQUESTS: ReadonlyMap<number, RequestHandler> = new Map([
  [ChaincodeMessageType.getState, getState],
  [ChaincodeMessageType.getStateMultiple, getStateMultiple],
  [ChaincodeMessageType.getPrivateDataHash, getPrivateDataHash],
  [ChaincodeMessageType.getStateMetadata, getStateMetadata],
  [ChaincodeMessageType.putState, putState],
  [ChaincodeMessageType.delState, deleteState],
  [ChaincodeMessageType.putStateMetadata, putStateMetadata],
  [ChaincodeMessageType.purgePrivateData, purgePrivateData],
  [ChaincodeMessageType.writeBatchState, writeBatch],
  [ChaincodeMessageType.getStateByRange, getStateByRange],
  [ChaincodeMessageType.getQueryResult, getQueryResult],
  [ChaincodeMessageType.getHistoryForKey, getHistoryForKey],
  [ChaincodeMessageType.queryStateNext, nextOfQuery],
  [ChaincodeMessageType.queryStateClose, closeQuery],
  [ChaincodeMessageType.invokeChaincode, invokeChaincode],
])

async function invokeChaincode(execution: Execution, payload: Uint8Array): Promise<Uint8Array> {
  return await execution.peer.invoke(execution, readRequest(ChaincodeSpec, payload))
}
