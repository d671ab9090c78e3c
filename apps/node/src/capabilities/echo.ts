import { type Capability, type Channel, type Clock, type Millis, type Peer, systemClock } from '@kumiko/interface'

const REQUEST = 0
const REPLY = 1

/** Options of {@link echo}. */
export interface EchoOptions {
  /** Sent to each peer once, at the start. Default: nothing, so that we only answer. */
  readonly greeting?: Uint8Array
  /** Our greeting came back unchanged. @param roundTripMs - Since it was sent. */
  readonly onReply?: (peer: Peer, roundTripMs: Millis) => void
  readonly clock?: Clock
}

/**
 * The capability `echo/1`: code 0 is a request with any payload, code 1 the reply with the same payload. One who replies unasked, or with
 * something else, is disconnected for `breach-of-protocol`.
 */
export function echo(options: EchoOptions = {}): Capability {
  return { name: 'echo', version: 1, length: 2, run: (channel, peer) => serve(channel, peer, options) }
}

async function serve(channel: Channel, peer: Peer, { greeting, onReply, clock = systemClock }: EchoOptions): Promise<void> {
  let awaited = greeting
  const sentAt = clock.now()
  if (awaited !== undefined) channel.send(REQUEST, awaited)
  for await (const { code, payload } of channel) {
    if (code === REQUEST) {
      // Who sends faster than it reads has to wait: no request is taken before the reply to the last one is on its way.
      if (!channel.send(REPLY, payload)) await channel.drain()
    } else if (awaited !== undefined && Buffer.compare(payload, awaited) === 0) {
      awaited = undefined
      onReply?.(peer, clock.now() - sentAt)
    } else {
      return peer.disconnect('breach-of-protocol')
    }
  }
}
