import { Status } from '@kumiko/fabric-deliver'
import { type BoundMethod, type DuplexHandler, type DuplexMethod, duplex, serve } from '@kumiko/fabric-grpc'
import { BroadcastResponse, Envelope } from '@kumiko/fabric-protocol'
import type { Orderer } from './orderer.ts'

/** Takes envelopes, and answers each in its turn. */
export const BROADCAST: DuplexMethod<Envelope, BroadcastResponse> = duplex(
  '/orderer.AtomicBroadcast/Broadcast',
  Envelope,
  BroadcastResponse,
)

/** What an orderer serves over gRPC, for a listener: `orderer.AtomicBroadcast`. */
export function ordererServices(orderer: Orderer): readonly BoundMethod[] {
  return [serve(BROADCAST, broadcastHandler(orderer))]
}

/** One envelope after another, as they come; the first that is refused ends the stream. @see Fabric `orderer/common/broadcast/broadcast.go` Handle */
function broadcastHandler(orderer: Orderer): DuplexHandler<Envelope, BroadcastResponse> {
  return async (stream) => {
    for await (const envelope of stream.messages) {
      const response = await orderer.broadcast(envelope)
      if (!stream.send(response)) await stream.drained()
      if (response.status !== Status.success) return
    }
  }
}
