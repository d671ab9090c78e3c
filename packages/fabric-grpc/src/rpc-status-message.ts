import { bytes, int32, type Message, message, repeatedNested, string } from '@kumiko/fabric-protocol'
import { isFault } from '@kumiko/interface'
import type { RpcDetail } from './rpc-error.ts'

interface StatusMessage {
  readonly code: number
  readonly message: string
  readonly details: readonly RpcDetail[]
}

const Any: Message<RpcDetail> = message<RpcDetail>('google.protobuf.Any', { typeUrl: string(1), value: bytes(2) })
const StatusMessage: Message<StatusMessage> = message<StatusMessage>('google.rpc.Status', {
  code: int32(1),
  message: string(2),
  details: repeatedNested(3, () => Any),
})

/** In the trailer `grpc-status-details-bin`: what explains an error. */
export const DETAILS_HEADER = 'grpc-status-details-bin'

/** A `google.rpc.Status` with what explains the error. */
export function encodeDetails(code: number, text: string, details: readonly RpcDetail[]): Uint8Array {
  return StatusMessage.encode({ code, message: text, details })
}

/** What a `google.rpc.Status` tells besides code and message; empty where the bytes are none. */
export function decodeDetails(source: Uint8Array): readonly RpcDetail[] {
  const status = StatusMessage.decode(source)
  return isFault(status) ? [] : status.details
}
