import type { Millis } from '@kumiko/interface'
import type { Metrics } from '@libp2p/interface'

/** What an orderer measures. */
export interface OrdererMetrics {
  /** An envelope was answered. */
  processed(channelId: string): void
  /** An envelope was checked. */
  validated(channelId: string, tookMs: Millis): void
  /** An envelope was put in the log. */
  enqueued(channelId: string, tookMs: Millis): void
  /** A block was filled: since its first envelope was read. */
  filled(channelId: string, tookMs: Millis): void
  /** A channel makes blocks, or does so no more. */
  status(channelId: string, status: 'active' | 'inactive' | 'failed'): void
}

/** In seconds. */
const BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** As Fabric tells them. */
const STATUS = { inactive: 0, active: 1, failed: 3 } as const

/**
 * Measures by Fabric's names, each by channel alone. They measure nothing where there are no metrics.
 * @see Fabric `orderer/common/{broadcast,blockcutter,multichannel}/metrics.go`
 */
export function ordererMetrics(metrics: Metrics | undefined): OrdererMetrics {
  const none = () => {}
  if (metrics === undefined) return { processed: none, validated: none, enqueued: none, filled: none, status: none }
  const label = 'channel'
  const timed = (name: string, help: string) => {
    const durations = metrics.registerHistogramGroup(name, { label, help, buckets: BUCKETS })
    return (channelId: string, tookMs: Millis) => durations.observe({ [channelId]: tookMs / 1000 })
  }
  const processed = metrics.registerCounterGroup('broadcast_processed_count', { label, help: 'The number of transactions processed.' })
  const status = metrics.registerMetricGroup('participation_status', {
    label,
    help: 'The channel participation status of the node: 0 if inactive, 1 if active, 2 if onboarding, 3 if failed.',
  })
  return {
    processed: (channelId) => processed.increment({ [channelId]: true }),
    validated: timed('broadcast_validate_duration', 'The time to validate a transaction in seconds.'),
    enqueued: timed('broadcast_enqueue_duration', 'The time to enqueue a transaction in seconds.'),
    filled: timed('blockcutter_block_fill_duration', 'The time from first transaction enqueuing to the block being cut in seconds.'),
    status: (channelId, told) => status.update({ [channelId]: STATUS[told] }),
  }
}
