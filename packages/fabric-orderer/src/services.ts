import { type DeliverChannel, type DeliverServerOptions, ordererDeliver, Status } from '@kumiko/fabric-deliver'
import { type BoundMethod, type DuplexHandler, type DuplexMethod, duplex, serve } from '@kumiko/fabric-grpc'
import { BroadcastResponse, Envelope } from '@kumiko/fabric-protocol'
import type { Orderer } from './orderer.ts'

/** Takes envelopes, and answers each in its turn. */
export const BROADCAST: DuplexMethod<Envelope, BroadcastResponse> = duplex(
  '/orderer.AtomicBroadcast/Broadcast',
  Envelope,
  BroadcastResponse,
)

/** How an orderer's blocks are served. */
export type OrdererServicesOptions = Omit<DeliverServerOptions<DeliverChannel>, 'channel'>

/** What an orderer serves over gRPC, for a listener: `orderer.AtomicBroadcast`, which is `Broadcast` and `Deliver`. */
export function ordererServices(orderer: Orderer, options: OrdererServicesOptions = {}): readonly BoundMethod[] {
  const channel = (channelId: string): DeliverChannel | undefined => orderer.channel(channelId)
  return [serve(BROADCAST, broadcastHandler(orderer)), ordererDeliver({ ...options, channel })]
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
