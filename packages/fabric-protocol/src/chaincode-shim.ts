import { ChaincodeEvent } from './chaincode.ts'
import { Timestamp } from './header.ts'
import {
  bool,
  bytes,
  int32,
  type Message,
  message,
  nested,
  repeatedBytes,
  repeatedNested,
  repeatedString,
  string,
  uint32,
} from './message.ts'
import { SignedProposal } from './proposal.ts'

/** What a message between a peer and a chaincode is. `protos.ChaincodeMessage.Type`. */
export const ChaincodeMessageType = {
  undefined: 0,
  register: 1,
  registered: 2,
  init: 3,
  ready: 4,
  transaction: 5,
  completed: 6,
  error: 7,
  getState: 8,
  putState: 9,
  delState: 10,
  invokeChaincode: 11,
  response: 13,
  getStateByRange: 14,
  getQueryResult: 15,
  queryStateNext: 16,
  queryStateClose: 17,
  keepalive: 18,
  getHistoryForKey: 19,
  getStateMetadata: 20,
  putStateMetadata: 21,
  getPrivateDataHash: 22,
  purgePrivateData: 23,
  writeBatchState: 24,
  getStateMultiple: 25,
} as const

/** One of {@link ChaincodeMessageType}; the other side may send any other number. */
export type ChaincodeMessageType = (typeof ChaincodeMessageType)[keyof typeof ChaincodeMessageType]

/** The only message of a chaincode's stream, both ways. `protos.ChaincodeMessage`. */
export interface ChaincodeMessage {
  /** {@link ChaincodeMessageType}, or a number that is none. */
  readonly type: number
  readonly timestamp: Timestamp | undefined
  /** A message of the type that {@link type} asks for. */
  readonly payload: Uint8Array
  readonly txid: string
  /** With `init` and `transaction`: what the client signed. */
  readonly proposal: SignedProposal | undefined
  /** With `completed`. */
  readonly chaincodeEvent: ChaincodeEvent | undefined
  readonly channelId: string
}

/** `protos.ChaincodeMessage`. */
export const ChaincodeMessage: Message<ChaincodeMessage> = message<ChaincodeMessage>('protos.ChaincodeMessage', {
  type: int32(1),
  timestamp: nested(2, () => Timestamp),
  payload: bytes(3),
  txid: string(4),
  proposal: nested(5, () => SignedProposal),
  chaincodeEvent: nested(6, () => ChaincodeEvent),
  channelId: string(7),
})

/** What a peer can do, told with `ready`. `protos.ChaincodeAdditionalParams`, since Fabric 3.1. */
export interface ChaincodeAdditionalParams {
  readonly useWriteBatch: boolean
  /** Records in a {@link WriteBatchState} at most. */
  readonly maxSizeWriteBatch: number
  readonly useGetMultipleKeys: boolean
  /** Keys in a {@link GetStateMultiple} at most. */
  readonly maxSizeGetMultipleKeys: number
}

/** `protos.ChaincodeAdditionalParams`. */
export const ChaincodeAdditionalParams: Message<ChaincodeAdditionalParams> = message<ChaincodeAdditionalParams>(
  'protos.ChaincodeAdditionalParams',
  {
    useWriteBatch: bool(1),
    maxSizeWriteBatch: uint32(2),
    useGetMultipleKeys: bool(3),
    maxSizeGetMultipleKeys: uint32(4),
  },
)

/** A key, in the chaincode's own state or in a collection. */
export interface StateKeyRequest {
  readonly key: string
  /** Empty for none. */
  readonly collection: string
}

/** Asks for a value, or for a private value's hash. `protos.GetState`. */
export type GetState = StateKeyRequest

/** `protos.GetState`. */
export const GetState: Message<GetState> = message<GetState>('protos.GetState', { key: string(1), collection: string(2) })

/** Asks for a key's metadata. `protos.GetStateMetadata`. */
export type GetStateMetadata = StateKeyRequest

/** `protos.GetStateMetadata`. */
export const GetStateMetadata: Message<GetStateMetadata> = message<GetStateMetadata>('protos.GetStateMetadata', {
  key: string(1),
  collection: string(2),
})

/** Deletes a key, or purges a private one. `protos.DelState`; `protos.PurgePrivateState` has the same fields. */
export type DelState = StateKeyRequest

/** `protos.DelState`. */
export const DelState: Message<DelState> = message<DelState>('protos.DelState', { key: string(1), collection: string(2) })

/** Asks for several values. `protos.GetStateMultiple`. */
export interface GetStateMultiple {
  readonly keys: readonly string[]
  /** Empty for none. */
  readonly collection: string
}

/** `protos.GetStateMultiple`. */
export const GetStateMultiple: Message<GetStateMultiple> = message<GetStateMultiple>('protos.GetStateMultiple', {
  keys: repeatedString(1),
  collection: string(2),
})

/** `protos.GetStateMultipleResult`. */
export interface GetStateMultipleResult {
  /** In the order of the keys; empty where a key is absent. */
  readonly values: readonly Uint8Array[]
}

/** `protos.GetStateMultipleResult`. */
export const GetStateMultipleResult: Message<GetStateMultipleResult> = message<GetStateMultipleResult>('protos.GetStateMultipleResult', {
  values: repeatedBytes(1),
})

/** Writes a value. `protos.PutState`. */
export interface PutState extends StateKeyRequest {
  readonly value: Uint8Array
}

/** `protos.PutState`. */
export const PutState: Message<PutState> = message<PutState>('protos.PutState', { key: string(1), value: bytes(2), collection: string(3) })

/** One of a key's metadata. `protos.StateMetadata`. */
export interface StateMetadata {
  readonly metakey: string
  readonly value: Uint8Array
}

/** `protos.StateMetadata`. */
export const StateMetadata: Message<StateMetadata> = message<StateMetadata>('protos.StateMetadata', { metakey: string(1), value: bytes(2) })

/** `protos.StateMetadataResult`. */
export interface StateMetadataResult {
  readonly entries: readonly StateMetadata[]
}

/** `protos.StateMetadataResult`. */
export const StateMetadataResult: Message<StateMetadataResult> = message<StateMetadataResult>('protos.StateMetadataResult', {
  entries: repeatedNested(1, () => StateMetadata),
})

/** Replaces a key's metadata. `protos.PutStateMetadata`. */
export interface PutStateMetadata extends StateKeyRequest {
  readonly metadata: StateMetadata | undefined
}

/** `protos.PutStateMetadata`. */
export const PutStateMetadata: Message<PutStateMetadata> = message<PutStateMetadata>('protos.PutStateMetadata', {
  key: string(1),
  collection: string(3),
  metadata: nested(4, () => StateMetadata),
})

/** A write among others: its type is that of the message that would do it alone. `protos.WriteRecord`. */
export interface WriteRecord extends PutState {
  readonly metadata: StateMetadata | undefined
  /** `putState`, `delState`, `putStateMetadata` or `purgePrivateData` of {@link ChaincodeMessageType}; or a number that is none. */
  readonly type: number
}

/** `protos.WriteRecord`. */
export const WriteRecord: Message<WriteRecord> = message<WriteRecord>('protos.WriteRecord', {
  key: string(1),
  value: bytes(2),
  collection: string(3),
  metadata: nested(4, () => StateMetadata),
  type: int32(5),
})

/** Several writes, in their order. `protos.WriteBatchState`. */
export interface WriteBatchState {
  readonly rec: readonly WriteRecord[]
}

/** `protos.WriteBatchState`. */
export const WriteBatchState: Message<WriteBatchState> = message<WriteBatchState>('protos.WriteBatchState', {
  rec: repeatedNested(1, () => WriteRecord),
})

/** Asks for a range of keys. `protos.GetStateByRange`. */
export interface GetStateByRange {
  readonly startKey: string
  /** Excluded; empty for no end. */
  readonly endKey: string
  /** Empty for none. */
  readonly collection: string
  /** A {@link QueryMetadata}'s bytes. */
  readonly metadata: Uint8Array
}

/** `protos.GetStateByRange`. */
export const GetStateByRange: Message<GetStateByRange> = message<GetStateByRange>('protos.GetStateByRange', {
  startKey: string(1),
  endKey: string(2),
  collection: string(3),
  metadata: bytes(4),
})

/** Asks the state database in its own language. `protos.GetQueryResult`. */
export interface GetQueryResult {
  readonly query: string
  /** Empty for none. */
  readonly collection: string
  /** A {@link QueryMetadata}'s bytes. */
  readonly metadata: Uint8Array
}

/** `protos.GetQueryResult`. */
export const GetQueryResult: Message<GetQueryResult> = message<GetQueryResult>('protos.GetQueryResult', {
  query: string(1),
  collection: string(2),
  metadata: bytes(3),
})

/** Which page of a query. `protos.QueryMetadata`. */
export interface QueryMetadata {
  readonly pageSize: number
  readonly bookmark: string
}

/** `protos.QueryMetadata`. */
export const QueryMetadata: Message<QueryMetadata> = message<QueryMetadata>('protos.QueryMetadata', {
  pageSize: int32(1),
  bookmark: string(2),
})

/** Asks what became of a key. `protos.GetHistoryForKey`. */
export interface GetHistoryForKey {
  readonly key: string
}

/** `protos.GetHistoryForKey`. */
export const GetHistoryForKey: Message<GetHistoryForKey> = message<GetHistoryForKey>('protos.GetHistoryForKey', { key: string(1) })

/** Asks for more of a query, or ends it. `protos.QueryStateNext`, `protos.QueryStateClose`. */
export interface QueryStateId {
  /** As {@link QueryResponse.id} has it. */
  readonly id: string
}

/** `protos.QueryStateNext`; `protos.QueryStateClose` has the same field. */
export const QueryStateId: Message<QueryStateId> = message<QueryStateId>('protos.QueryStateNext', { id: string(1) })

/** `protos.QueryResultBytes`. */
export interface QueryResultBytes {
  /** A {@link QueryResultKv}'s or a {@link QueryResultKeyModification}'s bytes. */
  readonly resultBytes: Uint8Array
}

/** `protos.QueryResultBytes`. */
export const QueryResultBytes: Message<QueryResultBytes> = message<QueryResultBytes>('protos.QueryResultBytes', { resultBytes: bytes(1) })

/** A part of what a query found. `protos.QueryResponse`. */
export interface QueryResponse {
  readonly results: readonly QueryResultBytes[]
  readonly hasMore: boolean
  readonly id: string
  /** A {@link QueryResponseMetadata}'s bytes, where a page was asked for. */
  readonly metadata: Uint8Array
}

/** `protos.QueryResponse`. */
export const QueryResponse: Message<QueryResponse> = message<QueryResponse>('protos.QueryResponse', {
  results: repeatedNested(1, () => QueryResultBytes),
  hasMore: bool(2),
  id: string(3),
  metadata: bytes(4),
})

/** Of a page. `protos.QueryResponseMetadata`. */
export interface QueryResponseMetadata {
  readonly fetchedRecordsCount: number
  /** Where the next page begins. */
  readonly bookmark: string
}

/** `protos.QueryResponseMetadata`. */
export const QueryResponseMetadata: Message<QueryResponseMetadata> = message<QueryResponseMetadata>('protos.QueryResponseMetadata', {
  fetchedRecordsCount: int32(1),
  bookmark: string(2),
})

/** A key that a query found. `queryresult.KV`. */
export interface QueryResultKv {
  readonly namespace: string
  readonly key: string
  readonly value: Uint8Array
}

/** `queryresult.KV`. */
export const QueryResultKv: Message<QueryResultKv> = message<QueryResultKv>('queryresult.KV', {
  namespace: string(1),
  key: string(2),
  value: bytes(3),
})

/** What a transaction made of a key. `queryresult.KeyModification`. */
export interface QueryResultKeyModification {
  readonly txId: string
  /** Empty where the key was deleted. */
  readonly value: Uint8Array
  readonly timestamp: Timestamp | undefined
  readonly isDelete: boolean
}

/** `queryresult.KeyModification`. */
export const QueryResultKeyModification: Message<QueryResultKeyModification> = message<QueryResultKeyModification>(
  'queryresult.KeyModification',
  {
    txId: string(1),
    value: bytes(2),
    timestamp: nested(3, () => Timestamp),
    isDelete: bool(4),
  },
)
