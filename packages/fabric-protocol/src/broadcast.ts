import { int32, type Message, message, string } from './message.ts'

/** What an orderer answers to an envelope. `orderer.BroadcastResponse`. */
export interface BroadcastResponse {
  /** A `common.Status`: 200 where the envelope will be in a block. */
  readonly status: number
  /** Why not; empty where it will. */
  readonly info: string
}

/** {@link BroadcastResponse} on the wire. */
export const BroadcastResponse: Message<BroadcastResponse> = message<BroadcastResponse>('orderer.BroadcastResponse', {
  status: int32(1),
  info: string(2),
})
