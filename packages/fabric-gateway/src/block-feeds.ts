import { BlockFeed } from './block-feed.ts'
import type { GatewayChannel, GatewayOptions } from './contract.ts'

/** A {@link BlockFeed} a channel, as long as the peer is on it. */
export class BlockFeeds {
  readonly #options: Pick<GatewayOptions, 'channel' | 'clock'>
  readonly #feeds = new WeakMap<GatewayChannel, BlockFeed>()

  constructor(options: Pick<GatewayOptions, 'channel' | 'clock'>) {
    this.#options = options
  }

  /** @returns Undefined where the peer is not on the channel. */
  of(channelId: string): BlockFeed | undefined {
    const { channel: find, clock } = this.#options
    const channel = find(channelId)
    if (channel === undefined) return
    const feed = this.#feeds.get(channel) ?? new BlockFeed(channel, clock)
    this.#feeds.set(channel, feed)
    return feed
  }
}
