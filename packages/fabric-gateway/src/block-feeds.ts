import { BlockFeed } from './block-feed.ts'
import type { GatewayChannel, GatewayOptions } from './contract.ts'

/** A {@link BlockFeed} a channel, as long as the peer is on it. */
export class BlockFeeds {
  readonly #find: GatewayOptions['channel']
  readonly #feeds = new WeakMap<GatewayChannel, BlockFeed>()

  constructor(find: GatewayOptions['channel']) {
    this.#find = find
  }

  /** @returns Undefined where the peer is not on the channel. */
  of(channelId: string): BlockFeed | undefined {
    const channel = this.#find(channelId)
    if (channel === undefined) return
    const feed = this.#feeds.get(channel) ?? new BlockFeed(channel)
    this.#feeds.set(channel, feed)
    return feed
  }
}
