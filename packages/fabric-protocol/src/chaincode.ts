import { bool, bytes, int32, type Message, map, message, nested, repeatedBytes, string } from './message.ts'

/** `protos.ChaincodeID`. */
export interface ChaincodeId {
  readonly path: string
  readonly name: string
  readonly version: string
}

/** `protos.ChaincodeID`. */
export const ChaincodeId: Message<ChaincodeId> = message<ChaincodeId>('protos.ChaincodeID', {
  path: string(1),
  name: string(2),
  version: string(3),
})

/** The function and its arguments. `protos.ChaincodeInput`. */
export interface ChaincodeInput {
  readonly args: readonly Uint8Array[]
  readonly decorations: ReadonlyMap<string, Uint8Array>
  readonly isInit: boolean
}

/** `protos.ChaincodeInput`. */
export const ChaincodeInput: Message<ChaincodeInput> = message<ChaincodeInput>('protos.ChaincodeInput', {
  args: repeatedBytes(1),
  decorations: map(2, bytes),
  isInit: bool(3),
})

/** `protos.ChaincodeSpec`. */
export interface ChaincodeSpec {
  /** 0 undefined, 1 Go, 2 Node, 3 car, 4 Java. Peers do not look at it. */
  readonly type: number
  readonly chaincodeId: ChaincodeId | undefined
  readonly input: ChaincodeInput | undefined
  readonly timeout: number
}

/** `protos.ChaincodeSpec`. */
export const ChaincodeSpec: Message<ChaincodeSpec> = message<ChaincodeSpec>('protos.ChaincodeSpec', {
  type: int32(1),
  chaincodeId: nested(2, () => ChaincodeId),
  input: nested(3, () => ChaincodeInput),
  timeout: int32(4),
})

/** What a proposal asks for. `protos.ChaincodeInvocationSpec`. */
export interface ChaincodeInvocationSpec {
  readonly chaincodeSpec: ChaincodeSpec | undefined
}

/** `protos.ChaincodeInvocationSpec`. */
export const ChaincodeInvocationSpec: Message<ChaincodeInvocationSpec> = message<ChaincodeInvocationSpec>(
  'protos.ChaincodeInvocationSpec',
  {
    chaincodeSpec: nested(1, () => ChaincodeSpec),
  },
)

/** What a chaincode tells of a transaction. `protos.ChaincodeEvent`. */
export interface ChaincodeEvent {
  readonly chaincodeId: string
  readonly txId: string
  readonly eventName: string
  readonly payload: Uint8Array
}

/** `protos.ChaincodeEvent`. */
export const ChaincodeEvent: Message<ChaincodeEvent> = message<ChaincodeEvent>('protos.ChaincodeEvent', {
  chaincodeId: string(1),
  txId: string(2),
  eventName: string(3),
  payload: bytes(4),
})

/** What a chaincode answered. `protos.Response`. */
export interface Response {
  /** As of HTTP: from 400 on it is an error. */
  readonly status: number
  readonly message: string
  readonly payload: Uint8Array
}

/** `protos.Response`. */
export const Response: Message<Response> = message<Response>('protos.Response', { status: int32(1), message: string(2), payload: bytes(3) })
